"""Nodes as a count of room sees them: those that are alike are one lot.

A cluster has thousands of nodes and few sorts of them, so all that is asked of a node is asked of
a lot. What was worked out is kept in `Land.answers`, which its owner empties when nodes, or what
stands on them, change. Used by `policy/room.py`.
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from grove_operator.observed import Node
from grove_operator.policy.fitting import obstacle
from grove_operator.policy.requests import pod_requests

Free = Mapping[str, Mapping[str, int]]


@dataclass(frozen=True, slots=True)
class PodNeeds:
    """What pods of one spec need of a node. Equal ones find room in the same places."""

    requests: tuple[tuple[str, int], ...]
    rules: str
    """The parts of the spec that keep pods off nodes, in one form for equal ones."""
    labels: frozenset[str]
    """The node labels that these speak of."""
    named: bool
    """Whether they speak of nodes by name."""
    spec: Mapping[str, Any] = field(compare=False)


def pod_needs(pod_spec: Mapping[str, Any]) -> PodNeeds:
    selector = pod_spec.get("nodeSelector") or {}
    affinity = (pod_spec.get("affinity") or {}).get("nodeAffinity") or {}
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution") or {}
    terms = required.get("nodeSelectorTerms") or ()
    rules = [selector, required, pod_spec.get("tolerations") or ()]
    labels = {str(item.get("key")) for term in terms for item in term.get("matchExpressions") or ()}
    return PodNeeds(
        requests=tuple(sorted((name, n) for name, n in pod_requests(pod_spec).items() if n > 0)),
        rules=json.dumps(rules, sort_keys=True),
        labels=frozenset(labels | selector.keys()),
        named=any(term.get("matchFields") for term in terms),
        spec=pod_spec,
    )


@dataclass(frozen=True, slots=True)
class Land:
    """Where pods may go."""

    nodes: Mapping[str, Node]
    free: Free
    answers: MutableMapping[Any, Any] = field(default_factory=dict)


class Lot(NamedTuple):
    """Nodes that are alike. `sort` counts for whether pods may go there, `free` for how many."""

    sort: int
    place: tuple[str | None, ...]
    """The values of the topology labels."""
    free: tuple[int, ...]
    nodes: int


class View(NamedTuple):
    """Which labels and resources tell nodes apart."""

    keys: tuple[str, ...]
    labels: tuple[str, ...]
    resources: tuple[str, ...]
    named: bool


def view_of(needs: Iterable[PodNeeds], keys: Iterable[str]) -> View:
    every = list(needs)
    return View(
        keys=tuple(sorted(set(keys))),
        labels=tuple(sorted({label for item in every for label in item.labels})),
        resources=tuple(sorted({name for item in every for name, _ in item.requests})),
        named=any(item.named for item in every),
    )


class Survey:
    """All nodes in lots, and which of them take which pods."""

    def __init__(self, view: View, land: Land) -> None:
        self.view = view
        self._sorts: dict[object, int] = {}
        self._examples: list[Node] = []
        self._admitted: dict[str, frozenset[int]] = {}
        self._domains: dict[object, dict[tuple[str, ...], list[Lot]]] = {}
        counted = Counter(self._lot(node, land.free) for node in land.nodes.values())
        self.lots = [Lot(*lot, nodes) for lot, nodes in counted.items()]

    def _lot(self, node: Node, free: Free) -> tuple[int, tuple[str | None, ...], tuple[int, ...]]:
        view, labels = self.view, node.labels
        sort = (
            tuple(map(labels.get, view.labels)),
            node.taints,
            node.ready,
            node.unschedulable,
            not node.unreachable_since,
            node.name if view.named else "",
        )
        number = self._sorts.get(sort)
        if number is None:
            number = self._sorts[sort] = len(self._examples)
            self._examples.append(node)
        left = free.get(node.name, {})
        room = tuple([max(0, left.get(name, 0)) for name in view.resources])
        return number, tuple(map(labels.get, view.keys)), room

    def admitting(self, needs: PodNeeds) -> frozenset[int]:
        """The sorts of nodes that take such pods."""
        found = self._admitted.get(needs.rules)
        if found is None:
            found = self._admitted[needs.rules] = frozenset(
                number
                for number, node in enumerate(self._examples)
                if not obstacle(needs.spec, node)
            )
        return found

    def obstacles(self, needs: PodNeeds, lots: Iterable[Lot]) -> Counter[str]:
        """What keeps such pods off, with the numbers of nodes."""
        found: Counter[str] = Counter()
        for lot in lots:
            found[obstacle(needs.spec, self._examples[lot.sort])] += lot.nodes
        return found

    def domains(
        self, chain: tuple[tuple[str, str], ...], lots: Iterable[Lot] | None = None
    ) -> dict[tuple[str, ...], list[Lot]]:
        """The lots by the values of the labels in the chain, as far as these are not pinned."""
        if lots is None:
            if chain not in self._domains:
                self._domains[chain] = self.domains(chain, self.lots)
            return self._domains[chain]
        at = [self.view.keys.index(key) for key, _ in chain]
        pins = [(index, pin) for index, (_, pin) in enumerate(chain) if pin]
        found: dict[tuple[str, ...], list[Lot]] = {}
        for lot in lots:
            values = tuple([lot.place[index] or "" for index in at])
            if "" not in values and all(values[index] == pin for index, pin in pins):
                found.setdefault(values, []).append(lot)
        return found


def survey_of(view: View, land: Land) -> Survey:
    found = land.answers.get(view)
    if not isinstance(found, Survey):
        found = land.answers[view] = Survey(view, land)
    return found
