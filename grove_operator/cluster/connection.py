"""The one client for the Kubernetes API: bytes in, bytes out.

Owns the connection pool, authentication headers, time-outs, tries, the bound on requests in flight
and their metrics. Refuses to know JSON: callers encode and decode. Failures leave as classes of
`errors.py`. Called by everything in `cluster/`. It shares kubernetes.aio's TLS and login, but not
its `rest_client`: that one insists on encoding JSON bodies itself and cannot take bytes.
"""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Literal, Self, TypedDict, Unpack
from urllib.parse import urlencode

import aiohttp
import msgspec
from yarl import URL

from grove_operator import metrics
from grove_operator.cluster.config import ClientOptions, Credentials
from grove_operator.cluster.failures import failure
from grove_operator.cluster.resources import Resource
from grove_operator.cluster.transport import (
    CONNECT_TIMEOUT,
    RateLimit,
    back_off,
    lost,
    open_session,
    split_lines,
    time_limit,
)
from grove_operator.errors import ClusterError, SettingsError, UnavailableError

Verb = Literal["get", "list", "create", "update", "patch", "delete", "watch"]
Lines = list[bytes]
Propagation = Literal["Background", "Foreground", "Orphan"]

JSON: Final = "application/json"
MERGE_PATCH: Final = "application/merge-patch+json"
APPLY_PATCH: Final = "application/apply-patch+yaml"

_METHODS: Final[dict[Verb, str]] = {
    "get": "GET",
    "list": "GET",
    "watch": "GET",
    "create": "POST",
    "update": "PUT",
    "patch": "PATCH",
    "delete": "DELETE",
}
_LOG = logging.getLogger(__name__)
_LONGEST_COUNTED: Final = 1.0  # one that hangs says little about the others
_LATENCY_WEIGHT: Final = 0.02  # about the last fifty requests count


class CallOptions(TypedDict, total=False):
    """The optional parts of a request. `urgent` skips the queue of ordinary requests."""

    namespace: str | None
    name: str | None
    subresource: str | None
    body: bytes | None
    content_type: str
    query: dict[str, str] | None
    timeout: float | None
    tries: int | None
    urgent: bool


@dataclass(frozen=True, slots=True)
class _Call:
    verb: Verb
    resource: Resource
    namespace: str | None = None
    name: str | None = None
    subresource: str | None = None
    body: bytes | None = None
    content_type: str = JSON
    query: dict[str, str] | None = None
    timeout: float | None = None
    tries: int | None = None
    urgent: bool = False

    @property
    def kind(self) -> str:
        """The label for metrics."""
        if self.subresource:
            return f"{self.resource.kind}/{self.subresource}"
        return self.resource.kind

    @property
    def what(self) -> str:
        """The words for errors."""
        where = "/".join(part for part in (self.namespace, self.name) if part)
        return f"{self.verb} {self.kind} {where}".rstrip()


class Api:
    """A connection to one cluster. Made by `await Api.connect(options)`; close it at the end."""

    def __init__(
        self,
        credentials: Credentials,
        options: ClientOptions,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        endpoint = credentials.endpoint()
        self.latency = 0.0
        """Moving average of the seconds until an answer begins."""
        self.credentials = credentials
        self._options = options
        self._sleep = sleep
        self._base = endpoint.host.rstrip("/")
        self._slots = asyncio.Semaphore(options.max_in_flight)
        self._limit = RateLimit(options.qps, options.burst, sleep) if options.qps else None
        self._transport: dict[str, Any] = {}
        if endpoint.proxy:
            self._transport["proxy"] = endpoint.proxy
        if endpoint.server_name:
            self._transport["server_hostname"] = endpoint.server_name
        self._timeout = time_limit(options.timeout)
        self._session = open_session(credentials)

    @classmethod
    async def connect(cls, options: ClientOptions | None = None) -> Self:
        """Load the configuration and make a client; no request is sent yet."""
        chosen = options or ClientOptions()
        return cls(await Credentials.load(chosen), chosen)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        await self._session.close()

    async def get(self, resource: Resource, namespace: str | None, name: str) -> bytes:
        return await self.request("get", resource, namespace=namespace, name=name)

    async def list(
        self,
        resource: Resource,
        namespace: str | None = None,
        query: dict[str, str] | None = None,
    ) -> bytes:
        """Read one page; `query` carries limit, continue and selectors."""
        return await self.request("list", resource, namespace=namespace, query=query)

    async def create(self, resource: Resource, namespace: str | None, body: bytes) -> bytes:
        return await self.request("create", resource, namespace=namespace, body=body)

    async def replace(
        self,
        resource: Resource,
        namespace: str | None,
        name: str,
        body: bytes,
        subresource: str | None = None,
    ) -> bytes:
        """PUT the whole object; its resourceVersion decides whether we were first."""
        return await self.request(
            "update",
            resource,
            namespace=namespace,
            name=name,
            subresource=subresource,
            body=body,
        )

    async def merge_patch(
        self,
        resource: Resource,
        namespace: str | None,
        name: str,
        body: bytes,
        subresource: str | None = None,
    ) -> bytes:
        return await self.request(
            "patch",
            resource,
            namespace=namespace,
            name=name,
            subresource=subresource,
            body=body,
            content_type=MERGE_PATCH,
        )

    async def delete(
        self,
        resource: Resource,
        namespace: str | None,
        name: str,
        *,
        uid: str | None = None,
        propagation: Propagation = "Background",
        grace_period: int | None = None,
    ) -> bytes:
        """Delete one object; with `uid` only if the name still means the same object."""
        body: dict[str, Any] = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "propagationPolicy": propagation,
        }
        if uid is not None:
            body["preconditions"] = {"uid": uid}
        if grace_period is not None:
            body["gracePeriodSeconds"] = grace_period
        return await self.request(
            "delete", resource, namespace=namespace, name=name, body=msgspec.json.encode(body)
        )

    async def request(
        self, verb: Verb, resource: Resource, **options: Unpack[CallOptions]
    ) -> bytes:
        """Send one request and give the answer's body.

        429, 5xx, time-outs and lost connections are tried again for some seconds, POST too: our
        names are deterministic, so a repeated create ends in AlreadyExistsError, which callers
        treat as success when the object is theirs. Then UnavailableError leaves the rest to the
        caller's queue.
        """
        call = _Call(verb, resource, **options)
        if call.urgent:
            return await self._try(call)
        async with self._slots:
            return await self._try(call)

    async def stream(
        self,
        resource: Resource,
        query: dict[str, str],
        *,
        namespace: str | None = None,
        inactivity: float = 90.0,
        rest: Callable[[], float] = lambda: 0.0,
    ) -> AsyncGenerator[Lines]:
        """Watch: yield the lines that arrived together; return when the server ends the stream.

        After each arrival `rest` is asked for how many seconds the next ones may pile up.

        Silence for `inactivity` seconds and a lost connection raise UnavailableError. Not tried
        again here, and not counted as a request in flight.
        """
        call = _Call("watch", resource, namespace=namespace, query=query)
        timeout = aiohttp.ClientTimeout(sock_connect=CONNECT_TIMEOUT, sock_read=inactivity)
        try:
            async with await self._open(call, timeout) as response:
                if response.status != 200:
                    raise failure(call.what, response.status, await response.read())
                async for lines in split_lines(response, rest):
                    yield lines
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise lost(call.what, error) from error

    async def _try(self, call: _Call) -> bytes:
        clock = asyncio.get_running_loop().time
        deadline = clock() + self._options.retry_budget
        tries = call.tries or self._options.tries
        renewed = False
        attempt = 0
        while True:
            attempt += 1
            if self._limit and not call.urgent:
                await self._limit.take()
            try:
                return await self._once(call)
            except UnavailableError as error:
                wait = back_off(attempt, error.retry_after)
                if attempt >= tries or clock() + wait > deadline:
                    raise
                metrics.count_request_retry(call.verb, error.status)
                _LOG.debug("request is sent again", extra={"what": call.what, "error": str(error)})
                await self._sleep(wait)
            except ClusterError as error:
                if error.status != 401 or renewed:
                    raise
                renewed = True  # the token may have run out between two checks
                try:
                    await self.credentials.reload()
                except SettingsError:
                    raise error from None

    async def _once(self, call: _Call) -> bytes:
        timeout = self._timeout if call.timeout is None else time_limit(call.timeout)
        try:
            async with await self._open(call, timeout) as response:
                payload = await response.read()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise lost(call.what, error) from error
        if response.status < 300:
            return payload
        raise failure(call.what, response.status, payload, response.headers.get("Retry-After"))

    async def _open(self, call: _Call, limits: aiohttp.ClientTimeout) -> aiohttp.ClientResponse:
        url = self._base + call.resource.path(call.namespace, call.name, call.subresource)
        if call.query:
            url += "?" + urlencode(call.query)
        headers = {}
        if authorization := await self.credentials.header():
            headers["Authorization"] = authorization
        if call.body is not None:
            headers["Content-Type"] = call.content_type
        started = time.perf_counter()
        status = 0
        try:
            response = await self._session.request(
                _METHODS[call.verb],
                URL(url, encoded=True),
                data=call.body,
                headers=headers,
                timeout=limits,
                allow_redirects=False,
                **self._transport,
            )
            status = response.status
        finally:
            seconds = time.perf_counter() - started
            self.latency += (min(seconds, _LONGEST_COUNTED) - self.latency) * _LATENCY_WEIGHT
            metrics.count_request(call.verb, call.kind, status, seconds)
        return response
