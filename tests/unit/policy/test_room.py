"""Room: what is short, where, and by how much, in the words that users read."""

from typing import Any

import pytest

from grove_operator.observed import Node, Taint
from grove_operator.policy.lacks import Demand, Group
from grove_operator.policy.land import Land, pod_needs
from grove_operator.policy.room import find_shortage

GPU = "example.com/gpu"
RACK, ZONE = "topology.example.org/rack", "topology.example.org/zone"
HOST = "kubernetes.io/hostname"


def a_node(name: str, gpus: int = 8, cpus: int = 64, **fields: Any) -> tuple[Node, dict[str, int]]:
    """`1a` stands in rack r1."""
    labels = {RACK: f"r{name[0]}", ZONE: fields.pop("zone", "z1"), HOST: name}
    node = Node(name=name, labels=labels | fields.pop("labels", {}), **fields)
    return node, {GPU: gpus, "cpu": cpus * 1000, "pods": 100}


def a_land(*nodes: tuple[Node, dict[str, int]]) -> Land:
    return Land({node.name: node for node, _ in nodes}, {node.name: free for node, free in nodes})


def pods(
    number: int = 8, gpus: int = 1, name: str = "decode", cpu: str = "100m", **spec: Any
) -> Demand:
    requests = {GPU: str(gpus), "cpu": cpu}
    container = {"resources": {"requests": requests}}
    return Demand(name, number, pod_needs({"containers": [container], **spec}))


def alone(*demands: Demand, key: str = "", pinned: str = "") -> Group:
    return Group(key, pinned, demands)


def around(*groups: Group, key: str = "", pinned: str = "") -> Group:
    return Group(key, pinned, groups=groups)


def in_racks(*numbers: int) -> list[Group]:
    """Cliques that need a rack each."""
    return [alone(pods(number, name=f"c{index}"), key=RACK) for index, number in enumerate(numbers)]


GOLD: Any = {"nodeSelector": {"pool": "gold"}}
SHORT = "InsufficientCapacity"
ROOM: dict[str, tuple[Group, Land, tuple[str, str] | None]] = {
    "nothing is missing": (Group(), a_land(), None),
    "there is room": (alone(pods()), a_land(a_node("1a")), None),
    "there is room on several nodes": (
        alone(pods(10)),
        a_land(a_node("1a"), a_node("2a")),
        None,
    ),
    "no nodes": (
        alone(pods()),
        a_land(),
        ("NoNodeMatches", "decode short of 8 pods: no nodes at all"),
    ),
    "too few in all": (
        alone(pods(12)),
        a_land(a_node("1a"), a_node("2a", 1)),
        (SHORT, f"decode short of 3 pods: 2 nodes that will do have 9 free {GPU}, 12 needed"),
    ),
    "no rack has enough": (
        alone(pods(8), key=RACK),
        a_land(a_node("3a", 4), a_node("3b", 2), a_node("1a", 0), a_node("2a", 0)),
        (SHORT, f"decode short of 2 pods: rack r3 has 6 free {GPU}, 8 needed; r1, r2 have 0"),
    ),
    "many racks": (
        alone(pods(8), key=RACK),
        a_land(*(a_node(f"{rack}a", rack) for rack in range(1, 8))),
        (
            SHORT,
            f"decode short of 1 pod: rack r7 has 7 free {GPU}, 8 needed; r6 has 6; r5 has 5; "
            "r4 has 4; 3 more have at most 3",
        ),
    ),
    "racks that will not do are not spoken of": (
        alone(pods(8, **GOLD), key=RACK),
        a_land(a_node("1a", 6, labels={"pool": "gold"}), a_node("2a")),
        (SHORT, f"decode short of 2 pods: rack r1 has 6 free {GPU}, 8 needed"),
    ),
    "a rack that has enough GPUs, but not CPUs": (
        alone(pods(8, cpu="1"), key=RACK),
        a_land(a_node("1a", 7), a_node("2a", cpus=4)),
        (
            SHORT,
            f"decode short of 1 pod: rack r1 has 7 free {GPU}, 8 needed; 1 more lacks something "
            "else",
        ),
    ),
    "another rack has room, but the gang stands in this one": (
        alone(pods(2), key=RACK, pinned="r1"),
        a_land(a_node("1a", 1), a_node("2a", 8)),
        (
            SHORT,
            f"decode short of 1 pod: rack r1, where others of them are, has 1 free {GPU}, 2 needed",
        ),
    ),
    "the rack in which the gang stands takes no more": (
        alone(pods(2), key=RACK, pinned="r1"),
        a_land(a_node("1a", unschedulable=True), a_node("2a", 8)),
        (
            "NoNodeMatches",
            "decode short of 2 pods: none of 1 nodes of rack r1, where others of them are, will "
            "do: 1 cordoned",
        ),
    ),
    "two cliques share a rack": (
        alone(pods(4), pods(6, name="prefill"), key=RACK),
        a_land(a_node("1a"), a_node("2a", 1)),
        (SHORT, f"prefill short of 2 pods: rack r1 has 8 free {GPU}, 10 needed; r2 has 1"),
    ),
    "what is short of GPUs is not told by the CPUs of another clique": (
        around(
            alone(pods(1, 0, "router", "100", nodeSelector={"pool": "cpu"})),
            alone(pods(1, 8, "worker")),
        ),
        a_land(
            *(a_node(f"{i}a", 4) for i in range(5)), a_node("9c", 0, 128, labels={"pool": "cpu"})
        ),
        (SHORT, f"worker short of 1 pod: each needs 8 {GPU}, and no node has more than 4 free"),
    ),
    "cliques on nodes of their own have sums of their own": (
        around(alone(pods(4, 0, "router", "1", **GOLD)), alone(pods(4, name="worker"))),
        a_land(a_node("1a", 8, 2, labels={"pool": "gold"}), a_node("2a")),
        (SHORT, "router short of 2 pods: 1 node that will do has 2 free cpu, 4 needed"),
    ),
    "all together need more than there is": (
        around(alone(pods(6)), alone(pods(6, name="prefill"))),
        a_land(a_node("1a"), a_node("2a", 1)),
        (SHORT, f"prefill short of 3 pods: 2 nodes that will do have 9 free {GPU}, 12 needed"),
    ),
    "each clique in a rack of its own, all in a zone": (
        around(*in_racks(8, 8), key=ZONE),
        a_land(a_node("1a"), a_node("2a")),
        None,
    ),
    "the smaller clique comes first and must not take the larger rack": (
        around(*in_racks(4, 8)),
        a_land(a_node("1a", 8), a_node("2a", 4)),
        None,
    ),
    "fewer racks than cliques": (
        around(*in_racks(6, 6, 6)),
        a_land(a_node("1a", 8), a_node("2a", 7), a_node("3a", 5)),
        (
            SHORT,
            f"c2 short of 6 pods: there is room for 2 of 3 groups that need 6 {GPU} in one rack "
            "each: r1 has 8 free; r2 has 7 free; r3 has 5 free",
        ),
    ),
    "fewer racks than cliques, in sum": (
        around(*in_racks(6, 6)),
        a_land(a_node("1a", 6), a_node("2a", 5)),
        (SHORT, f"c1 short of 1 pod: 2 nodes that will do have 11 free {GPU}, 12 needed"),
    ),
    "a larger clique takes the place of a smaller one": (
        around(*in_racks(6, 8)),
        a_land(a_node("1a", 8), a_node("2a", 5), a_node("3a", 4)),
        (
            SHORT,
            f"c1 short of 8 pods: there is room for 1 of 2 groups that need 6 {GPU} in one rack "
            "each: r1 has 8 free; r2 has 5 free; r3 has 4 free",
        ),
    ),
    "racks with enough in sum, in pieces": (
        around(*(alone(pods(2, 4, f"c{index}"), key=RACK) for index in range(2))),
        a_land(
            a_node("1a", 8),
            *(a_node(f"{rack}{node}", 3 + (node == "a")) for rack in (2, 3) for node in "abc"),
        ),
        (
            SHORT,
            f"c1 short of 2 pods: 2 groups need 8 {GPU}, 0.2 cpu in one rack each, and only 1 "
            "finds a rack with enough of it in large enough pieces",
        ),
    ),
    "the cliques of a bundle share a rack": (
        around(alone(pods(3), pods(4, name="prefill"), key=RACK), key=ZONE),
        a_land(a_node("1a", 4), a_node("2a", 4)),
        (SHORT, f"prefill short of 3 pods: rack r1 has 4 free {GPU}, 7 needed; r2 has 4"),
    ),
    "a bundle of groups, one of which is packed closer": (
        around(alone(pods(2)), alone(pods(2, name="b"), key=HOST), key=RACK),
        a_land(a_node("1a", 1), a_node("1b", 1), a_node("1c", 3)),
        None,
    ),
    "a clique that no rack of the zone can take": (
        around(alone(pods(9), key=RACK), key=ZONE),
        a_land(a_node("1a"), a_node("2a", 5)),
        (SHORT, f"decode short of 1 pod: rack r1 has 8 free {GPU}, 9 needed; r2 has 5"),
    ),
    "no zone has a rack for each clique, though all zones together do": (
        around(*in_racks(8, 8), key=ZONE),
        a_land(
            a_node("1a", 8),
            a_node("2a", 4),
            a_node("3a", 4),
            *(a_node(f"{i}a", 8 - i, zone="z2") for i in range(4, 8)),
            a_node("8a", 8, zone="z2"),
        ),
        (
            SHORT,
            f"c1 short of 8 pods: in zone z1 there is room for 1 of 2 groups that need 8 {GPU} in "
            "one rack each: r1 has 8 free; r2, r3 have 4 free",
        ),
    ),
    "two zones whose racks have the same names": (
        around(alone(pods(9), key=RACK), key=ZONE),
        a_land(a_node("1a"), a_node("1b", 5, zone="z2")),
        (SHORT, f"decode short of 1 pod: rack z1/r1 has 8 free {GPU}, 9 needed; z2/r1 has 5"),
    ),
    "pieces too small": (
        alone(pods(1, gpus=4)),
        a_land(a_node("1a", 3), a_node("2a", 3)),
        (SHORT, f"decode short of 1 pod: each needs 4 {GPU}, and no node has more than 3 free"),
    ),
    "pieces too small in the best rack": (
        alone(pods(1, gpus=4), key=RACK),
        a_land(a_node("1a", 3), a_node("1b", 3), a_node("2a", 0)),
        (
            SHORT,
            f"decode short of 1 pod: each needs 4 {GPU}, and no node of rack r1 has more than "
            "3 free",
        ),
    ),
    "pieces too small in the zone's best rack": (
        around(alone(pods(1, gpus=4), key=RACK), key=ZONE),
        a_land(a_node("1a", 3), a_node("1b", 3), a_node("2a", 0)),
        (
            SHORT,
            f"decode short of 1 pod: each needs 4 {GPU}, and no node of rack r1 has more than "
            "3 free",
        ),
    ),
    "pieces that do not add up": (
        alone(pods(3, gpus=4)),
        a_land(a_node("1a", 6), a_node("2a", 6)),
        (
            SHORT,
            f"decode short of 1 pod: each needs 4 {GPU}, 0.1 cpu, and too few nodes have "
            "that free in one piece",
        ),
    ),
    "pieces that others of the gang need as well": (
        around(alone(pods(1, gpus=5)), alone(pods(2, gpus=5, name="prefill"))),
        a_land(a_node("1a"), a_node("2a")),
        (
            SHORT,
            f"prefill short of 1 pod: each needs 5 {GPU}, 0.1 cpu, and too few nodes have "
            "that free in one piece",
        ),
    ),
    "nothing certain: only who packs them knows": (
        alone(pods(2, gpus=4, name="a"), pods(2, gpus=3, name="b"), pods(2, gpus=2, name="c")),
        a_land(a_node("1a", 6), a_node("2a", 6), a_node("3a", 6)),
        None,
    ),
    "no node has the label of a level": (
        alone(pods(), key="example.org/block"),
        a_land(a_node("1a")),
        ("TopologyMissing", "no node has the label example.org/block, which pods have to share"),
    ),
    "the nodes that have the label will not do": (
        alone(pods(**GOLD), key="example.org/block"),
        a_land(
            a_node("1a", labels={"pool": "gold"}), a_node("2a", labels={"example.org/block": "b"})
        ),
        (
            "TopologyMissing",
            "no node that will do for decode has the label example.org/block, which its pods have "
            "to share",
        ),
    ),
    "nodes that will not do": (
        alone(pods(2, **GOLD)),
        a_land(
            a_node("1a"),
            a_node("2a"),
            a_node("3a", unschedulable=True),
            a_node("4a", unreachable_since="2026-01-01T00:00:00Z"),
            a_node("5a", ready=False),
            a_node("6a", labels={"pool": "gold"}, taints=(Taint("gpu", "yes", "NoSchedule"),)),
        ),
        (
            "NoNodeMatches",
            "decode short of 2 pods: none of 6 nodes will do: 2 without the label pool=gold, "
            "1 cordoned, 1 not ready, 2 for other reasons",
        ),
    ),
}


@pytest.mark.parametrize(("gang", "land", "expected"), ROOM.values(), ids=ROOM)
def test_room(gang: Group, land: Land, expected: tuple[str, str] | None) -> None:
    assert find_shortage(gang, land) == expected
