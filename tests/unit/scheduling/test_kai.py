"""KAI's PodGroups: queue, subgroups, and what of an existing one is changed."""

from typing import Any

import pytest

from grove_operator.admission.schedulers import KAI
from grove_operator.observed import Child
from grove_operator.scheduling.backend import Gang
from grove_operator.scheduling.kai import Kai, resolve_queue
from grove_operator.scheduling.profiles import EVERYTHING
from tests.support.builders import SetBuilder, a_meta, a_set

BACKEND = Kai(EVERYTHING)
QUEUE = "kai.scheduler/queue"


def clique(builder: SetBuilder, name: str, **fields: Any) -> SetBuilder:
    return builder.with_clique(name, pod_spec={"schedulerName": KAI}, **fields)


def with_queues(own: Any = None, first: Any = None, second: Any = None) -> SetBuilder:
    builder = a_set(**(own or {}))
    return clique(clique(builder, "gate", **(first or {})), "oar", **(second or {}))


def label(value: str) -> dict[str, Any]:
    return {"labels": {QUEUE: value}}


def annotation(value: str) -> dict[str, Any]:
    return {"annotations": {QUEUE: value}}


QUEUES: dict[str, tuple[SetBuilder, str]] = {
    "label of the set": (with_queues(label("a")), "a"),
    "annotation of the set": (with_queues(annotation("a")), "a"),
    "the label ranks above the annotation": (with_queues({**label("a"), **annotation("b")}), "a"),
    "a clique that agrees": (with_queues(label("a"), annotation("a")), "a"),
    "a clique that does not": (with_queues(label("a"), label("b")), ""),
    "one clique only": (with_queues(None, label("a")), "a"),
    "both cliques alike": (with_queues(None, label("a"), annotation("a")), "a"),
    "two cliques, two queues": (with_queues(None, label("a"), label("b")), ""),
    "none": (with_queues(), ""),
}


@pytest.mark.parametrize(("builder", "queue"), QUEUES.values(), ids=QUEUES)
def test_the_queue(builder: SetBuilder, queue: str) -> None:
    found, problem = resolve_queue(builder.blueprint())
    assert found == queue
    assert bool(problem) is not bool(queue)


def gang(*groups: tuple[str, int, int], builder: SetBuilder | None = None, **spec: Any) -> Gang:
    """Groups are name, minimum and pods."""
    made = [
        {"name": name, "minReplicas": least, "podReferences": [{"name": "x"}] * pods}
        for name, least, pods in groups
    ]
    blueprint = (builder or with_queues(label("a"))).blueprint()
    own = {"app.kubernetes.io/managed-by": "grove-operator", QUEUE: "a"}
    return Gang(blueprint, "tide-0", own, {}, {"podgroups": made, **spec})


def spec_of(found: Gang) -> dict[str, Any]:
    body = BACKEND.group(found)
    assert body is not None
    spec: dict[str, Any] = body["spec"]
    return spec


SIZES: dict[str, tuple[Gang, int, dict[str, int]]] = {
    "as the PodGang says": (gang(("a", 2, 3), ("b", 1, 1)), 3, {"a": 2, "b": 1}),
    "scaled below its minimum": (gang(("a", 3, 1), ("b", 1, 1)), 2, {"a": 1, "b": 1}),
    "scaled to zero": (gang(("a", 3, 0), ("b", 1, 1)), 1, {"b": 1}),
}


@pytest.mark.parametrize(("found", "whole", "leaves"), SIZES.values(), ids=SIZES)
def test_how_many_must_be_placed(found: Gang, whole: int, leaves: dict[str, int]) -> None:
    spec = spec_of(found)
    assert spec["minMember"] == whole
    assert {item["name"]: item["minMember"] for item in spec["subGroups"]} == leaves


def test_of_a_gang_without_pods_there_is_nothing_to_tell() -> None:
    assert BACKEND.group(gang(("a", 1, 0))) is None


def test_a_parent_counts_the_children_that_have_pods() -> None:
    config = [
        {"name": "one", "podGroupNames": ["a", "b"]},
        {"name": "idle", "podGroupNames": ["c"]},
        {"name": "empty", "podGroupNames": []},
    ]
    found = gang(("a", 1, 0), ("b", 1, 1), ("c", 1, 0), topologyConstraintGroupConfigs=config)
    assert spec_of(found)["subGroups"] == [
        {"name": "one", "minSubGroup": 1},
        {"name": "b", "minMember": 1, "parent": "one"},
    ]


RACK = {"packConstraint": {"required": "example.org/rack"}}


@pytest.mark.parametrize(
    ("annotations", "topology"),
    [
        ({"grove.io/topology-name": "ours", "kai.scheduler/topology": "theirs"}, "ours"),
        ({"kai.scheduler/topology": "theirs"}, "theirs"),
    ],
)
def test_the_topology_is_named_on_the_gang(annotations: dict[str, str], topology: str) -> None:
    bare = gang(("a", 1, 1), topologyConstraint=RACK)
    found = Gang(bare.blueprint, bare.name, bare.labels, annotations, bare.spec)
    assert spec_of(found)["topologyConstraint"] == {
        "topology": topology,
        "requiredTopologyLevel": "example.org/rack",
    }


def test_a_constraint_without_a_topology_cannot_be_told() -> None:
    found = gang(("a", 1, 1), topologyConstraint=RACK)
    problem = BACKEND.problem(found)
    assert problem is not None
    assert "names no topology" in problem.text
    assert problem.reason == "KAIBackendMappingFailed"
    assert BACKEND.group(found) is None


def existing(body: dict[str, Any], labels: Any = None, **spec: Any) -> Child:
    own = body["metadata"]["labels"] | (labels or {})
    meta = a_meta("tide-0", labels=own, annotations={"kai.scheduler/last-start-timestamp": "T"})
    return Child(meta=meta, body={"spec": body["spec"] | spec})


WANTED = BACKEND.group(gang(("a", 2, 3), ("b", 1, 1), priorityClassName="cargo")) or {}
LEAF_A, LEAF_B = WANTED["spec"]["subGroups"]
KEPT: dict[str, Child] = {
    "at rest": existing(WANTED),
    "another queue": existing(WANTED, {QUEUE: "moved"}, queue="moved"),
    "a node pool": existing(WANTED, {"kai.scheduler/node-pool": "blue"}),
    "marked unschedulable": existing(WANTED, markUnschedulable=True, schedulingBackoff=3),
    "preemptibility by KAI": existing(WANTED, preemptibility="non-preemptible"),
    "an empty constraint": existing(WANTED, topologyConstraint={}),
    "zeros filled in": existing(WANTED, subGroups=[LEAF_A | {"minSubGroup": 0}, LEAF_B]),
}


@pytest.mark.parametrize("found", KEPT.values(), ids=KEPT)
def test_what_kai_owns_stays(found: Child) -> None:
    assert BACKEND.mend(found, WANTED) == {}


MENDED: dict[str, tuple[Child, dict[str, Any]]] = {
    "the minimum": (existing(WANTED, minMember=9), {"spec": {"minMember": 3}}),
    "a constraint that is gone": (
        existing(WANTED, topologyConstraint={"topology": "t"}),
        {"spec": {"topologyConstraint": None}},
    ),
    "a priority that is gone": (
        existing(WANTED, priorityClassName="old"),
        {"spec": {"priorityClassName": "cargo"}},
    ),
    "a leaf's parent that is gone": (
        existing(WANTED, subGroups=[LEAF_A | {"parent": "p"}, LEAF_B]),
        {"spec": {"subGroups": [LEAF_A, LEAF_B]}},
    ),
    "a label": (
        existing(WANTED, {"app.kubernetes.io/managed-by": "me"}),
        {"metadata": {"labels": {"app.kubernetes.io/managed-by": "grove-operator"}}},
    ),
}


@pytest.mark.parametrize(("found", "patch"), MENDED.values(), ids=MENDED)
def test_what_is_ours_is_mended(found: Child, patch: dict[str, Any]) -> None:
    assert BACKEND.mend(found, WANTED) == patch
