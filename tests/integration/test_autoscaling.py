"""A real HorizontalPodAutoscaler scales a PodClique and a scaling group, from simulated usage."""

import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.integration.conftest import Stage
from tests.integration.sets import Body, a_clique, a_group, a_set
from tests.support.controlplane import Kube
from tests.support.follow import Followed
from tests.support.operator import OperatorProcess
from tests.support.privileges import Ledger, under_audit
from tools.demo.crds import install_crds
from tools.localcluster import AcquisitionError, LocalCluster, NodeShape, ensure
from tools.localcluster.metrics import CPU_ANNOTATION
from tools.localcluster.toolsets import METRICS_SERVER

pytestmark = pytest.mark.cluster

CPU = [
    {
        "type": "Resource",
        "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50}},
    }
]
SCALING = {"minReplicas": 1, "maxReplicas": 3, "metrics": CPU}
PATIENCE = 120
"""metrics-server must scrape twice before it knows a usage."""


@pytest.fixture(scope="module")
def metered(tmp_path_factory: pytest.TempPathFactory, ledger: Ledger) -> Iterator[Path]:
    """Gives the kubeconfig of a cluster with metrics-server, nodes and an operator."""
    try:
        ensure(METRICS_SERVER)
    except AcquisitionError as error:
        pytest.skip(f"no metrics-server, so no autoscaler can scale: {error}")
    workdir = tmp_path_factory.mktemp("metered")
    options = under_audit(metrics_server=True)
    with LocalCluster.create("metered", workdir, options, owner_pid=os.getpid()) as cluster:
        install_crds(cluster)
        cluster.create_nodes(2, NodeShape(gpus=0))
        with ledger.watching(cluster) as kubeconfig, OperatorProcess(kubeconfig, workdir):
            yield cluster.kubeconfig


@pytest.fixture
async def stage(metered: Path) -> AsyncIterator[Stage]:
    async with (
        Kube.from_kubeconfig(metered) as kube,
        Followed.start(kube, "default") as seen,
    ):
        yield Stage(kube, "default", seen)


def busy_set() -> Body:
    requests = {"cpu": "100m"}
    router = a_clique("router", requests=requests, autoScalingConfig=SCALING)
    crew = a_group("crew", ["oar"], 1, 1, scaleConfig=SCALING)
    body = a_set("busy", [router, a_clique("oar", requests=requests)], [crew])
    for clique in body["spec"]["template"]["cliques"]:
        clique["annotations"] = {CPU_ANNOTATION: "10m"}
    return body


async def test_usage_scales_cliques_and_groups(stage: Stage) -> None:
    """Up to the maximum; our next passes and edits of the template leave the counts alone."""
    await stage.create(busy_set())
    await stage.settled()
    for pod in stage.seen.of("Pod"):
        await stage.edit(
            "Pod", pod["metadata"]["name"], {"metadata": {"annotations": {CPU_ANNOTATION: "400m"}}}
        )
    await stage.seen.until(lambda: replicas(stage) == (3, 3), "both at their maximum", PATIENCE)
    stage.live.update({"busy-0-router": 3, "busy-0-crew": 3})
    await stage.edit("PodCliqueSet", "busy", {"spec": {"template": {"terminationDelay": "9m"}}})
    await stage.seen.until(
        lambda: len(stage.seen.of("PodGang")) == 3 and len(stage.seen.of("Pod")) == 6,
        "two scaled gangs and six pods",
    )
    assert replicas(stage) == (3, 3)
    assert stage.seen.clashes == []


def replicas(stage: Stage) -> tuple[int, int]:
    clique = stage.seen.named("PodClique", "busy-0-router") or {"spec": {"replicas": 0}}
    group = stage.seen.named("PodCliqueScalingGroup", "busy-0-crew") or {"spec": {"replicas": 0}}
    return clique["spec"]["replicas"], group["spec"]["replicas"]
