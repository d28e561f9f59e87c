"""The local control plane itself: what it serves, and that its parts can be stopped and started."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.conftest import ControlPlane
from tests.support.controlplane import ApiError, Kube, path_of
from tools.localcluster import ClusterError, ClusterOptions, LocalCluster, NodeShape, processes
from tools.localcluster.cluster import sweep
from tools.localcluster.ports import LOOPBACK, PortRegistry
from tools.localcluster.toolsets import KUBERNETES_VERSION

pytestmark = pytest.mark.cluster


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCluster]:
    """A second cluster, beside the session's, whose parts these tests may stop."""
    workdir = tmp_path_factory.mktemp("clusters")
    options = ClusterOptions(audit=True)
    with LocalCluster.create("second", workdir, options, owner_pid=os.getpid()) as running:
        yield running


async def test_reports_the_pinned_version(kube: Kube) -> None:
    assert (await kube.get("/version"))["gitVersion"] == f"v{KUBERNETES_VERSION}"


@pytest.mark.parametrize(
    ("group_version", "kind"),
    [
        ("scheduling.k8s.io/v1beta1", "PodGroup"),
        ("scheduling.k8s.io/v1alpha3", "CompositePodGroup"),
    ],
)
async def test_serves_native_gangs(kube: Kube, group_version: str, kind: str) -> None:
    resources = (await kube.get(f"/apis/{group_version}"))["resources"]
    assert kind in {resource["kind"] for resource in resources}


async def test_each_test_has_a_namespace_in_which_pods_can_be_made(
    kube: Kube, namespace: str
) -> None:
    pods = path_of("v1", "pods", namespace)
    await kube.create(pods, _pod("one"))
    names = [pod["metadata"]["name"] for pod in await kube.list(pods)]
    assert names == ["one"]


async def test_a_wait_that_fails_shows_what_it_saw(kube: Kube, namespace: str) -> None:
    pods = path_of("v1", "pods", namespace)
    await kube.create(pods, _pod("stays-pending"))
    with pytest.raises(AssertionError, match=r"(?s)not as expected.*Last seen:.*stays-pending"):
        await kube.wait_for(f"{pods}/stays-pending", lambda pod: pod is None, timeout=0.3)


async def test_two_clusters_at_once_do_not_meet(
    control_plane: ControlPlane, namespace: str, cluster: LocalCluster
) -> None:
    async with Kube.from_kubeconfig(cluster.kubeconfig) as other:
        assert await other.find(path_of("v1", "namespaces", name=namespace)) is None
    if control_plane.local is not None:
        assert not set(cluster.ports.values()) & set(control_plane.local.ports.values())
        assert not set(cluster.components().values()) & set(
            control_plane.local.components().values()
        )


async def test_pods_run_on_simulated_gpu_nodes(cluster: LocalCluster) -> None:
    assert cluster.create_nodes(4, NodeShape(zones=2, blocks=2, racks=2)) == 4
    assert cluster.create_nodes(4, NodeShape(zones=2, blocks=2, racks=2)) == 0
    async with Kube.from_kubeconfig(cluster.kubeconfig) as kube:
        pods = path_of("v1", "pods", "default")
        await kube.create(pods, _pod("gpus", **{"nvidia.com/gpu": "8"}))
        pod = await kube.wait_for(f"{pods}/gpus", _is_ready)
        node = await kube.get(path_of("v1", "nodes", name=pod["spec"]["nodeName"]))
    assert node["status"]["allocatable"]["nvidia.com/gpu"] == "8"
    assert node["metadata"]["labels"]["topology.kubernetes.io/rack"] in {"rack-0", "rack-1"}


async def test_the_api_server_can_be_stopped_and_started(cluster: LocalCluster) -> None:
    async with Kube.from_kubeconfig(cluster.kubeconfig) as kube:
        await kube.create(path_of("v1", "configmaps", "default"), _config_map("kept"))
        before = cluster.components()
        cluster.stop_component("kube-apiserver")
        with pytest.raises(aiohttp.ClientConnectionError):
            await kube.get("/version")
        cluster.start_component("kube-apiserver")
        assert await kube.find(path_of("v1", "configmaps", "default", "kept")) is not None
    after = cluster.components()
    assert after["kube-apiserver"] != before["kube-apiserver"]
    assert after["etcd"] == before["etcd"]


async def test_writes_are_audited(cluster: LocalCluster) -> None:
    async with Kube.from_kubeconfig(cluster.kubeconfig) as kube:
        await kube.create(path_of("v1", "configmaps", "default"), _config_map("seen-by-audit"))
        await kube.get(path_of("v1", "configmaps", "default", "seen-by-audit"))
    lines = [line for line in cluster.audit_log.read_text().splitlines() if "seen-by-audit" in line]
    assert len(lines) == 1
    assert '"verb":"create"' in lines[0]


def test_a_killed_start_leaves_nothing_that_down_does_not_remove(tmp_path: Path) -> None:
    def run(*words: str) -> subprocess.Popen[bytes]:
        place = ["--name", "killed", "--workdir", str(tmp_path)]
        return subprocess.Popen([sys.executable, "-m", "tools.localcluster", *words, *place])

    folder = tmp_path / "clusters" / "killed"
    with run("up", "--kubeconfig", str(tmp_path / "kubeconfig")) as killed:
        while not processes.running(folder):
            assert killed.poll() is None, "it got up before it could be killed"
        killed.kill()
    assert LocalCluster.open("killed", tmp_path) is None
    with run("down") as down:
        assert down.wait() == 0
    assert processes.running(folder) == []
    assert not folder.exists()


def test_a_port_that_was_taken_meanwhile_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server((LOOPBACK, 0)) as server:
        taken = server.getsockname()[1]
        reserve = PortRegistry.reserve
        answers: list[list[int]] = []

        def unlucky(registry: PortRegistry, owner: Path, count: int) -> list[int]:
            ports = reserve(registry, owner, count)
            answers.append([taken, *ports[1:]] if not answers else ports)
            return answers[-1]

        monkeypatch.setattr(PortRegistry, "reserve", unlucky)
        with LocalCluster.create("unlucky", tmp_path, owner_pid=os.getpid()) as cluster:
            assert taken not in cluster.ports.values()
    assert len(answers) == 2


def test_a_wrong_flag_is_reported_with_the_words_of_the_component(tmp_path: Path) -> None:
    options = ClusterOptions(extra_args={"kube-scheduler": {"no-such-flag": "1"}})
    with pytest.raises(ClusterError, match=r"(?s)ended .*kube-scheduler.*unknown flag"):
        LocalCluster.create("wrong", tmp_path, options)
    assert not any((tmp_path / "state").iterdir())


def test_of_a_cluster_whose_owner_died_nothing_is_left(tmp_path: Path) -> None:
    with subprocess.Popen(["/bin/true"]) as owner:
        pass
    cluster = LocalCluster.create("orphan", tmp_path, owner_pid=owner.pid)
    assert LocalCluster.open("orphan", tmp_path) is not None
    kubeconfig = cluster.kubeconfig
    assert "orphan" in sweep()
    assert LocalCluster.open("orphan", tmp_path) is None
    assert cluster.components() == {}
    assert not kubeconfig.exists()
    assert not any((tmp_path / "clusters").iterdir())


async def test_refusals_carry_status_and_reason(kube: Kube, namespace: str) -> None:
    with pytest.raises(ApiError) as caught:
        await kube.get(path_of("v1", "pods", namespace, "absent"))
    assert (caught.value.status, caught.value.reason) == (404, "NotFound")


def _pod(name: str, **limits: str) -> dict[str, Any]:
    container = {"name": "main", "image": "example.com/none", "resources": {"limits": limits}}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {"containers": [container]},
    }


def _config_map(name: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}}


def _is_ready(pod: dict[str, Any] | None) -> bool:
    conditions = (pod or {}).get("status", {}).get("conditions", ())
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)
