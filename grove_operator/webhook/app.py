"""The composition root of the webhook process: every replica serves, none leads.

The only place that knows which parts this process has. Admission is a process of its own, so that
reconciling thousands of pods never becomes latency of somebody's `kubectl apply`.
"""

import asyncio
import gc
import logging
import os
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any, Final

import kopf

from grove_operator.cluster.config import ClientOptions, own_namespace
from grove_operator.cluster.connection import Api
from grove_operator.cluster.discovery import Discovery
from grove_operator.process.launch import launch
from grove_operator.process.probes import Address, Check, Probes
from grove_operator.process.shell import Shell, kopf_settings
from grove_operator.process.supervisor import Supervisor
from grove_operator.settings import Settings
from grove_operator.webhook.gate import Gate, policy_of
from grove_operator.webhook.lookups import Lookups
from grove_operator.webhook.protection import Protection, protection_of
from grove_operator.webhook.registration import registrations
from grove_operator.webhook.rehearsal import Rehearsal
from grove_operator.webhook.reviews import GROVE_KINDS, admission_handlers
from grove_operator.webhook.rotation import make_certificates
from grove_operator.webhook.server import Server

_LOG = logging.getLogger(__name__)
_GARBAGE: Final = (5_000, 20, 50)
"""How often to look for garbage: each review leaves some, and a look stops all others meanwhile. Of
50,000 objects, as elsewhere, it takes 20 ms on an idle machine."""


def main(config: Path | None, kubeconfig: str | None, env: Mapping[str, str] = os.environ) -> int:
    """Serve until told to stop; gives the exit code."""
    return launch(config, kubeconfig, env, WebhookProcess)


class WebhookProcess:
    """All parts of one process."""

    def __init__(self, api: Api, settings: Settings, options: ClientOptions) -> None:
        # Kopf logs each refusal in full, and a refusal may quote what the user wrote.
        logging.getLogger("kopf.objects").setLevel(logging.CRITICAL)
        self.settings = settings
        namespace = own_namespace(options)
        lookups = Lookups(api)
        gate = Gate(policy_of(settings), lookups, Rehearsal(api))
        protection: Protection | None = protection_of(settings, namespace, lookups)
        registered = registrations(authorizer=settings.authorizer.enabled)
        self.server = Server(registration.endpoint for registration in registered)
        self.shell = Shell(
            api.credentials, GROVE_KINDS, admission_handlers(gate, protection), self._kopf_settings
        )
        self.discovery = Discovery(api, self.shell.serve)
        self.certificates = make_certificates(api, namespace, settings)
        self.probes = Probes()
        self.supervisor = Supervisor(grace=settings.shutdown.grace_period)
        self._loop = asyncio.get_running_loop()
        self._served_out = asyncio.Event()

    async def listen(self) -> None:
        """Open the probes first, so that a process that waits for something says so."""
        self.probes.ready = [
            Check("certificate", self.certificates.problem),
            Check("admission", self.server.problem),
            Check("stopping", lambda: "yes" if self.supervisor.stopping.is_set() else None),
        ]
        server = self.settings.server
        await self.probes.start(
            Address(server.health_probes.port, server.health_probes.bind_address),
            Address(server.metrics.port, server.metrics.bind_address),
        )

    async def run(self) -> int:
        supervisor = self.supervisor
        supervisor.add("certificates", self.certificates.run)
        supervisor.add("discovery", self.discovery.run)
        # Not until `stopping`: reviews that are under way need Kopf to the end.
        supervisor.add("kopf", lambda: self.shell.run(self._served_out))
        supervisor.add("server", self._serve)
        supervisor.at_stop("server", self._serve_out)
        try:
            return await supervisor.run()
        finally:
            await self.probes.close()

    async def _serve(self) -> None:
        """Listen once there is a certificate."""
        await self.certificates.ready.wait()
        # A full collection over what stays for ever would stop reviews for tens of milliseconds.
        gc.collect()
        gc.freeze()
        gc.set_threshold(*_GARBAGE)
        webhooks = self.settings.server.webhooks
        await self.server.start(
            Address(webhooks.port, webhooks.bind_address), self.certificates.context
        )
        await self._served_out.wait()

    async def _serve_out(self) -> None:
        """Go on until no Service sends anything here any more, then finish what is under way."""
        await asyncio.sleep(self.settings.shutdown.linger)
        await self.server.close()
        self._served_out.set()

    # --- Kopf's side, in its own loop -------------------------------------------------------

    def _kopf_settings(self) -> kopf.OperatorSettings:
        settings = kopf_settings()
        settings.admission.server = self._lend
        settings.admission.managed = None
        return settings

    async def _lend(self, function: Any) -> AsyncIterator[Any]:
        """Take Kopf's admission function for our server instead of opening one for it."""
        self._loop.call_soon_threadsafe(self.server.offer, function)
        try:
            yield {"url": f"https://localhost:{self.settings.server.webhooks.port}"}
            await asyncio.Event().wait()
        finally:
            if not self._loop.is_closed():
                self._loop.call_soon_threadsafe(self.server.withdraw, function)
