"""ClusterTopologyBindings beside KAI: its Topologies are kept or compared, and drift is told."""

import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.racks import binding_path
from tests.integration.sets import conditions
from tests.support.controlplane import Kube, Object, path_of
from tests.support.operator import OperatorProcess
from tests.support.privileges import Ledger, under_audit
from tools.demo.crds import install_crds
from tools.localcluster import LocalCluster

pytestmark = pytest.mark.cluster
CRD = Path(__file__).parents[1] / "support" / "manifests" / "kai-topology-crd.yaml"
SETTINGS = {
    "GROVE_TOPOLOGY_AWARE_SCHEDULING__ENABLED": "true",
    "GROVE_SCHEDULER__PROFILES": '[{"name": "kai-scheduler"}]',
}
KEYS = ["topology.kubernetes.io/zone", "topology.kubernetes.io/rack", "kubernetes.io/hostname"]


@pytest.fixture(scope="module")
def kai_cluster(tmp_path_factory: pytest.TempPathFactory, ledger: Ledger) -> Iterator[LocalCluster]:
    """A cluster of its own: bindings are cluster-wide, and other tests' webhook knows no KAI."""
    workdir = tmp_path_factory.mktemp("kai")
    options = under_audit(strict=True)
    with LocalCluster.create("kai", workdir, options, owner_pid=os.getpid()) as cluster:
        install_crds(cluster)
        cluster.kubectl("apply", "-f", str(CRD))
        cluster.kubectl("wait", "--for=condition=Established", "-f", str(CRD), "--timeout=30s")
        with (
            ledger.watching(cluster) as kubeconfig,
            OperatorProcess(kubeconfig, workdir, **SETTINGS) as process,
        ):
            yield cluster
            assert process.metric("grove_operator_errors_total", reason="bug") == 0, process.tail()


@pytest.fixture
async def world(kai_cluster: LocalCluster) -> AsyncIterator[Kube]:
    async with Kube.from_kubeconfig(kai_cluster.kubeconfig) as kube:
        yield kube


def topology_path(name: str | None = None) -> str:
    return path_of("kai.scheduler/v1alpha1", "topologies", name=name)


def a_binding(name: str, *references: tuple[str, str], keys: list[str] = KEYS) -> Object:
    spec: dict[str, Any] = {
        "levels": [{"domain": f"level-{index}", "key": key} for index, key in enumerate(keys)]
    }
    if references:
        spec["schedulerTopologyBindings"] = [
            {"schedulerName": scheduler, "topologyReference": reference}
            for scheduler, reference in references
        ]
    return {
        "apiVersion": "grove.io/v1alpha1",
        "kind": "ClusterTopologyBinding",
        "metadata": {"name": name},
        "spec": spec,
    }


def a_topology(name: str, keys: list[str] = KEYS) -> Object:
    return {
        "apiVersion": "kai.scheduler/v1alpha1",
        "kind": "Topology",
        "metadata": {"name": name},
        "spec": {"levels": [{"nodeLabel": key} for key in keys]},
    }


async def drift(kube: Kube, name: str, expected: str) -> Object:
    """The binding, once its condition is so (`False/InSync`)."""

    def is_so(body: Object | None) -> bool:
        found = conditions(body).get("SchedulerTopologyDrift", {})
        return f"{found.get('status')}/{found.get('reason')}" == expected

    found: Object = await kube.wait_for(binding_path(name), is_so)
    return found


async def told(kube: Kube, name: str, reason: str) -> Object:
    selector = f"involvedObject.kind=ClusterTopologyBinding,involvedObject.name={name}"
    path = path_of("v1", "events", "default")
    found: list[Object] = await kube.wait_for(
        path, bool, fieldSelector=f"{selector},reason={reason}"
    )
    return found[0]


def labels_of(topology: Object) -> list[str]:
    return [level["nodeLabel"] for level in topology["spec"]["levels"]]


async def test_a_topology_is_kept(world: Kube) -> None:
    made = await world.create(binding_path(), a_binding("kept"))
    binding = await drift(world, "kept", "False/InSync")
    topology = await world.get(topology_path("kept"))
    assert labels_of(topology) == KEYS
    [owner] = topology["metadata"]["ownerReferences"]
    assert owner["uid"] == made["metadata"]["uid"]
    assert owner["controller"]
    assert owner["blockOwnerDeletion"]
    assert binding["status"]["schedulerTopologyStatuses"] == [
        {"schedulerName": "kai-scheduler", "topologyReference": "kept", "inSync": True}
    ]
    assert binding["status"]["observedGeneration"] == 1
    assert conditions(binding)["SchedulerTopologyDrift"]["observedGeneration"] == 1
    await told(world, "kept", "TopologyInSync")


async def test_changed_levels_and_deletions_are_made_good(world: Kube) -> None:
    await world.create(binding_path(), a_binding("mended"))
    await drift(world, "mended", "False/InSync")
    before = await world.get(topology_path("mended"))
    await world.patch(binding_path("mended"), {"spec": a_binding("", keys=KEYS[1:])["spec"]})
    await world.wait_for(
        topology_path("mended"), lambda it: it is not None and labels_of(it) == KEYS[1:]
    )
    after = await world.get(topology_path("mended"))
    assert after["metadata"]["uid"] != before["metadata"]["uid"]
    await world.delete(topology_path("mended"))
    await world.wait_for(
        topology_path("mended"),
        lambda it: it is not None and it["metadata"]["uid"] != after["metadata"]["uid"],
    )
    await world.wait_for(
        binding_path("mended"), lambda it: it["status"].get("observedGeneration") == 2
    )


async def test_a_topology_goes_with_its_binding(world: Kube) -> None:
    await world.create(binding_path(), a_binding("brief"))
    await drift(world, "brief", "False/InSync")
    await world.delete(binding_path("brief"))
    await world.wait_gone(topology_path("brief"))


async def test_one_that_others_look_after_is_compared(world: Kube) -> None:
    """Missing, then different, then right; never written."""
    await world.create(binding_path(), a_binding("watched", ("kai-scheduler", "theirs")))
    binding = await drift(world, "watched", "True/Drift")
    [status] = binding["status"]["schedulerTopologyStatuses"]
    assert status["schedulerBackendTopologyObservedGeneration"] == 0
    await told(world, "watched", "TopologyDriftDetected")
    made = await world.create(topology_path(), a_topology("theirs", KEYS[:2]))
    await world.wait_for(
        binding_path("watched"),
        lambda it: "has the levels" in conditions(it)["SchedulerTopologyDrift"]["message"],
    )
    assert await world.get(topology_path("theirs")) == made
    await world.delete(topology_path("theirs"))
    await world.create(topology_path(), a_topology("theirs"))
    binding = await drift(world, "watched", "False/InSync")
    [status] = binding["status"]["schedulerTopologyStatuses"]
    assert status == {
        "schedulerName": "kai-scheduler",
        "topologyReference": "theirs",
        "inSync": True,
        "schedulerBackendTopologyObservedGeneration": 1,
    }
    assert await world.find(topology_path("watched")) is None


async def test_a_strangers_topology_is_left_alone(world: Kube) -> None:
    made = await world.create(topology_path(), a_topology("taken", KEYS[:1]))
    await world.create(binding_path(), a_binding("taken"))
    binding = await drift(world, "taken", "True/Drift")
    assert "is not of this" in conditions(binding)["SchedulerTopologyDrift"]["message"]
    assert "observedGeneration" not in binding["status"]
    assert await world.get(topology_path("taken")) == made
    await world.delete(topology_path("taken"))
    await drift(world, "taken", "False/InSync")


async def test_a_scheduler_that_has_no_topology(world: Kube) -> None:
    await world.create(binding_path(), a_binding("odd", ("volcano", "x")))
    binding = await drift(world, "odd", "Unknown/TopologyNotFound")
    found = {it["schedulerName"]: it for it in binding["status"]["schedulerTopologyStatuses"]}
    assert not found["volcano"]["inSync"]
    assert found["kai-scheduler"]["inSync"]


async def test_a_settled_binding_is_not_written(world: Kube) -> None:
    await world.create(binding_path(), a_binding("still"))
    binding = await drift(world, "still", "False/InSync")
    await world.patch(binding_path("still"), {"metadata": {"labels": {"touched": "yes"}}})
    later = await world.create(binding_path(), a_binding("later"))
    del later
    await drift(world, "later", "False/InSync")
    after = await world.get(binding_path("still"))
    assert after["status"] == binding["status"]
