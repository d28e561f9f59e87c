"""Statuses and conditions of PodCliques, groups and gangs."""

from dataclasses import replace as changed
from typing import Any

import pytest
from msgspec.structs import replace

from grove_operator.api import conditions as c
from grove_operator.observed import Kind, Pod, ReplicaSnapshot
from tests.support.builders import LATER, NATIVE, a_rest, a_set, look, the_crew

CREW = the_crew()
WAITING = {"scheduled": False, "ready": False, "node": "", "phase": "Pending"}


def changed_pods(seen: ReplicaSnapshot, clique: str, **fields: Any) -> ReplicaSnapshot:
    pods: tuple[Pod, ...] = tuple(replace(pod, **fields) for pod in seen.pods[clique])
    return changed(seen, pods={**seen.pods, clique: pods})


def statuses(seen: ReplicaSnapshot) -> dict[tuple[Kind, str], dict[str, Any]]:
    plan = look(CREW, seen, now=LATER)
    return {(patch.kind, patch.name): patch.body["status"] for patch in plan.statuses}


def condition(status: dict[str, Any], type_: str) -> tuple[str, str]:
    found = c.find(status["conditions"], type_)
    assert found is not None
    return found["status"], found["reason"]


def test_at_rest() -> None:
    _, seen = a_rest(CREW)
    status = seen.cliques["tide-0-gate"].status
    assert condition(status, "PodCliqueScheduled") == ("True", "SufficientScheduledPods")
    assert condition(status, "MinAvailableBreached") == ("False", "SufficientReadyPods")
    assert status["observedGeneration"] == 1
    assert status["hpaPodSelector"].endswith("grove.io/podclique=tide-0-gate")
    assert "hpaPodSelector" not in seen.cliques["tide-0-crew-0-oar"].status
    group = seen.groups["tide-0-crew"].status
    assert [group[key] for key in ("replicas", "scheduledReplicas", "availableReplicas")] == [3] * 3
    assert condition(group, "MinAvailableBreached") == (
        "False",
        "SufficientAvailablePodCliqueScalingGroupReplicas",
    )


CLIQUES: dict[str, tuple[dict[str, Any], tuple[str, str], tuple[str, str]]] = {
    "nothing is placed": (
        WAITING,
        ("False", "InsufficientScheduledPods"),
        ("True", "ScheduledReplicasBelowMinAvailable"),
    ),
    "placed and starting": (
        {"ready": False},
        ("True", "SufficientScheduledPods"),
        ("False", "SufficientReadyPods"),
    ),
    "placed and failing": (
        {"ready": False, "failing": True},
        ("True", "SufficientScheduledPods"),
        ("True", "InsufficientReadyPods"),
    ),
}


@pytest.mark.parametrize(("pods", "scheduled", "breached"), CLIQUES.values(), ids=CLIQUES)
def test_a_clique(
    pods: dict[str, Any], scheduled: tuple[str, str], breached: tuple[str, str]
) -> None:
    _, seen = a_rest(CREW)
    if pods == {"ready": False}:
        status = statuses(changed_pods(seen, "tide-0-gate", **pods))[Kind.CLIQUE, "tide-0-gate"]
        assert "conditions" not in status
        return
    status = statuses(changed_pods(seen, "tide-0-gate", **pods))[Kind.CLIQUE, "tide-0-gate"]
    assert condition(status, "PodCliqueScheduled") == scheduled
    assert condition(status, "MinAvailableBreached") == breached


PHASES: dict[str, tuple[dict[str, Any], str, str]] = {
    "not placed": (WAITING, "Pending", "True"),
    "not ready": ({"ready": False}, "Starting", "True"),
}


@pytest.mark.parametrize(("pods", "phase", "unhealthy"), PHASES.values(), ids=PHASES)
def test_a_gang_that_ran(pods: dict[str, Any], phase: str, unhealthy: str) -> None:
    _, seen = a_rest(CREW)
    assert seen.gangs["tide-0"].status["phase"] == "Running"
    status = statuses(changed_pods(seen, "tide-0-gate", **pods))[Kind.GANG, "tide-0"]
    assert status["phase"] == phase
    assert condition(status, "Unhealthy") == (unhealthy, "BelowMinAvailable")
    assert condition(status, "Initialized")[0] == "True"
    found = c.find(status["conditions"], "Unhealthy")
    assert found is not None
    assert found["lastTransitionTime"] == LATER
    assert found["message"] == "was ready, lacks: tide-0-gate"


def test_a_gang_that_never_ran_is_not_unhealthy() -> None:
    _, seen = a_rest(CREW)
    fresh = {name: replace(gang, status={}) for name, gang in seen.gangs.items()}
    seen = changed_pods(changed(seen, gangs=fresh), "tide-0-gate", **WAITING)
    status = statuses(seen)[Kind.GANG, "tide-0"]
    assert condition(status, "Unhealthy") == ("False", "Healthy")
    assert condition(status, "Scheduled")[0] == "False"


def test_a_condition_of_somebody_else_survives() -> None:
    _, seen = a_rest(CREW)
    foreign = {"type": "DisruptionTarget", "status": "True", "reason": "X", "message": ""}
    gang = seen.gangs["tide-0"]
    status = {**gang.status, "conditions": [foreign, *gang.status["conditions"]]}
    seen = changed(seen, gangs={**seen.gangs, "tide-0": replace(gang, status=status)})
    assert (Kind.GANG, "tide-0") not in statuses(seen)
    patch = statuses(changed_pods(seen, "tide-0-gate", ready=False))[Kind.GANG, "tide-0"]
    assert foreign in patch["conditions"]


def test_what_the_scheduler_says_is_passed_on_and_told_once() -> None:
    _, seen = a_rest(CREW)
    seen = changed_pods(seen, "tide-0-gate", **WAITING, verdict="no gpu left")
    plan = look(CREW, seen)
    assert [event.message for event in plan.events if event.reason == "Unschedulable"] == [
        "the scheduler cannot place this gang: tide-0-gate: no gpu left"
    ]
    status = statuses(seen)[Kind.GANG, "tide-0"]
    found = c.find(status["conditions"], "Scheduled")
    assert found is not None
    assert found["message"] == "4 of 5 PodCliques are placed; tide-0-gate: no gpu left"


def test_a_new_generation_is_observed() -> None:
    _, seen = a_rest(CREW)
    clique = seen.cliques["tide-0-gate"]
    newer = replace(clique, meta=replace(clique.meta, generation=7))
    seen = changed(seen, cliques={**seen.cliques, "tide-0-gate": newer})
    assert statuses(seen)[Kind.CLIQUE, "tide-0-gate"] == {"observedGeneration": 7}


def test_a_clique_scaled_below_its_minimum_on_purpose_is_fine() -> None:
    builder = a_set().with_clique("w", 3, minAvailable=3)
    stage, seen = a_rest(builder)
    del stage
    clique = replace(seen.cliques["tide-0-w"], replicas=1)
    pods = {"tide-0-w": seen.pods["tide-0-w"][:1]}
    plan = look(builder, changed(seen, cliques={"tide-0-w": clique}, pods=pods), NATIVE)
    [status] = [patch.body["status"] for patch in plan.statuses if patch.kind is Kind.CLIQUE]
    assert condition(status, "MinAvailableBreached")[0] == "False" if "conditions" in status else 1
