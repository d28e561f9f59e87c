"""The operator's own HTTP endpoints: /healthz, /readyz and /metrics.

Owns the two small servers and the form of their answers. Refuses to decide what healthy means:
each check is a function that says why not, or nothing. Started first and stopped last, so that a
waiting process answers, too.
"""

import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from aiohttp import web

from grove_operator import metrics

_Page = Callable[[web.Request], Awaitable[web.StreamResponse]]
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Check:
    """`probe` gives None when all is well, else what is wrong."""

    name: str
    probe: Callable[[], str | None]


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen. An empty host means all interfaces, port 0 any free port."""

    port: int
    host: str = ""


class Watched(Protocol):
    """The part of an informer that probes look at."""

    kind: str

    @property
    def synced(self) -> Any: ...  # an asyncio.Event
    def age(self) -> float: ...
    def healthy(self) -> bool: ...


def is_synced(informer: Watched) -> Check:
    """Ready only when the first list has arrived."""
    return Check(
        f"informer {informer.kind}",
        lambda: None if informer.synced.is_set() else "has not listed yet",
    )


def is_alive(informer: Watched) -> Check:
    """Unhealthy when stuck; an API server that is away is not a reason to be killed."""
    return Check(
        f"informer {informer.kind}",
        lambda: None if informer.healthy() else f"has heard nothing for {informer.age():.0f} s",
    )


class Probes:
    """`live` and `ready` may be extended until they are asked, as parts come up."""

    def __init__(
        self,
        live: Iterable[Check] = (),
        ready: Iterable[Check] = (),
        before_scrape: Callable[[], None] = lambda: None,
    ) -> None:
        self.live = list(live)
        self.ready = list(ready)
        self._before_scrape = before_scrape
        self._runners: list[web.AppRunner] = []

    async def start(self, health: Address, scrape: Address) -> tuple[int, int]:
        """Listen; give the ports. One address for both is one server."""
        pages: dict[str, _Page] = {
            "/healthz": self._healthz,
            "/livez": self._healthz,
            "/readyz": self._readyz,
        }
        if health == scrape and health.port:
            pages["/metrics"] = self._metrics
            port = await self._listen("health and metrics", health, pages)
            return port, port
        return (
            await self._listen("health", health, pages),
            await self._listen("metrics", scrape, {"/metrics": self._metrics}),
        )

    async def close(self) -> None:
        for runner in self._runners:
            await runner.cleanup()
        self._runners.clear()

    async def _listen(self, what: str, address: Address, pages: Mapping[str, _Page]) -> int:
        app = web.Application()
        for path, page in pages.items():
            app.router.add_get(path, page)
        runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=1.0)
        await runner.setup()
        await web.TCPSite(runner, address.host or None, address.port).start()
        self._runners.append(runner)
        port: int = runner.addresses[0][1]
        _LOG.info("listening", extra={"what": what, "port": port})
        return port

    async def _healthz(self, _: web.Request) -> web.Response:
        return _report("healthz", self.live)

    async def _readyz(self, _: web.Request) -> web.Response:
        return _report("readyz", self.ready)

    async def _metrics(self, _: web.Request) -> web.Response:
        self._before_scrape()
        # The content type carries parameters, which `content_type=` would refuse.
        return web.Response(body=metrics.render(), headers={"Content-Type": metrics.CONTENT_TYPE})


def _report(name: str, checks: Iterable[Check]) -> web.Response:
    lines = []
    failed = False
    for check in checks:
        why = check.probe()
        failed = failed or why is not None
        lines.append(f"[+]{check.name} ok" if why is None else f"[-]{check.name} failed: {why}")
    lines.append(f"{name} check {'failed' if failed else 'passed'}")
    return web.Response(text="\n".join(lines) + "\n", status=503 if failed else 200)
