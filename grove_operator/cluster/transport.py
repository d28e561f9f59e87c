"""The parts of a connection that know nothing of Kubernetes' objects: session, pace, lines.

Owns how the pool is opened, how long to wait between tries, the optional rate limit and the cutting
of a stream into lines. Refuses to decide what is tried again. Used by `connection.py` only.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final

import aiohttp

from grove_operator import __version__
from grove_operator.api.labels import MANAGER
from grove_operator.cluster.config import Credentials
from grove_operator.errors import UnavailableError

CONNECT_TIMEOUT: Final = 10.0
_BACKOFF_START: Final = 0.2
_BACKOFF_CAP: Final = 5.0
_BUFFER: Final = 2**20


class RateLimit:
    """A token bucket: `burst` at once, then `qps` each second. Only used when configured."""

    def __init__(
        self, qps: float, burst: int | None, sleep: Callable[[float], Awaitable[None]]
    ) -> None:
        self._interval = 1.0 / qps
        self._slack = self._interval * (max(burst or 1, 1) - 1)
        self._sleep = sleep
        self._next = 0.0

    async def take(self) -> None:
        now = asyncio.get_running_loop().time()
        self._next = max(self._next + self._interval, now - self._slack)
        if self._next > now:
            await self._sleep(self._next - now)


def open_session(credentials: Credentials) -> aiohttp.ClientSession:
    # No limit here: requests are bounded by the semaphore, watches and the lease renewal must
    # never wait for a free connection. Answers stay uncompressed: unpacking costs more than it
    # saves inside a cluster.
    secure = credentials.endpoint().host.startswith("https")
    connector = aiohttp.TCPConnector(
        limit=0,
        ssl=credentials.ssl_context() if secure else True,
        keepalive_timeout=60,
        ttl_dns_cache=30,
    )
    return aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={
            "Accept": "application/json",
            "Accept-Encoding": "identity",
            "User-Agent": f"{MANAGER}/{__version__}",
        },
        read_bufsize=_BUFFER,
        trust_env=False,
    )


def time_limit(seconds: float) -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(total=seconds, sock_connect=min(seconds, CONNECT_TIMEOUT))


def lost(what: str, error: BaseException) -> UnavailableError:
    reason = "Timeout" if isinstance(error, TimeoutError) else "ConnectionLost"
    return UnavailableError(what, 0, reason, f"{reason}: {error or type(error).__name__}")


def back_off(attempt: int, retry_after: float | None) -> float:
    spread = min(_BACKOFF_CAP, _BACKOFF_START * 2**attempt)
    jitter = random.uniform(0, spread)  # noqa: S311 - spreads load, guards nothing
    return jitter if retry_after is None else retry_after + jitter / 4


async def split_lines(
    response: aiohttp.ClientResponse, rest: Callable[[], float]
) -> AsyncIterator[list[bytes]]:
    """Cut a stream into lines of any length, one await per arrival instead of one per line.

    After each arrival it is left unread for as many seconds as `rest` says.
    """
    parts: list[bytes] = []
    async for chunk in response.content.iter_any():
        lines = chunk.split(b"\n")
        parts.append(lines[0])
        if len(lines) == 1:
            continue
        lines[0] = b"".join(parts)
        parts = [lines.pop()]
        yield lines
        if (seconds := rest()) > 0:
            await _leave_unread(response, seconds)


async def _leave_unread(response: aiohttp.ClientResponse, seconds: float) -> None:
    """Let what arrives pile up outside of the process, where it costs nothing yet."""
    transport = response.connection.transport if response.connection else None
    if transport is None or transport.is_closing():
        return  # what is left of it has arrived
    transport.pause_reading()
    try:
        await asyncio.sleep(seconds)
    finally:
        if not transport.is_closing():
            transport.resume_reading()
