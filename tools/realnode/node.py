"""A control plane with one node that runs containers: containerd, kubelet and kube-proxy.

    with RealNode.start(workdir) as node:
        node.load("localhost/grove-operator:test", archive)
        node.cluster.kubectl("apply", "-f", "-", stdin=pod)

One per machine. Root is needed; `prerequisites.lacking` says what else.
"""

import fcntl
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Self

import yaml

from tools.localcluster import LocalCluster, LocalClusterError, ensure, processes
from tools.localcluster.api import ApiClient
from tools.localcluster.layout import Layout
from tools.localcluster.startup import poll
from tools.realnode.binaries import NODE
from tools.realnode.commands import run, succeeds
from tools.realnode.configuration import (
    PAUSE_IMAGE,
    cluster_options,
    containerd_configuration,
    kubelet_configuration,
    network_configuration,
    proxy_configuration,
)
from tools.realnode.errors import RealNodeError
from tools.realnode.images import ImageShop
from tools.realnode.layout import BRIDGE, NAME, NAMESPACE, NODE_IP, NodeLayout
from tools.realnode.prerequisites import foreign_rules, lacking
from tools.realnode.remains import cgroup_folders, remove_node

READY_PATIENCE = 90.0
_SHOWN_LINES = 15
_CLUSTER = "realnode"


class RealNode:
    """A running cluster with a real node. Make one with `start`; leaving the block removes it."""

    def __init__(self, cluster: LocalCluster, layout: NodeLayout, undo: ExitStack) -> None:
        self.cluster = cluster
        self._layout = layout
        self._undo = undo

    @classmethod
    def start(cls, workdir: Path, shop: ImageShop) -> Self:
        """Remove what an earlier run left, then start everything; the node is Ready on return."""
        if reason := lacking():
            raise RealNodeError(f"no real node on this machine: {reason}")
        layout = NodeLayout()
        binaries = ensure(NODE)
        with ExitStack() as undo:
            undo.enter_context(only_one(layout))
            remove_node(layout)
            if reason := foreign_rules():
                raise RealNodeError(reason)
            undo.callback(remove_node, layout)
            _prepare(layout)
            workdir = workdir.absolute()
            pki = Layout(workdir, _CLUSTER).cluster_folder / "pki"
            cluster = undo.enter_context(
                LocalCluster.create(_CLUSTER, workdir, cluster_options(pki), owner_pid=os.getpid())
            )
            node = cls(cluster, layout, undo)
            node._run("containerd", Path(_program("containerd")), "--config", _config(layout))
            poll(node._deaf, "containerd does not answer")
            node.load(PAUSE_IMAGE, shop.pause())
            node._run_kubelet(binaries["kubelet"], pki / "ca.crt")
            node._run_proxy(binaries["kube-proxy"])
            node._wait_ready()
            node._undo = undo.pop_all()
        return node

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Control plane first: nothing must be started again while the node is taken apart."""
        self._undo.close()

    def load(self, name: str, archive: Path) -> None:
        """Have the node know an image under its name; nothing is ever pulled."""
        ctr = ("ctr", "--address", self._layout.socket, "--namespace", NAMESPACE)
        run(*ctr, "images", "import", archive)
        names = run(*ctr, "images", "list", "--quiet").split()
        if name not in names:
            raise RealNodeError(f"{archive} has no image {name}; there are {', '.join(names)}")

    def tail(self, program: str) -> str:
        log = self._layout.log(program)
        text = log.read_text(errors="replace") if log.exists() else "(no log)"
        return "\n".join(line[:400] for line in text.splitlines()[-_SHOWN_LINES:])

    def _run(self, program: str, binary: Path, *arguments: str | Path) -> None:
        link = self._layout.bin / program
        link.symlink_to(binary)
        command: Sequence[str] = [str(link), *map(str, arguments)]
        environ = {key: value for key, value in os.environ.items() if key != "NOTIFY_SOCKET"}
        processes.start_detached(command, self._layout.root, environ, self._layout.log(program))

    def _run_kubelet(self, binary: Path, authority: Path) -> None:
        layout = self._layout
        config = layout.root / "kubelet.yaml"
        config.write_text(yaml.safe_dump(dict(kubelet_configuration(layout, authority))))
        flags = [f"--config={config}", f"--kubeconfig={self.cluster.kubeconfig}"]
        flags += [f"--node-ip={NODE_IP}", f"--hostname-override={NAME}"]
        flags += [f"--root-dir={layout.root / 'kubelet'}", f"--cert-dir={layout.root / 'pki'}"]
        self._run("kubelet", binary, *flags)

    def _run_proxy(self, binary: Path) -> None:
        config = self._layout.root / "kube-proxy.yaml"
        config.write_text(yaml.safe_dump(dict(proxy_configuration(self.cluster.kubeconfig))))
        self._run("kube-proxy", binary, f"--config={config}")

    def _wait_ready(self) -> None:
        try:
            with self.cluster.api() as client:
                poll(lambda: self._unready(client), "no real node", READY_PATIENCE)
            if dead := self._dead():
                raise RealNodeError(dead)
        except LocalClusterError as error:
            raise RealNodeError(f"{error}\n{self._tails()}") from error

    def _unready(self, client: ApiClient) -> str:
        """Waiting for something that has ended is vain."""
        if self._dead():
            return ""
        nodes = client.request("GET", "/api/v1/nodes")["items"]
        ready = (
            condition["status"] == "True"
            for node in nodes
            for condition in node["status"].get("conditions", ())
            if condition["type"] == "Ready"
        )
        return "" if any(ready) else "the node is not Ready"

    def _deaf(self) -> str:
        answers = succeeds("ctr", "--address", self._layout.socket, "version")
        return "" if answers else f"no answer\n{self.tail('containerd')}"

    def _dead(self) -> str:
        alive = {component.name for component in processes.running(self._layout.root)}
        dead = {link.name for link in self._layout.bin.iterdir()} - alive
        return f"ended by itself: {', '.join(sorted(dead))}" if dead else ""

    def _tails(self) -> str:
        programs = ("containerd", "kubelet", "kube-proxy")
        return "\n".join(f"--- {program}\n{self.tail(program)}" for program in programs)


@contextmanager
def only_one(layout: NodeLayout) -> Iterator[None]:
    """Held for as long as a node exists; nobody may take apart what somebody else is using."""
    with layout.lock.open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RealNodeError("another real node runs on this machine") from None
        yield


def _prepare(layout: NodeLayout) -> None:
    """Folders, the bridge that bears the node's address, cgroups."""
    for folder in (layout.bin, layout.root / "cni", layout.state):
        folder.mkdir(parents=True)
    _config(layout).write_text(containerd_configuration(layout))
    (layout.root / "cni" / "10-bridge.conflist").write_text(network_configuration(layout))
    forwarding = Path("/proc/sys/net/ipv4/ip_forward")
    layout.forwarding.write_text(forwarding.read_text())
    forwarding.write_text("1")
    run("ip", "link", "add", BRIDGE, "type", "bridge")
    run("ip", "address", "add", f"{NODE_IP}/24", "dev", BRIDGE)
    run("ip", "link", "set", BRIDGE, "up")
    for folder in cgroup_folders():
        folder.mkdir(exist_ok=True)
        for name in ("cpuset.cpus", "cpuset.mems"):
            # In version 1 a new cpuset is empty, and nothing may run in it until it is filled.
            if (folder / "tasks").exists() and (folder / name).exists():
                (folder / name).write_text((folder.parent / name).read_text())


def _config(layout: NodeLayout) -> Path:
    return layout.root / "containerd.toml"


def _program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise RealNodeError(f"{name} is not installed")
    return found
