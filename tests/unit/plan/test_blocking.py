"""Blocked gangs in the plan of a replica and in the status of its set."""

from dataclasses import replace as changed
from typing import Any

from msgspec.structs import replace

from grove_operator.api import conditions as c
from grove_operator.observed import (
    Blocked,
    Child,
    Kind,
    Node,
    ReplicaSnapshot,
    ReplicaSummary,
    SetSnapshot,
    Surroundings,
)
from grove_operator.plan.actions import Plan
from grove_operator.plan.blocking import set_blocked
from tests.support.builders import SetBuilder, a_meta, a_rest, a_set, look, the_crew

PAIR = a_set().with_clique("a", 2).with_clique("b", 1)
RACK = "topology.example.org/rack"


def with_pods(seen: ReplicaSnapshot, clique: str, **fields: Any) -> ReplicaSnapshot:
    pods = tuple(replace(pod, **fields) for pod in seen.pods[clique])
    return changed(seen, pods={**seen.pods, clique: pods})


def unplaced(seen: ReplicaSnapshot, *cliques: str, says: str = "no") -> ReplicaSnapshot:
    for clique in cliques:
        seen = with_pods(seen, clique, node="", scheduled=False, ready=False, verdict=says)
    return seen


def conditions(plan: Plan, kind: Kind = Kind.GANG) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for patch in plan.statuses:
        if patch.kind is kind:
            own = c.find(patch.body["status"].get("conditions") or (), c.GANG_BLOCKED)
            if own:
                found[patch.name] = own
    return found


def nodes(**racks: int) -> Surroundings:
    """One node in each rack, with so many CPUs free."""
    return Surroundings(
        {rack: Node(name=rack, labels={RACK: rack}) for rack in racks},
        {rack: {"cpu": number * 1000, "pods": 100} for rack, number in racks.items()},
    )


def greedy(builder: SetBuilder, name: str, replicas: int, cpu: str) -> SetBuilder:
    container = {"name": "app", "image": "a:1", "resources": {"requests": {"cpu": cpu}}}
    return builder.with_clique(name, replicas, pod_spec={"containers": [container]})


def test_a_gang_that_runs_or_starts_has_no_condition() -> None:
    _, seen = a_rest(PAIR)
    starting = with_pods(seen, "tide-0-a", ready=False)
    for plan in (look(PAIR, seen), look(PAIR, starting)):
        assert conditions(plan) == {}
        assert plan.summary
        assert plan.summary.blocked is None


def test_the_condition_comes_with_a_cause_and_goes_with_it() -> None:
    _, seen = a_rest(PAIR)
    broken = with_pods(seen, "tide-0-a", ready=False, trouble="CrashLoopBackOff: a")
    plan = look(PAIR, broken)
    told = conditions(plan)["tide-0"]
    assert (told["status"], told["reason"]) == ("True", "ContainerCrashes")
    assert told["message"] == "a: 2 of 2 pods: CrashLoopBackOff: a"
    assert plan.summary
    assert plan.summary.blocked == Blocked(6, "tide-0", told["reason"], told["message"])
    [patch] = [item for item in plan.statuses if item.kind is Kind.GANG]
    gang = seen.gangs["tide-0"]
    stored = changed(broken, gangs={"tide-0": replace(gang, status=patch.body["status"])})
    assert not [item for item in look(PAIR, stored).statuses if item.kind is Kind.GANG]
    mended = changed(seen, gangs=stored.gangs)
    [patch] = [item for item in look(PAIR, mended).statuses if item.kind is Kind.GANG]
    assert c.find(patch.body["status"]["conditions"], c.GANG_BLOCKED) is None


def test_numbers_come_from_the_nodes_and_the_label_from_the_groups() -> None:
    builder = greedy(greedy(a_set(), "a", 2, "4"), "b", 1, "1")
    _, seen = a_rest(builder)
    seen = unplaced(seen, "tide-0-a", "tide-0-b")
    seen = changed(seen, surroundings=nodes(r1=4, r2=5, r3=0))
    told = conditions(look(builder, seen))["tide-0"]
    assert told["reason"] == "Unschedulable"  # by this count there is room on two nodes
    constraint = {"topology": [{"key": RACK}]}
    group = seen.composite_groups["tide-0"]
    body = {"spec": group.body["spec"] | {"schedulingConstraints": constraint}}
    seen = changed(seen, composite_groups={"tide-0": replace(group, body=body)})
    told = conditions(look(builder, seen))["tide-0"]
    assert told["reason"] == "InsufficientCapacity"
    assert told["message"] == (
        "a short of 1 pod: rack r2 has 5 free cpu, 8 needed; r1 has 4; r3 has 0"
    )


def test_a_scaled_gang_repeats_what_blocks_its_base_gang() -> None:
    crew = the_crew()
    _, seen = a_rest(crew)
    seen = changed(unplaced(seen, *seen.pods), surroundings=nodes())
    for clique in ("tide-0-crew-2-lead", "tide-0-crew-2-oar"):
        seen = with_pods(seen, clique, gates=("grove.io/podgang-pending-creation",), verdict="")
    plan = look(crew, seen)
    told = conditions(plan)
    assert told["tide-0"]["reason"] == "NoNodeMatches"
    assert told["tide-0-crew-0"]["reason"] == "BaseGangBlocked"
    assert plan.summary
    assert plan.summary.blocked_gangs == 2


def test_cliques_of_one_name_are_told_apart() -> None:
    crew = the_crew()
    _, seen = a_rest(crew)
    seen = with_pods(seen, "tide-0-crew-1-oar", ready=False, trouble="CrashLoopBackOff: a")
    told = conditions(look(crew, seen))["tide-0"]
    assert told["message"].startswith("tide-0-crew-1-oar: 2 of 2 pods")


def test_what_was_refused_is_told_of_gangs_that_lack_pods() -> None:
    _, seen = a_rest(PAIR)
    lacking = changed(
        seen,
        pods={"tide-0-a": seen.pods["tide-0-a"]},
        surroundings=Surroundings(refused="Pod b: exceeded quota"),
    )
    assert conditions(look(PAIR, lacking))["tide-0"]["reason"] == "CreationRefused"


def test_the_worst_gang_speaks_for_the_set() -> None:
    summaries = {
        0: ReplicaSummary(blocked=Blocked(6, "tide-0", "ContainerCrashes", "a"), blocked_gangs=1),
        1: ReplicaSummary(blocked=Blocked(4, "tide-1", "Unschedulable", "b"), blocked_gangs=2),
    }
    [told] = set_blocked(SetSnapshot({}, summaries, blocked=summaries))
    assert told["reason"] == "Unschedulable"
    assert told["message"] == "tide-1: b (3 gangs are blocked)"
    assert list(set_blocked(SetSnapshot({}, {}))) == []


def test_a_scheduler_that_is_busy_with_others_is_not_silent() -> None:
    _, seen = a_rest(PAIR)
    silent = unplaced(seen, "tide-0-a", says="")
    assert conditions(look(PAIR, silent))["tide-0"]["reason"] == "SchedulerSilent"
    busy = changed(silent, surroundings=Surroundings(active="2026-03-01T09:59:00Z"))
    plan = look(PAIR, busy)
    assert conditions(plan) == {}
    assert plan.recheck_after == 241


def test_a_group_without_a_spec_says_nothing_of_labels() -> None:
    _, seen = a_rest(PAIR)
    seen = changed(
        unplaced(seen, "tide-0-a"),
        pod_groups={"tide-0-a": Child(meta=a_meta("tide-0-a"))},
        composite_groups={"tide-0": Child(meta=a_meta("tide-0"))},
        surroundings=nodes(r1=1),
    )
    assert conditions(look(PAIR, seen))["tide-0"]["reason"] == "Unschedulable"
