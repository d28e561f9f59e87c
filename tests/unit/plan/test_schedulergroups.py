"""Gangs for KAI and Volcano: when their groups are made, mended, and waited for."""

from dataclasses import replace as changed
from typing import Any

import pytest
from msgspec.structs import replace

from grove_operator.admission.schedulers import KAI, LPX, VOLCANO
from grove_operator.api import labels
from grove_operator.observed import Child, Kind, ReplicaSnapshot
from grove_operator.plan.actions import Create, Patch, Rank
from grove_operator.plan.replica import plan_replica
from grove_operator.scheduling.native import Capabilities
from grove_operator.scheduling.profiles import EVERYTHING, Profiles
from tests.support.builders import NOW, OTHERS, SetBuilder, a_rest, a_set, look

PULL = Capabilities(profiles=Profiles(EVERYTHING.enabled, EVERYTHING.served, pod_grouper=True))
MISSING = Capabilities(profiles=Profiles(EVERYTHING.enabled))
KINDS = {KAI: Kind.KAI_POD_GROUP, VOLCANO: Kind.VOLCANO_POD_GROUP}


def crew(scheduler: str, **fields: Any) -> SetBuilder:
    spec = {"schedulerName": scheduler}
    fields = {"labels": {"kai.scheduler/queue": "test"}} | fields
    return (
        a_set(**fields)
        .with_clique("gate", 2, minAvailable=1, pod_spec=spec)
        .with_clique("oar", 2, minAvailable=1, pod_spec=spec)
        .with_group("crew", "oar", replicas=2, min_available=1)
    )


def groups(seen: ReplicaSnapshot, scheduler: str) -> dict[str, Child]:
    return dict(seen.kai_groups if scheduler == KAI else seen.volcano_groups)


def with_groups(seen: ReplicaSnapshot, scheduler: str, found: dict[str, Child]) -> ReplicaSnapshot:
    if scheduler == KAI:
        return changed(seen, kai_groups=found)
    return changed(seen, volcano_groups=found)


def gates(seen: ReplicaSnapshot) -> set[bool]:
    return {labels.GATE in pod.gates for pods in seen.pods.values() for pod in pods}


def gate_all(seen: ReplicaSnapshot) -> ReplicaSnapshot:
    pods = {
        name: tuple(
            replace(pod, gates=(labels.GATE,), node="", scheduled=False, ready=False)
            for pod in found
        )
        for name, found in seen.pods.items()
    }
    return changed(seen, pods=pods)


@pytest.mark.parametrize("scheduler", [KAI, VOLCANO])
@pytest.mark.parametrize("offered", [OTHERS, PULL, MISSING], ids=["ours", "pull", "missing"])
def test_at_rest_there_is_nothing_to_do(scheduler: str, offered: Capabilities) -> None:
    _, seen = a_rest(crew(scheduler), offered)
    plan = look(crew(scheduler), seen, offered)
    assert (plan.actions, plan.statuses) == ((), ())


@pytest.mark.parametrize("scheduler", [KAI, VOLCANO])
def test_each_gang_has_its_group_and_pods_are_let_go(scheduler: str) -> None:
    _, seen = a_rest(crew(scheduler), OTHERS)
    assert set(groups(seen, scheduler)) == {"tide-0", "tide-0-crew-0"}
    assert gates(seen) == {False}


def test_a_gang_and_its_group_are_made_in_one_look() -> None:
    _, seen = a_rest(crew(KAI), OTHERS)
    bare = changed(seen, gangs={}, pods={}, kai_groups={})
    made = look(crew(KAI), bare, OTHERS).actions
    ranks = {action.kind: action.rank for action in made if isinstance(action, Create)}
    assert ranks[Kind.GANG] < ranks[Kind.POD] < ranks[Kind.KAI_POD_GROUP] == Rank.POD_GROUP


@pytest.mark.parametrize("scheduler", [KAI, VOLCANO])
def test_while_the_scheduler_is_not_there_pods_stay_gated(scheduler: str) -> None:
    _, seen = a_rest(crew(scheduler), MISSING)
    assert groups(seen, scheduler) == {}
    assert gates(seen) == {True}


@pytest.mark.parametrize("scheduler", [KAI, VOLCANO])
def test_when_it_comes_the_groups_are_made(scheduler: str) -> None:
    _, seen = a_rest(crew(scheduler), MISSING)
    plan = look(crew(scheduler), seen, OTHERS)
    made = [(action.kind, action.name) for action in plan.actions if isinstance(action, Create)]
    kind = KINDS[scheduler]
    assert made == [(kind, "tide-0"), (kind, "tide-0-crew-0")]


def test_lpx_is_given_pods_as_they_are() -> None:
    _, seen = a_rest(crew(LPX), OTHERS)
    assert not seen.kai_groups
    assert gates(seen) == {False}


def test_the_pod_grouper_makes_its_own_groups() -> None:
    _, seen = a_rest(crew(KAI), PULL)
    assert not seen.kai_groups
    assert gates(seen) == {False}


def test_a_group_of_an_earlier_gang_is_left_to_go() -> None:
    """Garbage collection takes it; then the new gang gets one of its own."""
    _, seen = a_rest(crew(KAI), OTHERS)
    found = groups(seen, KAI)
    old = found["tide-0"]
    found["tide-0"] = replace(old, meta=replace(old.meta, owner_uid="uid-of-an-earlier-gang"))
    waiting = gate_all(with_groups(seen, KAI, found))
    assert look(crew(KAI), waiting, OTHERS).actions == ()


def test_a_group_without_an_owner_gets_its_gang_back() -> None:
    _, seen = a_rest(crew(KAI), OTHERS)
    found = groups(seen, KAI)
    old = found["tide-0"]
    found["tide-0"] = replace(old, meta=replace(old.meta, owner_uid=""))
    [patch] = look(crew(KAI), with_groups(seen, KAI, found), OTHERS).actions
    assert isinstance(patch, Patch)
    [owner] = patch.body["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["uid"]) == ("PodGang", seen.gangs["tide-0"].meta.uid)


def test_the_annotation_against_the_pod_grouper_comes_back() -> None:
    _, seen = a_rest(crew(KAI), OTHERS)
    gang = seen.gangs["tide-0"]
    bare = replace(gang, meta=replace(gang.meta, annotations={}))
    [patch] = look(crew(KAI), changed(seen, gangs={**seen.gangs, "tide-0": bare}), OTHERS).actions
    assert isinstance(patch, Patch)
    assert patch.body == {"metadata": {"annotations": {"kai.scheduler/skip-podgrouper": "true"}}}


def test_a_subgroup_label_that_was_taken_comes_back() -> None:
    _, seen = a_rest(crew(KAI), OTHERS)
    first, *rest = seen.pods["tide-0-gate"]
    own = {key: value for key, value in first.meta.labels.items() if "subgroup" not in key}
    bare = replace(first, meta=replace(first.meta, labels=own))
    pods = {**seen.pods, "tide-0-gate": (bare, *rest)}
    [patch] = look(crew(KAI), changed(seen, pods=pods), OTHERS).actions
    assert isinstance(patch, Patch)
    wanted = {"kai.scheduler/subgroup-name": "tide-0-gate"}
    assert patch.body == {"metadata": {"labels": wanted}}


def message(plan: Any, kind: Kind, name: str, condition: str) -> str:
    [status] = [item for item in plan.statuses if (item.kind, item.name) == (kind, name)]
    found = {item["type"]: item for item in status.body["status"]["conditions"]}
    return str(found[condition]["message"])


def test_a_queue_that_cannot_be_found_is_told_on_the_gang_once() -> None:
    builder = crew(KAI, labels={})
    _, seen = a_rest(builder, OTHERS)
    assert gates(seen) == {True}
    told = "no KAI queue is configured"
    conditions = seen.gangs["tide-0"].status["conditions"]
    assert any(told in item["message"] for item in conditions)
    bare = {name: replace(gang, status={}) for name, gang in seen.gangs.items()}
    plan = look(builder, changed(seen, gangs=bare), OTHERS)
    assert {(event.name, event.reason) for event in plan.events} == {
        ("tide-0", "KAIBackendMappingFailed"),
        ("tide-0-crew-0", "KAIBackendMappingFailed"),
    }
    assert look(builder, seen, OTHERS).events == ()


def test_that_it_cannot_be_told_is_the_first_cause() -> None:
    builder = crew(KAI)
    _, seen = a_rest(builder, MISSING)
    for name in ("tide-0", "tide-0-crew-0"):
        conditions = {item["type"]: item for item in seen.gangs[name].status["conditions"]}
        assert "install KAI" in conditions["GangBlocked"]["message"]
    conditions = {item["type"]: item for item in seen.gangs["tide-0"].status["conditions"]}
    assert conditions["GangBlocked"]["reason"] == "SchedulerUnavailable"


def test_a_gang_that_runs_is_not_complained_of() -> None:
    """Its queue went missing later: the set says so, and nothing is told again and again."""
    _, seen = a_rest(crew(KAI), OTHERS)
    plan = look(crew(KAI, labels={}), seen, OTHERS)
    assert plan.events == ()


def test_what_kai_says_is_quoted_on_gang_and_cliques() -> None:
    builder = crew(KAI)
    _, seen = a_rest(builder, OTHERS)
    found = groups(seen, KAI)
    said = {"type": "UnschedulableOnNodePool", "status": "True", "message": "no room on 3 nodes"}
    found["tide-0"] = replace(found["tide-0"], status={"schedulingConditions": [said]})
    pods = {
        name: tuple(replace(pod, node="", scheduled=False, ready=False) for pod in all_of)
        for name, all_of in seen.pods.items()
    }
    waiting = changed(with_groups(seen, KAI, found), pods=pods)
    plan = plan_replica(builder.blueprint(), 0, waiting, OTHERS, NOW)
    assert "no room on 3 nodes" in message(plan, Kind.GANG, "tide-0", "Scheduled")
    assert "no room on 3 nodes" in message(plan, Kind.CLIQUE, "tide-0-gate", "PodCliqueScheduled")
    assert [(event.name, event.reason) for event in plan.events if event.kind is Kind.GANG] == [
        ("tide-0", "Unschedulable")
    ]
