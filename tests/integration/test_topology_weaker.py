"""Topology where the cluster serves less: the promise shrinks, and nothing runs in circles."""

import os
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

import pytest

from grove_operator.desired.packing import TopologyOffer
from grove_operator.scheduling.native import Capabilities
from tests.integration.racks import Racks, with_template
from tests.integration.sets import a_group, a_set, conditions, is_available
from tests.support.controlplane import Kube
from tests.support.follow import Followed
from tests.support.inventory import Expectation, differences
from tests.support.operator import OperatorProcess
from tests.support.privileges import Ledger, under_audit
from tools.demo.crds import install_crds
from tools.localcluster import LocalCluster

pytestmark = pytest.mark.cluster


@dataclass
class Weaker:
    cluster: LocalCluster
    operator: OperatorProcess
    has_levels: bool
    """Whether PodGroups may have a topology key."""


@pytest.fixture(scope="module", params=[True, False], ids=["with levels", "without levels"])
def weaker(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, ledger: Ledger
) -> Iterator[Weaker]:
    """PodGroups, but no CompositePodGroups."""
    gates = {"CompositePodGroup": False, "TopologyAwareWorkloadScheduling": request.param}
    workdir = tmp_path_factory.mktemp("weaker")
    options = under_audit(feature_gates=gates)
    with LocalCluster.create("weaker", workdir, options, owner_pid=os.getpid()) as cluster:
        install_crds(cluster)
        settings = {"GROVE_TOPOLOGY_AWARE_SCHEDULING__ENABLED": "true"}
        with (
            ledger.watching(cluster) as kubeconfig,
            OperatorProcess(kubeconfig, workdir, **settings) as process,
        ):
            yield Weaker(cluster, process, request.param)


@dataclass
class Place:
    """What `Racks` looks at."""

    kube: Kube
    seen: Followed
    capabilities: Capabilities

    def path(self, kind: str, name: str | None = None) -> str:
        raise NotImplementedError


@pytest.fixture
async def place(weaker: Weaker) -> AsyncIterator[Place]:
    async with (
        Kube.from_kubeconfig(weaker.cluster.kubeconfig) as kube,
        Followed.start(kube, "default") as seen,
    ):
        yield Place(kube, seen, Capabilities(pod_groups=True, workloads=True))


async def test_a_gangs_own_level_is_held_where_it_can_be(weaker: Weaker, place: Place) -> None:
    racks = Racks(weaker.cluster)
    for number in range(3):
        racks.add("z", f"r{number}", 2, 3)
    await racks.bind(place.kube)
    crew = a_group("crew", ["lead", "oar"], 2, 2, **racks.packed("host"))
    cliques = [racks.clique("gate", 2), racks.clique("lead", 1), racks.clique("oar", 1)]
    body = with_template(a_set("less", cliques, [crew]), **racks.packed("rack"))
    await place.kube.create("/apis/grove.io/v1alpha1/namespaces/default/podcliquesets", body)
    seen = place.seen
    await seen.until(lambda: is_available(seen.named("PodCliqueSet", "less")), "available")
    found = conditions(seen.named("PodCliqueSet", "less"))
    assert found["TopologyGuarantee"]["reason"] == "HeldForWholeGangs"
    assert found["GangGuarantee"]["reason"] == "SumOfMinimums"
    [group] = seen.of("PodGroup")
    assert ("schedulingConstraints" in group["spec"]) is weaker.has_levels
    if weaker.has_levels:
        assert len(racks.domains(place, "rack")) == 1
    offer = TopologyOffer(enabled=True, bindings={racks.mark: racks.keys})
    known = Capabilities(pod_groups=True, workloads=True, topology=offer)
    if weaker.has_levels:
        sets = [Expectation(item, {}, known) for item in seen.of("PodCliqueSet")]
        await seen.until_nothing(lambda: differences(seen, sets))
    await seen.until(lambda: all_told(seen), "all statuses say that it runs")
    assert await seen.stays_quiet(3) == []


def all_told(seen: Followed) -> bool:
    """Whether all that the set has become is told to run; the set's own status is not the last."""
    cliques, groups = seen.of("PodClique"), seen.of("PodCliqueScalingGroup")
    return (
        all(it.get("status", {}).get("readyReplicas") == it["spec"]["replicas"] for it in cliques)
        and all(
            it.get("status", {}).get("availableReplicas") == it["spec"]["replicas"] for it in groups
        )
        and all(gang.get("status", {}).get("phase") == "Running" for gang in seen.of("PodGang"))
    )
