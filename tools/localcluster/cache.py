"""The folder that keeps binaries between runs.

A finished entry is a folder with a manifest, written last and moved into place in one rename: an
interrupted build leaves only a work folder, which the next run removes. The lock makes a second
run wait for the first one instead of building the same thing beside it.
"""

import fcntl
import hashlib
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from tools.localcluster.progress import LINE_EVERY, duration

MANIFEST = "manifest.json"
_POLL = 0.2


def cache_root(environ: Mapping[str, str]) -> Path:
    if chosen := environ.get("GROVE_TOOLS_CACHE"):
        return Path(chosen).expanduser().absolute()
    base = environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "grove-operator"


@dataclass(frozen=True)
class Entry:
    """One tool set of one version in the cache."""

    root: Path
    key: str

    @property
    def folder(self) -> Path:
        return self.root / "toolsets" / self.key

    def fault(self, names: Mapping[str, str]) -> str:
        """Why this entry cannot be used; empty when it can.

        Sizes are compared always; the checksum is computed again only for a file whose time has
        changed since it was recorded, because hashing half a gigabyte costs a second.
        """
        try:
            manifest = json.loads((self.folder / MANIFEST).read_text())
        except FileNotFoundError:
            return "nothing there yet"
        except ValueError:
            return "its manifest cannot be read"
        for name in names:
            recorded = manifest.get(name)
            path = self.folder / name
            if recorded is None or not path.is_file():
                return f"{name} is missing"
            stat = path.stat()
            if stat.st_size != recorded["size"]:
                return f"{name} has {stat.st_size} bytes instead of {recorded['size']}"
            if stat.st_mtime_ns != recorded["mtime_ns"] and sha256(path) != recorded["sha256"]:
                return f"{name} does not match its recorded checksum"
        return ""

    @contextmanager
    def work_folder(self) -> Iterator[Path]:
        """A fresh folder beside the entry; removed afterwards unless it was put in place.

        Call it with the lock held: what earlier, interrupted runs left is removed first.
        """
        parent = self.root / "work"
        parent.mkdir(parents=True, exist_ok=True)
        for old in parent.glob(f"{self.key}-*"):
            shutil.rmtree(old, ignore_errors=True)
        folder = Path(tempfile.mkdtemp(prefix=f"{self.key}-", dir=parent))
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def publish(self, folder: Path, names: Mapping[str, str], source: str) -> None:
        """Record what is in `folder` and make it the entry, in one step."""
        manifest: dict[str, object] = {"source": source}
        for name in names:
            path = folder / name
            path.chmod(0o755)
            stat = path.stat()
            manifest[name] = {
                "sha256": sha256(path),
                "size": stat.st_size,
                "mtime_ns": stat.st_mtime_ns,
            }
        folder.chmod(0o755)
        (folder / MANIFEST).write_text(json.dumps(manifest, indent=2, sort_keys=True) + "\n")
        if self.folder.exists():
            shutil.rmtree(self.folder)
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        folder.rename(self.folder)


@contextmanager
def locked(path: Path, purpose: str, stream: TextIO | None = None) -> Iterator[None]:
    """Hold an exclusive lock; while another process has it, say so and for how long."""
    stream = stream or sys.stderr
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+") as handle:
        start = said = time.monotonic()
        waited = False
        while not _try_lock(handle):
            now = time.monotonic()
            if not waited or now - said >= LINE_EVERY:
                handle.seek(0)
                holder = handle.read().strip() or "another process"
                stream.write(f"waiting for {holder} to finish {purpose}: {duration(now - start)}\n")
                stream.flush()
                waited, said = True, now
            time.sleep(_POLL)
        handle.seek(0)
        handle.truncate()
        handle.write(f"process {os.getpid()}")
        handle.flush()
        yield


def _try_lock(handle: TextIO) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def sha256(path: Path) -> str:
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()
