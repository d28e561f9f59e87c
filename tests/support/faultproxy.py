"""A proxy between the operator and the real API server that fails on demand.

It reads a kubeconfig, forwards everything with that kubeconfig's certificate or token, writes a
kubeconfig that points at itself, counts requests, and applies the faults that a test switches on:
see `faults.py` for what a fault can be. It runs in the test's own event loop, so a test must not
block that loop (`await asyncio.to_thread(subprocess.run, ...)`) while the operator talks.

    async with FaultProxy(kubeconfig) as proxy:
        proxy.write_kubeconfig(path)                  # hand this one to the operator
        with proxy.fault(Answer(503), verbs={"create"}, resources={"pods"}, probability=0.2):
            ...
        proxy.cut()                                   # every open connection, watches included
        assert proxy.requests[("create", "pods")] < 300
"""

import asyncio
import base64
import contextlib
import random
import socket
import ssl
import struct
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import aiohttp
import yaml
from aiohttp import web
from multidict import CIMultiDict
from yarl import URL

from tests.support.faults import (
    Answer,
    Delay,
    EventFault,
    Hang,
    LoseAnswer,
    RequestFault,
    Reset,
    Rule,
)
from tests.support.kubepath import KubeRequest, parse_request
from tests.support.upstream import Upstream, load_pair
from tests.support.watchstream import WatchStream, whole_lines

HOP_BY_HOP = frozenset(
    {"connection", "keep-alive", "transfer-encoding", "upgrade", "host", "authorization", "te"}
)
NEVER_SECONDS = 3600.0


@dataclass
class FaultProxy:
    """See the module's docstring. `certificate` and `key` (PEM) make it listen on TLS."""

    kubeconfig: Path
    seed: int = 0
    certificate: bytes | None = None
    key: bytes | None = None
    requests: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Requests received, by verb and resource (`pods`, `podcliques/status`)."""
    events: Counter[str] = field(default_factory=Counter)
    """Watch events delivered to clients, by resource."""
    port: int = 0

    def __post_init__(self) -> None:
        self._upstream = Upstream.read(self.kubeconfig)
        self._random = random.Random(self.seed)
        self._rules: list[Rule] = []
        self._watches: set[WatchStream] = set()
        self._server: web.Server | None = None
        self._listener: asyncio.Server | None = None
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        connector = aiohttp.TCPConnector(limit=0, ssl=self._upstream.client_context())
        self._session = aiohttp.ClientSession(
            connector=connector,
            auto_decompress=False,  # bodies go through untouched, compressed or not
            skip_auto_headers=("Accept", "Accept-Encoding", "Content-Type", "User-Agent"),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=10),
        )
        # Cancelled with its connection: a watch whose client has gone must end upstream, too.
        self._server = web.Server(self._handle, access_log=None, handler_cancellation=True)
        await self.accept()
        return self

    async def __aexit__(self, *_exc: object) -> None:
        self.clear()
        await self.refuse()
        self.cut()
        if self._server is not None:
            await self._server.shutdown(0)
        if self._session is not None:
            await self._session.close()

    # What a test switches

    def add(
        self,
        fault: RequestFault | EventFault,
        *,
        verbs: set[str] | None = None,
        resources: set[str] | None = None,
        probability: float = 1.0,
        times: int | None = None,
    ) -> Rule:
        """Apply `fault` to matching requests or watches from now on; None matches everything.

        `times` ends it after that many hits. For an EventFault only `resources` matter: verbs
        and probability belong to requests, the fault itself chooses among events.
        """
        rule = Rule(
            fault,
            frozenset(verbs) if verbs is not None else None,
            frozenset(resources) if resources is not None else None,
            probability,
            times,
        )
        self._rules.append(rule)
        return rule

    @contextlib.contextmanager
    def fault(self, fault: RequestFault | EventFault, **match: Any) -> Iterator[Rule]:
        """`add` for the length of a block."""
        rule = self.add(fault, **match)
        try:
            yield rule
        finally:
            self.remove(rule)

    def remove(self, rule: Rule) -> None:
        """End a fault; requests that hang in it get their answer, held events are delivered."""
        rule.ended.set()
        if rule in self._rules:
            self._rules.remove(rule)
        for watch in self._watches:
            watch.release(rule)

    def clear(self) -> None:
        for rule in list(self._rules):
            self.remove(rule)

    def cut(self) -> int:
        """Reset all open connections, idle and busy; returns how many there were."""
        connections = list(self._server.connections) if self._server is not None else []
        for connection in connections:
            _reset(connection.transport)
        return len(connections)

    async def refuse(self) -> None:
        """Stop listening: new connections are refused; open ones go on (see `cut`)."""
        if self._listener is not None:
            self._listener.close()
            self._listener = None
            await asyncio.sleep(0)

    async def accept(self) -> None:
        """Listen, on the same port as before if there was one."""
        if self._listener is None:
            assert self._server is not None
            self._listener = await asyncio.get_running_loop().create_server(
                self._server,
                "127.0.0.1",
                self.port,
                ssl=self._server_context(),
                reuse_address=True,
                backlog=1024,
            )
            self.port = self._listener.sockets[0].getsockname()[1]

    def stream_error(self, status: int = 410, *, resource: str | None = None) -> int:
        """End open watches with an ERROR event, as the API server does; returns how many."""
        chosen = [w for w in self._watches if resource in (None, w.resource)]
        for watch in chosen:
            watch.fail(status)
        return len(chosen)

    def open_watches(self, resource: str | None = None) -> int:
        return sum(1 for watch in self._watches if resource in (None, watch.resource))

    def writes(self) -> int:
        """Requests so far that change something. Leases don't count: an elector renews them."""
        reading = {"get", "list", "watch"}
        return sum(
            count
            for (verb, resource), count in self.requests.items()
            if verb not in reading and resource != "leases"
        )

    # What the operator is given

    @property
    def url(self) -> str:
        return f"{'https' if self.certificate else 'http'}://127.0.0.1:{self.port}"

    def write_kubeconfig(self, path: Path) -> Path:
        cluster: dict[str, Any] = {"server": self.url}
        if self.certificate and self._upstream.authority:
            encoded = base64.b64encode(self._upstream.authority).decode()
            cluster["certificate-authority-data"] = encoded
        document = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "faultproxy", "cluster": cluster}],
            "users": [{"name": "faultproxy", "user": {}}],
            "contexts": [
                {"name": "faultproxy", "context": {"cluster": "faultproxy", "user": "faultproxy"}}
            ],
            "current-context": "faultproxy",
        }
        path.write_text(yaml.safe_dump(document))
        return path

    # How requests pass

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        seen = parse_request(request.method, request.path, request.query)
        self.requests[(seen.verb, seen.resource)] += 1
        lose_answer = False
        for rule in self._hits(seen):
            match rule.fault:
                case Delay() as delay:
                    await _pause(delay.pick(self._random), rule.ended)
                case Hang():
                    await _pause(NEVER_SECONDS, rule.ended)
                    return _gone(request)
                case Reset():
                    return _gone(request)
                case Answer() as answer:
                    return _canned(answer)
                case LoseAnswer():
                    lose_answer = True
                case _:
                    continue
        try:
            return await self._forward(request, seen, lose_answer=lose_answer)
        except aiohttp.ClientError:
            return _gone(request)  # the API server itself is away: the client sees the same

    def _hits(self, seen: KubeRequest) -> Iterator[Rule]:
        for rule in list(self._rules):
            if not isinstance(rule.fault, EventFault) and rule.hit(seen, self._random):
                yield rule

    async def _forward(
        self, request: web.BaseRequest, seen: KubeRequest, *, lose_answer: bool
    ) -> web.StreamResponse:
        assert self._session is not None
        headers = CIMultiDict(
            (name, value)
            for name, value in request.headers.items()
            if name.lower() not in HOP_BY_HOP
        )
        if self._upstream.token:
            headers["Authorization"] = f"Bearer {self._upstream.token}"
        target = self._upstream.server.join(URL(request.raw_path, encoded=True))
        body = await request.read() if request.body_exists else None
        async with self._session.request(
            request.method, target, headers=headers, data=body, allow_redirects=False
        ) as answer:
            if seen.verb == "watch" and answer.status == web.HTTPOk.status_code:
                return await self._stream(request, seen, answer)
            content = await answer.read()
            if lose_answer:
                return _gone(request)
            kept = _answer_headers(answer.headers)
            return web.Response(status=answer.status, headers=kept, body=content)

    async def _stream(
        self, request: web.BaseRequest, seen: KubeRequest, answer: aiohttp.ClientResponse
    ) -> web.StreamResponse:
        response = web.StreamResponse(headers=_answer_headers(answer.headers))
        response.enable_chunked_encoding()
        await response.prepare(request)

        async def send(lines: bytes, count: int) -> None:
            await response.write(lines)
            self.events[seen.resource] += count

        watch = WatchStream(seen.resource, self._event_rules(seen), send, self._random)
        self._watches.add(watch)
        try:
            with contextlib.suppress(ConnectionError, aiohttp.ClientError):
                await watch.run(whole_lines(answer.content.iter_any()))
                await response.write_eof()
        finally:
            self._watches.discard(watch)
        return response

    def _event_rules(self, seen: KubeRequest) -> "_EventRules":
        return _EventRules(self, seen)

    def _server_context(self) -> ssl.SSLContext | None:
        if self.certificate is None or self.key is None:
            return None
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        load_pair(context, self.certificate, self.key)
        return context


@dataclass(frozen=True)
class _EventRules:
    """The event faults of one watch, read anew for each batch: tests switch them at run time."""

    proxy: FaultProxy
    seen: KubeRequest

    def __call__(self) -> list[Rule]:
        return [
            rule
            for rule in self.proxy._rules
            if isinstance(rule.fault, EventFault) and rule.covers(self.seen)
        ]


async def _pause(seconds: float, ended: asyncio.Event) -> None:
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(ended.wait(), seconds)


def _canned(answer: Answer) -> web.Response:
    headers = {"Retry-After": str(answer.retry_after)} if answer.retry_after is not None else {}
    return web.json_response(answer.status_object(), status=answer.status, headers=headers)


def _gone(request: web.BaseRequest) -> web.Response:
    _reset(request.transport)
    return web.Response()  # never arrives: its connection is no more


def _reset(transport: asyncio.BaseTransport | None) -> None:
    """Close with RST, as a crashed peer or a firewall would; a plain close would look polite."""
    if transport is None:
        return
    plain = transport.get_extra_info("socket")
    if plain is not None and plain.fileno() >= 0:
        with socket.fromfd(plain.fileno(), plain.family, plain.type) as twin:
            twin.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    if isinstance(transport, asyncio.Transport):
        transport.abort()


def _answer_headers(headers: Any) -> CIMultiDict[str]:
    return CIMultiDict(
        (name, value)
        for name, value in headers.items()
        if name.lower() not in HOP_BY_HOP and name.lower() != "content-length"
    )
