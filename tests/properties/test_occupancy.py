"""What is kept step by step must be what counting anew would give."""

from hypothesis import given
from hypothesis import strategies as st

from grove_operator.cluster.nodes import Nodes
from grove_operator.cluster.occupancy import Occupancy
from grove_operator.cluster.store import Store
from grove_operator.observed import Clique, Kind, Node, Pod
from tests.support.builders import a_meta

CPU = {"a": 1000, "b": 2500}
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["put", "end", "remove", "resize", "read"]),
        st.integers(0, 5),
        st.sampled_from(["", "n0", "n1"]),
    ),
    max_size=40,
)


class World:
    def __init__(self) -> None:
        self.store = Store(lambda *change: self.occupancy.changed(*change))  # noqa: PLW0108 - made below
        self.nodes = Nodes(lambda old, new: self.forget(old, new))  # noqa: PLW0108 - as above
        self.occupancy = Occupancy(self.nodes, self.store)
        self.pods: dict[str, Pod] = {}
        self.version = 1
        for name in ("n0", "n1"):
            self.nodes.upsert(Node(name=name, allocatable={"cpu": 64_000}))
        for name, cpu in CPU.items():
            requests = {"requests": {"cpu": f"{cpu}m"}}
            spec = {"podSpec": {"containers": [{"resources": requests}]}}
            self.store.upsert(Kind.CLIQUE, Clique(meta=a_meta(name), replicas=1, spec=spec))

    def forget(self, old: Node | None, new: Node | None) -> None:
        self.occupancy.node_changed((new or old or Node(name="")).name)

    def put(self, number: int, node: str, phase: str = "Running") -> None:
        self.version += 1
        name = f"p{number}"
        uid = self.pods[name].meta.uid if name in self.pods else f"{name}-{self.version}"
        meta = a_meta(name, uid=uid, version=self.version, owner_name="ab"[number % 2])
        self.pods[name] = Pod(meta=meta, node=node, phase=phase)
        self.store.upsert(Kind.POD, self.pods[name])

    def step(self, what: str, number: int, node: str) -> None:
        if what == "put":
            self.put(number, node)
        elif what == "end":
            self.put(number, node, "Failed")
        elif what == "remove" and f"p{number}" in self.pods:
            gone = self.pods.pop(f"p{number}")
            self.store.forget(Kind.POD, "harbor", gone.meta.name, gone.meta.uid)
        elif what == "resize" and node:
            self.nodes.upsert(Node(name=node, allocatable={"cpu": 50_000 + number}))
        elif node:
            assert self.occupancy[node] == self.counted(node)

    def counted(self, node: str) -> dict[str, int]:
        taken = sum(
            CPU[pod.meta.owner_name]
            for pod in self.pods.values()
            if pod.node == node and pod.phase == "Running"
        )
        return {"cpu": self.nodes.by_name[node].allocatable["cpu"] - taken}


@given(STEPS)
def test_what_is_free_is_what_counting_anew_gives(steps: list[tuple[str, int, str]]) -> None:
    world = World()
    for step in steps:
        world.step(*step)
    for node in ("n0", "n1"):
        assert world.occupancy[node] == world.counted(node)
