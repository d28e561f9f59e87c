"""How groups hang together and what each keeps together, and what the Workload says of it."""

from dataclasses import replace

import pytest

from grove_operator.desired.gangpacking import pack_gang
from grove_operator.desired.packing import TopologyOffer
from grove_operator.scheduling.affinity import Neighbours
from grove_operator.scheduling.native import Capabilities, build_native_gang
from grove_operator.scheduling.tree import Branch, Leaf, Tree, lay_out
from grove_operator.scheduling.workloads import build_workloads, undescribed
from tests.support.builders import NATIVE, PLAIN, SUMS, SetBuilder, a_set
from tests.unit.desired.test_gangpacking import LEVELS, OFFER, constrained, packed

OFFERED = replace(NATIVE, topology=OFFER)


def tree(builder: SetBuilder, index: int = 0) -> Tree:
    blueprint, slot = builder.blueprint(), builder.slots().gangs[index]
    return lay_out(slot, pack_gang(blueprint.packing, slot, OFFER))


def drawn(tree: Tree) -> dict[str, str]:
    """Each group with its level and its parent: `rack in tide-0`."""
    domains = {key: domain for domain, key in LEVELS.items()} | {"": "-"}
    groups: dict[str, Branch | Leaf] = {branch.name: branch for branch in tree.branches}
    leaves = {leaf.slot.name: leaf for leaf in tree.leaves}
    return {
        name: f"{domains[group.key]} in {group.parent}" if group.parent else domains[group.key]
        for name, group in (groups | leaves).items()
    }


def alone(whole: str = "", clique: str = "") -> SetBuilder:
    builder = a_set().with_clique("w", 3)
    if clique:
        [body] = builder.cliques
        builder = builder.but(cliques=(body | {"topologyConstraint": packed(clique)},))
    return builder.with_template(**({"topologyConstraint": packed(whole)} if whole else {}))


def lone_group(whole: str, group: str, *members: str) -> SetBuilder:
    """A set that is nothing but one replica of a group."""
    builder = a_set()
    for name in members:
        builder = builder.with_clique(name)
    builder = builder.with_group("g", *members, topologyConstraint=packed(group))
    return builder.with_template(topologyConstraint=packed(whole))


BASE = "tide-0"
FLAT = f"- in {BASE}"
CASES: dict[str, tuple[Tree, dict[str, str]]] = {
    "nothing": (
        tree(constrained(), 1),
        {
            "tide-0-crew-0": "-",
            "tide-0-crew-2-lead": "- in tide-0-crew-0",
            "tide-0-crew-2-oar": "- in tide-0-crew-0",
        },
    ),
    "the set's": (
        tree(constrained(packed("zone")), 1),
        {
            "tide-0-crew-0": "zone",
            "tide-0-crew-2-lead": "- in tide-0-crew-0",
            "tide-0-crew-2-oar": "- in tide-0-crew-0",
        },
    ),
    "all three, base gang": (
        tree(constrained(packed("zone"), packed("rack"), packed("host"))),
        {
            BASE: "zone",
            "tide-0--crew.0": "rack in tide-0",
            "tide-0--crew.1": "rack in tide-0",
            "tide-0-crew-0--oar.all": "host in tide-0--crew.0",
            "tide-0-crew-1--oar.all": "host in tide-0--crew.1",
            "tide-0-gate": "- in tide-0",
            "tide-0-crew-0-lead": "- in tide-0--crew.0",
            "tide-0-crew-0-oar": "- in tide-0-crew-0--oar.all",
            "tide-0-crew-1-lead": "- in tide-0--crew.1",
            "tide-0-crew-1-oar": "- in tide-0-crew-1--oar.all",
        },
    ),
    "all three, scaled gang": (
        tree(constrained(packed("zone"), packed("rack"), packed("host")), 1),
        {
            "tide-0-crew-0": "rack",
            "tide-0-crew-2--oar.all": "host in tide-0-crew-0",
            "tide-0-crew-2-lead": "- in tide-0-crew-0",
            "tide-0-crew-2-oar": "- in tide-0-crew-2--oar.all",
        },
    ),
    "the same level twice needs no composite in between": (
        tree(constrained(packed("rack"), packed("rack"))),
        {BASE: "rack"}
        | dict.fromkeys(
            (
                "tide-0-gate",
                "tide-0-crew-0-lead",
                "tide-0-crew-0-oar",
                "tide-0-crew-1-lead",
                "tide-0-crew-1-oar",
            ),
            "- in tide-0",
        ),
    ),
    "one clique": (tree(alone("zone")), {"tide-0-w": "zone"}),
    "one clique with two levels": (tree(alone("zone", "host")), {"tide-0-w": "host"}),
    "one clique, wrong way round": (tree(alone("host", "zone")), {"tide-0-w": "host"}),
    "a set that is one replica of a group": (
        tree(lone_group("zone", "rack", "a", "b")),
        {BASE: "rack", "tide-0-g-0-a": "- in tide-0", "tide-0-g-0-b": "- in tide-0"},
    ),
    "and of one clique": (tree(lone_group("zone", "rack", "a")), {"tide-0-g-0-a": "rack"}),
    "only a preference": (
        tree(constrained(packed("", "rack")), 1),
        {
            "tide-0-crew-0": "-",
            "tide-0-crew-2-lead": "- in tide-0-crew-0",
            "tide-0-crew-2-oar": "- in tide-0-crew-0",
        },
    ),
}


@pytest.mark.parametrize(("found", "expected"), CASES.values(), ids=CASES)
def test_a_tree(found: Tree, expected: dict[str, str]) -> None:
    assert drawn(found) == expected


def test_a_group_of_one_clique_is_like_a_clique_with_its_level() -> None:
    builder = a_set().with_clique("a").with_clique("b").with_group("g", "b", replicas=2)
    [group] = builder.groups
    builder = builder.but(groups=(group | {"topologyConstraint": packed("rack")},))
    assert drawn(tree(builder)) == {
        BASE: "-",
        "tide-0--g-0-b.all": "rack in tide-0",
        "tide-0-a": "- in tide-0",
        "tide-0-g-0-b": "- in tide-0--g-0-b.all",
    }


def test_the_scheduler_meets_what_is_constrained_first() -> None:
    """It takes siblings by name."""
    for number in (0, 1):
        found = tree(constrained(packed("zone"), packed("rack"), packed("host")), number)
        for branch in found.branches:
            composites = {it.name for it in found.branches if it.parent == branch.name}
            cliques = {it.slot.name for it in found.leaves if it.parent == branch.name}
            siblings = sorted(composites | cliques)
            assert set(siblings[: len(composites)]) == composites


def test_cliques_that_all_have_a_level_need_no_composites() -> None:
    builder = a_set().with_clique("a").with_clique("b")
    bodies = tuple(body | {"topologyConstraint": packed("host")} for body in builder.cliques)
    assert drawn(tree(builder.but(cliques=bodies))) == {
        BASE: "-",
        "tide-0-a": "host in tide-0",
        "tide-0-b": "host in tide-0",
    }


ALL = constrained(packed("zone"), packed("rack"), packed("host"))


def test_minimums_count_groups_and_only_those_that_have_pods() -> None:
    counts = {slot.name: 1 for slot in ALL.slots().gangs[0].cliques}
    gone = {"tide-0-crew-1-lead": 0, "tide-0-crew-1-oar": 0, "tide-0-crew-0-oar": 0}
    native = build_native_gang(ALL.blueprint(), tree(ALL), counts | gone, OFFERED, 0, "")
    least = {
        body["metadata"]["name"]: body["spec"]["schedulingPolicy"]["gang"]["minGroupCount"]
        for body in native.composites
    }
    assert least == {BASE: 2, "tide-0--crew.0": 1}
    assert [body["metadata"]["name"] for body in native.composites] == list(least)


def test_without_composites_the_gang_has_the_level_of_all_of_it() -> None:
    counts = {slot.name: 1 for slot in ALL.slots().gangs[0].cliques}
    native = build_native_gang(ALL.blueprint(), tree(ALL), counts, SUMS, 0, "")
    [group] = native.pod_groups
    assert group["spec"]["schedulingConstraints"] == {"topology": [{"key": "k/zone"}]}


def test_the_workload_describes_all_levels() -> None:
    [body] = build_workloads(ALL.blueprint(), OFFERED)
    base, scaled = body["spec"]["compositePodGroupTemplates"]
    assert base["schedulingConstraints"] == {"topology": [{"key": "k/zone"}]}
    assert [item["name"] for item in base["podGroupTemplates"]] == ["base-gate"]
    [nested] = base["compositePodGroupTemplates"]
    assert nested["name"] == "replica-of-crew"
    assert nested["schedulingConstraints"] == {"topology": [{"key": "k/rack"}]}
    assert [item["name"] for item in nested["podGroupTemplates"]] == ["base-lead"]
    [around] = nested["compositePodGroupTemplates"]
    assert around["name"] == "all-of-base-oar"
    assert around["schedulingConstraints"] == {"topology": [{"key": "k/host"}]}
    assert [item["name"] for item in around["podGroupTemplates"]] == ["base-oar"]
    assert scaled["schedulingConstraints"] == {"topology": [{"key": "k/rack"}]}
    assert base["schedulingPolicy"]["gang"]["minGroupCount"] == 3
    assert nested["schedulingPolicy"]["gang"]["minGroupCount"] == 2


def many(count: int) -> SetBuilder:
    builder = a_set()
    for number in range(count):
        builder = builder.with_clique(f"c{number}")
    return builder


@pytest.mark.parametrize(("cliques", "left_out"), [(1, 0), (8, 0), (11, 3)])
def test_what_a_workload_cannot_hold_is_counted(cliques: int, left_out: int) -> None:
    blueprint = many(cliques).blueprint()
    assert undescribed(blueprint, NATIVE) == left_out
    for body in build_workloads(blueprint, NATIVE):
        for template in body["spec"].get("compositePodGroupTemplates", ()):
            assert len(template["podGroupTemplates"]) <= 8


# --- affinity


def draws(
    builder: SetBuilder, clique: str, offered: Capabilities = OFFERED, gang: int = 0
) -> dict[str, list[tuple[int, str, str]]]:
    """Weight (0 if it must be), level and whom, of the pod affinity of a clique's pods."""
    blueprint, slots = builder.blueprint(), builder.slots()
    packing = pack_gang(blueprint.packing, slots.gangs[gang], offered.topology)
    affinity = Neighbours(blueprint, slots.cliques[clique], 0, offered).affinity(packing) or {}
    found: dict[str, list[tuple[int, str, str]]] = {}
    for field, terms in affinity.items():
        for item in terms.get("preferredDuringSchedulingIgnoredDuringExecution") or ():
            found.setdefault(field, []).append((item["weight"], *_of(item["podAffinityTerm"])))
        for item in terms.get("requiredDuringSchedulingIgnoredDuringExecution") or ():
            found.setdefault(field, []).append((0, *_of(item)))
    return found


def _of(term: dict[str, object]) -> tuple[str, str]:
    selector = term["labelSelector"]
    assert isinstance(selector, dict)
    values = ",".join(str(value) for value in selector.get("matchLabels", {}).values())
    return str(term["topologyKey"]), values


OAR = "tide-0-crew-0-oar"
SCALED_OAR = "tide-0-crew-2-oar"


def offered(capabilities: Capabilities, *, affinity: bool = True) -> Capabilities:
    offer = TopologyOffer(enabled=True, affinity=affinity, bindings={"dc": LEVELS})
    return replace(capabilities, topology=offer)


NEAR: dict[str, tuple[dict[str, list[tuple[int, str, str]]], list[tuple[int, str, str]]]] = {
    "what groups hold needs none": (draws(ALL, OAR), []),
    "a preference of the set": (
        draws(constrained(packed("zone", "rack")), OAR),
        [(50, "k/rack", "tide-0")],
    ),
    "a preference of the group": (
        draws(constrained(group=packed("", "rack")), OAR),
        [(50, "k/rack", "tide-0-crew,0")],
    ),
    "a preference of the clique": (
        draws(constrained(clique=packed("", "host")), OAR),
        [(50, "k/host", OAR)],
    ),
    "a preference wider than the need": (draws(constrained(packed("rack", "zone")), OAR), []),
    "a scaled gang joins its base": (
        draws(ALL, SCALED_OAR, gang=1),
        [(0, "k/zone", "tide-0")],
    ),
    "a scaled gang is drawn to its replica": (
        draws(constrained(packed("", "zone"), packed("rack")), SCALED_OAR, gang=1),
        [(50, "k/zone", "tide,0")],
    ),
    "with sums only the whole gang is held": (
        draws(ALL, OAR, offered(SUMS)),
        [(100, "k/rack", "tide-0-crew,0"), (100, "k/host", OAR)],
    ),
    "without gangs nothing is": (
        draws(ALL, OAR, offered(PLAIN)),
        [(100, "k/zone", "tide-0"), (100, "k/rack", "tide-0-crew,0"), (100, "k/host", OAR)],
    ),
    "off by a setting": (
        draws(constrained(packed("zone", "rack")), OAR, offered(NATIVE, affinity=False)),
        [],
    ),
}


@pytest.mark.parametrize(("found", "expected"), NEAR.values(), ids=NEAR)
def test_whom_a_pod_is_drawn_to(
    found: dict[str, list[tuple[int, str, str]]], expected: list[tuple[int, str, str]]
) -> None:
    assert found == ({"podAffinity": expected} if expected else {})


def test_other_schedulers_read_the_gang_instead() -> None:
    builder = constrained(packed("zone", "rack"))
    cliques = []
    for body in builder.cliques:
        pods = body["spec"]["podSpec"] | {"schedulerName": "kai-scheduler"}
        cliques.append(body | {"spec": body["spec"] | {"podSpec": pods}})
    assert draws(builder.but(cliques=tuple(cliques)), OAR) == {}


@pytest.mark.parametrize(
    ("annotations", "expected"),
    [
        ({}, {}),
        (
            {"grove.io/spread-replicas": "k.example/row"},
            {
                "podAffinity": [(100, "k.example/row", "tide,0")],
                "podAntiAffinity": [(0, "k.example/row", "tide,grove-operator")],
            },
        ),
        (
            {"grove.io/spread-replicas": "rack"},
            {
                "podAffinity": [(100, "k/rack", "tide,0")],
                "podAntiAffinity": [(0, "k/rack", "tide,grove-operator")],
            },
        ),
        (
            {"grove.io/spread-replicas": "rack", "grove.io/spread-replicas-policy": "Preferred"},
            {
                "podAffinity": [(100, "k/rack", "tide,0")],
                "podAntiAffinity": [(100, "k/rack", "tide,grove-operator")],
            },
        ),
        ({"grove.io/spread-replicas": "row"}, {}),
    ],
    ids=["not asked", "over a node label", "over a domain", "if it can be", "unknown"],
)
def test_replicas_repel_each_other(
    annotations: dict[str, str], expected: dict[str, list[tuple[int, str, str]]]
) -> None:
    assert draws(constrained().but(annotations=annotations), OAR) == expected


def test_a_packed_replica_needs_nothing_to_draw_it_together() -> None:
    builder = constrained(packed("rack")).but(annotations={"grove.io/spread-replicas": "rack"})
    assert list(draws(builder, OAR)) == ["podAntiAffinity"]


def test_a_users_affinity_stays() -> None:
    term = {"topologyKey": "mine", "labelSelector": {}}
    own = {
        "nodeAffinity": {"x": 1},
        "podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]},
    }
    builder = a_set(annotations={"grove.io/spread-replicas": "rack"})
    builder = builder.with_clique("w", pod_spec={"affinity": own})
    slots = builder.slots()
    found = Neighbours(builder.blueprint(), slots.cliques["tide-0-w"], 0, OFFERED).affinity(None)
    assert found is not None
    assert found["nodeAffinity"] == {"x": 1}
    terms = found["podAntiAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    assert [item["topologyKey"] for item in terms] == ["mine", "k/rack"]
