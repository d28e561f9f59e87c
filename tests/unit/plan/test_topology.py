"""What a set's conditions say of topology, and what happens to groups when it changes."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from msgspec.structs import replace as changed

from grove_operator.desired.packing import Levels, TopologyOffer
from grove_operator.observed import Kind, Pod
from grove_operator.plan.actions import Action, Create, Delete, Patch
from grove_operator.plan.rehearse import Stage, settle
from grove_operator.plan.replica import plan_replica
from grove_operator.plan.topology import topology_conditions
from grove_operator.scheduling.native import Capabilities
from tests.support.builders import NATIVE, NOW, PLAIN, SUMS, SetBuilder, a_set
from tests.unit.desired.test_gangpacking import LEVELS, constrained, packed

NONE = constrained()
ZONE = constrained(packed("zone"))
OFF = TopologyOffer()


def bound(levels: Levels = LEVELS, *, affinity: bool = True) -> TopologyOffer:
    return TopologyOffer(enabled=True, affinity=affinity, bindings={"dc": levels})


def said(
    builder: SetBuilder,
    offer: TopologyOffer,
    capabilities: Capabilities = NATIVE,
    outdated: int = 0,
) -> dict[str, tuple[str, str]]:
    offered = replace(capabilities, topology=offer)
    return {
        item["type"]: (item["status"], item["reason"])
        for item in topology_conditions(builder.blueprint(), offered, outdated)
    }


LEVEL_CASES: dict[str, tuple[SetBuilder, TopologyOffer, tuple[str, str] | None]] = {
    "off and asked for": (ZONE, OFF, ("Unknown", "TopologyAwareSchedulingDisabled")),
    "off and not asked for": (NONE, OFF, None),
    "on and not asked for": (NONE, bound(), ("False", "AllClusterTopologyLevelsAvailable")),
    "no name": (
        constrained(packed("zone", name="")),
        bound(),
        ("Unknown", "TopologyNameMissing"),
    ),
    "no binding": (
        constrained(packed("zone", name="other")),
        bound(),
        ("Unknown", "ClusterTopologyNotFound"),
    ),
    "a level is missing": (
        constrained(packed("zone", "row")),
        bound(),
        ("True", "ClusterTopologyLevelsUnavailable"),
    ),
    "all there": (ZONE, bound(), ("False", "AllClusterTopologyLevelsAvailable")),
}


@pytest.mark.parametrize(
    ("builder", "offer", "expected"), LEVEL_CASES.values(), ids=list(LEVEL_CASES)
)
def test_whether_levels_are_there(
    builder: SetBuilder, offer: TopologyOffer, expected: tuple[str, str] | None
) -> None:
    assert said(builder, offer).get("TopologyLevelsUnavailable") == expected


def test_missing_levels_are_named_and_the_generation_is_told() -> None:
    builder = constrained(packed("zone", "row"), group=packed("cell"))
    offered = replace(NATIVE, topology=bound())
    [condition] = topology_conditions(builder.but(generation=7).blueprint(), offered, 0)
    assert "row, cell" in condition["message"]
    assert condition["observedGeneration"] == 7


WISH = constrained(packed("zone", "rack"))
PROMISES: dict[str, tuple[dict[str, tuple[str, str]], tuple[str, str] | None]] = {
    "composites hold all": (said(ZONE, bound()), ("True", "RequiredLevelsHeld")),
    "a preference besides": (said(WISH, bound()), ("True", "RequiredLevelsHeld")),
    "only preferences": (
        said(constrained(packed("", "rack")), bound()),
        ("True", "OnlyPreferences"),
    ),
    "groups only": (said(ZONE, bound(), SUMS), ("False", "HeldForWholeGangs")),
    "nothing served": (said(ZONE, bound(), PLAIN), ("False", "NotHeld")),
    "gangs run under another": (
        said(ZONE, bound(), outdated=2),
        ("False", "OlderConstraintInUse"),
    ),
    "groups only, which have no level": (
        said(ZONE, bound(), SUMS, outdated=2),
        ("False", "HeldForWholeGangs"),
    ),
    "nothing asked for": (said(NONE, bound()), None),
    "levels not there": (said(ZONE, bound({"rack": "k/rack"})), None),
}


@pytest.mark.parametrize(("found", "expected"), PROMISES.values(), ids=PROMISES)
def test_what_is_promised(
    found: dict[str, tuple[str, str]], expected: tuple[str, str] | None
) -> None:
    assert found.get("TopologyGuarantee") == expected


@pytest.mark.parametrize(("affinity", "words"), [(True, "pod affinity stands in"), (False, "off")])
def test_what_becomes_of_preferences_is_told(*, affinity: bool, words: str) -> None:
    offered = replace(NATIVE, topology=bound(affinity=affinity))
    found = {it["type"]: it for it in topology_conditions(WISH.blueprint(), offered, 0)}
    assert words in found["TopologyGuarantee"]["message"]


@pytest.mark.parametrize(
    ("annotations", "expected"),
    [
        ({}, None),
        ({"grove.io/spread-replicas": "rack"}, ("True", "KeptApart")),
        (
            {"grove.io/spread-replicas": "rack", "grove.io/spread-replicas-policy": "Preferred"},
            ("True", "DrawnApart"),
        ),
        ({"grove.io/spread-replicas": "row"}, ("False", "LevelUnknown")),
    ],
)
def test_how_replicas_are_spread(
    annotations: dict[str, str], expected: tuple[str, str] | None
) -> None:
    assert said(NONE.but(annotations=annotations), bound()).get("ReplicasSpread") == expected


@pytest.mark.parametrize(
    ("capabilities", "expected"),
    [(NATIVE, ("Unknown", "PreferenceMayNotCount")), (PLAIN, ("True", "DrawnApart"))],
    ids=["groups choose first", "pods choose alone"],
)
def test_a_preference_beside_a_required_level(
    capabilities: Capabilities, expected: tuple[str, str]
) -> None:
    wish = {"grove.io/spread-replicas": "rack", "grove.io/spread-replicas-policy": "Preferred"}
    assert said(ZONE.but(annotations=wish), bound(), capabilities)["ReplicasSpread"] == expected


# --- a binding comes, changes and goes

ALL = constrained(packed("zone"), packed("rack"), packed("host"))
MOVED = LEVELS | {"rack": "k/cage"}


def at_rest(levels: Levels | None, capabilities: Capabilities = NATIVE) -> Stage:
    """A replica that was made under these levels."""
    offer = bound(levels) if levels is not None else TopologyOffer(enabled=True)
    stage = Stage(ALL.blueprint(), replace(capabilities, topology=offer))
    settle(stage, 0)
    return stage


def look(stage: Stage, levels: Levels) -> tuple[list[Action], int]:
    """What is done under other levels, and how many gangs keep theirs."""
    offered = replace(stage.capabilities, topology=bound(levels))
    plan = plan_replica(stage.blueprint, 0, stage.snapshot(0), offered, NOW)
    assert plan.summary is not None
    return list(plan.actions), plan.summary.outdated


def unplace(stage: Stage) -> None:
    """The scheduler has not found a place for any pod."""
    pods = stage.kind(Kind.POD)
    for name, pod in pods.items():
        assert isinstance(pod, Pod)
        pods[name] = _waiting(pod)


def _waiting(pod: Pod) -> Pod:
    return changed(pod, phase="Pending", node="", scheduled=False, ready=False)


def named(actions: list[Action], sort: type, kind: Kind) -> set[str]:
    return {item.name for item in actions if isinstance(item, sort) and item.kind is kind}


@pytest.mark.parametrize("before", [None, LEVELS], ids=["a binding comes", "a level changes"])
def test_running_gangs_keep_their_groups_and_follow_in_their_podgangs(
    before: Levels | None,
) -> None:
    stage = at_rest(before)
    actions, outdated = look(stage, MOVED)
    gangs = {"tide-0", "tide-0-crew-0"}
    assert outdated == 2
    assert {type(action) for action in actions} == {Patch}
    assert named(actions, Patch, Kind.GANG) == gangs
    assert {action.kind for action in actions} == {Kind.GANG}


def test_a_binding_that_goes_leaves_running_gangs_as_they_are() -> None:
    actions, outdated = look(at_rest(LEVELS), {})
    assert outdated == 2
    assert {action.kind for action in actions} == {Kind.GANG}
    patches: list[Any] = [action.body for action in actions if isinstance(action, Patch)]
    for body in patches:
        assert body["metadata"]["annotations"] == {"grove.io/topology-name": None}


def test_the_same_levels_change_nothing() -> None:
    assert look(at_rest(LEVELS), dict(LEVELS)) == ([], 0)


def test_gangs_that_wait_get_new_groups_and_pods() -> None:
    """PodGroups stay if only composites hold the levels; pods are made anew in any case."""
    stage = at_rest(LEVELS)
    unplace(stage)
    actions, outdated = look(stage, LEVELS | {"host": "k/node", "rack": "k/cage"})
    assert outdated == 0
    assert named(actions, Delete, Kind.COMPOSITE_POD_GROUP) == {
        name
        for index in (0, 1)
        for name in (f"tide-0--crew.{index}", f"tide-0-crew-{index}--oar.all")
    }
    assert named(actions, Delete, Kind.POD_GROUP) == set()
    base = {name for name in stage.kind(Kind.POD) if "crew-2" not in name}
    assert named(actions, Delete, Kind.POD) == base
    assert not any(isinstance(action, Create) for action in actions)


def test_a_pod_group_that_must_change_is_made_anew_with_its_pods_if_they_wait() -> None:
    [clique] = a_set().with_clique("w", 2).cliques
    builder = a_set().but(cliques=(clique | {"topologyConstraint": packed("host")},))
    stage = Stage(builder.blueprint(), replace(NATIVE, topology=bound()))
    settle(stage, 0)
    assert look(stage, LEVELS | {"host": "k/node"})[1] == 1
    unplace(stage)
    actions, outdated = look(stage, LEVELS | {"host": "k/node"})
    assert outdated == 0
    assert named(actions, Delete, Kind.POD_GROUP) == {"tide-0-w"}
    assert len(named(actions, Delete, Kind.POD)) == 2
    assert named(actions, Create, Kind.POD) == set()
    for action in actions:
        stage.carry_out(action)
    for action in look(stage, LEVELS | {"host": "k/node"})[0]:
        stage.carry_out(action)
    assert _key(stage.snapshot(0).pod_groups["tide-0-w"].body) == "k/node"
    assert len(stage.kind(Kind.POD)) == 2


def _key(body: Any) -> str:
    return next(_keys(body), "")


def _keys(body: Any) -> Iterator[str]:
    for item in (body["spec"].get("schedulingConstraints") or {}).get("topology") or ():
        yield item["key"]


def test_a_held_gang_still_follows_the_minimum() -> None:
    """A composite with another count is made anew, in its old form."""
    stage = at_rest(LEVELS)
    cliques = stage.kind(Kind.CLIQUE)
    cliques["tide-0-gate"] = changed(cliques["tide-0-gate"], replicas=0)
    actions, outdated = look(stage, MOVED | {"zone": "k/region"})
    assert outdated == 2
    assert named(actions, Delete, Kind.COMPOSITE_POD_GROUP) == {"tide-0"}
    assert named(actions, Delete, Kind.POD_GROUP) == set()
    [made] = [it for it in actions if isinstance(it, Create)]
    assert _key(made.body) == "k/zone"


def test_a_server_that_drops_the_level_is_not_asked_for_ever() -> None:
    """As without the feature gate for topology, where there are no composites either."""
    stage = at_rest(None, SUMS)
    unplace(stage)
    actions, _ = look(stage, LEVELS)
    assert {action.kind for action in actions} == {Kind.GANG}


@pytest.mark.parametrize(
    ("builder", "members"), [(ALL, 1), (NONE, 2)], ids=["a composite each", "two groups each"]
)
@pytest.mark.parametrize("waits", [True, False])
@pytest.mark.parametrize("count", [0, 1])
def test_scaling_a_group_below_its_minimum_keeps_how_groups_hang_together(
    builder: SetBuilder, members: int, count: int, *, waits: bool
) -> None:
    """Else a gang would keep groups of another form, or lose pods that wait, for nothing."""
    stage = Stage(builder.blueprint(), replace(NATIVE, topology=bound()))
    settle(stage, 0)
    if waits:
        unplace(stage)
    groups = stage.kind(Kind.SCALING_GROUP)
    groups["tide-0-crew"] = changed(groups["tide-0-crew"], replicas=count)
    actions, outdated = look(stage, LEVELS)
    assert outdated == 0
    assert "tide-0-gate" not in named(actions, Delete, Kind.POD_GROUP)
    assert not any(name.startswith("tide-0-gate") for name in named(actions, Delete, Kind.POD))
    [root] = [it for it in actions if isinstance(it, Create) and it.name == "tide-0"]
    assert root.body["spec"]["schedulingPolicy"]["gang"]["minGroupCount"] == 1 + members * count
