"""Constraints of a set in the terms of its gangs: which level counts where, and as which label."""

from typing import Any

import pytest

from grove_operator.desired.gangpacking import pack_gang
from grove_operator.desired.packing import TopologyOffer
from grove_operator.desired.podgang import build_gang
from tests.support.builders import SetBuilder, a_set

LEVELS = {"zone": "k/zone", "rack": "k/rack", "host": "k/host"}
OFFER = TopologyOffer(enabled=True, bindings={"dc": LEVELS})
Body = dict[str, Any]


def packed(required: str = "", preferred: str = "", name: str = "dc") -> Body:
    pack = {"required": required, "preferred": preferred}
    given = {key: value for key, value in pack.items() if value}
    return {"topologyName": name, "pack": given} if name else {"pack": given}


def legacy(domain: str) -> Body:
    return {"topologyName": "dc", "packDomain": domain}


def constrained(
    whole: Body | None = None, group: Body | None = None, clique: Body | None = None
) -> SetBuilder:
    """A clique of its own, and a group of two cliques with one replica beyond its minimum."""

    def at(constraint: Body | None) -> Body:
        return {"topologyConstraint": constraint} if constraint is not None else {}

    builder = a_set().with_clique("gate").with_clique("lead").with_clique("oar", 2)
    cliques = tuple(
        body | at(clique) if body["name"] == "oar" else body for body in builder.cliques
    )
    builder = builder.but(cliques=cliques)
    builder = builder.with_group("crew", "lead", "oar", replicas=3, min_available=2, **at(group))
    return builder.with_template(**at(whole))


def gang(builder: SetBuilder, index: int, offer: TopologyOffer = OFFER) -> Body:
    """The PodGang; number 0 is the base gang."""
    blueprint, slot = builder.blueprint(), builder.slots().gangs[index]
    return build_gang(blueprint, slot, {}, pack_gang(blueprint.packing, slot, offer))


def told(body: Body) -> tuple[Body | None, dict[str, Body | None], dict[str, Body]]:
    """The constraints of the gang, of its group replicas and of its cliques."""

    def pack(item: Body) -> Body | None:
        found = item.get("topologyConstraint")
        return found["packConstraint"] if found is not None else None

    spec = body["spec"]
    bundles = {
        item["name"]: pack(item) for item in spec.get("topologyConstraintGroupConfigs") or ()
    }
    cliques = {item["name"]: found for item in spec["podgroups"] if (found := pack(item))}
    return pack(spec), bundles, cliques


ZONE, RACK, HOST = ({"required": LEVELS[name]} for name in ("zone", "rack", "host"))
CREWS = ("tide-0-crew-0", "tide-0-crew-1")
BASE_OARS = ("tide-0-crew-0-oar", "tide-0-crew-1-oar")
CASES: dict[str, tuple[SetBuilder, int, Any]] = {
    "nothing": (constrained(), 0, (None, {}, {})),
    "the set's, in the base gang": (constrained(packed("zone")), 0, (ZONE, {}, {})),
    "the set's, in a scaled gang": (constrained(packed("zone")), 1, (ZONE, {}, {})),
    "the group's, in the base gang": (
        constrained(group=packed("rack")),
        0,
        (None, dict.fromkeys(CREWS, RACK), {}),
    ),
    "the group's, in a scaled gang": (constrained(group=packed("rack")), 1, (RACK, {}, {})),
    "the group's wins in a scaled gang": (
        constrained(packed("zone"), packed("rack")),
        1,
        (RACK, {}, {}),
    ),
    "the clique's": (
        constrained(clique=packed("host")),
        0,
        (None, {}, dict.fromkeys(BASE_OARS, HOST)),
    ),
    "all three": (
        constrained(packed("zone"), packed("rack"), packed("host")),
        0,
        (ZONE, dict.fromkeys(CREWS, RACK), dict.fromkeys(BASE_OARS, HOST)),
    ),
    "required and preferred": (
        constrained(packed("zone", "rack")),
        0,
        ({"required": "k/zone", "preferred": "k/rack"}, {}, {}),
    ),
    "the old spelling": (constrained(legacy("rack")), 0, (RACK, {}, {})),
    "an unknown level is left out": (
        constrained(packed("row", "rack")),
        0,
        ({"preferred": "k/rack"}, {}, {}),
    ),
    "only unknown levels": (constrained(packed("row")), 0, (None, {}, {})),
    "a group of unknown levels": (
        constrained(group=packed("row")),
        0,
        (None, dict.fromkeys(CREWS), {}),
    ),
    "a name given once": (
        constrained(packed("zone"), packed("rack", name="")),
        1,
        (RACK, {}, {}),
    ),
    "a topology that is not there": (constrained(packed("zone", name="other")), 0, (None, {}, {})),
}


@pytest.mark.parametrize(("builder", "index", "expected"), CASES.values(), ids=CASES)
def test_a_gang(builder: SetBuilder, index: int, expected: Any) -> None:
    assert told(gang(builder, index)) == expected


@pytest.mark.parametrize(
    ("builder", "named"),
    [
        (constrained(packed("zone")), True),
        (constrained(clique=packed("host")), True),
        (constrained(packed("row")), False),
        (constrained(), False),
    ],
    ids=["translated", "only at a clique", "nothing translated", "nothing asked"],
)
def test_a_gang_names_its_topology(builder: SetBuilder, *, named: bool) -> None:
    annotations = gang(builder, 0)["metadata"].get("annotations") or {}
    assert annotations.get("grove.io/topology-name") == ("dc" if named else None)


def test_nothing_is_asked_while_topology_is_off() -> None:
    body = gang(constrained(packed("zone"), packed("rack"), packed("host")), 0, TopologyOffer())
    assert told(body) == (None, {}, {})


def test_pod_groups_of_a_bundle_are_those_of_its_replica() -> None:
    [first, second] = gang(constrained(group=packed("rack")), 0)["spec"][
        "topologyConstraintGroupConfigs"
    ]
    assert first["podGroupNames"] == ["tide-0-crew-0-lead", "tide-0-crew-0-oar"]
    assert second["podGroupNames"] == ["tide-0-crew-1-lead", "tide-0-crew-1-oar"]
