"""What our pods leave of each node."""

from typing import Any

import pytest

from grove_operator.api import labels
from grove_operator.cluster.nodes import Nodes
from grove_operator.cluster.occupancy import Occupancy
from grove_operator.cluster.store import Family, Place, Store
from grove_operator.observed import Clique, Kind, Meta, Node, Pod, Record

PLACE = Place(Family("harbor", "tide"), 0)
NAMES = {labels.PART_OF: "tide", labels.REPLICA_INDEX: "0"}


class World:
    def __init__(self) -> None:
        self.store = Store(self.changed)
        self.nodes = Nodes(self.node_changed)
        self.occupancy = Occupancy(self.nodes, self.store)
        self.version = 0

    def changed(self, place: Place, kind: Kind, old: Record | None, new: Record | None) -> None:
        self.occupancy.changed(place, kind, old, new)

    def node_changed(self, old: Node | None, new: Node | None) -> None:
        for node in (old, new):
            if node is not None:
                self.occupancy.node_changed(node.name)

    def meta(self, name: str, **fields: Any) -> Meta:
        self.version += 1
        given: dict[str, Any] = {"namespace": "harbor", "uid": name, "labels": NAMES}
        return Meta(name=name, version=self.version, **(given | fields))

    def node(self, name: str = "n", cpu: int = 8000) -> None:
        self.nodes.upsert(Node(name=name, allocatable={"cpu": cpu, "pods": 10}))

    def clique(self, cpu: str = "1") -> None:
        container = {"resources": {"requests": {"cpu": cpu, "example.com/gpu": "1"}}}
        spec = {"podSpec": {"containers": [container]}}
        record = Clique(meta=self.meta("tide-0-w"), replicas=1, spec=spec)
        self.store.upsert(Kind.CLIQUE, record)

    def pod(self, name: str = "p", node: str = "n", phase: str = "Running") -> Pod:
        meta = self.meta(name, owner_name="tide-0-w")
        record = Pod(meta=meta, node=node, phase=phase, scheduled=bool(node))
        self.store.upsert(Kind.POD, record)
        return record

    def free(self, node: str = "n") -> tuple[int, int]:
        left = self.occupancy[node]
        return left["cpu"], left["pods"]


@pytest.fixture
def world() -> World:
    made = World()
    made.node()
    made.clique()
    return made


def test_pods_take_what_their_template_asks_for(world: World) -> None:
    assert world.free() == (8000, 10)
    world.pod("a")
    world.pod("b")
    assert world.free() == (6000, 8)
    assert "example.com/gpu" not in world.occupancy["n"]  # the node has none


def test_a_pod_takes_nothing_before_it_is_placed_and_after_it_ended(world: World) -> None:
    world.pod(node="")
    assert world.free() == (8000, 10)
    world.pod()
    assert world.free() == (7000, 9)
    world.pod(phase="Succeeded")
    assert world.free() == (8000, 10)


def test_a_pod_that_is_gone_leaves_its_place(world: World) -> None:
    pod = world.pod()
    assert world.free() == (7000, 9)
    assert world.occupancy.places("n") == {PLACE}
    world.store.delete(Kind.POD, pod)
    assert world.free() == (8000, 10)
    assert world.occupancy.places("n") == set()


def test_a_node_that_changes_is_worked_out_again(world: World) -> None:
    world.pod()
    assert world.free() == (7000, 9)
    world.node(cpu=4000)
    assert world.free() == (3000, 9)


def test_pods_may_be_known_before_their_clique() -> None:
    world = World()
    world.node()
    world.pod()
    assert world.free() == (8000, 9)
    world.clique(cpu="2")
    assert world.free() == (6000, 9)
    world.clique(cpu="3")
    assert world.free() == (5000, 9)


def test_it_knows_the_nodes_that_there_are(world: World) -> None:
    world.node("m")
    assert (sorted(world.occupancy), len(world.occupancy)) == (["m", "n"], 2)
    world.pod(node="gone")
    assert "gone" not in world.occupancy


def test_what_was_worked_out_lasts_until_something_changes(world: World) -> None:
    def forgets() -> bool:
        gone = not world.occupancy.answers
        world.occupancy.answers["how much?"] = 42
        return gone

    assert forgets()
    assert not forgets()
    pod = world.pod(node="")
    assert not forgets()  # it stands nowhere
    pod = world.pod()
    assert forgets()
    world.store.delete(Kind.POD, pod)
    assert forgets()
    world.node(cpu=4000)
    assert forgets()
    world.pod()
    assert world.free() == (3000, 9)
    assert forgets()
    world.clique(cpu="2")
    assert forgets()
    world.occupancy.answers.update(dict.fromkeys(range(2000)))
    assert forgets()
