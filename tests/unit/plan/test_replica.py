"""One look at a replica that was at rest until something happened to it."""

from dataclasses import replace as changed
from typing import Any

import pytest
from msgspec.structs import replace

from grove_operator.api import labels
from grove_operator.observed import Clique, Kind, ReplicaSnapshot
from grove_operator.plan.actions import Action, Create, Delete, Patch
from grove_operator.plan.replica import plan_replica
from grove_operator.scheduling.native import Capabilities
from tests.support.builders import (
    NATIVE,
    NOW,
    PLAIN,
    SUMS,
    SetBuilder,
    a_rest,
    a_set,
    look,
    the_crew,
)

CREW = the_crew()


def told(actions: tuple[Action, ...]) -> list[str]:
    return [f"{type(action).__name__} {action.kind} {action.name}" for action in actions]


def with_clique(seen: ReplicaSnapshot, name: str, **fields: Any) -> ReplicaSnapshot:
    return changed(seen, cliques={**seen.cliques, name: replace(seen.cliques[name], **fields)})


def with_meta(seen: ReplicaSnapshot, name: str, **fields: Any) -> ReplicaSnapshot:
    return with_clique(seen, name, meta=replace(seen.cliques[name].meta, **fields))


@pytest.mark.parametrize("offered", [NATIVE, SUMS, PLAIN], ids=["native", "sums", "plain"])
def test_at_rest_there_is_nothing_to_do(offered: Any) -> None:
    _, seen = a_rest(CREW, offered)
    plan = look(CREW, seen, offered)
    assert (plan.actions, plan.statuses) == ((), ())
    assert plan.summary is not None
    assert plan.summary.available
    assert plan.summary.gangs == (("tide-0", "Running"), ("tide-0-crew-0", "Running"))


def test_the_first_look_makes_what_needs_nothing_else() -> None:
    plan = look(CREW, ReplicaSnapshot())
    assert {str(action.kind) for action in plan.actions} == {
        "Service",
        "PodCliqueScalingGroup",
        "PodClique",
    }
    assert list(plan.actions) == sorted(plan.actions, key=lambda action: action.rank)


COUNTS: dict[str, tuple[int, int, dict[str, Any] | None]] = {
    "the template grew": (2, 4, {"replicas": 4}),
    "somebody scaled, then the template grew": (3, 4, None),
    "somebody scaled to zero": (0, 4, None),
}


@pytest.mark.parametrize(("live", "template", "spec"), COUNTS.values(), ids=COUNTS)
def test_whose_count_it_is(live: int, template: int, spec: dict[str, Any] | None) -> None:
    _, seen = a_rest(a_set().with_clique("w", 2, minAvailable=1))
    seen = with_clique(seen, "tide-0-w", replicas=live)
    plan = look(a_set().with_clique("w", template, minAvailable=1), seen)
    [patch] = [
        item for item in plan.actions if isinstance(item, Patch) and item.kind is Kind.CLIQUE
    ]
    assert patch.body.get("spec") == spec
    assert (patch.version is not None) is (spec is not None)


def test_a_label_that_left_the_template_goes_and_a_users_stays() -> None:
    before = a_set().with_clique("w", labels={"tier": "x"}, annotations={"note": "y"})
    _, seen = a_rest(before)
    meta = seen.cliques["tide-0-w"].meta
    seen = with_meta(seen, "tide-0-w", labels={**meta.labels, "mine": "z"})
    plan = look(a_set().with_clique("w"), seen)
    [patch] = [
        item for item in plan.actions if isinstance(item, Patch) and item.kind is Kind.CLIQUE
    ]
    metadata = patch.body["metadata"]
    assert metadata["labels"]["tier"] is None
    assert metadata["annotations"]["note"] is None
    assert "mine" not in metadata["labels"]


def mended(seen: ReplicaSnapshot, builder: SetBuilder = CREW) -> dict[str, Any]:
    [action] = look(builder, seen).actions
    assert isinstance(action, Patch)
    return action.body


def test_a_hand_edited_clique_is_mended() -> None:
    _, seen = a_rest(CREW)
    spec = seen.cliques["tide-0-gate"].spec | {"minAvailable": 9, "extra": True}
    body = mended(with_clique(seen, "tide-0-gate", spec=spec))
    assert body == {"spec": {"minAvailable": 1, "extra": None}}


def test_a_lost_label_and_finalizer_are_put_back() -> None:
    _, seen = a_rest(CREW)
    meta = seen.cliques["tide-0-gate"].meta
    own = {key: value for key, value in meta.labels.items() if key != labels.PODGANG}
    body = mended(with_meta(seen, "tide-0-gate", labels=own, finalizers=("other",)))
    assert body["metadata"]["labels"] == {labels.PODGANG: "tide-0"}
    assert body["metadata"]["finalizers"] == ["other", labels.CLIQUE_FINALIZER]


def test_a_hand_edited_service_is_mended_and_its_defaults_stay() -> None:
    _, seen = a_rest(CREW)
    service = seen.services["tide-0"]
    spec = service.body["spec"] | {"publishNotReadyAddresses": False, "ipFamilies": ["IPv4"]}
    seen = changed(seen, services={"tide-0": replace(service, body={"spec": spec})})
    assert mended(seen) == {"spec": {"publishNotReadyAddresses": True}}


@pytest.mark.parametrize("offered", [NATIVE, PLAIN], ids=["native", "plain"])
def test_a_deleted_pod_is_replaced_and_listed_in_one_look(offered: Capabilities) -> None:
    """Nobody waits for the list where the scheduler has groups of its own."""
    _, seen = a_rest(CREW, offered)
    [first, second] = seen.pods["tide-0-gate"]
    gone = replace(first, meta=replace(first.meta, deleting=True))
    seen = changed(seen, pods={**seen.pods, "tide-0-gate": (gone, second)})
    plan = look(CREW, seen, offered)
    assert len(plan.later) == (offered is NATIVE)
    found: list[Action] = [*plan.later, *plan.actions]
    [gang, pod] = found
    assert isinstance(gang, Patch)
    assert isinstance(pod, Create)
    listed = [ref["name"] for ref in gang.body["spec"]["podgroups"][0]["podReferences"]]
    assert listed == sorted([second.meta.name, pod.name])
    assert pod.body["metadata"]["labels"][labels.POD_INDEX] == first.meta.labels[labels.POD_INDEX]


def test_a_scaled_gang_waits_for_its_base_gang() -> None:
    stage, seen = a_rest(CREW)
    del stage
    pods = {
        name: tuple(
            replace(pod, scheduled=name != "tide-0-gate", ready=False, gates=(labels.GATE,))
            for pod in found
        )
        for name, found in seen.pods.items()
    }
    released = {
        action.name
        for action in look(CREW, changed(seen, pods=pods)).actions
        if isinstance(action, Patch) and "schedulingGates" in action.body.get("spec", {})
    }
    scaled = {pod.meta.name for name in pods if "crew-2" in name for pod in pods[name]}
    assert released == {pod.meta.name for found in pods.values() for pod in found} - scaled


def test_a_group_that_was_scaled_in_loses_its_highest_replicas() -> None:
    _, seen = a_rest(CREW)
    group = seen.groups["tide-0-crew"]
    seen = changed(seen, groups={"tide-0-crew": replace(group, replicas=2)})
    deleted = [item.name for item in look(CREW, seen).actions if isinstance(item, Delete)]
    assert deleted[:3] == ["tide-0-crew-2-lead", "tide-0-crew-2-oar", "tide-0-crew-0"]


def test_a_replica_that_was_scaled_in_goes_as_a_whole() -> None:
    builder = CREW.but(replicas=2)
    _, seen = a_rest(builder, replica=1)
    plan = look(builder.but(replicas=1), seen, replica=1)
    assert told(plan.actions) == [
        "Delete PodCliqueScalingGroup tide-1-crew",
        "Delete PodClique tide-1-gate",
        "Delete PodGang tide-1",
        "Delete PodGang tide-1-crew-0",
        "Delete Service tide-1",
    ]
    assert plan.summary is None


def test_what_is_being_deleted_is_let_go_even_when_the_set_is_gone() -> None:
    _, seen = a_rest(CREW)
    seen = with_meta(seen, "tide-0-gate", deleting=True, finalizers=(labels.CLIQUE_FINALIZER, "x"))
    plan = plan_replica(None, 0, seen, NATIVE, NOW)
    [patch] = plan.actions
    assert isinstance(patch, Patch)
    assert patch.body == {"metadata": {"finalizers": ["x"]}}
    assert patch.version is not None


def test_orphans_without_a_deletion_are_left_to_the_garbage_collector() -> None:
    _, seen = a_rest(CREW)
    assert plan_replica(None, 0, seen, NATIVE, NOW).actions == ()


def test_somebody_elses_clique_is_not_touched() -> None:
    _, seen = a_rest(CREW)
    foreign: Clique = seen.cliques["tide-0-gate"]
    seen = with_meta(seen, "tide-0-gate", owner_uid="another", labels={})
    del foreign
    assert all(action.name != "tide-0-gate" for action in look(CREW, seen).actions)


def test_a_foreign_gang_in_the_way_holds_its_pods_back() -> None:
    _, seen = a_rest(CREW)
    gang = seen.gangs["tide-0"]
    foreign = replace(gang, meta=replace(gang.meta, owner_uid="another"))
    seen = changed(seen, gangs={**seen.gangs, "tide-0": foreign}, pods={}, pod_groups={})
    made = [item for item in look(CREW, seen).actions if isinstance(item, Create)]
    assert [item.name for item in made if item.name.startswith("tide-0-gate")] == []
