"""How far pods that wait fit into what is free, and what stands in the way, in numbers.

A first-fit count over the nodes, domain by domain. It explains what a scheduler has already refused
and decides nothing, so where the two differ the scheduler is right: pods of others are not counted.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from grove_operator.api.quantities import PODS, readable
from grove_operator.observed import Node
from grove_operator.policy.fitting import obstacle, tally_obstacles

NO_NODE: Final = "NoNodeMatches"
NO_TOPOLOGY: Final = "TopologyMissing"
NO_ROOM: Final = "InsufficientCapacity"
_SHOWN: Final = 3
"""Domains that are told of besides the best one."""

Free = Mapping[str, Mapping[str, int]]


@dataclass(frozen=True, slots=True)
class Demand:
    """Pods of one clique that have no place. `key` is the node label that they must share."""

    clique: str
    number: int
    requests: Mapping[str, int]
    pod_spec: Mapping[str, Any]
    key: str = ""


@dataclass(frozen=True, slots=True)
class Land:
    """Where the pods may go. All of them must share `key`, and its value `pinned` if given."""

    nodes: Mapping[str, Node]
    free: Free
    key: str = ""
    pinned: str = ""


class Shortage(NamedTuple):
    reason: str
    message: str


@dataclass(slots=True)
class _Try:
    """One domain, and what was left of it when the demands were put in."""

    name: str
    nodes: dict[str, list[Node]]
    """By clique: the nodes that would take its pods."""
    left: dict[str, dict[str, int]] = field(default_factory=dict)
    unplaced: dict[str, int] = field(default_factory=dict)

    @property
    def missing(self) -> int:
        return sum(self.unplaced.values())


def find_shortage(demands: Sequence[Demand], land: Land) -> Shortage | None:
    """Why the demands do not fit, or None if by this count they do."""
    admitting: dict[str, list[Node]] = {}
    for demand in demands:
        found = [node for node in land.nodes.values() if not obstacle(demand.pod_spec, node)]
        if not found:
            return _no_node(demand, land.nodes.values())
        admitting[demand.clique] = found
    for key in dict.fromkeys([land.key, *(demand.key for demand in demands)]):
        if key and not any(key in node.labels for node in land.nodes.values()):
            return Shortage(NO_TOPOLOGY, f"no node has the label {key}, which pods have to share")
    tries = [_attempt(name, nodes, demands, land) for name, nodes in _domains(admitting, land)]
    if not tries or any(not item.missing for item in tries):
        return None
    tries.sort(key=lambda item: (item.missing, item.name))
    return Shortage(NO_ROOM, _no_room(demands, land, tries))


def _no_node(demand: Demand, nodes: Iterable[Node]) -> Shortage:
    obstacles = [obstacle(demand.pod_spec, node) for node in nodes]
    if not obstacles:
        return Shortage(
            NO_NODE, f"{demand.clique} short of {_pods(demand.number)}: no nodes at all"
        )
    told = tally_obstacles(obstacles)
    return Shortage(
        NO_NODE,
        f"{demand.clique} short of {_pods(demand.number)}: none of {len(obstacles)} nodes will do: "
        f"{told}",
    )


def _domains(
    admitting: Mapping[str, list[Node]], land: Land
) -> Iterable[tuple[str, dict[str, list[Node]]]]:
    """Every domain with what it has for each clique; one without a name if none is asked for."""
    if not land.key:
        return [("", dict(admitting))]
    found: dict[str, dict[str, list[Node]]] = {}
    for clique, nodes in admitting.items():
        for name, members in _split(nodes, land.key).items():
            found.setdefault(name, {})[clique] = members
    return [item for item in found.items() if land.pinned in ("", item[0])]


def _split(nodes: Iterable[Node], key: str) -> dict[str, list[Node]]:
    found: dict[str, list[Node]] = {}
    for node in nodes:
        if key in node.labels:
            found.setdefault(node.labels[key], []).append(node)
    return found


def _attempt(
    name: str, nodes: dict[str, list[Node]], demands: Sequence[Demand], land: Land
) -> _Try:
    """Put in what fits, the greediest pods first."""
    trial = _Try(name, nodes)
    for demand in sorted(demands, key=lambda item: sorted(item.requests.values()), reverse=True):
        pool = nodes.get(demand.clique, [])
        if demand.key and demand.key != land.key:
            parts = _split(pool, demand.key).values()
            pool = max(parts, key=lambda part: _fits(part, demand, trial.left, land), default=[])
        rest = demand.number
        for node in pool:
            left = trial.left.setdefault(node.name, dict(land.free.get(node.name, {})))
            number = min(rest, _fit(left, demand.requests))
            rest -= number
            for resource, amount in demand.requests.items() if number else ():
                left[resource] = left.get(resource, 0) - amount * number
        if rest:
            trial.unplaced[demand.clique] = rest
    return trial


def _fits(nodes: Iterable[Node], demand: Demand, left: Free, land: Land) -> int:
    return sum(
        _fit(left.get(node.name) or land.free.get(node.name, {}), demand.requests) for node in nodes
    )


def _fit(left: Mapping[str, int], requests: Mapping[str, int]) -> int:
    """How many pods find room."""
    return min(
        (max(0, left.get(name, 0)) // amount for name, amount in requests.items() if amount > 0),
        default=0,
    )


# --- in words --------------------------------------------------------------------------------


def _no_room(demands: Sequence[Demand], land: Land, tries: Sequence[_Try]) -> str:
    best = tries[0]
    demand = next(item for item in demands if item.clique in best.unplaced)
    short = f"{demand.clique} short of {_pods(best.unplaced[demand.clique])}: "
    pool = best.nodes.get(demand.clique, [])
    inner = bool(demand.key) and demand.key != land.key
    if inner:
        key, rows, together = demand.key, _split(pool, demand.key), [demand]
    else:
        key, together = land.key, list(demands)
        rows = {item.name: item.nodes.get(demand.clique, []) for item in tries}
    for resource in sorted(demand.requests, key=_rarity):
        need = sum(item.number * item.requests.get(resource, 0) for item in together)
        free = {name: _free(nodes, resource, land) for name, nodes in rows.items()}
        most = max(free.values(), default=0) if inner else free.get(best.name, 0)
        if most < need:
            first = max(free, key=lambda name: free[name], default="") if inner else best.name
            return short + _compare(_Scarce(key, resource, need), free, first, len(pool))
    return short + _pieces(demand, pool, land, f" of {_kind(key)} {best.name}" if key else "")


class _Scarce(NamedTuple):
    key: str
    resource: str
    need: int


def _compare(scarce: _Scarce, free: Mapping[str, int], first: str, nodes: int) -> str:
    resource = scarce.resource
    need = f"{readable(resource, scarce.need)} needed"
    has = f"{readable(resource, free.get(first, 0))} free {_unit(resource)}"
    if not scarce.key:
        will_do = "1 node that will do has" if nodes == 1 else f"{nodes} nodes that will do have"
        return f"{will_do} {has}, {need}"
    others = sorted(
        (item for item in free.items() if item[0] != first), key=lambda item: (-item[1], item[0])
    )
    return "; ".join([f"{_kind(scarce.key)} {first} has {has}, {need}", *_rest(others, resource)])


def _rest(others: Sequence[tuple[str, int]], resource: str) -> Iterable[str]:
    """Domains that have the same are named together."""
    named: dict[int, list[str]] = {}
    for name, free in others[:_SHOWN]:
        named.setdefault(free, []).append(name)
    for free, names in named.items():
        verb = "have" if len(names) > 1 else "has"
        yield f"{', '.join(names)} {verb} {readable(resource, free)}"
    if len(others) > _SHOWN:
        most = readable(resource, others[_SHOWN][1])
        yield f"{len(others) - _SHOWN} more have at most {most}"


def _pieces(demand: Demand, pool: Sequence[Node], land: Land, where: str) -> str:
    """There is enough in sum, in pieces that are too small."""
    for resource in sorted(demand.requests, key=_rarity):
        most = max((_free([node], resource, land) for node in pool), default=0)
        need = demand.requests[resource]
        if most < need:
            return (
                f"each needs {readable(resource, need)} {_unit(resource)}, and no node{where} has "
                f"more than {readable(resource, most)} free"
            )
    wanted = ", ".join(
        f"{readable(resource, demand.requests[resource])} {resource}"
        for resource in sorted(demand.requests.keys() - {PODS}, key=_rarity)
    )
    return f"each needs {wanted}, and too few nodes{where} have that free in one piece"


def _free(nodes: Iterable[Node], resource: str, land: Land) -> int:
    return sum(max(0, land.free.get(node.name, {}).get(resource, 0)) for node in nodes)


def _rarity(resource: str) -> tuple[int, str]:
    """Devices are what is mostly short; places for pods hardly ever."""
    order = {"memory": 1, "cpu": 2, "pods": 3}
    return order.get(resource, 0), resource


def _unit(resource: str) -> str:
    return "pod slots" if resource == PODS else resource


def _kind(key: str) -> str:
    """What people call a domain: the last word of the label."""
    word = key.rpartition("/")[2]
    return "node" if word == "hostname" else word


def _pods(number: int) -> str:
    return "1 pod" if number == 1 else f"{number} pods"
