"""Why pods that wait do not fit into what is free, in numbers.

It explains what a scheduler has already refused and decides nothing. What is told is certain by
what is known here; where nothing is, the scheduler has to be quoted. The proofs are in `lacks.py`.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from grove_operator.api.quantities import PODS, readable
from grove_operator.policy.fitting import tally_obstacles
from grove_operator.policy.lacks import (
    Chain,
    Checker,
    Copies,
    Demand,
    Group,
    Lack,
    Row,
    needs_of,
    parts,
    rarity,
)
from grove_operator.policy.land import Land, Lot, Survey, survey_of, view_of

NO_NODE: Final = "NoNodeMatches"
NO_TOPOLOGY: Final = "TopologyMissing"
NO_ROOM: Final = "InsufficientCapacity"
_SHOWN: Final = 3
"""Domains that are told of besides the best one, and cliques."""


class Shortage(NamedTuple):
    reason: str
    message: str


def find_shortage(gang: Group, land: Land) -> Shortage | None:
    """Why the gang's pods cannot be placed, or None if by this count they may be.

    Inner groups come first: what one of them lacks by itself is told before what all of them do.
    """
    keys = [group.key for group, _ in parts(gang) if group.key]
    survey = survey_of(view_of((item.pod for item in gang.everyone), keys), land)
    for demand in gang.everyone:
        if not survey.admitting(demand.pod):
            return _no_node(demand, survey, survey.lots)
    checker, seen = Checker(survey), set[object]()
    for group, chain in parts(gang):
        look = (group.shape, chain)
        if look in seen or not group.everyone:
            continue
        seen.add(look)
        if found := _no_domain(group, chain, survey):
            return found
        rows = checker.table(group, chain)
        if rows:
            return Shortage(NO_ROOM, _Teller(checker).tell(chain, rows))
    return None


def _no_node(demand: Demand, survey: Survey, lots: Sequence[Lot], where: str = "") -> Shortage:
    short = f"{demand.clique} short of {_pods(demand.number)}: "
    obstacles = survey.obstacles(demand.pod, lots)
    if not obstacles:
        return Shortage(NO_NODE, f"{short}no nodes at all")
    told = tally_obstacles(obstacles.elements())
    return Shortage(NO_NODE, f"{short}none of {obstacles.total()} nodes{where} will do: {told}")


def _no_domain(group: Group, chain: Chain, survey: Survey) -> Shortage | None:
    """No node that will do has the labels, or the values that other pods have given them."""
    if not chain:
        return None
    domains = survey.domains(chain)
    for demand in group.everyone:
        takers = survey.admitting(demand.pod)
        if any(lot.sort in takers for lots in domains.values() for lot in lots):
            continue
        if domains and (pinned := chain[-1][1]):
            lots = [lot for found in domains.values() for lot in found]
            return _no_node(demand, survey, lots, f" of {_where(chain, pinned)}")
        key = next((key for key, _ in chain if not survey.domains(((key, ""),))), "")
        if key:
            return Shortage(NO_TOPOLOGY, f"no node has the label {key}, which pods have to share")
        labels = " and ".join(key for key, _ in chain)
        text = f"no node that will do for {demand.clique} has the label {labels}, which its pods "
        return Shortage(NO_TOPOLOGY, f"{text}have to share")
    return None


# --- in words --------------------------------------------------------------------------------


class _Teller:
    def __init__(self, checker: Checker) -> None:
        self._checker = checker
        self._survey = checker.survey

    def tell(self, chain: Chain, rows: Sequence[Row]) -> str:
        best = rows[0]
        return f"{_short(best.lack)}: {self._what(chain, rows)}"

    def _what(self, chain: Chain, rows: Sequence[Row]) -> str:
        best, names = rows[0], _names(rows)
        where = _where(chain, names[0]) if chain else ""
        lack = best.lack
        place = f"in {where} " if where else ""
        if lack.copies is not None:
            return place + _copies(lack.copies)
        if lack.inner is not None:
            inner, found = lack.inner
            if not found:
                return f"{place}no node that will do has the label {inner[-1][0]}"
            return place + self._what(inner, found)
        if lack.resource:
            return self._sums(lack, where, rows, names)
        return self._pieces(lack, best.lots, f" of {where}" if where else "")

    def _sums(self, lack: Lack, where: str, rows: Sequence[Row], names: Sequence[str]) -> str:
        resource, need = lack.resource, needs_of(lack.demands)[lack.resource]
        needed = f"{readable(resource, need)} needed"
        free = [self._checker.free(row.lots, lack.sorts)[resource] for row in rows]
        has = f"{readable(resource, free[0])} free {_unit(resource)}"
        if not where:
            nodes = sum(lot.nodes for lot in rows[0].lots if lot.sort in lack.sorts)
            return f"{nodes} {_that_will_do(nodes)} {has}, {needed}"
        pairs = list(zip(free, names, strict=True))[1:]
        less = sorted(
            ((number, name) for number, name in pairs if number < need),
            key=lambda item: (-item[0], item[1]),
        )
        told = [f"{where} has {has}, {needed}", *_rest(less, resource)]
        if other := len(pairs) - len(less):
            told.append(f"{other} more {'lacks' if other == 1 else 'lack'} something else")
        return "; ".join(told)

    def _pieces(self, lack: Lack, lots: Iterable[Lot], where: str) -> str:
        """There is enough in sum, in pieces that are too small."""
        assert lack.pod is not None
        resources = self._survey.view.resources
        requests = dict(lack.pod.requests)
        will_do = [lot for lot in lots if lot.sort in lack.sorts]
        for resource in sorted(requests, key=rarity):
            most = max((lot.free[resources.index(resource)] for lot in will_do), default=0)
            need = requests[resource]
            if most < need:
                return (
                    f"each needs {readable(resource, need)} {_unit(resource)}, and no node{where} "
                    f"has more than {readable(resource, most)} free"
                )
        return f"each needs {_all(requests)}, and too few nodes{where} have that free in one piece"


def _copies(copies: Copies) -> str:
    kind, needs = _kind(copies.key), copies.needs
    for resource in sorted(needs, key=rarity):
        free = {name: has[resource] for name, has in copies.free.items()}
        if sum(number // needs[resource] for number in free.values()) < copies.number:
            ranked = sorted(((n, name) for name, n in free.items()), key=lambda it: (-it[0], it[1]))
            text = f"there is room for {copies.room} of {copies.number} groups that need "
            text += f"{readable(resource, needs[resource])} {_unit(resource)} in one {kind} each: "
            return text + "; ".join(_rest(ranked, resource, "free"))
    return (
        f"{copies.number} groups need {_all(needs)} in one {kind} each, and only {copies.room} "
        f"{'finds' if copies.room == 1 else 'find'} a {kind} with enough of it in large "
        "enough pieces"
    )


def _rest(others: Sequence[tuple[int, str]], resource: str, word: str = "") -> Iterable[str]:
    """Domains that have the same are named together."""
    named: dict[int, list[str]] = {}
    for free, name in others[:_SHOWN]:
        named.setdefault(free, []).append(name)
    unit = f" {word}" if word else ""
    for free, names in named.items():
        verb = "have" if len(names) > 1 else "has"
        yield f"{', '.join(names)} {verb} {readable(resource, free)}{unit}"
    if len(others) > _SHOWN:
        most = readable(resource, others[_SHOWN][0])
        yield f"{len(others) - _SHOWN} more have at most {most}"


def _names(rows: Sequence[Row]) -> list[str]:
    """By the last label; by all of them where that is not enough, as with rack 1 of each zone."""
    last = [row.values[-1] if row.values else "" for row in rows]
    if len(set(last)) == len(last):
        return last
    return ["/".join(row.values) for row in rows]


def _where(chain: Chain, name: str) -> str:
    key, pinned = chain[-1]
    return f"{_kind(key)} {name}{', where others of them are,' if pinned else ''}"


def _short(lack: Lack) -> str:
    told = [
        f"{clique}{' short' if index == 0 else ''} of {_pods(number)}"
        for index, (clique, number) in enumerate(lack.missing[:_SHOWN])
    ]
    if more := len(lack.missing) - _SHOWN:
        told += [f"{more} more cliques"] if more > 0 else []
    return ", ".join(told)


def _all(requests: Mapping[str, int]) -> str:
    return ", ".join(
        f"{readable(resource, requests[resource])} {resource}"
        for resource in sorted(requests.keys() - {PODS}, key=rarity)
    )


def _that_will_do(nodes: int) -> str:
    return "node that will do has" if nodes == 1 else "nodes that will do have"


def _unit(resource: str) -> str:
    return "pod slots" if resource == PODS else resource


def _kind(key: str) -> str:
    """What people call a domain: the last word of the label."""
    word = key.rpartition("/")[2]
    return "node" if word == "hostname" else word


def _pods(number: int) -> str:
    return "1 pod" if number == 1 else f"{number} pods"
