"""Whatever is told of room is certain: pods that are said not to fit cannot be placed at all."""

from collections.abc import Iterator
from itertools import count

from hypothesis import event, given, settings
from hypothesis import strategies as st

from grove_operator.observed import Node
from grove_operator.policy.fitting import obstacle
from grove_operator.policy.lacks import Demand, Group
from grove_operator.policy.land import Land, PodNeeds, pod_needs
from grove_operator.policy.room import find_shortage

GPU, POOL = "example.com/gpu", "pool"
KEYS = {"rack": ("r1", "r2"), "zone": ("z1", "z2"), "hostname": ("n0", "n1")}

Shared = tuple[tuple[int, str], ...]
"""Groups, by number, and the label that all their pods share."""


@st.composite
def lands(draw: st.DrawFn) -> Land:
    nodes, free = {}, {}
    for number in range(draw(st.integers(1, 4))):
        name = f"n{number}"
        labels = {"hostname": name, POOL: draw(st.sampled_from("ab"))}
        labels |= {key: draw(st.sampled_from(KEYS[key])) for key in ("rack", "zone")}
        nodes[name] = Node(name=name, labels=labels)
        cpu, gpus = draw(st.integers(-1, 5)) * 1000, draw(st.integers(0, 5))
        free[name] = {"cpu": cpu, GPU: gpus, "pods": draw(st.integers(1, 9))}
    return Land(nodes, free)


@st.composite
def demands(draw: st.DrawFn) -> Demand:
    requests = {"cpu": draw(st.integers(0, 3)), GPU: draw(st.integers(0, 3))}
    spec: dict[str, object] = {"containers": [{"resources": {"requests": requests}}]}
    if draw(st.integers(0, 3)) == 0:
        spec["nodeSelector"] = {POOL: draw(st.sampled_from("ab"))}
    return Demand(draw(st.sampled_from("xyz")), draw(st.integers(1, 2)), pod_needs(spec))


@st.composite
def groups(draw: st.DrawFn, depth: int = 2) -> Group:
    key = draw(st.sampled_from(["", *KEYS]))
    pinned = draw(st.sampled_from(["", "", *KEYS[key]])) if key else ""
    inner = draw(st.lists(groups(depth - 1), max_size=2)) if depth else []
    own = draw(st.lists(demands(), max_size=1 if inner else 2))
    return Group(key, pinned, tuple(own), tuple(group for group in inner if group.everyone))


def lay_out(
    group: Group, number: Iterator[int], values: dict[tuple[int, str], str], around: Shared = ()
) -> Iterator[tuple[PodNeeds, Shared]]:
    """Each pod, with what it shares with others; `values` gets what pods in place have chosen."""
    if group.key:
        own = (next(number), group.key)
        around = (*around, own)
        if group.pinned:
            values[own] = group.pinned
    for demand in group.demands:
        yield from [(demand.pod, around)] * demand.number
    for inner in group.groups:
        yield from lay_out(inner, number, values, around)


def can_place(
    pods: list[tuple[PodNeeds, Shared]],
    land: Land,
    free: dict[str, dict[str, int]],
    values: dict[tuple[int, str], str],
) -> bool:
    """By trying everything."""
    if not pods:
        return True
    (needs, shared), *rest = pods
    for name, node in land.nodes.items():
        left = {item: free[name][item] - amount for item, amount in needs.requests}
        chosen = {own: node.labels[own[1]] for own in shared}
        if (
            obstacle(needs.spec, node)
            or min(left.values()) < 0
            or any(values.get(own, value) != value for own, value in chosen.items())
        ):
            continue
        if can_place(rest, land, free | {name: free[name] | left}, values | chosen):
            return True
    return False


@settings(max_examples=300)
@given(gang=groups(), land=lands())
def test_what_is_told_of_room_is_certain(gang: Group, land: Land) -> None:
    found = find_shortage(gang, land)
    event(found.reason if found else "nothing is told")
    if found is None:
        return
    values: dict[tuple[int, str], str] = {}
    pods = list(lay_out(gang, count(), values))
    free = {name: dict(amounts) for name, amounts in land.free.items()}
    assert not can_place(pods, land, free, values), found
    assert "short of 0" not in found.message


@settings(max_examples=300)
@given(demand=demands(), key=st.sampled_from(["", *KEYS]), land=lands())
def test_pods_of_one_sort_are_counted_exactly(demand: Demand, key: str, land: Land) -> None:
    gang = Group(key, demands=(demand,))
    pods = list(lay_out(gang, count(), {}))
    free = {name: dict(amounts) for name, amounts in land.free.items()}
    assert (find_shortage(gang, land) is None) == can_place(pods, land, free, {})
