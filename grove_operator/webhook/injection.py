"""Keeps the caBundle of our webhook configurations equal to the bundle of the Secret.

Owns which configurations those are, whose hands they are in, and the writes. Refuses to make them:
a chart or a user does; one that appears later is completed then. What cert-manager fills is left
to it. Nothing is written while nothing differs.
"""

import asyncio
import base64
import logging
from collections.abc import Mapping
from typing import Any, Final

from grove_operator import metrics
from grove_operator.cluster.connection import Api
from grove_operator.cluster.informer import Pace
from grove_operator.cluster.resources import MUTATING_WEBHOOKS, VALIDATING_WEBHOOKS
from grove_operator.cluster.single import Body, Single
from grove_operator.cluster.transport import back_off
from grove_operator.errors import ClusterError, ConflictError, NotFoundError
from grove_operator.webhook.registration import registrations

_LOG = logging.getLogger(__name__)
_OTHER_HANDS: Final = frozenset(
    {
        "cert-manager.io/inject-ca-from",
        "cert-manager.io/inject-ca-from-secret",
        "cert-manager.io/inject-apiserver-ca",
    }
)


def configurations() -> Mapping[str, bool]:
    """Names of our configurations, and whether each is a mutating one.

    The authorizer's is among them even if it is off: what is registered must be reachable.
    """
    return {found.configuration: found.mutating for found in registrations(authorizer=True)}


def completed(body: Body, bundle: bytes) -> Body | None:
    """The configuration with the bundle in all its webhooks; None if there is nothing to do."""
    annotations = body.get("metadata", {}).get("annotations") or {}
    webhooks: list[dict[str, Any]] = body.get("webhooks") or []
    wanted = base64.b64encode(bundle).decode()
    right = all(webhook["clientConfig"].get("caBundle") == wanted for webhook in webhooks)
    if right or not _OTHER_HANDS.isdisjoint(annotations):
        return None
    filled = [
        webhook | {"clientConfig": webhook["clientConfig"] | {"caBundle": wanted}}
        for webhook in webhooks
    ]
    return body | {"webhooks": filled}


class Injector:
    """`bundle` is set from outside with `want`; `run` sees to it."""

    def __init__(
        self, api: Api, followed: Mapping[str, bool] | None = None, pace: Pace | None = None
    ) -> None:
        self._changed = asyncio.Event()
        self._bundle: bytes | None = None
        self._trouble: str | None = None
        self.done = asyncio.Event()
        """Set while every configuration that there is carries the bundle, as far as we know."""
        self._followed = [
            Single(
                api,
                MUTATING_WEBHOOKS if mutating else VALIDATING_WEBHOOKS,
                None,
                name,
                changed=self._changed,
                pace=pace,
            )
            for name, mutating in (followed or configurations()).items()
        ]

    def want(self, bundle: bytes) -> None:
        if bundle != self._bundle:
            self._bundle = bundle
            self.done.clear()
            self._changed.set()

    async def run(self) -> None:
        async with asyncio.TaskGroup() as parts:
            for single in self._followed:
                parts.create_task(single.run())
            parts.create_task(self._keep())

    async def _keep(self) -> None:
        for single in self._followed:
            await single.synced.wait()
        failures = 0
        while True:
            self._changed.clear()
            try:
                await self._put_right()
            except ClusterError as error:
                self._note(error)
                failures += 1
                await asyncio.sleep(back_off(failures, getattr(error, "retry_after", None)))
                continue
            failures, self._trouble = 0, None
            await self._changed.wait()

    async def _put_right(self) -> None:
        """Look at each; one that refuses does not keep the others from theirs."""
        refused: ClusterError | None = None
        bundle = self._bundle
        if bundle is None:
            return
        for single in self._followed:
            try:
                await self._inject(single, bundle)
            except ClusterError as error:
                refused = error
        if refused is not None:
            raise refused
        if bundle == self._bundle:
            self.done.set()

    async def _inject(self, single: Single, bundle: bytes) -> None:
        while single.body is not None:
            body = completed(single.body, bundle)
            if body is None:
                return
            self.done.clear()
            try:
                await single.replace(body)
            except (ConflictError, NotFoundError):
                await single.refresh()
            else:
                metrics.count_certificate("injected")
                _LOG.info("caBundle is put right", extra={"configuration": single.name})

    def _note(self, error: ClusterError) -> None:
        metrics.count_certificate("failed")
        text = str(error)
        if text != self._trouble:
            self._trouble = text
            _LOG.warning("caBundle cannot be put right yet", extra={"error": text})
