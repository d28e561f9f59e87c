"""The leanest client that Python allows: aiohttp, msgspec, prepared bytes, no models.

Both floors post with it, and the measuring watches read with it, so that what is measured is the
cluster or the operator and not the one who measures.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterable
from http import HTTPStatus
from typing import Any, Self

import aiohttp
import msgspec

AGENT = "grove-bench"
CONCURRENCY = 64
BUSY_PAUSE = 0.5

_MERGE_PATCH = "application/merge-patch+json"
_TIMEOUT = aiohttp.ClientTimeout(total=None, sock_connect=10)


class RefusedError(Exception):
    """The API server answered with an error that waiting does not cure."""


class _Created(msgspec.Struct):
    class Meta(msgspec.Struct):
        uid: str

    metadata: Meta


_created = msgspec.json.Decoder(_Created)


class Wire:
    def __init__(self, server: str, tls: ssl.SSLContext) -> None:
        self._session = aiohttp.ClientSession(
            server,
            connector=aiohttp.TCPConnector(limit=0, ssl=tls),
            headers={"User-Agent": AGENT},
            timeout=_TIMEOUT,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def send(self, method: str, path: str, body: object = None) -> bytes:
        """One request, repeated while the API server says that it is busy."""
        data = None if body is None else msgspec.json.encode(body)
        headers = {"Content-Type": _MERGE_PATCH if method == "PATCH" else "application/json"}
        while True:
            async with self._session.request(method, path, data=data, headers=headers) as answer:
                content = await answer.read()
                if answer.status < HTTPStatus.BAD_REQUEST:
                    return content
                if answer.status != HTTPStatus.TOO_MANY_REQUESTS:
                    text = content.decode(errors="replace")[:500]
                    raise RefusedError(f"{method} {path}: {answer.status} {text}")
            await asyncio.sleep(BUSY_PAUSE)

    async def get(self, path: str) -> Any:
        return msgspec.json.decode(await self.send("GET", path))

    async def create(self, body: dict[str, Any]) -> str:
        """Post an object to its collection; gives its UID."""
        return _created.decode(await self.send("POST", collection(body), body)).metadata.uid

    async def create_all(self, bodies: Iterable[dict[str, Any]]) -> list[tuple[str, str]]:
        """Post all, 64 at a time; gives pairs of the made-up and the real UID."""
        queue = iter(list(bodies))
        pairs: list[tuple[str, str]] = []

        async def worker() -> None:
            for body in queue:
                uid = await self.create(body)
                pairs.append((body["metadata"].get("uid", ""), uid))

        async with asyncio.TaskGroup() as group:
            for _ in range(CONCURRENCY):
                group.create_task(worker())
        return pairs

    async def watch(self, path: str, **query: str) -> AsyncIterator[bytes]:
        """Lines of a watch until it ends."""
        rest = b""
        async with self._session.get(path, params={"watch": "true", **query}) as answer:
            if answer.status != HTTPStatus.OK:
                raise RefusedError(f"watch {path}: {answer.status}")
            async for chunk in answer.content.iter_any():
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    yield line


def collection(body: dict[str, Any]) -> str:
    """The path that an object is posted to. Every kind here has a regular plural."""
    api, namespace = body["apiVersion"], body["metadata"].get("namespace")
    root = f"/apis/{api}" if "/" in api else f"/api/{api}"
    middle = f"/namespaces/{namespace}" if namespace else ""
    return f"{root}{middle}/{body['kind'].lower()}s"
