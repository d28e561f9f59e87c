"""The waiter as a process of its own, with a real token, against the real API server."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import yaml

from grove_operator import waiter
from tests.conftest import ControlPlane
from tests.support.controlplane import Kube, Object, path_of
from tests.support.privileges import Ledger
from tools.localcluster import LocalCluster, NodeShape

GANG = "demo-0"
PATIENCE = 30.0

pytestmark = pytest.mark.cluster


class Waiter:
    """One process; its log is read line by line, so a test waits for what it says."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.lines: list[str] = []

    async def says(self, text: str) -> None:
        """Until a further line has that text."""
        async with asyncio.timeout(PATIENCE):
            while line := await self._line():
                if text in line:
                    return
        raise AssertionError(f"it never said {text!r}: {self.lines}")

    async def ends(self) -> int:
        async with asyncio.timeout(PATIENCE):
            while await self._line():
                pass
            return await self.process.wait()

    async def _line(self) -> str:
        assert self.process.stderr is not None
        line = (await self.process.stderr.readline()).decode()
        self.lines.append(line.rstrip())
        return line


@asynccontextmanager
async def waiting(
    kube: Kube,
    kubeconfig: Path,
    namespace: str,
    folder: Path,
    *parents: str,
    granted: bool = True,
) -> AsyncIterator[Waiter]:
    """A waiter with what a pod would have mounted."""
    facts, credentials = folder / "facts", folder / "credentials"
    write_files(facts, {"namespace": namespace, "podgangname": GANG})
    if granted:
        await grant(kube, namespace)
    server = await mount_credentials(kube, kubeconfig, namespace, credentials)
    arguments = [f"--podcliques={parent}" for parent in parents]
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-IS",
        waiter.__file__,
        *arguments,
        f"--pod-info={facts}",
        f"--credentials={credentials}",
        env={**os.environ, **server},
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield Waiter(process)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def grant(kube: Kube, namespace: str) -> None:
    """The rights of Grove's pod role, for the account whose token is mounted."""
    rbac, group = "rbac.authorization.k8s.io/v1", "rbac.authorization.k8s.io"
    rule = {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list", "watch"]}
    role = {"metadata": {"name": "waiter"}, "rules": [rule]}
    await kube.create(path_of(rbac, "roles", namespace), role)
    binding = {
        "metadata": {"name": "waiter"},
        "roleRef": {"apiGroup": group, "kind": "Role", "name": "waiter"},
        "subjects": [{"kind": "ServiceAccount", "name": "default", "namespace": namespace}],
    }
    await kube.create(path_of(rbac, "rolebindings", namespace), binding)


async def mount_credentials(
    kube: Kube, kubeconfig: Path, namespace: str, folder: Path
) -> dict[str, str]:
    """Token and authority as files; gives the environment that names the server."""
    account = path_of("v1", "serviceaccounts", namespace, "default")
    token = await kube.create(f"{account}/token", {"spec": {}})
    roots = path_of("v1", "configmaps", namespace, "kube-root-ca.crt")
    bundle = await kube.wait_for(roots, bool)
    files = {"token": token["status"]["token"], "ca.crt": bundle["data"]["ca.crt"]}
    write_files(folder, files)
    return server_environment(kubeconfig)


def write_files(folder: Path, files: dict[str, str]) -> None:
    folder.mkdir()
    for name, text in files.items():
        (folder / name).write_text(text)


def server_environment(kubeconfig: Path) -> dict[str, str]:
    """What kubelet tells each container of the API server."""
    config = yaml.safe_load(kubeconfig.read_text())
    server = urlsplit(config["clusters"][0]["cluster"]["server"])
    return {
        "KUBERNETES_SERVICE_HOST": str(server.hostname),
        "KUBERNETES_SERVICE_PORT": str(server.port),
    }


def a_pod(name: str, clique: str, gang: str = GANG) -> Object:
    labels = {waiter.GANG_LABEL: gang, waiter.CLIQUE_LABEL: clique}
    return {
        "metadata": {"name": name, "labels": labels},
        "spec": {"containers": [{"name": "main", "image": "registry.example/main:1"}]},
    }


@pytest.fixture
def nodes(control_plane: ControlPlane) -> LocalCluster:
    """Simulated nodes make pods ready."""
    if control_plane.local is None:
        pytest.skip("simulated nodes and stopping the API server need a local cluster")
    control_plane.local.create_nodes(2, NodeShape(prefix="plain", gpus=0))
    return control_plane.local


async def test_it_ends_when_all_parents_have_their_minimum(
    nodes: LocalCluster, kube: Kube, namespace: str, tmp_path: Path
) -> None:
    pods = path_of("v1", "pods", namespace)
    parents = ("demo-0-a:2", "demo-0-ab:1")
    async with waiting(kube, nodes.kubeconfig, namespace, tmp_path, *parents) as process:
        await process.says("demo-0-a has 0 of 2 ready pods, demo-0-ab has 0 of 1 ready pods")
        await kube.create(pods, a_pod("ab-1", "demo-0-ab"))
        await kube.create(pods, a_pod("elsewhere", "demo-0-a", gang="demo-1"))
        await process.says("waiting: demo-0-a has 0 of 2 ready pods\n")
        await kube.create(pods, a_pod("a-1", "demo-0-a"))
        await process.says("demo-0-a has 1 of 2 ready pods")
        await kube.delete(f"{pods}/ab-1", gracePeriodSeconds=0)
        await process.says("demo-0-a has 1 of 2 ready pods, demo-0-ab has 0 of 1 ready pods")
        await kube.create(pods, a_pod("a-2", "demo-0-a"))
        await process.says("waiting: demo-0-ab has 0 of 1 ready pods\n")
        await kube.create(pods, a_pod("ab-2", "demo-0-ab"))
        assert await process.ends() == 0
    assert process.lines[-2:] == ["all parents are ready", ""]


async def test_it_survives_an_api_server_that_dies(
    nodes: LocalCluster, kube: Kube, namespace: str, tmp_path: Path, ledger: Ledger
) -> None:
    async with waiting(kube, nodes.kubeconfig, namespace, tmp_path, "demo-0-a:1") as process:
        await process.says("demo-0-a has 0 of 1 ready pods")
        await asyncio.to_thread(nodes.stop_component, "kube-apiserver")
        await process.says("cannot follow the pods")
        with ledger.starting():
            await asyncio.to_thread(nodes.start_component, "kube-apiserver")
        await kube.create(path_of("v1", "pods", namespace), a_pod("a-1", "demo-0-a"))
        assert await process.ends() == 0


async def test_it_waits_for_its_rights(
    nodes: LocalCluster, kube: Kube, namespace: str, tmp_path: Path
) -> None:
    """The operator writes them, and they may come after the pod has started."""
    await kube.create(path_of("v1", "pods", namespace), a_pod("a-1", "demo-0-a"))
    place = (kube, nodes.kubeconfig, namespace, tmp_path)
    async with waiting(*place, "demo-0-a:1", granted=False) as process:
        await process.says("the API server answered 403")
        await grant(kube, namespace)
        assert await process.ends() == 0


async def test_sigterm_ends_it_at_once(
    nodes: LocalCluster, kube: Kube, namespace: str, tmp_path: Path
) -> None:
    async with waiting(kube, nodes.kubeconfig, namespace, tmp_path, "demo-0-a:1") as process:
        await process.says("demo-0-a has 0 of 1 ready pods")
        process.process.send_signal(signal.SIGTERM)
        assert await process.ends() == 1
    assert "stopped by SIGTERM" in process.lines[-2]
