"""A tool set that costs nothing: a loopback web server, and a `go` that is a shell script."""

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from typing_extensions import override

from tools.localcluster.toolsets import Platform, ReleaseFile, ToolSet

FAKE_GO = """#!/bin/sh
if [ "$1" = env ]; then echo "go{version}"; exit 0; fi
here=$(dirname "$0")
echo build >> "$here/builds"
while [ -e "$here/hold" ]; do sleep 0.02; done
if [ -e "$here/broken" ]; then echo "undefined: everything"; exit 1; fi
mkdir -p "$GOBIN"
printf built > "$GOBIN/made-tool"
"""


@dataclass(frozen=True)
class FakeToolSet(ToolSet):
    """Published, if at all, where `site` says."""

    site: str = ""

    @override
    def release_files(self, target: Platform) -> tuple[ReleaseFile, ...]:
        if not self.site:
            return ()
        return (ReleaseFile("tool", f"{self.site}/tool", f"{self.site}/tool.sha256"),)


def fake_toolset(folder: Path, site: str = "") -> FakeToolSet:
    module = folder / "module"
    module.mkdir(exist_ok=True)
    (module / "go.mod").write_text("module fake\n\ngo 1.26.0\n")
    (module / "go.sum").write_text("")
    return FakeToolSet("fake", module, {"tool": "made-tool"}, {"tool": "1"}, site=site)


def fake_go(folder: Path, version: str = "1.26.4") -> Path:
    """A folder with a program `go` in it; files beside it steer what it does."""
    folder.mkdir()
    program = folder / "go"
    program.write_text(FAKE_GO.replace("{version}", version))
    program.chmod(0o755)
    return folder


def builds(go: Path) -> int:
    log = go / "builds"
    return len(log.read_text().split()) if log.exists() else 0


@dataclass
class Site:
    """Files on a loopback web server that understands ranges and may cut connections."""

    url: str
    files: dict[str, bytes] = field(default_factory=dict)
    cuts: list[int] = field(default_factory=list)
    ranges: list[str | None] = field(default_factory=list)

    def publish(self, name: str, content: bytes) -> None:
        self.files[name] = content
        self.files[f"{name}.sha256"] = hashlib.sha256(content).hexdigest().encode()


@contextmanager
def site() -> Iterator[Site]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            content = here.files.get(self.path.lstrip("/"))
            if content is None:
                self.send_error(404)
                return
            start = 0
            if not self.path.endswith((".sha256", "SUMS")):
                asked = self.headers.get("Range")
                here.ranges.append(asked)
                start = int(asked.removeprefix("bytes=").rstrip("-")) if asked else 0
            if start >= len(content) > 0:
                self.send_error(416)
                return
            self.send_response(206 if start else 200)
            self.send_header("Content-Length", str(len(content) - start))
            self.end_headers()
            cut = here.cuts.pop(0) if here.cuts and here.ranges else None
            self.wfile.write(content[start : start + cut] if cut else content[start:])

        @override
        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        here = Site(f"http://127.0.0.1:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield here
        server.shutdown()
        thread.join()
