"""Blocked gangs in the plan of a replica and in the status of its set."""

from collections.abc import Mapping
from dataclasses import replace as changed
from typing import Any

import pytest
from msgspec.structs import replace

from grove_operator.api import conditions as c
from grove_operator.api import labels
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
from grove_operator.scheduling.native import Capabilities
from tests.support.builders import (
    NATIVE,
    Body,
    SetBuilder,
    a_meta,
    a_rest,
    a_set,
    look,
    the_crew,
)

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


# --- room, as the gang's groups have it ----------------------------------------------------------


def keyed(seen: ReplicaSnapshot, group: str, key: str) -> ReplicaSnapshot:
    """The group with a topology constraint."""
    constraint = {"schedulingConstraints": {"topology": [{"key": key}]}}

    def with_key(groups: Mapping[str, Child]) -> dict[str, Child]:
        return {
            name: replace(found, body={"spec": found.body["spec"] | constraint})
            if name == group
            else found
            for name, found in groups.items()
        }

    return changed(
        seen,
        pod_groups=with_key(seen.pod_groups),
        composite_groups=with_key(seen.composite_groups),
    )


def test_a_gang_of_one_clique_is_told_of_the_rack_that_its_other_pods_are_in() -> None:
    builder = greedy(a_set(), "a", 2, "4")
    _, seen = a_rest(builder)
    seen = keyed(seen, "tide-0-a", RACK)
    stays, lost = seen.pods["tide-0-a"]
    pods = (
        replace(stays, node="r1"),
        replace(lost, node="", scheduled=False, ready=False, verdict="no"),
    )
    seen = changed(seen, pods={"tide-0-a": pods}, surroundings=nodes(r1=2, r2=64))
    assert conditions(look(builder, seen))["tide-0"]["message"] == (
        "a short of 1 pod: rack r1, where others of them are, has 2 free cpu, 4 needed"
    )


def test_the_cliques_of_a_bundle_are_counted_together() -> None:
    builder = greedy(greedy(a_set(), "lead", 1, "3"), "oar", 1, "4")
    builder = builder.with_group("crew", "lead", "oar", replicas=2, min_available=2)
    _, seen = a_rest(builder)
    for index in (0, 1):
        root = seen.composite_groups["tide-0"]
        name = f"tide-0--crew.{index}"
        body = {"spec": root.body["spec"] | {"parentCompositePodGroupName": "tide-0"}}
        bundle = replace(root, meta=a_meta(name), body=body)
        groups = dict(seen.pod_groups)
        for clique in ("lead", "oar"):
            own = f"tide-0-crew-{index}-{clique}"
            spec = groups[own].body["spec"] | {"parentCompositePodGroupName": name}
            groups[own] = replace(groups[own], body={"spec": spec})
        composites = {**seen.composite_groups, name: bundle}
        seen = keyed(changed(seen, pod_groups=groups, composite_groups=composites), name, RACK)
    seen = unplaced(seen, *seen.pods)
    tight = changed(seen, surroundings=nodes(r1=4, r2=4, r3=9))
    assert conditions(look(builder, tight))["tide-0"]["message"] == (
        "tide-0-crew-1-lead short of 1 pod, tide-0-crew-1-oar of 1 pod: there is room for 1 of 2 "
        "groups that need 7 cpu in one rack each: r3 has 9 free; r1, r2 have 4 free"
    )
    none = changed(seen, surroundings=nodes(r1=4, r2=4))
    assert conditions(look(builder, none))["tide-0"]["message"] == (
        "tide-0-crew-0-lead short of 1 pod: rack r1 has 4 free cpu, 7 needed; r2 has 4"
    )


def test_equal_gangs_share_an_answer_until_nodes_change() -> None:
    """Of other sets, too; pods that must go to other nodes are another question."""
    builder = greedy(a_set(), "a", 2, "4")
    _, seen = a_rest(builder)
    around = nodes(r1=2)
    seen = changed(unplaced(seen, "tide-0-a"), surroundings=around)
    first = conditions(look(builder, seen))["tide-0"]["message"]
    assert len(around.answers) == 2  # the survey of the nodes, and what came of it
    twin = builder.but(name="ebb", uid="another")
    _, other = a_rest(twin)
    other = changed(unplaced(other, "ebb-0-a"), surroundings=around)
    assert conditions(look(twin, other))["ebb-0"]["message"] == first
    assert len(around.answers) == 2
    container = seen.cliques["tide-0-a"].spec["podSpec"]["containers"][0]
    picky = {"containers": [container], "nodeSelector": {"pool": "gold"}}
    clique = seen.cliques["tide-0-a"]
    asks = changed(
        seen, cliques={"tide-0-a": replace(clique, spec={**clique.spec, "podSpec": picky})}
    )
    assert conditions(look(builder, asks))["tide-0"]["reason"] == "NoNodeMatches"


# --- claims --------------------------------------------------------------------------------------

SERVED = changed(NATIVE, resource_claims=True, compute_domains=True, mnnvl=True)
MINE = {"resourceClaims": [{"name": "nic", "resourceClaimName": "mine"}]}
MADE = {"resourceClaims": [{"name": "nic", "resourceClaimTemplateName": "mine"}]}
GPUS = {"resources": {"limits": {"nvidia.com/gpu": 1}}}
LENT = {"resourceSharing": [{"name": "lent", "scope": "AllReplicas"}]}


def claiming(**spec: Any) -> SetBuilder:
    return a_set().with_clique("a", pod_spec=spec)


def linked() -> SetBuilder:
    builder = a_set(annotations={labels.MNNVL_GROUP: "fabric"})
    return builder.with_clique("a", pod_spec={"containers": [{"name": "a", "image": "i", **GPUS}]})


MISSING: dict[str, tuple[SetBuilder, Capabilities, dict[str, Any], str]] = {
    "a claim of the user's own": (
        claiming(**MINE),
        SERVED,
        {"claims": {}},
        "a: there is no ResourceClaim mine",
    ),
    "a claim that is there": (claiming(**MINE), SERVED, {"claims": {("harbor", "mine")}}, ""),
    "a template of the user's own": (
        claiming(**MADE),
        SERVED,
        {"templates": {}},
        "a: there is no ResourceClaimTemplate mine",
    ),
    "a template that is there": (
        claiming(**MADE),
        SERVED,
        {"templates": {("harbor", "mine"): {}}},
        "",
    ),
    "a template of shared claims": (
        a_set(template=LENT).with_clique("a"),
        SERVED,
        {"templates": {}},
        "a: ResourceClaim tide-all-lent cannot be made: there is no ResourceClaimTemplate lent in "
        "namespace harbor",
    ),
    "a shared claim that nobody has made yet": (
        a_set(template=LENT).with_clique("a"),
        SERVED,
        {"templates": {("harbor", "lent"): {}}},
        "a: there is no ResourceClaim tide-all-lent",
    ),
    "a shared claim that is there": (
        a_set(template=LENT).with_clique("a"),
        SERVED,
        {"templates": {}, "set_claims": ("tide-all-lent",)},
        "",
    ),
    "a template that a driver has yet to make": (
        linked(),
        SERVED,
        {"templates": {}},
        "a: there is no ResourceClaimTemplate tide-0-fabric, which NVIDIA's DRA driver makes for "
        "the ComputeDomain of that name",
    ),
    "no driver": (
        linked(),
        changed(SERVED, compute_domains=False),
        {"templates": {}},
        "a: there is no ResourceClaimTemplate tide-0-fabric: the API server serves no "
        "ComputeDomains (resource.nvidia.com/v1beta1), so pods of MNNVL groups wait; install "
        "NVIDIA's DRA driver",
    ),
    "no leave to make domains": (
        linked(),
        changed(SERVED, mnnvl=False),
        {"templates": {}},
        "a: there is no ResourceClaimTemplate tide-0-fabric: MNNVL is off in the operator's "
        "configuration (network.autoMNNVLEnabled), so no ComputeDomains are made, and new pods of "
        "their groups wait",
    ),
}


@pytest.mark.parametrize(("builder", "offered", "world", "message"), MISSING.values(), ids=MISSING)
def test_what_is_told_of(
    builder: SetBuilder, offered: Capabilities, world: dict[str, Any], message: str
) -> None:
    """Of pods that wait for ages, without a word of any scheduler."""
    _, seen = a_rest(builder, offered)
    seen = unplaced(seen, "tide-0-a", says="")
    seen = changed(
        seen,
        claim_templates=world.get("templates"),
        surroundings=Surroundings(
            claims=world.get("claims"), set_claims=world.get("set_claims", ())
        ),
    )
    told = conditions(look(builder, seen, offered))["tide-0"]
    expected = ("ClaimUnavailable", message) if message else ("SchedulerSilent", told["message"])
    assert (told["reason"], told["message"]) == expected


@pytest.mark.parametrize("spec", [MINE, MADE], ids=["claims", "templates"])
def test_nobody_is_called_silent_while_it_is_not_known_what_exists(spec: Body) -> None:
    builder = claiming(**spec)
    _, seen = a_rest(builder, SERVED)
    seen = changed(unplaced(seen, "tide-0-a", says=""), claim_templates=None)
    assert conditions(look(builder, seen, SERVED)) == {}


def test_pods_that_are_not_made_for_they_would_lose_their_claims_block_their_gang() -> None:
    for builder in (claiming(**MINE), linked(), a_set(template=LENT).with_clique("a")):
        _, seen = a_rest(builder, NATIVE)
        assert not seen.pods.get("tide-0-a")
        told = c.find(seen.gangs["tide-0"].status["conditions"], c.GANG_BLOCKED)
        assert told is not None
        assert told["reason"] == "ResourceClaimsUnavailable"
        assert told["message"].startswith("a: the API server serves no ResourceClaims")


def test_claims_of_users_are_good_in_any_version() -> None:
    older = changed(NATIVE, older_claims=True)
    assert len(a_rest(claiming(**MINE), older)[1].pods["tide-0-a"]) == 1
    assert not a_rest(linked(), older)[1].pods.get("tide-0-a")
