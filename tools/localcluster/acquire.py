"""Finds or makes the binaries of a tool set: assets folder, cache, download, build.

The order goes from free to dear. Each way that fails is remembered with its reason, so that when
none is left the error says all of them at once.
"""

import os
import shutil
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tools.localcluster.build import build
from tools.localcluster.cache import Entry, cache_root, locked
from tools.localcluster.download import fetch_release
from tools.localcluster.errors import AcquisitionError, Attempt, LocalClusterError
from tools.localcluster.progress import Progress
from tools.localcluster.toolsets import KUBERNETES_VERSION, Platform, ToolSet

ASSETS_VARIABLES = ("GROVE_ASSETS", "KUBEBUILDER_ASSETS")

Way = Callable[[Path, Callable[[str], None]], None]


@dataclass(frozen=True)
class Binaries:
    """Paths of the binaries of one tool set, and where they came from."""

    folder: Path
    source: str

    def __getitem__(self, name: str) -> Path:
        return self.folder / name


def ensure(toolset: ToolSet, environ: Mapping[str, str] | None = None) -> Binaries:
    """The binaries of `toolset`, by the cheapest way that works."""
    environ = os.environ if environ is None else environ
    attempts: list[Attempt] = []
    for variable in ASSETS_VARIABLES:
        if folder := environ.get(variable):
            if not (fault := _assets_fault(toolset, Path(folder))):
                return Binaries(Path(folder).absolute(), f"assets folder of {variable}")
            attempts.append(Attempt(f"assets folder of {variable}", fault))
        else:
            attempts.append(Attempt(f"assets folder of {variable}", "variable not set"))
    entry = Entry(cache_root(environ), f"{toolset.name}-{toolset.digest(Platform.current())}")
    if not entry.fault(toolset.binaries):
        return Binaries(entry.folder, "cache")
    lock = entry.root / "locks" / f"{toolset.name}.lock"
    with locked(lock, f"making the {toolset.name} binaries"):
        # Whoever held the lock before us may have made them.
        if not (fault := entry.fault(toolset.binaries)):
            return Binaries(entry.folder, "cache")
        attempts.append(Attempt(f"cache {entry.folder}", fault))
        return Binaries(entry.folder, _make(toolset, entry, environ, attempts))


def _make(
    toolset: ToolSet, entry: Entry, environ: Mapping[str, str], attempts: list[Attempt]
) -> str:
    """Try each way in a fresh work folder; says which one worked."""
    files = toolset.release_files(Platform.current())
    if not files:
        attempts.append(Attempt("official download", "none is published for this platform"))

    def download(folder: Path, note: Callable[[str], None]) -> None:
        for file in files:
            fetch_release(file, entry.root / "downloads", folder / file.binary, note)

    def compile_(folder: Path, note: Callable[[str], None]) -> None:
        build(toolset, folder, environ, note)

    ways: list[tuple[str, Way]] = [("official download", download)] if files else []
    for way, make in (*ways, ("build from Go modules", compile_)):
        try:
            with entry.work_folder() as folder:
                with Progress(f"{toolset.name} binaries, {way}") as progress:
                    make(folder, progress.note)
                entry.publish(folder, toolset.binaries, way)
        except (LocalClusterError, OSError) as error:
            attempts.append(Attempt(way, str(error)))
        else:
            return way
    raise AcquisitionError(toolset.name, attempts)


def _assets_fault(toolset: ToolSet, folder: Path) -> str:
    missing = [name for name in toolset.binaries if shutil.which(folder / name) is None]
    if missing:
        return f"{folder} lacks {', '.join(missing)}"
    if "kube-apiserver" in toolset.binaries:
        return _version_fault(folder / "kube-apiserver")
    return ""


def _version_fault(server: Path) -> str:
    """An older API server lacks the gang APIs; better to see that here than in a failing test."""
    answer = subprocess.run([server, "--version"], capture_output=True, text=True, check=False)
    wanted = f"v{KUBERNETES_VERSION.rpartition('.')[0]}."
    if wanted not in answer.stdout:
        found = answer.stdout.strip() or f"no answer (status {answer.returncode})"
        return f"{server} is not Kubernetes {wanted}x: {found}"
    return ""
