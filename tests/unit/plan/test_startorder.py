"""What pods wait for, what is told of it, and what happens when that can never come."""

from dataclasses import replace as changed
from typing import Any

import pytest
from msgspec.structs import replace

from grove_operator.api import conditions as c
from grove_operator.api import labels
from grove_operator.observed import Kind, Pod, ReplicaSnapshot, SetSnapshot
from grove_operator.plan.actions import Action, Create, Delete
from grove_operator.plan.podcliqueset import SetFacts, plan_set
from tests.support.builders import (
    LATER,
    NATIVE,
    NOW,
    SetBuilder,
    a_rest,
    a_set,
    look,
    the_crew,
)
from tests.unit.plan.test_podcliqueset import the_record

CHAIN = a_set().in_order().with_clique("a", 3, minAvailable=2).with_clique("b", 2)
CREW = the_crew().in_order()
STARTING = {"ready": False, "phase": "Pending"}
NOTHING = SetSnapshot({}, {})
NO_IMAGE = changed(NATIVE, waiter_image="")


def with_pods(seen: ReplicaSnapshot, clique: str, **fields: Any) -> ReplicaSnapshot:
    pods: tuple[Pod, ...] = tuple(replace(pod, **fields) for pod in seen.pods[clique])
    return changed(seen, pods={**seen.pods, clique: pods})


def with_count(seen: ReplicaSnapshot, clique: str, replicas: int) -> ReplicaSnapshot:
    record = replace(seen.cliques[clique], replicas=replicas)
    return changed(seen, cliques={**seen.cliques, clique: record})


def waiting(builder: SetBuilder, seen: ReplicaSnapshot, clique: str) -> tuple[str, str] | None:
    """Status and message of the condition after a look."""
    plan = look(builder, seen, now=LATER)
    stored = {item.name: item.body["status"] for item in plan.statuses}
    status = stored.get(clique, {})
    now = status.get("conditions") or seen.cliques[clique].status["conditions"]
    found = c.find(now, c.WAITING_FOR_PARENTS)
    return (found["status"], found["message"]) if found else None


def made(actions: tuple[Action, ...], clique: str) -> list[dict[str, Any]]:
    return [
        item.body
        for item in actions
        if isinstance(item, Create) and item.kind is Kind.POD and item.owner.name == clique
    ]


def arguments(pod: dict[str, Any]) -> list[str]:
    containers = pod["spec"].get("initContainers") or []
    return [text for item in containers if item["name"] == "grove-initc" for text in item["args"]]


def without_pods(seen: ReplicaSnapshot, clique: str) -> ReplicaSnapshot:
    rest = {name: pods for name, pods in seen.pods.items() if name != clique}
    return changed(seen, pods=rest)


NEEDS: dict[str, tuple[int, list[str]]] = {
    "the parent is whole": (3, ["--podcliques=tide-0-a:2"]),
    "the parent was scaled to its minimum": (2, ["--podcliques=tide-0-a:2"]),
    "the parent was scaled below its minimum": (1, ["--podcliques=tide-0-a:1"]),
    "the parent was scaled to zero": (0, []),
}


@pytest.mark.parametrize(("replicas", "expected"), NEEDS.values(), ids=NEEDS)
def test_what_can_be_had_is_waited_for(replicas: int, expected: list[str]) -> None:
    _, seen = a_rest(CHAIN)
    seen = with_count(without_pods(seen, "tide-0-b"), "tide-0-a", replicas)
    pods = made(look(CHAIN, seen).actions, "tide-0-b")
    assert [arguments(pod) for pod in pods] == [expected] * 2
    notes = [pod["metadata"]["annotations"].get(labels.WAITS_FOR) for pod in pods if expected]
    assert notes == [text.removeprefix("--podcliques=") for text in expected] * len(notes)


def removed(builder: SetBuilder, seen: ReplicaSnapshot) -> list[str]:
    actions = look(builder, seen).actions
    return sorted(
        item.name for item in actions if isinstance(item, Delete) and item.kind is Kind.POD
    )


LATE: dict[str, tuple[int, dict[str, Any], int]] = {
    "nothing changed": (3, STARTING, 0),
    "enough is left": (2, STARTING, 0),
    "they would wait for ever": (1, STARTING, 2),
    "there is nothing left to wait for": (0, STARTING, 2),
    "they have started": (1, {"phase": "Running", "ready": False}, 0),
}


@pytest.mark.parametrize(("replicas", "state", "count"), LATE.values(), ids=LATE)
def test_pods_that_ask_too_much_make_way(replicas: int, state: dict[str, Any], count: int) -> None:
    _, seen = a_rest(CHAIN)
    seen = with_pods(seen, "tide-0-b", **state)
    seen = with_count(with_pods(seen, "tide-0-a", ready=False), "tide-0-a", replicas)
    gone = [name for name in removed(CHAIN, seen) if name.startswith("tide-0-b-")]
    assert len(gone) == count
    assert len(made(look(CHAIN, seen).actions, "tide-0-b")) == count


def test_pods_make_way_when_a_parent_left_with_its_group() -> None:
    builder = (
        a_set()
        .in_order()
        .with_clique("lead", 1)
        .with_clique("gate", 1)
        .with_group("crew", "lead", replicas=2, min_available=2)
    )
    _, seen = a_rest(builder)
    seen = with_pods(seen, "tide-0-gate", **STARTING)
    assert removed(builder, seen) == []
    group = replace(seen.groups["tide-0-crew"], replicas=1)
    seen = changed(seen, groups={"tide-0-crew": group})
    assert [name for name in removed(builder, seen) if "gate" in name]


def test_the_first_parent_that_is_not_ready_is_told() -> None:
    _, seen = a_rest(CREW)
    assert waiting(CREW, seen, "tide-0-gate") is None
    assert (waiting(CREW, seen, "tide-0-crew-0-oar") or ("",))[0] == "False"
    seen = with_pods(seen, "tide-0-crew-0-oar", **STARTING)
    seen = with_pods(seen, "tide-0-crew-0-lead", **STARTING)
    assert waiting(CREW, seen, "tide-0-crew-0-oar") == (
        "True",
        "waits for tide-0-crew-0-lead, of which 1 pod must be ready",
    )
    seen = with_pods(seen, "tide-0-crew-1-lead", **STARTING)
    status, text = waiting(CREW, seen, "tide-0-crew-0-oar") or ("", "")
    assert (status, text.endswith("must be ready, and for others")) == ("True", True)


def test_what_runs_does_not_wait_when_a_parent_is_lost() -> None:
    _, seen = a_rest(CREW)
    seen = with_pods(seen, "tide-0-gate", ready=False)
    assert (waiting(CREW, seen, "tide-0-crew-0-lead") or ("",))[0] == "False"


def test_progress_of_a_parent_writes_nothing_to_its_children() -> None:
    builder = a_set().in_order().with_clique("a", 3).with_clique("b", 2)
    _, seen = a_rest(builder)
    seen = with_pods(with_pods(seen, "tide-0-b", **STARTING), "tide-0-a", **STARTING)
    [status] = [item for item in look(builder, seen).statuses if item.name == "tide-0-b"]
    stored = replace(
        seen.cliques["tide-0-b"],
        status=seen.cliques["tide-0-b"].status | status.body["status"],
    )
    first, *rest = seen.pods["tide-0-a"]
    seen = changed(
        seen,
        cliques={**seen.cliques, "tide-0-b": stored},
        pods={**seen.pods, "tide-0-a": (replace(first, ready=True), *rest)},
    )
    assert "tide-0-b" not in [item.name for item in look(builder, seen).statuses]


def test_without_an_image_the_others_start_and_the_set_says_why() -> None:
    stage, seen = a_rest(CHAIN, NO_IMAGE)
    assert [body for body in stage.bodies if body["kind"] == "Pod"]
    assert "tide-0-b" not in seen.pods
    facts = SetFacts(NO_IMAGE, NOW)
    from_set = plan_set(CHAIN.blueprint(), the_record(), NOTHING, facts)
    [event] = from_set.events
    assert (event.reason, event.warning) == ("InitContainerImageMissing", True)
    [patch] = from_set.statuses
    status = patch.body["status"]
    assert c.is_true(status["conditions"], c.START_ORDER_UNAVAILABLE)
    assert [item["code"] for item in status["lastErrors"]] == [
        "ERR_INITCONTAINER_ENVIRONMENT_VARIABLE_MISSING"
    ]
    again = plan_set(CHAIN.blueprint(), the_record(status), NOTHING, facts)
    assert again.events == ()
    mended = plan_set(CHAIN.blueprint(), the_record(status), NOTHING, SetFacts(NATIVE, NOW))
    assert mended.statuses[0].body["status"]["lastErrors"] is None


def test_a_set_without_order_needs_no_image() -> None:
    builder = a_set().with_clique("a").with_clique("b")
    plan = plan_set(builder.blueprint(), the_record(), NOTHING, SetFacts(NO_IMAGE, NOW))
    assert plan.events == ()
