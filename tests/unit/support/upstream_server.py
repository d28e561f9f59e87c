"""A tiny stand-in for the API server: remembers writes, streams the watch lines it is given."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from aiohttp import web

KUBECONFIG: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Config",
    "clusters": [{"name": "c", "cluster": {}}],
    "users": [{"name": "u", "user": {}}],
    "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
    "current-context": "x",
}


def event(name: str, version: int, kind: str = "MODIFIED") -> bytes:
    meta = {"name": name, "namespace": "n", "uid": f"uid-{name}", "resourceVersion": str(version)}
    return json.dumps({"type": kind, "object": {"metadata": meta}}).encode() + b"\n"


@dataclass
class SmallServer:
    kubeconfig: Path
    written: list[str] = field(default_factory=list)
    watches: list[asyncio.Queue[bytes | None]] = field(default_factory=list)
    watching: asyncio.Event = field(default_factory=asyncio.Event)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        if request.query.get("watch") == "true":
            return await self._watch(request)
        body = await request.text()
        if request.method != "GET":
            self.written.append(f"{request.method} {request.path}")
        echo = {
            "path": request.raw_path,
            "body": body,
            "agent": request.headers.get("User-Agent", ""),
            "encoding": request.headers.get("Accept-Encoding", ""),
        }
        return web.json_response(echo, status=201 if request.method == "POST" else 200)

    async def _watch(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        lines: asyncio.Queue[bytes | None] = asyncio.Queue()
        self.watches.append(lines)
        self.watching.set()
        while (line := await lines.get()) is not None:
            await response.write(line)
        return response

    def emit(self, *lines: bytes) -> None:
        for line in lines:
            self.watches[-1].put_nowait(line)


@asynccontextmanager
async def small_server(folder: Path) -> AsyncIterator[SmallServer]:
    server = SmallServer(folder / "upstream.kubeconfig")
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", server.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    address, port = runner.addresses[0][:2]
    document = {
        **KUBECONFIG,
        "clusters": [{"name": "c", "cluster": {"server": f"http://{address}:{port}"}}],
    }
    server.kubeconfig.write_text(yaml.safe_dump(document))
    try:
        yield server
    finally:
        for lines in server.watches:
            lines.put_nowait(None)
        await runner.cleanup()
