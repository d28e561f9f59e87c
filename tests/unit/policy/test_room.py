"""Room: what is short, where, and by how much, in the words that users read."""

from typing import Any

import pytest

from grove_operator.observed import Node, Taint
from grove_operator.policy.room import Demand, Land, find_shortage

GPU = "example.com/gpu"
RACK, ZONE = "topology.example.org/rack", "topology.example.org/zone"


def a_node(name: str, gpus: int = 8, **fields: Any) -> tuple[Node, dict[str, int]]:
    labels = {RACK: f"r{name[0]}", ZONE: "z1", "kubernetes.io/hostname": name}
    node = Node(name=name, labels=labels | fields.pop("labels", {}), **fields)
    return node, {GPU: gpus, "cpu": 64_000, "pods": 100}


def a_land(*nodes: tuple[Node, dict[str, int]], key: str = "", pinned: str = "") -> Land:
    return Land(
        {node.name: node for node, _ in nodes},
        {node.name: free for node, free in nodes},
        key,
        pinned,
    )


def decode(
    number: int = 8, gpus: int = 1, key: str = "", name: str = "decode", **spec: Any
) -> Demand:
    return Demand(name, number, {GPU: gpus, "cpu": 100, "pods": 1}, spec, key)


ROOM: dict[str, tuple[list[Demand], Land, tuple[str, str] | None]] = {
    "there is room": ([decode()], a_land(a_node("1a")), None),
    "there is room on several nodes": ([decode(10)], a_land(a_node("1a"), a_node("2a")), None),
    "no nodes": (
        [decode()],
        a_land(),
        ("NoNodeMatches", "decode short of 8 pods: no nodes at all"),
    ),
    "too few in all": (
        [decode(12)],
        a_land(a_node("1a"), a_node("2a", 1)),
        (
            "InsufficientCapacity",
            f"decode short of 3 pods: 2 nodes that will do have 9 free {GPU}, 12 needed",
        ),
    ),
    "no rack has enough": (
        [decode(8)],
        a_land(a_node("3a", 4), a_node("3b", 2), a_node("1a", 0), a_node("2a", 0), key=RACK),
        (
            "InsufficientCapacity",
            f"decode short of 2 pods: rack r3 has 6 free {GPU}, 8 needed; r1, r2 have 0",
        ),
    ),
    "many racks": (
        [decode(8)],
        a_land(*(a_node(f"{rack}a", rack) for rack in range(1, 8)), key=RACK),
        (
            "InsufficientCapacity",
            f"decode short of 1 pod: rack r7 has 7 free {GPU}, 8 needed; r6 has 6; r5 has 5; "
            "r4 has 4; 3 more have at most 3",
        ),
    ),
    "another rack has room, but the gang stands in this one": (
        [decode(2)],
        a_land(a_node("1a", 1), a_node("2a", 8), key=RACK, pinned="r1"),
        (
            "InsufficientCapacity",
            f"decode short of 1 pod: rack r1 has 1 free {GPU}, 2 needed",
        ),
    ),
    "two cliques share a rack": (
        [decode(4), decode(6, name="prefill")],
        a_land(a_node("1a"), a_node("2a", 1), key=RACK),
        (
            "InsufficientCapacity",
            f"prefill short of 2 pods: rack r1 has 8 free {GPU}, 10 needed; r2 has 1",
        ),
    ),
    "each clique in a rack of its own, all in a zone": (
        [decode(8, key=RACK), decode(8, key=RACK, name="prefill")],
        a_land(a_node("1a"), a_node("2a"), key=ZONE),
        None,
    ),
    "a clique that no rack of the zone can take": (
        [decode(9, key=RACK)],
        a_land(a_node("1a"), a_node("2a", 5), key=ZONE),
        (
            "InsufficientCapacity",
            f"decode short of 1 pod: rack r1 has 8 free {GPU}, 9 needed; r2 has 5",
        ),
    ),
    "pieces too small": (
        [decode(1, gpus=4)],
        a_land(a_node("1a", 3), a_node("2a", 3)),
        (
            "InsufficientCapacity",
            f"decode short of 1 pod: each needs 4 {GPU}, and no node has more than 3 free",
        ),
    ),
    "pieces too small in the best rack": (
        [decode(1, gpus=4)],
        a_land(a_node("1a", 3), a_node("1b", 3), a_node("2a", 0), key=RACK),
        (
            "InsufficientCapacity",
            f"decode short of 1 pod: each needs 4 {GPU}, and no node of rack r1 has more than "
            "3 free",
        ),
    ),
    "pieces that do not add up": (
        [decode(3, gpus=4)],
        a_land(a_node("1a", 6), a_node("2a", 6)),
        (
            "InsufficientCapacity",
            f"decode short of 1 pod: each needs 4 {GPU}, 0.1 cpu, and too few nodes have "
            "that free in one piece",
        ),
    ),
    "no node has the label of a level": (
        [decode()],
        a_land(a_node("1a"), key="example.org/block"),
        ("TopologyMissing", "no node has the label example.org/block, which pods have to share"),
    ),
    "nodes that will not do": (
        [decode(2, nodeSelector={"pool": "gold"})],
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


@pytest.mark.parametrize(("demands", "land", "expected"), ROOM.values(), ids=ROOM)
def test_room(demands: list[Demand], land: Land, expected: tuple[str, str] | None) -> None:
    assert find_shortage(demands, land) == expected
