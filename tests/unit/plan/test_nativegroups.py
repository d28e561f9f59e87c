"""Groups of gangs when what they were made for changes: the priority, or what the server offers."""

from dataclasses import replace
from typing import Any

import pytest
from msgspec.structs import replace as changed

from grove_operator.observed import Kind, Pod
from grove_operator.plan.actions import Action, Create, Delete, Patch
from grove_operator.plan.nativegroups import held_priorities
from grove_operator.plan.rehearse import Stage, settle
from grove_operator.plan.replica import plan_replica
from grove_operator.scheduling.native import Capabilities
from grove_operator.scheduling.tree import priority_of
from tests.support.builders import NATIVE, NOW, SUMS, SetBuilder, a_set, the_crew

LOW = the_crew().with_template(priorityClassName="low")
HIGH = the_crew().with_template(priorityClassName="high")
ALONE = a_set().with_clique("w", 4)


def at_rest(builder: SetBuilder, capabilities: Capabilities = NATIVE) -> Stage:
    stage = Stage(builder.blueprint(), capabilities)
    settle(stage, 0)
    return stage


def look(stage: Stage, builder: SetBuilder) -> list[Action]:
    return list(_plan(stage, builder).actions)


def _plan(stage: Stage, builder: SetBuilder) -> Any:
    return plan_replica(builder.blueprint(), 0, stage.snapshot(0), stage.capabilities, NOW)


def unplace(stage: Stage) -> None:
    pods = stage.kind(Kind.POD)
    for name, pod in pods.items():
        assert isinstance(pod, Pod)
        pods[name] = changed(pod, phase="Pending", node="", scheduled=False, ready=False)


def lose(stage: Stage, clique: str) -> None:
    """One of its pods."""
    del stage.kind(Kind.POD)[next(n for n in stage.kind(Kind.POD) if n.startswith(clique))]


def scale(stage: Stage, group: str, replicas: int) -> None:
    groups = stage.kind(Kind.SCALING_GROUP)
    groups[group] = changed(groups[group], replicas=replicas)


def priorities(actions: list[Action]) -> set[str]:
    """Of all groups and pods that are made."""
    made = [it for it in actions if isinstance(it, Create)]
    groups = (Kind.POD_GROUP, Kind.COMPOSITE_POD_GROUP)
    found = {priority_of(it.body) for it in made if it.kind in groups}
    return found | {
        str(it.body["spec"].get("priorityClassName") or "") for it in made if it.kind is Kind.POD
    }


def gone(actions: list[Action], kind: Kind) -> set[str]:
    return {it.name for it in actions if isinstance(it, Delete) and it.kind is kind}


def test_a_gang_that_runs_keeps_its_priority_in_all_that_is_made_for_it() -> None:
    """The scheduler places nothing of a gang that has two."""
    stage = at_rest(LOW)
    lose(stage, "tide-0-gate")
    scale(stage, "tide-0-crew", 1)  # the composite has another minimum
    actions = look(stage, HIGH)
    assert {it.kind for it in actions if isinstance(it, Create)} >= {
        Kind.POD,
        Kind.COMPOSITE_POD_GROUP,
    }
    assert priorities(actions) == {"low"}
    assert _plan(stage, HIGH).summary.older_priority == 1


def test_a_gang_that_waits_gets_the_new_priority() -> None:
    stage = at_rest(LOW)
    unplace(stage)
    actions = look(stage, HIGH)
    names = {"tide-0-gate", *(f"tide-0-crew-{i}-{c}" for i in (0, 1) for c in ("lead", "oar"))}
    assert gone(actions, Kind.POD_GROUP) == names
    assert gone(actions, Kind.COMPOSITE_POD_GROUP) == {"tide-0"}
    assert len(gone(actions, Kind.POD)) >= 8
    assert not any(isinstance(it, Create) and it.kind is Kind.POD for it in actions)
    for action in actions:
        stage.carry_out(action)
    assert priorities(look(stage, HIGH)) == {"high"}


def test_a_gang_of_two_priorities_is_led_back_to_the_one_that_runs() -> None:
    stage = at_rest(LOW)
    wrong = stage.kind(Kind.COMPOSITE_POD_GROUP)["tide-0"]
    body: dict[str, Any] = wrong.body  # type: ignore[union-attr]
    body["spec"]["priorityClassName"] = "high"
    lonely = stage.kind(Kind.POD_GROUP)["tide-0-gate"]
    lonely.body["spec"]["priorityClassName"] = "high"  # type: ignore[union-attr]
    for name in [name for name in stage.kind(Kind.POD) if name.startswith("tide-0-gate")]:
        pod = stage.kind(Kind.POD)[name]
        stage.kind(Kind.POD)[name] = changed(pod, node="", scheduled=False, ready=False)
    actions = look(stage, LOW)
    assert gone(actions, Kind.COMPOSITE_POD_GROUP) == {"tide-0"}
    assert gone(actions, Kind.POD_GROUP) == {"tide-0-gate"}
    assert len(gone(actions, Kind.POD)) == 2


@pytest.mark.parametrize("default", ["", "usual"])
def test_without_a_class_the_default_counts(default: str) -> None:
    offered = replace(NATIVE, priority_classes=frozenset({"usual"}), default_priority=default)
    stage = Stage(the_crew().blueprint(), offered)
    settle(stage, 0)
    found = {priority_of(it.body) for it in stage.snapshot(0).pod_groups.values()}
    assert found == {default}


@pytest.mark.parametrize(("before", "after"), [(SUMS, NATIVE), (NATIVE, SUMS)], ids=["come", "go"])
def test_a_lost_pod_is_replaced_when_composites_come_or_go(
    before: Capabilities, after: Capabilities
) -> None:
    """Its group may wait for no more than what is not placed in the group of the other form."""
    stage = at_rest(a_set().with_clique("a", 4).with_clique("b", 1), before)
    stage.capabilities = after
    lose(stage, "tide-0-a")
    actions = look(stage, a_set().with_clique("a", 4).with_clique("b", 1))
    [pod] = [it for it in actions if isinstance(it, Create) and it.kind is Kind.POD]
    joined = pod.body["spec"]["schedulingGroup"]["podGroupName"]
    [group] = [it for it in actions if isinstance(it, Create) and it.kind is Kind.POD_GROUP]
    assert group.name == joined
    assert group.body["spec"]["schedulingPolicy"]["gang"]["minCount"] == 1
    assert gone(actions, Kind.POD_GROUP) == set()
    assert not any(isinstance(it, Patch) and it.kind is Kind.POD_GROUP for it in actions)


@pytest.mark.parametrize(("gangs", "words"), [(1, "1 running gang keeps"), (2, "2 running gangs")])
def test_an_older_priority_is_told(gangs: int, words: str) -> None:
    [condition] = held_priorities(gangs)
    assert words in condition["message"]
    assert condition["status"] == "True"


def test_no_older_priority_is_not_told() -> None:
    assert list(held_priorities(0)) == []
