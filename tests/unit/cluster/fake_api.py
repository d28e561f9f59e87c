"""A small API server on loopback that misbehaves when a test tells it to.

It keeps one kind of object per plural, answers lists page by page and watches from a script. Each
fault is a function of the request that is used once, in order, before the ordinary answer.
"""

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer

from grove_operator.cluster.config import ClientOptions
from grove_operator.cluster.connection import Api

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]
Object = dict[str, Any]


def a_pod(name: str, version: int, **extra: Any) -> Object:
    return {"metadata": {"name": name, "namespace": "default", "resourceVersion": str(version)}} | (
        extra
    )


def event(kind: str, body: Object) -> bytes:
    return json.dumps({"type": kind, "object": body}).encode() + b"\n"


def status_body(code: int, reason: str = "", message: str = "told to fail") -> Object:
    return {"kind": "Status", "code": code, "reason": reason, "message": message}


def status(code: int, reason: str = "", **headers: str) -> Answer:
    async def answer(_: web.Request) -> web.StreamResponse:
        return web.json_response(status_body(code, reason), status=code, headers=headers)

    return answer


async def cut(request: web.Request) -> web.StreamResponse:
    """Lose the connection without an answer."""
    assert request.transport is not None
    request.transport.close()
    return web.Response()


async def hang(request: web.Request) -> web.StreamResponse:
    del request
    await asyncio.Event().wait()
    return web.Response()


def lines(*chunks: bytes, hold: bool = True) -> Answer:
    """Answer a watch with these chunks; then stay silent, or end the stream."""

    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for chunk in chunks:
            await response.write(chunk)
        if hold:
            await asyncio.Event().wait()
        return response

    return answer


class FakeApi:
    """`objects` is what lists give; `watches` and `faults` are scripts, used up in order."""

    def __init__(self) -> None:
        self.objects: dict[str, Object] = {}
        self.version = 1
        self.watches: deque[Answer] = deque()
        self.faults: deque[Answer] = deque()
        self.requests: list[tuple[str, str, dict[str, str]]] = []
        self.bodies: list[bytes] = []
        self.headers: list[dict[str, str]] = []

    def seen(self, *, watch: bool) -> list[dict[str, str]]:
        """The queries of the lists or watches so far."""
        return [
            query
            for method, _, query in self.requests
            if method == "GET" and ("watch" in query) is watch
        ]

    async def handle(self, request: web.Request) -> web.StreamResponse:
        query = dict(request.query)
        self.requests.append((request.method, request.path, query))
        self.headers.append(dict(request.headers))
        self.bodies.append(await request.read())
        if "watch" in query:
            answer = self.watches.popleft() if self.watches else lines()
            return await answer(request)
        if self.faults:
            return await self.faults.popleft()(request)
        if request.method == "GET":
            return web.json_response(self.page(query))
        return web.json_response({"echo": True}, status=201)

    def page(self, query: dict[str, str]) -> Object:
        start = int(query.get("continue", "0"))
        limit = int(query.get("limit", "0")) or len(self.objects)
        items = list(self.objects.values())
        end = start + limit
        metadata = {"resourceVersion": str(self.version)}
        if end < len(items):
            metadata["continue"] = str(end)
        return {"metadata": metadata, "items": items[start:end]}


def write_kubeconfig(path: Path, host: str) -> Path:
    path.write_text(
        json.dumps(
            {
                "current-context": "test",
                "clusters": [{"name": "here", "cluster": {"server": host}}],
                "contexts": [{"name": "test", "context": {"cluster": "here", "user": "me"}}],
                "users": [{"name": "me", "user": {"token": "first"}}],
            }
        )
    )
    return path


@asynccontextmanager
async def serve(fake: FakeApi) -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", fake.handle)
    server = TestServer(app, host="127.0.0.1")
    await server.start_server(shutdown_timeout=0.01)
    try:
        yield f"http://127.0.0.1:{server.port}"
    finally:
        await server.close()


@asynccontextmanager
async def connect(fake: FakeApi, folder: Path, **options: Any) -> AsyncIterator[Api]:
    """A client of the fake whose waits between tries take no time; `api.waits` lists them."""
    async with serve(fake) as host:
        kubeconfig = write_kubeconfig(folder / "kubeconfig", host)
        chosen = ClientOptions(kubeconfig=str(kubeconfig), **options)
        async with await Api.connect(chosen) as api:
            yield api


class Waits(list[float]):
    """Stands in for `asyncio.sleep`: remembers and returns at once."""

    async def __call__(self, seconds: float) -> None:
        self.append(seconds)
        await asyncio.sleep(0)


async def until(condition: Callable[[], bool], patience: float = 5.0) -> None:
    """Let the loop turn until something is true, however long one turn takes."""
    async with asyncio.timeout(patience):
        while not condition():  # noqa: ASYNC110 - the condition lies outside of this loop's reach
            await asyncio.sleep(0.001)
