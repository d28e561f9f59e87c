"""An API server of named objects: creations, replacements with a resourceVersion, lists, watches.

It keeps the one rule that concurrent writers depend on: a PUT with an old version is refused.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from aiohttp import web
from typing_extensions import override

from grove_operator.cluster.connection import Api
from grove_operator.cluster.informer import Pace
from tests.unit.cluster.fake_api import FakeApi, connect, event, status_body

QUICK = Pace(back_off_start=0.001, back_off_cap=0.004, absent=0.005)
Object = dict[str, Any]


class ObjectStore(FakeApi):
    """`stored` maps paths to objects, `writes` lists what was accepted."""

    def __init__(self) -> None:
        super().__init__()
        self.stored: dict[str, Object] = {}
        self.writes: list[tuple[str, str]] = []
        self.refused = 0
        self._watchers: set[tuple[str, str, asyncio.Queue[bytes]]] = set()

    def put(self, path: str, body: Object) -> Object:
        """Store without asking for a version, as another client would."""
        self.version += 1
        kind = "MODIFIED" if path in self.stored else "ADDED"
        metadata = body.get("metadata", {}) | {
            "name": path.rpartition("/")[2],
            "resourceVersion": str(self.version),
        }
        self.stored[path] = body | {"metadata": metadata}
        self._tell(kind, path)
        return self.stored[path]

    def remove(self, path: str) -> None:
        self.version += 1
        self.stored[path]["metadata"]["resourceVersion"] = str(self.version)
        self._tell("DELETED", path)
        del self.stored[path]

    @override
    async def handle(self, request: web.Request) -> web.StreamResponse:
        if self.faults and "watch" not in request.query:
            return await self.faults.popleft()(request)
        selector = request.query.get("fieldSelector", "")
        if selector:
            if "watch" in request.query:
                return await self._watch(request, selector.removeprefix("metadata.name="))
            return self.listed(request)
        return await self._object(request)

    def listed(self, request: web.Request) -> web.Response:
        name = request.query["fieldSelector"].removeprefix("metadata.name=")
        items = [self.stored[p] for p in (f"{request.path}/{name}",) if p in self.stored]
        metadata = {"resourceVersion": str(self.version)}
        return web.json_response({"metadata": metadata, "items": items})

    async def _object(self, request: web.Request) -> web.StreamResponse:
        # A turn of the loop between reading and answering, so that writers do meet.
        await asyncio.sleep(0)
        path = request.path
        if request.method == "POST":
            body = await request.json()
            path += "/" + body["metadata"]["name"]
            if path in self.stored:
                return self._refuse(409, "AlreadyExists")
        elif path not in self.stored:
            return self._refuse(404, "NotFound")
        elif request.method == "PUT":
            body = await request.json()
            given, stored = (found["metadata"] for found in (body, self.stored[path]))
            if given["resourceVersion"] != stored["resourceVersion"]:
                return self._refuse(409, "Conflict")
        else:
            return web.json_response(self.stored[path])
        self.writes.append((request.method, path))
        return web.json_response(self.put(path, body))

    def _refuse(self, code: int, reason: str) -> web.Response:
        self.refused += 1
        return web.json_response(status_body(code, reason), status=code)

    async def _watch(self, request: web.Request, name: str) -> web.StreamResponse:
        queue: asyncio.Queue[bytes] = asyncio.Queue()
        path = f"{request.path}/{name}"
        found = self.stored.get(path)
        since = int(request.query["resourceVersion"])
        if found and int(found["metadata"]["resourceVersion"]) > since:
            queue.put_nowait(event("MODIFIED", found))
        watcher = (request.path, name, queue)
        self._watchers.add(watcher)
        response = web.StreamResponse()
        await response.prepare(request)
        try:
            while True:
                await response.write(await queue.get())
        finally:
            self._watchers.remove(watcher)

    def _tell(self, kind: str, path: str) -> None:
        collection, _, name = path.rpartition("/")
        line = event(kind, json.loads(json.dumps(self.stored[path])))
        for wanted, selected, queue in self._watchers:
            if (wanted, selected) == (collection, name):
                queue.put_nowait(line)


@asynccontextmanager
async def connected(store: ObjectStore, folder: Path) -> AsyncIterator[Api]:
    async with connect(store, folder, tries=1) as api:
        yield api


@asynccontextmanager
async def running(*parts: Any) -> AsyncIterator[None]:
    """`run` of each part beside the block; a bug in one of them fails the test."""
    tasks = [asyncio.create_task(part.run()) for part in parts]
    try:
        yield
        for task in tasks:
            if task.done():
                task.result()
    finally:
        for task in tasks:
            task.cancel()
        for task in tasks:
            with suppress(asyncio.CancelledError):
                await task
