"""Where every clique of a replica belongs: the only place that does this arithmetic.

A PodCliqueSet replica has one base gang: its standalone cliques and the first minAvailable
replicas of each scaling group. Every further group replica is a gang of its own, a scaled gang,
numbered from 0 again. (Grove: names and membership are API; see docs/architecture.md.)
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from grove_operator.api import names
from grove_operator.desired.blueprint import CliqueBlueprint, GroupBlueprint, SetBlueprint


@dataclass(frozen=True, slots=True)
class GroupSlot:
    """One PodCliqueScalingGroup; `replicas` is the live count."""

    name: str
    blueprint: GroupBlueprint
    replicas: int

    @property
    def base_replicas(self) -> int:
        """Group replicas in the base gang; fewer than minAvailable when scaled in below it."""
        return min(self.replicas, self.blueprint.min_available)


@dataclass(frozen=True, slots=True)
class CliqueSlot:
    """One PodClique. `base_gang` is set in a scaled gang only and names what it waits for."""

    name: str
    blueprint: CliqueBlueprint
    gang: str
    base_gang: str | None
    group: GroupSlot | None
    group_replica: int
    starts_after: tuple[str, ...]
    instance: str = ""
    """Hash of the templates of its whole group replica; empty outside scaling groups."""


@dataclass(frozen=True, slots=True)
class GangSlot:
    """One PodGang with its cliques in the order of its pod groups."""

    name: str
    cliques: tuple[CliqueSlot, ...]
    base_gang: str | None
    absent: tuple[CliqueSlot, ...] = ()
    """PodCliques that it lacks because scaling groups are below their minimum."""

    @property
    def full(self) -> "GangSlot":
        """The gang as it is when no scaling group is below its minimum."""
        return replace(self, cliques=self.cliques + self.absent, absent=())


@dataclass(frozen=True, slots=True)
class ReplicaSlots:
    """Everything that one replica consists of, by name where looked up."""

    index: int
    groups: tuple[GroupSlot, ...]
    gangs: tuple[GangSlot, ...]
    cliques: Mapping[str, CliqueSlot]


def expand(blueprint: SetBlueprint, index: int, live_groups: Mapping[str, int]) -> ReplicaSlots:
    """Lay out replica `index`. `live_groups` gives the replicas of groups that exist already."""
    groups = tuple(_group_slots(blueprint, index, live_groups))
    by_name = {group.blueprint.name: group for group in groups}
    gangs = tuple(_gangs(blueprint, index, by_name))
    cliques = {slot.name: slot for gang in gangs for slot in gang.cliques}
    return ReplicaSlots(index, groups, gangs, cliques)


def _group_slots(
    blueprint: SetBlueprint, index: int, live_groups: Mapping[str, int]
) -> Iterator[GroupSlot]:
    for group in blueprint.groups:
        name = names.group_name(blueprint.name, index, group.name)
        yield GroupSlot(name, group, live_groups.get(name, group.replicas))


def _gangs(
    blueprint: SetBlueprint, index: int, groups: Mapping[str, GroupSlot]
) -> Iterator[GangSlot]:
    base = names.replica_name(blueprint.name, index)
    layout = _Layout(blueprint, index, groups, base)
    members = [layout.standalone(clique) for clique in blueprint.standalone]
    absent: list[CliqueSlot] = []
    for group in groups.values():
        for replica in range(group.blueprint.min_available):
            found = members if replica < group.base_replicas else absent
            found.extend(layout.members(group, replica))
    yield GangSlot(base, tuple(members), None, tuple(absent))
    for group in groups.values():
        for replica in range(group.base_replicas, group.replicas):
            slots = tuple(layout.members(group, replica))
            name = names.scaled_gang_name(group.name, replica, group.blueprint.min_available)
            yield GangSlot(name, slots, base)


@dataclass(frozen=True, slots=True)
class _Layout:
    blueprint: SetBlueprint
    index: int
    groups: Mapping[str, GroupSlot]
    base: str

    def standalone(self, clique: CliqueBlueprint) -> CliqueSlot:
        name = names.clique_name(self.blueprint.name, self.index, clique.name)
        after = tuple(
            fqn for parent in clique.starts_after for fqn in self._parents_in_base(parent)
        )
        return CliqueSlot(name, clique, self.base, None, None, -1, after)

    def members(self, group: GroupSlot, replica: int) -> Iterator[CliqueSlot]:
        minimum = group.blueprint.min_available
        scaled = replica >= minimum
        gang = names.scaled_gang_name(group.name, replica, minimum) if scaled else self.base
        for clique in group.blueprint.cliques:
            after = tuple(
                fqn
                for parent in clique.starts_after
                for fqn in (
                    self._parents_in_scaled(parent, group, replica)
                    if scaled
                    else self._parents_in_base(parent)
                )
            )
            name = names.group_clique_name(group.name, replica, clique.name)
            base = self.base if scaled else None
            yield CliqueSlot(
                name, clique, gang, base, group, replica, after, group.blueprint.instance
            )

    def _parents_in_base(self, parent: str) -> Iterator[str]:
        """A parent in a group means that clique in all of the group's base replicas."""
        group_name = self.blueprint.by_name[parent].group
        if group_name is None:
            yield names.clique_name(self.blueprint.name, self.index, parent)
            return
        group = self.groups[group_name]
        for replica in range(group.base_replicas):
            yield names.group_clique_name(group.name, replica, parent)

    def _parents_in_scaled(self, parent: str, group: GroupSlot, replica: int) -> Iterator[str]:
        """Only a parent in the same group counts; it is the one in the same group replica."""
        if self.blueprint.by_name[parent].group == group.blueprint.name:
            yield names.group_clique_name(group.name, replica, parent)
