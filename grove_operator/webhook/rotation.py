"""Certificates in mode `auto`: made, renewed and served by the webhook processes themselves.

Owns the Secret and its writes, and the order in which a new one takes effect. Every replica does
the same: it serves what the Secret holds and does the next step if it is due; the API server lets
one writer win, and the others take what is there. Refuses to know the rules (renewal.py).
"""

import asyncio
import base64
import binascii
import hashlib
import logging
import socket
import ssl
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Protocol

from grove_operator import metrics
from grove_operator.api import labels
from grove_operator.cluster.connection import Api
from grove_operator.cluster.resources import SECRETS
from grove_operator.cluster.single import Body, Single
from grove_operator.cluster.transport import back_off
from grove_operator.errors import (
    AlreadyExistsError,
    ClusterError,
    ConflictError,
    NotFoundError,
)
from grove_operator.settings import Settings
from grove_operator.webhook.certificates import service_names
from grove_operator.webhook.files import FileCertificates
from grove_operator.webhook.injection import Injector
from grove_operator.webhook.renewal import (
    Decision,
    Material,
    Step,
    Terms,
    carry_out,
    decide,
    examine,
)
from grove_operator.webhook.serving import Served

_LOG = logging.getLogger(__name__)
_KEYS: Final = {"tls_crt": "tls.crt", "tls_key": "tls.key", "ca_crt": "ca.crt", "ca_key": "ca.key"}
_LONGEST_WAIT: Final = timedelta(hours=6)
"""Deadlines are times of day, and the clock may be set while we wait."""


class Certificates(Protocol):
    """What the webhook process needs of either mode."""

    @property
    def context(self) -> ssl.SSLContext: ...
    @property
    def ready(self) -> asyncio.Event: ...
    def problem(self) -> str | None: ...
    async def run(self) -> None: ...


def make_certificates(api: Api, namespace: str, settings: Settings) -> Certificates:
    chosen = settings.server.webhooks
    if chosen.cert_provision_mode == "manual":
        return FileCertificates(chosen.server_cert_dir)
    terms = Terms(
        names=(*service_names(chosen.service_name, namespace), *chosen.extra_names),
        leaf_lifetime=timedelta(seconds=chosen.leaf_lifetime),
        ca_lifetime=timedelta(seconds=chosen.ca_lifetime),
        share=share_of(socket.gethostname()),
    )
    secret = Single(api, SECRETS, namespace, chosen.secret_name)
    return RotatedCertificates(secret, Injector(api), terms)


def share_of(identity: str) -> float:
    """A number from 0 to 1 that is always the same for this replica."""
    digest = hashlib.sha256(identity.encode()).digest()
    return int.from_bytes(digest[:4]) / 2**32


class RotatedCertificates:
    def __init__(
        self,
        secret: Single,
        injector: Injector,
        terms: Terms,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._secret = secret
        self._injector = injector
        self._terms = terms
        self._clock = clock
        self._served = Served()
        self._trouble: str | None = None
        self._rejected: str | None = None
        self.context = self._served.context
        self.ready = self._served.ready

    def problem(self) -> str | None:
        """For the readiness probe."""
        problem = self._served.problem(self._clock())
        why = self._trouble or self._rejected
        return f"{problem}: {why}" if problem and why else problem

    async def run(self) -> None:
        async with asyncio.TaskGroup() as parts:
            parts.create_task(self._secret.run())
            parts.create_task(self._injector.run())
            parts.create_task(self._keep())

    async def _keep(self) -> None:
        await self._secret.synced.wait()
        failures = 0
        while True:
            self._secret.changed.clear()
            try:
                decision = await self._advance()
            except ClusterError as error:
                self._note(error)
                failures += 1
                await asyncio.sleep(back_off(failures, getattr(error, "retry_after", None)))
                continue
            failures, self._trouble = 0, None
            if decision.step is Step.WAIT:
                await self._pause(decision.until)

    async def _advance(self) -> Decision:
        """Serve what is there, then do one step if one is due."""
        now = self._clock()
        held = material_of(self._secret.body)
        self._take_up(held, now)
        decision = decide(held, self._terms, now)
        if decision.promotes and not self._injector.done.is_set():
            # The old leaf still works; with the new one the API server could not reach us.
            await self._pause(decision.until, self._injector.done)
        elif decision.step is not Step.WAIT:
            await self._write(carry_out(decision.step, held, self._terms, now), decision)
        return decision

    def _take_up(self, held: Material, now: datetime) -> None:
        standing = examine(held, now)
        if standing.leaf is None:
            return
        self._injector.want(standing.bundle)
        problem = self._served.load(held.tls_crt, held.tls_key)
        if problem != self._rejected:
            self._rejected = problem
            if problem:
                metrics.count_certificate("rejected")
                _LOG.error("the new certificate is not served", extra={"why": problem})

    async def _write(self, material: Material, decision: Decision) -> None:
        old = self._secret.body
        try:
            if old is None:
                await self._secret.create(new_secret(material, self._secret))
            else:
                await self._secret.replace(refilled(old, material))
        except (AlreadyExistsError, ConflictError, NotFoundError):
            metrics.count_certificate("conflict")
            await self._secret.refresh()
            return
        metrics.count_certificate(decision.step.value)
        _LOG.info(
            "certificates are written",
            extra={
                "what": decision.step.value,
                "why": decision.why,
                "stored_in": self._secret.name,
            },
        )

    async def _pause(self, until: datetime, *events: asyncio.Event) -> None:
        """Until the Secret changes, one of the events is set, or the time comes."""
        wait = min(until - self._clock(), _LONGEST_WAIT).total_seconds()
        waits = [asyncio.ensure_future(event.wait()) for event in (self._secret.changed, *events)]
        try:
            await asyncio.wait(waits, timeout=max(0.0, wait), return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in waits:
                task.cancel()

    def _note(self, error: ClusterError) -> None:
        metrics.count_certificate("failed")
        text = str(error)
        if text != self._trouble:
            self._trouble = text
            _LOG.warning("the certificates' Secret is out of reach", extra={"error": text})


def material_of(secret: Body | None) -> Material:
    """Read a Secret's entries; what is not base64 counts as missing."""
    data: dict[str, Any] = (secret or {}).get("data") or {}
    return Material(**{field: _decoded(data.get(key)) for field, key in _KEYS.items()})


def refilled(old: Body, material: Material) -> Body:
    """The Secret with other entries; everything in it that is not ours stays."""
    return old | {"data": (old.get("data") or {}) | _entries(material)}


def new_secret(material: Material, place: Single) -> Body:
    return {
        "apiVersion": SECRETS.api_version,
        "kind": SECRETS.kind,
        "type": "kubernetes.io/tls",
        "metadata": {
            "name": place.name,
            "namespace": place.namespace,
            "labels": {
                labels.MANAGED_BY: "grove-operator",
                labels.COMPONENT: "webhook",
                labels.PART_OF: "grove",
            },
        },
        "data": _entries(material),
    }


def _entries(material: Material) -> dict[str, str]:
    return {
        key: base64.b64encode(getattr(material, field)).decode() for field, key in _KEYS.items()
    }


def _decoded(value: object) -> bytes:
    try:
        return base64.b64decode(str(value or ""), validate=True)
    except (binascii.Error, ValueError):
        return b""
