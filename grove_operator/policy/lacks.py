"""Proof that pods which must be placed together do not fit, domain by domain.

Only what is certain counts: that one sort of pods finds too few pieces, that a sum is too small, or
that too few domains can take what needs one each. Pods that pass may still not fit, for to know
that is to pack them; then the scheduler has the word. Used by `policy/room.py`, which tells of it.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from grove_operator.policy.land import Lot, PodNeeds, Survey

Chain = tuple[tuple[str, str], ...]
"""Node labels whose values pods share, broadest first, each with the value if that is fixed."""


@dataclass(frozen=True, slots=True)
class Demand:
    """Pods of one clique that have no place."""

    clique: str
    number: int
    pod: PodNeeds


@dataclass(frozen=True, slots=True)
class Group:
    """Pods that must share the label `key`, in its domain `pinned` if some of them have a place."""

    key: str = ""
    pinned: str = ""
    demands: tuple[Demand, ...] = ()
    groups: tuple["Group", ...] = ()

    @property
    def everyone(self) -> tuple[Demand, ...]:
        return (*self.demands, *(item for group in self.groups for item in group.everyone))

    @property
    def shape(self) -> tuple[object, ...]:
        """All but the names: groups of one shape fit into the same places."""
        return (
            self.key,
            self.pinned,
            tuple((item.number, item.pod) for item in self.demands),
            tuple(group.shape for group in self.groups),
        )

    def chain(self, around: Chain) -> Chain:
        if not self.key:
            return around
        pinned = self.pinned or dict(around).get(self.key, "")
        return (*(item for item in around if item[0] != self.key), (self.key, pinned))


class Row(NamedTuple):
    """One domain, by the values of the chain's labels, and what it lacks."""

    values: tuple[str, ...]
    lots: list[Lot]
    lack: "Lack"


@dataclass(frozen=True, slots=True)
class Copies:
    """`number` groups need a domain each, and there is `room` for fewer."""

    number: int
    room: int
    key: str
    needs: Mapping[str, int]
    """What one of them needs in all."""
    free: Mapping[str, Mapping[str, int]]
    """By domain; one in which not a node will do is left out."""


@dataclass(frozen=True, slots=True)
class Lack:
    """What a domain lacks.

    `missing` are pods by clique, when as many as possible are put in, `demands` those that were
    counted together, `sorts` the nodes that take them. If neither `resource` nor `inner` nor
    `copies` is set, the pieces are too small for `pod`.
    """

    missing: tuple[tuple[str, int], ...]
    demands: tuple[Demand, ...] = ()
    sorts: frozenset[int] = frozenset()
    resource: str = ""
    pod: PodNeeds | None = None
    inner: tuple[Chain, list[Row]] | None = None
    copies: Copies | None = None

    @property
    def number(self) -> int:
        return sum(number for _, number in self.missing)


@dataclass(frozen=True, slots=True)
class Checker:
    survey: Survey
    _seen: dict[Group, dict[object, Lack | None]] = field(default_factory=dict)
    """What pools of nodes lack for a group: racks mostly look the same."""

    def table(
        self, group: Group, chain: Chain, lots: Iterable[Lot] | None = None
    ) -> list[Row] | None:
        """What each domain lacks, the best one first; None if one may do."""
        rows: list[Row] = []
        takers = self._all_sorts(group.everyone)
        seen = self._seen.setdefault(group, {})
        for values, members in self.survey.domains(chain, lots).items():
            if not any(lot.sort in takers for lot in members):
                continue
            lack = self._together(group, members, seen) or self._inside(group, chain, members)
            if lack is None:
                return None
            rows.append(Row(values, members, lack))
        return sorted(rows, key=lambda row: (row.lack.number, -self._has(row), row.values))

    def _has(self, row: Row) -> int:
        """How much there is of what the domain lacks."""
        lack = row.lack
        return self.free(row.lots, lack.sorts)[lack.resource] if lack.resource else 0

    def _sorts(self, demand: Demand) -> frozenset[int]:
        return self.survey.admitting(demand.pod)

    def _all_sorts(self, demands: Iterable[Demand]) -> frozenset[int]:
        return frozenset[int]().union(*map(self._sorts, demands))

    def _seats(self, pod: PodNeeds, lots: Iterable[Lot]) -> int:
        """How many such pods find room, if no others come."""
        wanted, sorts = self._wanted(pod), self.survey.admitting(pod)
        return sum(lot.nodes * _fit(lot.free, wanted) for lot in lots if lot.sort in sorts)

    def _together(
        self, group: Group, lots: list[Lot], seen: dict[object, Lack | None]
    ) -> Lack | None:
        """What all pods of the group lack here, wherever they go."""
        pool: dict[tuple[int, tuple[int, ...]], int] = {}
        for lot in lots:
            alike = (lot.sort, lot.free)
            pool[alike] = pool.get(alike, 0) + lot.nodes
        key = frozenset(pool.items())
        if key not in seen:
            merged = [Lot(sort, (), free, nodes) for (sort, free), nodes in pool.items()]
            demands = group.everyone
            seen[key] = self._by_sum(demands, merged) or self._by_piece(demands, merged)
        return seen[key]

    # --- by sum, by piece ----------------------------------------------------------------

    def _by_sum(self, demands: Sequence[Demand], lots: list[Lot]) -> Lack | None:
        """Pods that only the same nodes take, together, and then all of them."""
        sets = dict.fromkeys(map(self._sorts, demands))
        for sorts in (*sets, self._all_sorts(demands)):
            kin = [item for item in demands if self._sorts(item) <= sorts]
            needs, free = needs_of(kin), self.free(lots, sorts)
            for resource in sorted(needs, key=rarity):
                if needs[resource] > free[resource]:
                    return Lack(self._leftover(kin, lots), tuple(kin), sorts, resource)
        return None

    def _by_piece(self, demands: Sequence[Demand], lots: list[Lot]) -> Lack | None:
        """Of pods that need as much as these or more, no more fit than of these."""
        for pod in dict.fromkeys(item.pod for item in demands):
            sorts = self.survey.admitting(pod)
            kin = [
                item
                for item in demands
                if self._sorts(item) <= sorts and _exceeds(dict(item.pod.requests), pod.requests)
            ]
            if sum(item.number for item in kin) > self._seats(pod, lots):
                return Lack(self._leftover(kin, lots), tuple(kin), sorts, pod=pod)
        return None

    def free(self, lots: Iterable[Lot], sorts: frozenset[int]) -> dict[str, int]:
        total = [0] * len(self.survey.view.resources)
        for lot in lots:
            if lot.sort in sorts:
                for index, amount in enumerate(lot.free):
                    total[index] += amount * lot.nodes
        return dict(zip(self.survey.view.resources, total, strict=True))

    def _wanted(self, pod: PodNeeds) -> list[tuple[int, int]]:
        """The requests by the place of the resource in a lot."""
        resources = self.survey.view.resources
        return [(resources.index(name), amount) for name, amount in pod.requests]

    def _leftover(
        self, demands: Sequence[Demand], lots: Iterable[Lot]
    ) -> tuple[tuple[str, int], ...]:
        """By clique, the pods that stay without a place when the greediest go first."""
        state = [(lot.sort, lot.free, lot.nodes) for lot in lots]
        missing = []
        for demand in sorted(demands, key=self._greed, reverse=True):
            rest, after = demand.number, []
            wanted, sorts = self._wanted(demand.pod), self._sorts(demand)
            for sort, free, nodes in state:
                fit = _fit(free, wanted) if rest and sort in sorts else 0
                full, part = divmod(min(rest, fit * nodes), fit) if fit else (0, 0)
                rest -= full * fit + part
                for number, pods in ((full, fit), (1 if part else 0, part)):
                    if number:
                        after.append((sort, _less(free, wanted, pods), number))
                if left := nodes - full - bool(part):
                    after.append((sort, free, left))
            state = after
            if rest:
                missing.append((demand.clique, rest))
        return tuple(missing)

    def _greed(self, demand: Demand) -> list[int]:
        needs = dict(demand.pod.requests)
        return [needs.get(name, 0) for name in sorted(self.survey.view.resources, key=rarity)]

    # --- groups inside -------------------------------------------------------------------

    def _inside(self, group: Group, chain: Chain, lots: list[Lot]) -> Lack | None:
        for inner in {item.shape: item for item in reversed(group.groups)}.values():
            along = inner.chain(chain)
            if along == chain:  # the same domain, whose pods have been looked at together
                if lack := self._inside(inner, chain, lots):
                    return lack
                continue
            rows = self.table(inner, along, lots)
            if rows is not None:
                missing = (
                    rows[0].lack.missing
                    if rows
                    else tuple((item.clique, item.number) for item in inner.everyone)
                )
                return Lack(missing, inner=(along, rows))
        return self._copies(group, chain, lots)

    def _copies(self, group: Group, chain: Chain, lots: list[Lot]) -> Lack | None:
        """Groups that need a domain each, where few can take one."""
        free_to_go = [item for item in group.groups if item.key and not item.pinned]
        for item in {item.shape: item for item in free_to_go}.values():
            kin = [other for other in free_to_go if self._exceeds(other, item)]
            alike = [other for other in kin if other.shape == item.shape]
            domains = self.survey.domains(item.chain(chain), lots)
            for members, exact in ((alike, True), (kin, False)):
                found = self._room(item, len(members), domains, exact=exact)
                if found is not None:
                    lost = [one for left in members[found.room :] for one in left.everyone]
                    missing = tuple((one.clique, one.number) for one in lost)
                    return Lack(missing, tuple(lost), copies=found)
        return None

    def _exceeds(self, one: Group, other: Group) -> bool:
        if one.key != other.key:
            return False
        sorts = self._all_sorts(one.everyone) <= self._all_sorts(other.everyone)
        return sorts and _exceeds(needs_of(one.everyone), needs_of(other.everyone).items())

    def _room(
        self,
        group: Group,
        number: int,
        domains: Mapping[tuple[str, ...], list[Lot]],
        *,
        exact: bool,
    ) -> Copies | None:
        """At most so many groups that need as much; `exact` also looks at single pods."""
        if number < 2:
            return None
        sorts, needs = self._all_sorts(group.everyone), needs_of(group.everyone)
        room, free = 0, {}
        for values, lots in domains.items():
            if not any(lot.sort in sorts for lot in lots):
                continue
            has = free[values[-1]] = self.free(lots, sorts)
            times = [has[name] // amount for name, amount in needs.items()]
            if exact:
                times += [self._seats(item.pod, lots) // item.number for item in group.everyone]
            room += min(times)
            if room >= number:
                return None
        return Copies(number, room, group.key, needs, free)


def parts(group: Group, around: Chain = ()) -> Iterator[tuple[Group, Chain]]:
    """The group and those inside it, inner ones first, each with the labels that it shares."""
    chain = group.chain(around)
    for inner in group.groups:
        yield from parts(inner, chain)
    yield group, chain


def needs_of(demands: Iterable[Demand]) -> dict[str, int]:
    total: dict[str, int] = {}
    for item in demands:
        for name, amount in item.pod.requests:
            total[name] = total.get(name, 0) + amount * item.number
    return total


def rarity(resource: str) -> tuple[int, str]:
    """Devices are what is mostly short; places for pods hardly ever."""
    order = {"memory": 1, "cpu": 2, "pods": 3}
    return order.get(resource, 0), resource


def _fit(free: Sequence[int], wanted: Iterable[tuple[int, int]]) -> int:
    """How many pods find room on one node."""
    return min([free[index] // amount for index, amount in wanted], default=0)


def _less(free: Sequence[int], wanted: Iterable[tuple[int, int]], pods: int) -> tuple[int, ...]:
    left = list(free)
    for index, amount in wanted:
        left[index] -= amount * pods
    return tuple(left)


def _exceeds(one: Mapping[str, int], other: Iterable[tuple[str, int]]) -> bool:
    return all(one.get(name, 0) >= amount for name, amount in other)
