"""Removes everything of the node from this machine, by name, whatever state it is in.

Only what this package made: its processes, its containers, mounts below its folders, its bridge,
its rules, its cgroups.
"""

import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from tools.localcluster import processes
from tools.realnode.commands import run, succeeds
from tools.realnode.errors import RealNodeError
from tools.realnode.layout import BRIDGE, CGROUPS, NAME, NAMESPACE, PROXY_TABLES, NodeLayout

PATIENCE = 20.0
_POLL = 0.05


def remove_node(layout: NodeLayout) -> None:
    """Leave nothing; what is not there is passed over."""
    processes.end(layout.root, ["kubelet", "kube-proxy"], signal.SIGTERM, PATIENCE)
    if succeeds("ctr", "--address", layout.socket, "version"):
        _remove_containers(layout)
    processes.end(layout.root, None, signal.SIGKILL, PATIENCE)
    _kill(lambda: [*_members(), *_shims(layout)], "processes of the node")
    for mount in sorted(_mounts(layout), key=len, reverse=True):
        # Lazily: a container that is just ending may still hold it for a moment.
        succeeds("umount", "--lazy", mount)
    if Path("/sys/class/net", BRIDGE).exists():
        run("ip", "link", "delete", BRIDGE)
        for family, table in PROXY_TABLES:
            succeeds("nft", "delete", "table", family, table)
    _remove_cgroups()
    with suppress(FileNotFoundError):
        Path("/proc/sys/net/ipv4/ip_forward").write_text(layout.forwarding.read_text())
    for folder in (layout.state, layout.root):
        with suppress(FileNotFoundError):
            shutil.rmtree(folder)


def _remove_containers(layout: NodeLayout) -> None:
    ctr = ("ctr", "--address", layout.socket, "--namespace", NAMESPACE)
    for task in run(*ctr, "tasks", "list", "--quiet").split():
        succeeds(*ctr, "tasks", "kill", "--signal", "SIGKILL", task)
    for container in run(*ctr, "containers", "list", "--quiet").split():
        succeeds(*ctr, "tasks", "delete", "--force", container)
        succeeds(*ctr, "containers", "delete", container)


def _kill(found: Callable[[], list[int]], what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while pids := found():
        if time.monotonic() > deadline:
            raise RealNodeError(f"{what} do not end: {pids}")
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(_POLL)


def _shims(layout: NodeLayout) -> list[int]:
    """Containerd's helpers carry the address of their containerd."""
    found = []
    for entry in Path("/proc").iterdir():
        with suppress(OSError):
            if entry.name.isdigit():
                words = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
                if "containerd-shim" in words[0] and str(layout.socket) in words:
                    found.append(int(entry.name))
    return found


def cgroup_folders() -> list[Path]:
    """The node's own folder in every hierarchy that this machine has."""
    if (CGROUPS / "cgroup.controllers").exists():
        return [CGROUPS / NAME]
    hierarchies = {entry.resolve() for entry in CGROUPS.iterdir()}
    return [folder / NAME for folder in sorted(hierarchies) if (folder / "cgroup.procs").exists()]


def _members() -> list[int]:
    """Processes of containers that containerd does not know any more."""
    return sorted({pid for folder in cgroup_folders() for pid in _pids(folder)})


def _pids(folder: Path) -> Iterator[int]:
    for procs in folder.rglob("cgroup.procs"):
        with suppress(OSError):
            yield from map(int, procs.read_text().split())


def _remove_cgroups() -> None:
    for folder in cgroup_folders():
        inner = [path for path in folder.rglob("*") if path.is_dir()]
        for path in (*sorted(inner, reverse=True), folder):
            with suppress(FileNotFoundError):
                path.rmdir()


def _mounts(layout: NodeLayout) -> list[str]:
    points = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    own = (f"{layout.root}/", f"{layout.state}/")
    return [point for point in points if point.startswith(own)]
