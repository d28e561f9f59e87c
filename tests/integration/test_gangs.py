"""Gangs on the stock scheduler: all of a gang or none, and an answer to why it waits."""

import os
import uuid
from collections.abc import AsyncIterator, Iterator

import pytest

from tests.integration.conftest import Stage
from tests.integration.sets import Body, a_clique, a_group, a_set, conditions, has, is_available
from tests.support.controlplane import Kube, Object, path_of
from tests.support.follow import Followed, is_live
from tests.support.inventory import PLAIN, Expectation, differences
from tests.support.operator import OperatorProcess
from tests.support.privileges import Ledger, under_audit
from tools.demo.crds import install_crds
from tools.localcluster import LocalCluster, NodeShape
from tools.localcluster.configuration import GANG_FEATURE_GATES


class Hall:
    """Seats that only the pods of one test can take, on nodes of its own."""

    def __init__(self, cluster: LocalCluster) -> None:
        self.cluster = cluster
        self.mark = f"hall-{uuid.uuid4().hex[:6]}"
        self.resource = f"example.org/{self.mark}"

    def add_nodes(self, count: int, seats: int) -> None:
        prefix = f"{self.mark}-{uuid.uuid4().hex[:4]}"
        shape = NodeShape(prefix=prefix, gpus=0, resources={self.resource: str(seats)})
        self.cluster.create_nodes(count, shape)

    def clique(self, name: str, replicas: int = 1, minimum: int | None = None) -> Body:
        """Each of its pods needs one seat."""
        return a_clique(name, replicas, minimum, requests={self.resource: "1"})


@pytest.fixture
def hall(ground: LocalCluster, operator: OperatorProcess) -> Hall:
    del operator
    return Hall(ground)


def placed(stage: Stage, gang: str = "") -> int:
    return sum(
        bool(pod["spec"].get("nodeName"))
        for pod in stage.seen.of("Pod")
        if gang in ("", pod["metadata"]["labels"]["grove.io/podgang"])
    )


def message(body: Object | None, condition: str) -> str:
    return str(conditions(body).get(condition, {}).get("message", ""))


async def says_why(stage: Stage, gang: str) -> str:
    """Until the PodGang repeats what the scheduler complains of."""
    await stage.seen.until(
        lambda: "cannot be satisfied" in message(stage.seen.named("PodGang", gang), "Scheduled"),
        f"PodGang {gang} says why it is not placed",
    )
    return message(stage.seen.named("PodGang", gang), "Scheduled")


async def test_a_gang_that_does_not_fit_waits_as_a_whole_and_says_why(
    stage: Stage, hall: Hall
) -> None:
    hall.add_nodes(1, 3)
    await stage.create(a_set("wide", [hall.clique("main", 4)]))
    text = await says_why(stage, "wide-0")
    assert "minCount (4)" in text
    assert placed(stage) == 0
    assert has(stage.seen.named("PodGang", "wide-0"), "Scheduled", "False")
    event = await stage.wait_event("PodGang", "Unschedulable")
    assert event["type"] == "Warning"
    assert "minCount (4)" in event["message"]


async def test_it_starts_by_itself_when_room_comes(stage: Stage, hall: Hall) -> None:
    hall.add_nodes(1, 3)
    await stage.create(a_set("wide", [hall.clique("main", 4)]))
    await says_why(stage, "wide-0")
    hall.add_nodes(1, 1)
    await stage.settled()
    assert placed(stage) == 4


async def test_a_gang_of_several_cliques_is_placed_together(stage: Stage, hall: Hall) -> None:
    """There is room for either clique alone, and for neither beside the other."""
    hall.add_nodes(1, 4)
    await stage.create(a_set("pair", [hall.clique("left", 3), hall.clique("right", 3)]))
    await says_why(stage, "pair-0")
    assert placed(stage) == 0
    hall.add_nodes(1, 2)
    await stage.settled()


async def test_a_gang_starts_with_its_minimum(stage: Stage, hall: Hall) -> None:
    hall.add_nodes(1, 2)
    await stage.create(a_set("lean", [hall.clique("main", 4, 2)]))
    await stage.settled()
    assert placed(stage) == 2
    assert has(stage.seen.named("PodGang", "lean-0"), "Ready")


async def test_a_scaled_gang_waits_for_its_base_gang(stage: Stage, hall: Hall) -> None:
    """Room for the scaled gang alone is no reason to start it."""
    hall.add_nodes(1, 2)
    crew = a_group("crew", ["oar"], 2, 1)
    await stage.create(a_set("race", [hall.clique("router", 1), hall.clique("oar", 2)], [crew]))
    await says_why(stage, "race-0")
    await stage.seen.until(
        lambda: "race-0" in message(stage.seen.named("PodGang", "race-0-crew-0"), "Scheduled"),
        "the scaled gang says for what it waits",
    )
    gates = [
        bool(pod["spec"].get("schedulingGates"))
        for pod in stage.seen.of("Pod")
        if pod["metadata"]["labels"]["grove.io/podgang"] == "race-0-crew-0"
    ]
    assert gates == [True, True]
    assert placed(stage) == 0
    hall.add_nodes(1, 1)
    await stage.seen.until(lambda: placed(stage, "race-0") == 3, "the base gang is placed")
    assert placed(stage, "race-0-crew-0") == 0
    hall.add_nodes(1, 2)
    await stage.settled()


async def test_the_minimum_of_a_group_follows_scaling_below_it(stage: Stage, hall: Hall) -> None:
    hall.add_nodes(1, 8)
    await stage.create(a_set("flex", [hall.clique("main", 3)]))
    await stage.settled()
    for count in (1, 4, 2):
        await stage.scale("PodClique", "flex-0-main", count)
        await stage.settled()
        [group] = stage.seen.of("PodGroup")
        assert group["spec"]["schedulingPolicy"]["gang"]["minCount"] == min(3, count)


# --- a cluster that knows no gangs


def priorities(stage: Stage, gang: str) -> set[str]:
    """Of the gang's groups and of its living pods."""
    groups = [*stage.seen.of("PodGroup"), *stage.seen.of("CompositePodGroup")]
    pods = [pod for pod in stage.seen.of("Pod") if is_live(pod)]
    return {
        str(item["spec"].get("priorityClassName"))
        for item in (*groups, *pods)
        if item["metadata"]["labels"]["grove.io/podgang"] == gang
    }


async def test_a_changed_priority_leaves_no_gang_with_two(
    stage: Stage, hall: Hall, kube: Kube
) -> None:
    """The scheduler would place no replacement in one. The whole set's next replica is new."""
    classes = path_of("scheduling.k8s.io/v1", "priorityclasses")
    low, high = f"{hall.mark}-low", f"{hall.mark}-high"
    for name, value in ((low, 10), (high, 1000)):
        body = {"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "value": value}
        await kube.create(classes, body | {"metadata": {"name": name}})
    hall.add_nodes(2, 4)
    made = a_set("rank", [hall.clique("a", 2, 1), hall.clique("b")])
    made["spec"]["template"]["priorityClassName"] = low
    await stage.create(made)
    await stage.seen.until(lambda: placed(stage) == 3, "it is placed")
    before = {pod["metadata"]["uid"] for pod in stage.seen.of("Pod")}
    await stage.edit("PodCliqueSet", "rank", {"spec": {"template": {"priorityClassName": high}}})
    await stage.seen.until(
        lambda: has(stage.seen.named("PodCliqueSet", "rank"), "GangPriorityHeld"), "it is told"
    )
    await stage.seen.until(
        lambda: (
            placed(stage) == 3
            and not before & {pod["metadata"]["uid"] for pod in stage.seen.of("Pod")}
        ),
        "all pods are new and placed",
    )
    assert priorities(stage, "rank-0") == {low}
    await stage.scale("PodCliqueSet", "rank", 2)
    await stage.seen.until(lambda: placed(stage, "rank-1") == 3, "another replica is placed")
    assert priorities(stage, "rank-1") == {high}
    for name in (low, high):
        await kube.delete(f"{classes}/{name}")


@pytest.fixture(scope="module")
def plain_cluster(
    tmp_path_factory: pytest.TempPathFactory, ledger: Ledger
) -> Iterator[LocalCluster]:
    """As most clusters are today: the feature gates are off."""
    off = dict.fromkeys(GANG_FEATURE_GATES, False)
    workdir = tmp_path_factory.mktemp("plain")
    options = under_audit(feature_gates=off)
    with LocalCluster.create("plain", workdir, options, owner_pid=os.getpid()) as cluster:
        install_crds(cluster)
        cluster.create_nodes(2, NodeShape(gpus=0))
        with ledger.watching(cluster) as kubeconfig, OperatorProcess(kubeconfig, workdir):
            yield cluster


@pytest.fixture
async def plain_world(plain_cluster: LocalCluster) -> AsyncIterator[Followed]:
    async with (
        Kube.from_kubeconfig(plain_cluster.kubeconfig) as kube,
        Followed.start(kube, "default") as seen,
    ):
        yield seen


@pytest.mark.cluster
async def test_without_gangs_pods_start_through_gates_and_the_set_says_so(
    plain_world: Followed,
) -> None:
    """One by one, and the scaled gang after the base gang."""
    seen = plain_world
    crew = a_group("crew", ["oar"], 2, 1)
    body = a_set("old", [a_clique("router"), a_clique("oar", 2)], [crew])
    await seen.kube.create("/apis/grove.io/v1alpha1/namespaces/default/podcliquesets", body)
    await seen.until(lambda: is_available(seen.named("PodCliqueSet", "old")), "available")
    await seen.until_nothing(
        lambda: differences(
            seen, [Expectation(item, {}, PLAIN) for item in seen.of("PodCliqueSet")]
        )
    )
    [pcs] = seen.of("PodCliqueSet")
    assert has(pcs, "GangGuarantee", "False")
    assert conditions(pcs)["GangGuarantee"]["reason"] == "GangSchedulingUnavailable"
    assert not any(pod["spec"].get("schedulingGates") for pod in seen.of("Pod"))
