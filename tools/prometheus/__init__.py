"""Prometheus and promtool, for the tests of metrics, alerts and dashboard.

The first of these that works: the folder that GROVE_PROMETHEUS names, the PATH, `.local/bin`, the
cache, Debian's package (downloaded and unpacked, not installed, so without root), a build from the
Go module beside this file. Unlike the control plane's its version may be any of the last years: the
tests use what all of them have.
"""

import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tools.localcluster.acquire import ensure
from tools.localcluster.cache import Entry, cache_root, locked
from tools.localcluster.errors import AcquisitionError, Attempt, LocalClusterError
from tools.localcluster.toolsets import ToolSet

VARIABLE: Final = "GROVE_PROMETHEUS"
VERSION: Final = "0.316.0"
"""Of the Go module, which counts otherwise than the releases."""

PROMETHEUS: Final = ToolSet(
    name="prometheus",
    module=Path(__file__).resolve().parent,
    binaries={"prometheus": "prometheus", "promtool": "promtool"},
    versions={"prometheus": VERSION},
)
_LOCAL_BIN: Final = Path(__file__).resolve().parents[2] / ".local" / "bin"
_PATIENCE: Final = 120.0


@dataclass(frozen=True)
class Programs:
    """Where both programs are, and where they came from."""

    folder: Path
    source: str

    @property
    def prometheus(self) -> Path:
        return self.folder / "prometheus"

    @property
    def promtool(self) -> Path:
        return self.folder / "promtool"


def find(environ: Mapping[str, str] | None = None) -> Programs:
    """Both programs, by the cheapest way that works; AcquisitionError says why none does."""
    environ = os.environ if environ is None else environ
    if given := environ.get(VARIABLE):
        if not _has_both(Path(given)):
            fault = Attempt(VARIABLE, f"{given} lacks prometheus or promtool")
            raise AcquisitionError(PROMETHEUS.name, [fault])
        return Programs(Path(given), VARIABLE)
    on_path = shutil.which("promtool", path=environ.get("PATH", ""))
    for folder, source in ((on_path and Path(on_path).parent, "PATH"), (_LOCAL_BIN, ".local/bin")):
        if folder and _has_both(folder):
            return Programs(folder, source)
    entry = Entry(cache_root(environ), "prometheus-debian")
    with locked(entry.root / "locks" / "prometheus-debian.lock", "unpacking Prometheus"):
        if not entry.fault(PROMETHEUS.binaries):
            return Programs(entry.folder, "cache")
        try:
            _unpack_debian(entry)
        except (OSError, StopIteration, subprocess.SubprocessError) as error:
            attempt = Attempt("Debian's package", str(error))
        else:
            return Programs(entry.folder, "Debian's package")
    try:
        made = ensure(PROMETHEUS, environ)
    except AcquisitionError as error:
        raise AcquisitionError(PROMETHEUS.name, [attempt, *error.attempts]) from error
    except LocalClusterError as error:
        attempts = [attempt, Attempt("Go module", str(error))]
        raise AcquisitionError(PROMETHEUS.name, attempts) from error
    return Programs(made.folder, made.source)


def _has_both(folder: Path) -> bool:
    return all(os.access(folder / name, os.X_OK) for name in PROMETHEUS.binaries)


def _unpack_debian(entry: Entry) -> None:
    with entry.work_folder() as folder:
        _run(folder, "apt-get", "download", "prometheus")
        package = next(folder.glob("prometheus_*.deb"))
        _run(folder, "dpkg-deb", "-x", package.name, "unpacked")
        for name in PROMETHEUS.binaries:
            (folder / "unpacked" / "usr" / "bin" / name).rename(folder / name)
            # A program for another machine or libc fails here, not in the middle of a test.
            _run(folder, f"./{name}", "--version")
        shutil.rmtree(folder / "unpacked")
        package.unlink()
        entry.publish(folder, PROMETHEUS.binaries, "Debian's package")


def _run(folder: Path, *command: str) -> None:
    subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=_PATIENCE)
