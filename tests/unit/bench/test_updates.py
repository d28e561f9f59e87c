from typing import Any

import pytest

from bench.shapes import DISAGG, FLAT, family
from bench.updates import NEW_IMAGE, outdated, plan_batches, successor, with_new_image
from grove_operator.scheduling.native import Capabilities

NATIVE = Capabilities(pod_groups=True, composite_groups=True, workloads=True)


def pods_of(body: dict[str, Any]) -> list[dict[str, Any]]:
    return [item for item in family(body, NATIVE) if item["kind"] == "Pod"]


def test_pods_of_a_clique_follow_one_another() -> None:
    pods = pods_of(FLAT.podcliqueset("n", 6))
    replicas = plan_batches(pods)
    sizes = [[[len(batch) for batch in chain] for chain in chains] for chains in replicas]
    assert sizes == [[[1, 1]]] * 3


def test_replicas_of_a_group_follow_one_another_as_a_whole_beside_other_cliques() -> None:
    pods = pods_of(DISAGG.podcliqueset("n", 34))
    replicas = plan_batches(pods)
    assert len(replicas) == 2
    for chains in replicas:
        sizes = sorted([len(batch) for batch in chain] for chain in chains)
        assert sizes == [[1], [4, 4], [4, 4]]


def test_batches_hold_each_pod_once() -> None:
    pods = pods_of(DISAGG.podcliqueset("n", 34))
    batched = [
        pod["metadata"]["name"]
        for chains in plan_batches(pods)
        for chain in chains
        for batch in chain
        for pod in batch
    ]
    assert sorted(batched) == sorted(pod["metadata"]["name"] for pod in pods)


def test_a_successor_differs_in_name_and_image_only() -> None:
    [pod, *_] = pods_of(FLAT.podcliqueset("n", 2))
    new = successor(pod)
    assert new["metadata"]["name"] != pod["metadata"]["name"]
    assert [c["image"] for c in new["spec"]["containers"]] == [NEW_IMAGE]
    assert [c["image"] for c in pod["spec"]["containers"]] != [NEW_IMAGE], "the old one stays"
    assert new["spec"]["schedulingGroup"] == pod["spec"]["schedulingGroup"]
    assert new["metadata"]["labels"] == pod["metadata"]["labels"]


def test_each_clique_gets_the_new_image() -> None:
    body = DISAGG.podcliqueset("n", 17)
    changed = with_new_image(body)["spec"]["template"]["cliques"]
    images = {c["image"] for item in changed for c in item["spec"]["podSpec"]["containers"]}
    assert images == {NEW_IMAGE}
    assert NEW_IMAGE not in str(body)


@pytest.mark.parametrize(
    ("image", "ready", "deleting", "left"),
    [
        pytest.param(NEW_IMAGE, "True", False, [], id="new and ready"),
        pytest.param("pause:1", "True", False, ["p"], id="old"),
        pytest.param(NEW_IMAGE, "False", False, ["p"], id="not ready"),
        pytest.param(NEW_IMAGE, "True", True, ["p"], id="going away"),
    ],
)
def test_finds_pods_that_an_update_left(
    image: str, ready: str, deleting: bool, left: list[str]
) -> None:
    metadata = {"name": "p"} | ({"deletionTimestamp": "2026-01-01T00:00:00Z"} if deleting else {})
    pod = {
        "metadata": metadata,
        "spec": {"containers": [{"image": image}]},
        "status": {"conditions": [{"type": "Ready", "status": ready}]},
    }
    assert outdated([pod]) == left
