"""Scaling through the scale subresource, at every level, up, down, to zero and back."""

import asyncio
from typing import Any

import pytest

from tests.integration.conftest import Stage
from tests.integration.sets import a_clique, a_group, a_set, plain, tide
from tests.support.controlplane import Object
from tests.support.follow import is_live
from tools.localcluster import LocalCluster

pytestmark = pytest.mark.usefixtures("operator")


def indices(stage: Stage, clique: str) -> list[int]:
    """Pod indices of a PodClique's live pods."""
    return sorted(
        int(pod["metadata"]["labels"]["grove.io/podclique-pod-index"])
        for pod in stage.seen.of("Pod")
        if is_live(pod) and pod["metadata"]["labels"]["grove.io/podclique"] == clique
    )


def uids(stage: Stage, kind: str) -> set[str]:
    return {item["metadata"]["uid"] for item in stage.seen.of(kind)}


@pytest.mark.parametrize("counts", [(3, 1, 2), (0, 2), (1, 0, 1)], ids=str)
async def test_podcliqueset(stage: Stage, counts: tuple[int, ...]) -> None:
    """Services, autoscalers, gangs and all of a removed replica go; the others are not touched."""
    await stage.create(tide(2))
    await stage.settled()
    for count in counts:
        kept = {
            item["metadata"]["uid"]
            for item in stage.seen.of("Pod")
            if int(item["metadata"]["labels"]["grove.io/podcliqueset-replica-index"]) < count
        }
        await stage.scale("PodCliqueSet", "tide", count)
        await stage.settled()
        assert kept <= uids(stage, "Pod")


@pytest.mark.parametrize("counts", [(5, 2, 4), (1, 3), (0, 3)], ids=str)
async def test_scaling_group(stage: Stage, counts: tuple[int, ...]) -> None:
    """Scaled gangs come and go at the highest index; below minAvailable the base shrinks."""
    await stage.create(tide(autoscaled=False))
    await stage.settled()
    for count in counts:
        before = {pod["metadata"]["name"]: pod for pod in stage.seen.of("Pod")}
        await stage.scale("PodCliqueScalingGroup", "tide-0-crew", count)
        await stage.settled()
        kept = {name for name, pod in before.items() if _group_replica(pod) < count}
        assert kept <= {pod["metadata"]["name"] for pod in stage.seen.of("Pod")}
        scaled = [gang["metadata"]["name"] for gang in stage.seen.of("PodGang")][1:]
        assert scaled == [f"tide-0-crew-{index}" for index in range(count - 2)]


def _group_replica(pod: Object) -> int:
    return int(pod["metadata"]["labels"].get("grove.io/podcliquescalinggroup-replica-index", -1))


@pytest.mark.parametrize("counts", [(5, 2, 3), (0, 2), (1, 0, 3)], ids=str)
async def test_podclique(stage: Stage, counts: tuple[int, ...]) -> None:
    await stage.create(plain())
    await stage.settled()
    for count in counts:
        await stage.scale("PodClique", "plain-0-main", count)
        await stage.settled()
        assert len(indices(stage, "plain-0-main")) == count


async def test_podclique_inside_a_scaling_group(stage: Stage) -> None:
    await stage.create(tide(autoscaled=False))
    await stage.settled()
    await stage.scale("PodClique", "tide-0-crew-1-oar", 4)
    await stage.scale("PodClique", "tide-0-crew-2-oar", 1)
    await stage.settled()


async def test_lowest_free_indices_are_filled_first(stage: Stage) -> None:
    await stage.create(plain(pods=5))
    await stage.settled()
    gone = [pod for pod in stage.seen.of("Pod") if pod["spec"]["hostname"][-1] in "13"]
    for pod in gone:
        await stage.kube.delete(stage.path("Pod", pod["metadata"]["name"]))
    await stage.settled()
    await stage.seen.until(
        lambda: not {p["metadata"]["uid"] for p in gone} & uids(stage, "Pod"), ""
    )
    await stage.settled()
    assert indices(stage, "plain-0-main") == [0, 1, 2, 3, 4]
    await stage.scale("PodClique", "plain-0-main", 6)
    await stage.settled()
    assert indices(stage, "plain-0-main") == [0, 1, 2, 3, 4, 5]


async def test_unready_pods_go_first(stage: Stage) -> None:
    await stage.create(plain(pods=4))
    await stage.settled()
    [victim] = [pod for pod in stage.seen.of("Pod") if pod["spec"]["hostname"].endswith("-1")]
    unready = [{**item, "status": "False"} for item in victim["status"]["conditions"]]
    path = f"{stage.path('Pod', victim['metadata']['name'])}/status"
    await stage.kube.patch(path, {"status": {"conditions": unready}})
    await stage.seen.until(
        lambda: stage.seen.of("PodClique")[0]["status"]["readyReplicas"] == 3, "three ready"
    )
    await stage.scale("PodClique", "plain-0-main", 3)
    await stage.settled()
    assert indices(stage, "plain-0-main") == [0, 2, 3]


async def test_unplaced_pods_go_first_whatever_their_index(stage: Stage) -> None:
    """Pod 0 is made last, with no room for it: it goes before the older ones that run."""
    await stage.create(plain(pods=3, requests={"cpu": "1"}))
    await stage.settled()
    [first] = [pod for pod in stage.seen.of("Pod") if pod["spec"]["hostname"].endswith("-0")]
    await _cordon(stage, on=True)
    try:
        await stage.kube.delete(stage.path("Pod", first["metadata"]["name"]))
        await stage.seen.until(lambda: _pending(stage) == [0], "pod 0 is pending")
        await stage.scale("PodClique", "plain-0-main", 2)
        await stage.settled()
    finally:
        await _cordon(stage, on=False)
    assert indices(stage, "plain-0-main") == [1, 2]


def _pending(stage: Stage) -> list[int]:
    return [
        int(pod["metadata"]["labels"]["grove.io/podclique-pod-index"])
        for pod in stage.seen.of("Pod")
        if is_live(pod) and not pod["spec"].get("nodeName")
    ]


async def _cordon(stage: Stage, *, on: bool) -> None:
    for node in await stage.kube.list("/api/v1/nodes"):
        path = f"/api/v1/nodes/{node['metadata']['name']}"
        await stage.kube.patch(path, {"spec": {"unschedulable": on}})


async def test_kubectl_scale(ground: LocalCluster, stage: Stage) -> None:
    await stage.create(plain())
    await stage.settled()
    for word, name, count in (("pclq", "plain-0-main", 3), ("pcs", "plain", 2)):
        command = ["-n", stage.namespace, "scale", word, name, f"--replicas={count}"]
        await asyncio.to_thread(ground.kubectl, *command)
    stage.live["plain-0-main"] = 3
    await stage.seen.until(lambda: len(stage.seen.of("PodGang")) == 2, "two gangs")
    await stage.settled()
    assert len(stage.seen.of("Pod")) == 5


async def test_a_new_template_count_reaches_only_what_nobody_has_scaled(stage: Stage) -> None:
    await stage.create(a_set("mix", [a_clique("a", 2, 1), a_clique("b", 2, 1)]))
    await stage.settled()
    await stage.scale("PodClique", "mix-0-b", 4)
    await stage.settled()
    await stage.edit("PodCliqueSet", "mix", _counts(3, 3))
    await stage.settled()
    assert (len(indices(stage, "mix-0-a")), len(indices(stage, "mix-0-b"))) == (3, 4)


def _counts(*counts: int) -> list[dict[str, Any]]:
    return [
        {"op": "replace", "path": f"/spec/template/cliques/{place}/spec/replicas", "value": count}
        for place, count in enumerate(counts)
    ]


async def test_a_template_count_of_a_group_reaches_it_only_if_untouched(stage: Stage) -> None:
    groups = [a_group("one", ["a"], 1), a_group("two", ["b"], 1)]
    await stage.create(a_set("grp", [a_clique("a"), a_clique("b")], groups))
    await stage.settled()
    await stage.scale("PodCliqueScalingGroup", "grp-0-two", 3)
    await stage.settled()
    path = "/spec/template/podCliqueScalingGroups/{}/replicas"
    edits = [{"op": "replace", "path": path.format(place), "value": 2} for place in (0, 1)]
    await stage.edit("PodCliqueSet", "grp", edits)
    await stage.settled()
    assert len(stage.seen.of("Pod")) == 2 + 3


async def test_a_scaled_count_survives_edits_and_new_replicas(stage: Stage) -> None:
    """An autoscaler's count stays through template edits; new PodCliqueSet replicas start anew."""
    await stage.create(tide())
    await stage.settled()
    await stage.scale("PodClique", "tide-0-router", 4)
    await stage.scale("PodCliqueScalingGroup", "tide-0-crew", 4)
    await stage.settled()
    await stage.edit("PodCliqueSet", "tide", {"spec": {"template": {"terminationDelay": "9m"}}})
    await stage.settled()
    await stage.scale("PodCliqueSet", "tide", 2)
    await stage.settled()
    assert len(indices(stage, "tide-0-router")) == 4
    assert len(indices(stage, "tide-1-router")) == 2


async def test_scaling_while_scaling(stage: Stage) -> None:
    """Counts that change faster than anything can follow: the last one counts."""
    await stage.create(tide(autoscaled=False))
    for count in (5, 2, 4, 1, 3):
        await stage.seen.until(
            lambda: stage.seen.named("PodCliqueScalingGroup", "tide-0-crew"), "the group"
        )
        await stage.scale("PodCliqueScalingGroup", "tide-0-crew", count)
        await stage.scale("PodClique", "tide-0-router", count) if _router(stage) else None
    await stage.settled()


def _router(stage: Stage) -> bool:
    return stage.seen.named("PodClique", "tide-0-router") is not None
