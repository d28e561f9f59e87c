"""One local cluster from start to removal, and its parts while it runs.

`kwokctl` creates it; ending it, and stopping or starting single components, is done here, because
that must work for a cluster whose creation was interrupted and without the binaries at hand.
"""

import os
import shutil
import signal
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import yaml

from tools.localcluster import processes
from tools.localcluster.acquire import ensure
from tools.localcluster.api import ApiClient, standalone_kubeconfig
from tools.localcluster.cache import locked
from tools.localcluster.configuration import ClusterOptions
from tools.localcluster.errors import ClusterError
from tools.localcluster.layout import KUBECONFIG_HEADER, Layout, Record, is_ours
from tools.localcluster.nodes import NodeShape, create_nodes, unready_nodes
from tools.localcluster.ports import PortRegistry, is_free
from tools.localcluster.startup import (
    READY_TIMEOUT,
    STOP_TIMEOUT,
    definitions,
    poll,
    start,
    wait_until_ready,
)
from tools.localcluster.toolsets import CONTROL_PLANE, METRICS_SERVER


class LocalCluster:
    """A running control plane. Make one with `create`, or attach with `open`."""

    def __init__(self, layout: Layout, record: Record) -> None:
        self._layout = layout
        self._record = record

    @classmethod
    def create(
        cls,
        name: str,
        workdir: Path,
        options: ClusterOptions | None = None,
        *,
        kubeconfig: Path | None = None,
        owner_pid: int | None = None,
    ) -> Self:
        """Start a cluster, replacing what an interrupted start of the same name left.

        With `owner_pid` a later `sweep` removes the cluster once that process is gone.
        """
        layout = Layout(workdir.absolute(), name)
        target = (kubeconfig or layout.state_folder / "kubeconfig").absolute()
        if not is_ours(target):
            raise ClusterError(f"{target} is not ours to overwrite; name another kubeconfig")
        options = options or ClusterOptions()
        control_plane = ensure(CONTROL_PLANE)
        metrics_server = ensure(METRICS_SERVER) if options.metrics_server else None
        with locked(layout.lock, f"starting cluster {name}"):
            if (running := cls.open(name, workdir)) is not None:
                raise ClusterError(f"cluster {name} is already up: {running.kubeconfig}")
            remove(layout)
            layout.state_folder.mkdir(parents=True)
            record = Record(str(target), str(control_plane["kubectl"]), owner_pid)
            record.save(layout.record)
            try:
                ports = start(layout, options, control_plane, metrics_server)
                _write_kubeconfig(layout, target)
            except BaseException:
                remove(layout)
                raise
            record = replace(record, ready=True, ports=ports)
            record.save(layout.record)
        return cls(layout, record)

    @classmethod
    def open(cls, name: str, workdir: Path) -> Self | None:
        """The cluster of that name, if it got up and anything of it still runs."""
        layout = Layout(workdir.absolute(), name)
        record = Record.load(layout.record)
        if record is None or not record.ready or not processes.running(layout.cluster_folder):
            return None
        return cls(layout, record)

    @property
    def name(self) -> str:
        return self._layout.name

    @property
    def kubeconfig(self) -> Path:
        return Path(self._record.kubeconfig)

    @property
    def ports(self) -> Mapping[str, int]:
        return self._record.ports

    @property
    def audit_log(self) -> Path:
        """Exists only for a cluster made with the audit option."""
        return self._layout.audit_log

    def component_log(self, name: str) -> Path:
        return self._layout.component_log(name)

    def components(self) -> dict[str, int]:
        """Process ids of the components that run now."""
        return {c.name: c.pid for c in processes.running(self._layout.cluster_folder)}

    def api(self) -> ApiClient:
        return ApiClient(self.kubeconfig)

    def kubectl(self, *args: str, stdin: str | None = None) -> str:
        """Run kubectl against this cluster; returns what it prints, raises with what it says."""
        result = subprocess.run(
            [self._record.kubectl, "--kubeconfig", str(self.kubeconfig), *args],
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
        )
        if result.returncode != 0:
            raise ClusterError(f"kubectl {' '.join(args)}: {result.stderr.strip()}")
        return result.stdout

    def create_nodes(self, count: int, shape: NodeShape | None = None) -> int:
        """Simulated nodes that are ready when this returns; says how many are new."""
        made = create_nodes(self.kubeconfig, count, shape)
        # Listing a thousand nodes ten times a second would slow down what it waits for.
        timeout, every = READY_TIMEOUT + count / 10, 0.1 + count / 1000
        with self.api() as client:
            poll(lambda: ", ".join(unready_nodes(client)), "nodes not ready", timeout, every)
        return made

    def stop_component(self, name: str, *, graceful: bool = False) -> None:
        """End one component: at once, as a crash would, or after its own clean-up."""
        self._definition(name)
        how = signal.SIGTERM if graceful else signal.SIGKILL
        processes.end(self._layout.cluster_folder, [name], how, STOP_TIMEOUT)

    def start_component(self, name: str) -> None:
        """Start a stopped component as kwokctl first did; the API server is ready on return."""
        if name in self.components():
            return
        definition = self._definition(name)
        _await_port(definition["args"])
        added = {env["name"]: env["value"] for env in definition.get("envs", ())}
        pid = processes.start_detached(
            [definition["binary"], *definition["args"]],
            self._layout.cluster_folder,
            {**os.environ, **added},
            self._layout.component_log(name),
        )
        (self._layout.cluster_folder / "pids" / f"{name}.pid").write_text(str(pid))
        if name == "kube-apiserver":
            wait_until_ready(self.kubeconfig)

    def restart_component(self, name: str, *, graceful: bool = False) -> None:
        self.stop_component(name, graceful=graceful)
        self.start_component(name)

    def repair(self) -> list[str]:
        """Start whatever does not run, and write the kubeconfig if it is lost."""
        if not self.kubeconfig.exists():
            _write_kubeconfig(self._layout, self.kubeconfig)
        missing = [name for name in definitions(self._layout) if name not in self.components()]
        for name in missing:
            self.start_component(name)
        return missing

    def delete(self) -> None:
        remove(self._layout)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.delete()

    def _definition(self, name: str) -> dict[str, Any]:
        known = definitions(self._layout)
        if name not in known:
            raise ClusterError(f"no component {name}; there are {', '.join(sorted(known))}")
        return known[name]


def remove(layout: Layout) -> None:
    """Undo a cluster, however far it got: processes, files, ports, kubeconfig."""
    processes.end_creation(layout.configuration)
    processes.end(layout.cluster_folder, None, signal.SIGKILL, STOP_TIMEOUT)
    record = Record.load(layout.record)
    for folder in (layout.cluster_folder, layout.state_folder):
        # Another process may be removing the same leftovers.
        with suppress(FileNotFoundError):
            shutil.rmtree(folder)
    PortRegistry().release(layout.state_folder)
    if record is not None and is_ours(Path(record.kubeconfig)):
        Path(record.kubeconfig).unlink(missing_ok=True)


def sweep() -> list[str]:
    """Remove the clusters, wherever they are, whose owning process went without removing them."""
    swept = []
    for state_folder in PortRegistry().owners():
        layout = Layout(state_folder.parents[1], state_folder.name)
        record = Record.load(layout.record)
        if record is None or record.owner_pid is None or _is_alive(record.owner_pid):
            continue
        remove(layout)
        swept.append(layout.name)
    return swept


def _write_kubeconfig(layout: Layout, target: Path) -> None:
    config = standalone_kubeconfig(layout.cluster_folder / "kubeconfig.yaml")
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_name(f"{target.name}.{os.getpid()}")
    # It holds an administrator's key.
    draft.touch(mode=0o600)
    draft.write_text(KUBECONFIG_HEADER + yaml.safe_dump(config, sort_keys=False))
    draft.rename(target)


def _is_alive(pid: int) -> bool:
    with suppress(ProcessLookupError):
        try:
            os.kill(pid, 0)
        except PermissionError:
            return True
        return True
    return False


def _await_port(arguments: list[str]) -> None:
    """A killed process is gone before the last of its threads lets go of its port."""
    ports = [int(text.partition("=")[2]) for text in arguments if text.startswith("--secure-port=")]
    poll(
        lambda: "" if all(map(is_free, filter(None, ports))) else "it is in use",
        f"the port {ports} is not free",
    )
