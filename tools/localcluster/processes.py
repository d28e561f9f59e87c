"""Finds and ends the processes of one cluster, and only those.

Every component runs from the cluster's own `bin` folder, so the first word of its command line
says whose it is: more reliable than pid files, which a run that is stopped half-way may not have
written and whose numbers the system may have given to others since.
"""

import os
import signal
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tools.localcluster.errors import ClusterError

_PROC = Path("/proc")
_POLL = 0.02


@dataclass(frozen=True)
class Component:
    """A running process of a cluster, named as kwokctl names it."""

    name: str
    pid: int


def running(cluster_folder: Path) -> list[Component]:
    prefix = f"{cluster_folder / 'bin'}{os.sep}"
    return sorted(
        (
            Component(Path(command[0]).name, pid)
            for pid, command in _commands()
            if command[0].startswith(prefix)
        ),
        key=lambda component: component.name,
    )


def end(
    cluster_folder: Path, names: Sequence[str] | None, how: signal.Signals, wait: float
) -> None:
    """Signal the named components (all without names) and wait until they are gone."""
    targets = [c for c in running(cluster_folder) if names is None or c.name in names]
    for component in targets:
        with suppress(ProcessLookupError):
            os.kill(component.pid, how)
    deadline = time.monotonic() + wait
    while left := [c for c in running(cluster_folder) if c in targets]:
        if time.monotonic() > deadline:
            listed = ", ".join(f"{c.name} ({c.pid})" for c in left)
            raise ClusterError(f"still running {wait:.0f} s after {how.name}: {listed}")
        time.sleep(_POLL)


def end_creation(configuration: Path) -> None:
    """End a kwokctl whose caller was killed: it would go on starting components."""
    for pid, command in _commands():
        if str(configuration) in command:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def start_detached(command: Sequence[str], folder: Path, environ: dict[str, str], log: Path) -> int:
    """Start a process that outlives us and is no child of ours; returns its pid.

    A child would stay as a zombie after its end until we wait for it. The shell in between ends
    at once, so the process belongs to init like those that kwokctl starts.
    """
    script = 'log=$1; shift; "$@" >>"$log" 2>&1 </dev/null & echo $!'
    shell = ["/bin/sh", "-c", script, "sh", str(log), *command]
    started = subprocess.run(
        shell,
        cwd=folder,
        env=environ,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        start_new_session=True,
    )
    return int(started.stdout)


def _commands() -> list[tuple[int, list[str]]]:
    """Process ids with their command lines; dead and unreadable ones are left out."""
    if _PROC.joinpath("self").exists():
        return [found for entry in _PROC.iterdir() if (found := _command_of(entry))]
    listing = subprocess.run(
        ["ps", "-axww", "-o", "pid=,stat=,command="], capture_output=True, text=True, check=True
    )
    rows = (line.split() for line in listing.stdout.splitlines())
    return [(int(pid), command) for pid, state, *command in rows if command and "Z" not in state]


def _command_of(entry: Path) -> tuple[int, list[str]] | None:
    if not entry.name.isdigit():
        return None
    try:
        # Empty for a zombie, which is as good as gone.
        command = (entry / "cmdline").read_bytes().decode(errors="replace")
    except OSError:
        return None
    return (int(entry.name), command.split("\0")) if command else None
