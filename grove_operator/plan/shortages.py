"""Asks, for gangs that a scheduler has refused, whether there is room for what they lack.

The gang is laid out as its PodGroups and CompositePodGroups have it today: which labels pods share,
and in which domains some of them are already. Equal gangs, of any set, share one answer.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from grove_operator.desired.expansion import CliqueSlot, GangSlot
from grove_operator.observed import Node, ReplicaSnapshot
from grove_operator.plan.context import ReplicaContext
from grove_operator.policy.availability import ENDED, CliqueCounts
from grove_operator.policy.lacks import Demand, Group
from grove_operator.policy.land import Land, PodNeeds, pod_needs
from grove_operator.policy.room import Shortage, find_shortage
from grove_operator.scheduling.native import pod_group_of
from grove_operator.scheduling.tree import parent_of, topology_key

_LOOKS = 16
"""Different looks at the nodes in one pass: a replica may have thousands of gangs."""


@dataclass(slots=True)
class Shortages:
    """One pass over one replica."""

    context: ReplicaContext
    seen: ReplicaSnapshot
    counts: Mapping[str, CliqueCounts]
    _needs: dict[int, PodNeeds] = field(default_factory=dict)
    _looks: int = 0

    def find(self, gang: GangSlot, names: Mapping[str, str]) -> Shortage | None:
        """`names` are those by which its cliques are told of."""
        around = self.seen.surroundings
        layout = self._layout(gang, names)
        if layout not in around.answers:
            if self._looks == _LOOKS:
                return None
            self._looks += 1
            land = Land(around.nodes, around.free, around.answers)
            around.answers[layout] = find_shortage(layout, land)
        answer: Shortage | None = around.answers[layout]
        return answer

    def _layout(self, gang: GangSlot, names: Mapping[str, str]) -> Group:
        demands: dict[str, list[Demand]] = {}
        inside: dict[str, dict[str, None]] = {}
        pins: dict[str, str] = {}
        for slot in gang.cliques:
            path = list(self._path(slot))
            for inner, outer in zip(path, (*path[1:], ""), strict=True):
                inside.setdefault(outer, {})[inner] = None
            demands.setdefault(path[0], []).extend(self._demands(slot, names))
            for node in self._nodes(slot):
                for name in path:
                    if value := node.labels.get(self._key(name)):
                        pins.setdefault(name, value)

        def group(name: str) -> Group:
            members = [found for inner in inside.get(name, ()) if (found := group(inner)).everyone]
            key = self._key(name)
            return Group(key, pins.get(name, ""), tuple(demands.get(name, ())), tuple(members))

        return group("")

    def _path(self, slot: CliqueSlot) -> Iterator[str]:
        """The groups around the clique's pods by name, its PodGroup first."""
        name = pod_group_of(slot, self.context.capabilities)
        yield name
        group, seen = self.seen.pod_groups.get(name), {name}
        while group is not None and (name := parent_of(group.body)) and name not in seen:
            seen.add(name)
            yield name
            group = self.seen.composite_groups.get(name)

    def _key(self, name: str) -> str:
        composite = self.seen.composite_groups.get(name)
        group = composite if self.context.capabilities.composite_groups else None
        group = group or self.seen.pod_groups.get(name)
        return topology_key(group.body) if group is not None else ""

    def _demands(self, slot: CliqueSlot, names: Mapping[str, str]) -> Iterator[Demand]:
        counts, clique = self.counts.get(slot.name), self.context.cliques.get(slot.name)
        if counts is None or clique is None or counts.enough_scheduled:
            return
        spec = clique.spec["podSpec"]
        if id(spec) not in self._needs:  # equal specs share one object
            self._needs[id(spec)] = pod_needs(spec)
        number = counts.needed - counts.scheduled
        yield Demand(names[slot.name], number, self._needs[id(spec)])

    def _nodes(self, slot: CliqueSlot) -> Iterator[Node]:
        """Where its pods are: as far as they share a label, the others must go there, too."""
        nodes = self.seen.surroundings.nodes
        for pod in self.seen.pods.get(slot.name, ()):
            if pod.node in nodes and not pod.meta.deleting and pod.phase not in ENDED:
                yield nodes[pod.node]
