"""Topology: one name for the set, domains that exist, and constraints that stay."""

from typing import Any

import pytest

from grove_operator.admission.submission import Facts, Found
from grove_operator.admission.topology import (
    topology_on_create,
    topology_on_update,
    topology_warnings,
    wanted_topologies,
)
from grove_operator.api.podcliqueset import PodCliqueSet
from tests.unit.admission.submitting import (
    CLIQUES,
    GROUPS,
    a_set,
    clique,
    group,
    legacy,
    packed,
    submit,
)

SET = "spec.template.topologyConstraint"
IN_A = f"{CLIQUES}[0].topologyConstraint"
IN_B = f"{CLIQUES}[1].topologyConstraint"
IN_G = f"{GROUPS}[0].topologyConstraint"


def placed(whole: Any = None, a: Any = None, b: Any = None, g: Any = None) -> PodCliqueSet:
    """Clique `a` stands alone, `b` is in group `g`."""
    return a_set(
        clique("a", topologyConstraint=a),
        clique("b", topologyConstraint=b),
        topologyConstraint=whole,
        podCliqueScalingGroups=[group("g", "b", topologyConstraint=g)],
    )


def created(pcs: PodCliqueSet, found: Facts | None = None, **policy: Any) -> list[str]:
    return [str(error) for error in topology_on_create(submit(pcs, None, found, **policy))]


def updated(old: PodCliqueSet, new: PodCliqueSet, **policy: Any) -> list[str]:
    return [str(error) for error in topology_on_update(submit(new, old, **policy))]


SOUND = {
    "no constraint": placed(),
    "the set": placed(packed("rack", name="dc")),
    "a clique by itself": placed(a=packed("rack", name="dc")),
    "a clique that inherits from the set": placed(packed("rack", name="dc"), a=packed("host")),
    "a group that inherits from the set": placed(packed("rack", name="dc"), g=packed("rack")),
    "a clique that inherits from its group": placed(b=packed("host"), g=packed("rack", name="dc")),
    "a clique that skips its group": placed(packed("rack", name="dc"), b=packed("host")),
    "a name that is written out": placed(packed("rack", name="dc"), a=packed("host", name="dc")),
    "siblings that agree": placed(a=packed("host", name="dc"), g=packed("host", name="dc")),
    "equal domains": placed(packed("rack", "host", "dc"), a=packed("rack", "host")),
    "required and preferred are not compared": placed(
        packed("host", name="dc"), a=packed(preferred="zone")
    ),
    "a clique outside the group may be broader": placed(
        a=packed("zone", name="dc"), g=packed("host", name="dc")
    ),
}


@pytest.mark.parametrize("pcs", SOUND.values(), ids=SOUND)
def test_what_is_sound_is_accepted(pcs: PodCliqueSet) -> None:
    assert created(pcs) == []


MISSING = "Required value: topologyName is required when a topology constraint is given and none"
DIFFER = "all topologyConstraint.topologyName values within a PodCliqueSet must match"
NAMES: dict[str, tuple[PodCliqueSet, list[str]]] = {
    "the set has no name": (
        placed(packed("rack")),
        [f"{SET}.topologyName: {MISSING} is above"],
    ),
    "nobody above has a name": (
        placed(b=packed("host"), g=packed("rack")),
        [f"{IN_B}.topologyName: {MISSING} is above", f"{IN_G}.topologyName: {MISSING} is above"],
    ),
    "a name in another clique does not count": (
        placed(a=packed("host", name="dc"), b=packed("host")),
        [f"{IN_B}.topologyName: {MISSING} is above"],
    ),
    "a clique contradicts the set": (
        placed(packed("rack", name="dc"), a=packed("host", name="x")),
        [f'{IN_A}.topologyName: Invalid value: "x": {DIFFER}'],
    ),
    "a group contradicts the set, its clique inherits from the set": (
        placed(packed("rack", name="dc"), b=packed("host"), g=packed("rack", name="x")),
        [f'{IN_G}.topologyName: Invalid value: "x": {DIFFER}'],
    ),
    "siblings differ": (
        placed(a=packed("host", name="dc"), b=packed("host"), g=packed("host", name="x")),
        [
            f'{IN_A}.topologyName: Invalid value: "dc": {DIFFER}',
            f'{IN_G}.topologyName: Invalid value: "x": {DIFFER}',
        ],
    ),
}


@pytest.mark.parametrize(("pcs", "expected"), NAMES.values(), ids=NAMES)
def test_a_set_has_one_topology(pcs: PodCliqueSet, expected: list[str]) -> None:
    assert created(pcs) == expected
    assert wanted_topologies(submit(pcs)) == frozenset()


def test_without_topology_aware_scheduling_every_constraint_is_refused() -> None:
    pcs = placed(packed("rack", "host", "dc"), a=legacy("nope"), g=packed(preferred="rack"))
    off = (
        "topology constraints are not allowed when topology-aware scheduling is disabled in the "
        "operator's configuration"
    )
    assert created(pcs, topology_enabled=False) == [
        f'{SET}: Invalid value: ["rack","host"]: {off}',
        f'{IN_A}: Invalid value: ["nope"]: {off}',
        f'{IN_G}: Invalid value: ["rack"]: {off}',
    ]
    assert wanted_topologies(submit(pcs, topology_enabled=False)) == frozenset()


ANSWERS: dict[str, tuple[Facts, list[str]]] = {
    "there is none": (
        Facts(topologies={"dc": Found()}),
        [
            f'{SET}.topologyName: Invalid value: "dc": ClusterTopologyBinding "dc" not found',
        ],
    ),
    "it cannot be read": (
        Facts(topologies={"dc": Found(problem="503 busy")}),
        [f"{SET}.topologyName: Internal error: 503 busy"],
    ),
    "it was not looked up": (Facts(), []),
}


@pytest.mark.parametrize(("facts", "expected"), ANSWERS.values(), ids=ANSWERS)
def test_the_binding_is_missed_at_the_set(facts: Facts, expected: list[str]) -> None:
    assert created(placed(a=packed("nope", name="dc")), facts) == expected


def unknown(domain: str) -> str:
    return (
        f"Invalid value: \"{domain}\": topology domain '{domain}' does not exist in cluster "
        "topology [zone rack host]"
    )


def test_each_unknown_domain_is_told_before_any_order() -> None:
    pcs = placed(packed("host", "x", "dc"), a=packed("y"), b=legacy("z"), g=packed("zone"))
    assert created(pcs) == [
        f"{SET}.pack.preferred: {unknown('x')}",
        f"{IN_A}.pack.required: {unknown('y')}",
        f"{IN_B}.packDomain: {unknown('z')}",
    ]


def narrower(parent: str, outer: str, child: str, inner: str) -> str:
    return (
        f"Invalid value: \"{outer}\": {parent} topology constraint domain '{outer}' is narrower "
        f"than {child} topology constraint domain '{inner}'"
    )


WHOLE, A, B, G = (
    "PodCliqueSet 'tide'",
    "PodClique 'a'",
    "PodClique 'b'",
    "PodCliqueScalingGroup 'g'",
)
ORDER: dict[str, tuple[PodCliqueSet, list[str]]] = {
    "set and clique": (
        placed(packed("host", name="dc"), a=packed("rack")),
        [f"{SET}: {narrower(WHOLE, 'host', A, 'rack')}"],
    ),
    "set and group": (
        placed(packed("rack", name="dc"), g=packed("zone")),
        [f"{SET}: {narrower(WHOLE, 'rack', G, 'zone')}"],
    ),
    "group and its clique": (
        placed(b=packed("zone"), g=packed("host", name="dc")),
        [f"{IN_G}: {narrower(G, 'host', B, 'zone')}"],
    ),
    "preferred of the set": (
        placed(packed("zone", "host", "dc"), b=packed("rack", "rack")),
        [f"{SET}.pack.preferred: {narrower(WHOLE, 'host', B, 'rack')}"],
    ),
    "preferred of a group": (
        placed(b=packed(preferred="zone"), g=packed(preferred="rack", name="dc")),
        [f"{IN_G}.pack.preferred: {narrower(G, 'rack', B, 'zone')}"],
    ),
    "both of all": (
        placed(packed("host", "host", "dc"), b=packed("zone", "zone"), g=packed("rack")),
        [
            f"{SET}: {narrower(WHOLE, 'host', B, 'zone')}",
            f"{SET}.pack.preferred: {narrower(WHOLE, 'host', B, 'zone')}",
            f"{SET}: {narrower(WHOLE, 'host', G, 'rack')}",
            f"{IN_G}: {narrower(G, 'rack', B, 'zone')}",
        ],
    ),
}


@pytest.mark.parametrize(("pcs", "expected"), ORDER.values(), ids=ORDER)
def test_the_whole_is_not_narrower_than_its_parts(pcs: PodCliqueSet, expected: list[str]) -> None:
    assert created(pcs) == expected


def test_a_coarser_wish_is_warned_of_on_create_only() -> None:
    pcs = placed(packed("rack", "zone", "dc"), a=packed("rack", "host"), g=packed("host", "host"))
    expected = (
        f"{SET}.pack.preferred is coarser than pack.required and has no effect: "
        "what is within one rack is within one zone"
    )
    assert list(topology_warnings(submit(pcs))) == [expected]
    assert list(topology_warnings(submit(pcs, pcs))) == []
    assert list(topology_warnings(submit(pcs, topology_enabled=False))) == []
    assert list(topology_warnings(submit(pcs, found=Facts()))) == []


def test_each_deprecated_field_is_warned_of_on_update_only() -> None:
    pcs = placed(legacy("zone", "dc"), b=legacy("rack"), g=packed("rack"))
    assert list(topology_warnings(submit(pcs))) == []
    assert list(topology_warnings(submit(pcs, pcs))) == [
        f"{SET}.packDomain is deprecated, use {SET}.pack.required instead",
        f"{IN_B}.packDomain is deprecated, use {IN_B}.pack.required instead",
    ]


FREE: dict[str, tuple[PodCliqueSet, PodCliqueSet]] = {
    "nothing changes": (
        placed(packed("rack", name="dc"), b=packed("host")),
        placed(packed("rack", name="dc"), b=packed("host")),
    ),
    "the set's packDomain moves": (
        placed(legacy("rack", "dc")),
        placed(packed("rack", name="dc")),
    ),
    "a clique's packDomain moves, its wish stays": (
        placed(packed("zone", name="dc"), a={"packDomain": "rack", "pack": {"preferred": "host"}}),
        placed(packed("zone", name="dc"), a=packed("rack", "host")),
    ),
    "a packDomain that inherits a name": (
        placed(packed("zone", name="dc"), a=legacy("rack")),
        placed(packed("zone", name="dc"), a=legacy("rack")),
    ),
    "the set is repaired": (placed(legacy("rack")), placed(legacy("rack", "dc"))),
    "the set is repaired, a clique inherits that": (
        placed(legacy("rack"), a=legacy("host")),
        placed(legacy("rack", "dc"), a=legacy("host")),
    ),
    "a clique is repaired": (placed(a=legacy("rack")), placed(a=legacy("rack", "dc"))),
    "a group is repaired": (placed(g=legacy("rack")), placed(g=legacy("rack", "dc"))),
    "names in the old set differ": (
        placed(a=packed("rack", name="dc"), b=packed("rack", name="x")),
        placed(a=packed("rack", name="dc"), b=packed("rack", name="x")),
    ),
}


@pytest.mark.parametrize(("old", "new"), FREE.values(), ids=FREE)
def test_an_update_that_changes_no_meaning_is_allowed(old: PodCliqueSet, new: PodCliqueSet) -> None:
    assert updated(old, new) == []


def renamed(was: str, becomes: str) -> list[str]:
    return [
        f'{SET}.topologyName: Forbidden: topologyName cannot be changed from "{was}" to "{becomes}"'
    ]


def moved(path: str) -> list[str]:
    return [
        f"{path}: Forbidden: deprecated packDomain migration can only move the domain to "
        "pack.required, topologyName and pack.preferred must stay"
    ]


RACK, ZONE = 'required="rack" preferred=""', 'required="zone" preferred=""'
CHANGED = "topology constraint cannot be changed from"
AFTER = "after creation"
LOCKED: dict[str, tuple[PodCliqueSet, PodCliqueSet, list[str]]] = {
    "the set's constraint is new": (
        placed(), placed(packed("rack", name="dc")), renamed("", "dc"),
    ),
    "the set's constraint is gone": (
        placed(packed("rack", name="dc")), placed(), renamed("dc", ""),
    ),
    "another name, and nothing said of another domain": (
        placed(packed("rack", name="dc")), placed(packed("host", name="x")), renamed("dc", "x"),
    ),
    "a nameless constraint of the set is gone": (
        placed(legacy("rack")),
        placed(),
        [f"{SET}: Forbidden: {WHOLE} topology constraint cannot be removed {AFTER}"],
    ),
    "the set's domain": (
        placed(packed("rack", name="dc")),
        placed(packed("zone", name="dc")),
        [f"{SET}: Forbidden: {WHOLE} {CHANGED} {RACK} to {ZONE}"],
    ),
    "a clique's constraint is new": (
        placed(),
        placed(a=packed("rack", name="dc")),
        [f"{IN_A}: Forbidden: {A} topology constraint cannot be added {AFTER}"],
    ),
    "a group's constraint is gone": (
        placed(g=packed("rack", name="dc")),
        placed(),
        [f"{IN_G}: Forbidden: {G} topology constraint cannot be removed {AFTER}"],
    ),
    "a wish": (
        placed(g=packed("rack", name="dc")),
        placed(g=packed("rack", "host", "dc")),
        [f'{IN_G}: Forbidden: {G} {CHANGED} {RACK} to required="rack" preferred="host"'],
    ),
    "an inherited name is written out": (
        placed(packed("rack", name="dc"), a=packed("rack")),
        placed(packed("rack", name="dc"), a=packed("rack", name="dc")),
        [f'{IN_A}: Forbidden: {A} {CHANGED} {RACK} topologyName="" to {RACK} topologyName="dc"'],
    ),
    "back to the deprecated spelling": (
        placed(a=packed("rack", name="dc")),
        placed(a=legacy("rack", "dc")),
        [f'{IN_A}: Forbidden: {A} {CHANGED} {RACK} packDomain="" to {RACK} packDomain="rack"'],
    ),
    "the domain changes while it moves": (
        placed(a=legacy("rack", "dc")), placed(a=packed("zone", name="dc")), moved(IN_A),
    ),
    "a wish is added while the domain moves": (
        placed(a=legacy("rack", "dc")), placed(a=packed("rack", "host", "dc")), moved(IN_A),
    ),
    "name and move at once": (
        placed(a=legacy("rack")), placed(a=packed("rack", name="dc")), moved(IN_A),
    ),
    "name and move at once, at the set": (
        placed(legacy("rack")), placed(packed("rack", name="dc")), renamed("", "dc"),
    ),
    "a name above is no repair": (
        placed(a=legacy("rack")),
        placed(packed("zone", name="dc"), a=legacy("rack")),
        renamed("", "dc"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("enabled", [True, False], ids=["on", "off"])
@pytest.mark.parametrize(("old", "new", "expected"), LOCKED.values(), ids=LOCKED)
def test_constraints_stay_as_they_are(
    old: PodCliqueSet, new: PodCliqueSet, expected: list[str], *, enabled: bool
) -> None:
    assert updated(old, new, topology_enabled=enabled) == expected


def test_constraints_are_paired_by_name() -> None:
    constrained = clique("a", topologyConstraint=packed("rack", name="dc"))
    assert updated(a_set(constrained, clique("b")), a_set(clique("b"), constrained)) == []


def test_cliques_and_groups_without_counterpart_are_left_to_the_composition_rule() -> None:
    new = a_set(
        clique("a"),
        clique("c", topologyConstraint=packed("rack", name="dc")),
        podCliqueScalingGroups=[group("h", "c", topologyConstraint=packed("rack", name="dc"))],
    )
    assert updated(a_set(clique("a")), new) == []


def test_a_legacy_set_refuses_every_update_until_it_is_repaired() -> None:
    old = placed(a=legacy("rack"))
    assert updated(old, old) == [f"{IN_A}.topologyName: {MISSING} is above"]


def test_a_repair_is_judged_like_a_new_set() -> None:
    old, new = placed(a=legacy("nope")), placed(a=legacy("nope", "dc"))
    assert updated(old, new) == [f"{IN_A}.packDomain: {unknown('nope')}"]
    off = updated(old, new, topology_enabled=False)
    assert [error.split(":")[0] for error in off] == [IN_A]


def test_the_binding_is_looked_up_for_new_sets_and_repairs_only() -> None:
    named, inherited = packed("rack", name="dc"), packed("host")
    new = placed(named, a=inherited)
    assert wanted_topologies(submit(new)) == {"dc"}
    assert wanted_topologies(submit(placed())) == frozenset()
    assert wanted_topologies(submit(new, new)) == frozenset()
    repair = submit(placed(a=legacy("rack", "dc")), placed(a=legacy("rack")))
    assert wanted_topologies(repair) == {"dc"}


def test_a_gone_binding_does_not_hinder_later_updates() -> None:
    pcs = placed(packed("rack", name="dc"))
    gone = Facts(topologies={"dc": Found()})
    assert list(topology_on_update(submit(pcs, pcs, gone))) == []


def test_rules_of_creation_and_update_keep_to_their_own() -> None:
    nameless = placed(packed("rack"))
    assert list(topology_on_create(submit(nameless, nameless))) == []
    assert list(topology_on_update(submit(nameless))) == []
