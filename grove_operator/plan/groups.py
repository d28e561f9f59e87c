"""Scaling groups by their replicas: which are placed, available, up to date, broken."""

from collections.abc import Mapping
from dataclasses import dataclass

from grove_operator.desired.expansion import GroupSlot
from grove_operator.plan.context import ReplicaContext
from grove_operator.policy.availability import CliqueCounts


@dataclass(frozen=True, slots=True)
class ReplicaView:
    """One replica of a group; `members` are its PodCliques."""

    members: tuple[str, ...]
    scheduled: bool
    available: bool
    updated: bool
    breached: bool


@dataclass(frozen=True, slots=True)
class GroupView:
    replicas: Mapping[int, ReplicaView]
    needed: int

    @property
    def scheduled(self) -> int:
        return sum(item.scheduled for item in self.replicas.values())

    @property
    def available(self) -> int:
        return sum(item.available for item in self.replicas.values())

    @property
    def updated(self) -> int:
        return sum(item.updated for item in self.replicas.values())

    @property
    def is_breached(self) -> bool:
        return sum(not item.breached for item in self.replicas.values()) < self.needed


def group_views(
    context: ReplicaContext, counts: Mapping[str, CliqueCounts]
) -> dict[str, GroupView]:
    """Every live group, by name."""
    members: dict[str, dict[int, list[str]]] = {name: {} for name in context.groups}
    for slot in context.slots.cliques.values():
        if slot.group is not None and slot.group.name in members:
            members[slot.group.name].setdefault(slot.group_replica, []).append(slot.name)
    return {
        slot.name: GroupView(
            {index: _view(context, names, counts) for index, names in members[slot.name].items()},
            _needed(slot),
        )
        for slot in context.slots.groups
        if slot.name in members
    }


def _needed(slot: GroupSlot) -> int:
    """A group scaled below its minimum on purpose needs no more than it has."""
    return min(slot.blueprint.min_available, slot.replicas)


def _view(
    context: ReplicaContext, names: list[str], counts: Mapping[str, CliqueCounts]
) -> ReplicaView:
    found = [counts[name] for name in names if name in counts]
    members = tuple(names)
    if len(found) < len(names):
        return ReplicaView(members, scheduled=False, available=False, updated=False, breached=True)
    scheduled = all(item.enough_scheduled for item in found)
    available = scheduled and all(item.enough_ready for item in found)
    held = context.movement.held
    updated = (
        available
        and all(item.updated == item.total for item in found)
        and not any(name in held for name in names)
    )
    breached = any(item.is_breached for item in found)
    return ReplicaView(members, scheduled, available, updated, breached)
