"""Where the pods of PodCliqueSets stand, and what they leave of each node.

Fed with every change that the store tells of; worked out for a node only when somebody asks, and
again only after something about it changed. Knows nothing of pods that are not ours: to watch all
pods of a cluster would cost more than all else that this process does.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, MutableMapping
from typing import Any, Final, NamedTuple

from typing_extensions import override

from grove_operator.cluster.nodes import Nodes
from grove_operator.cluster.store import Place, Store
from grove_operator.observed import Clique, Kind, Pod, Record
from grove_operator.policy.requests import pod_requests

_OVER = ("Failed", "Succeeded")
_ANSWERS: Final = 1000
"""As many are remembered."""


class _Kin(NamedTuple):
    """Pods that take the same: those of one PodClique."""

    place: Place
    clique: str


class Occupancy(Mapping[str, Mapping[str, int]]):
    """By node: allocatable resources less the requests of our pods there."""

    def __init__(self, nodes: Nodes, store: Store) -> None:
        self._nodes = nodes
        self._store = store
        self._where: dict[str, tuple[str, _Kin]] = {}
        self._on: dict[str, Counter[_Kin]] = {}
        self._free: dict[str, dict[str, int]] = {}
        self._requests: dict[_Kin, dict[str, int]] = {}
        self._answers: dict[Any, Any] = {}

    @property
    def answers(self) -> MutableMapping[Any, Any]:
        """What planning has worked out from all this, for any set; gone when something changes."""
        if len(self._answers) > _ANSWERS:
            self._answers.clear()
        return self._answers

    def changed(self, place: Place, kind: Kind, old: Record | None, new: Record | None) -> None:
        """Take what the store's listener is told."""
        if kind is Kind.POD:
            self._move(place, old, new)
        elif kind is Kind.CLIQUE and isinstance(new, Clique):
            same = isinstance(old, Clique) and old.spec["podSpec"] is new.spec["podSpec"]
            if not same:
                self._forget(_Kin(place, new.meta.name))

    def node_changed(self, name: str) -> None:
        self._free.pop(name, None)
        self._answers.clear()

    def places(self, node: str) -> set[Place]:
        """The replicas that have pods there."""
        return {kin.place for kin in self._on.get(node, ())}

    def _move(self, place: Place, old: Record | None, new: Record | None) -> None:
        record = new or old
        if not isinstance(record, Pod):
            return
        there = new is record and bool(record.node) and record.phase not in _OVER
        now = (record.node, _Kin(place, record.meta.owner_name)) if there else None
        before = self._where.get(record.meta.uid)
        if now == before:
            return
        if before is not None:
            self._count(*before, -1)
            del self._where[record.meta.uid]
        if now is not None:
            self._count(*now, 1)
            self._where[record.meta.uid] = now

    def _count(self, node: str, kin: _Kin, change: int) -> None:
        on = self._on.setdefault(node, Counter())
        on[kin] += change
        if on[kin] <= 0:
            del on[kin]
            if not on:
                del self._on[node]
        self._free.pop(node, None)
        self._answers.clear()

    def _forget(self, kin: _Kin) -> None:
        if self._requests.pop(kin, None) is not None:
            self._free.clear()
            self._answers.clear()

    @override
    def __getitem__(self, node: str) -> Mapping[str, int]:
        found = self._free.get(node)
        if found is None:
            found = self._free[node] = self._left_of(node)
        return found

    def _left_of(self, node: str) -> dict[str, int]:
        left = dict(self._nodes.by_name[node].allocatable)
        for kin, number in self._on.get(node, {}).items():
            for resource, amount in self._requests_of(kin).items():
                if resource in left:
                    left[resource] -= amount * number
        return left

    def _requests_of(self, kin: _Kin) -> dict[str, int]:
        found = self._requests.get(kin)
        if found is None:
            clique = self._store.get(Kind.CLIQUE, kin.place.family.namespace, kin.clique)
            spec = clique.spec["podSpec"] if isinstance(clique, Clique) else {}
            found = self._requests[kin] = pod_requests(spec)
        return found

    @override
    def __iter__(self) -> Iterator[str]:
        return iter(self._nodes.by_name)

    @override
    def __len__(self) -> int:
        return len(self._nodes.by_name)
