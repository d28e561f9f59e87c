"""The constraints of one gang, translated from domains to node labels.

Grove's rules: a base gang has the set's constraint and one for each of its replicas of scaling
groups, a scaled gang its group's own, or else the set's.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from grove_operator.desired.expansion import CliqueSlot, GangSlot
from grove_operator.desired.packing import Levels, Packing, Together, TopologyOffer


@dataclass(frozen=True, slots=True)
class Bundle:
    """The PodCliques of one replica of a scaling group, as far as it has a constraint."""

    name: str
    cliques: tuple[str, ...]
    together: Together | None


@dataclass(frozen=True, slots=True)
class GangPacking:
    """The constraints of one gang, in node label keys. `order` has the keys, broadest first."""

    whole: Together | None
    bundles: tuple[Bundle, ...]
    cliques: Mapping[str, Together]
    """By name of the PodClique."""
    order: tuple[str, ...]

    @property
    def is_empty(self) -> bool:
        """Whether nothing could be translated."""
        return not (self.whole or self.cliques or any(bundle.together for bundle in self.bundles))

    def narrowest(self, *keys: str) -> str:
        """The key whose domains lie within those of all others; empty if there is none."""
        known = [key for key in keys if key]
        return max(known, key=self.order.index, default="")


def pack_gang(packing: Packing | None, gang: GangSlot, offer: TopologyOffer) -> GangPacking | None:
    """The constraints of a gang; None if its set has none, or topology is off."""
    if packing is None or not offer.enabled:
        return None
    levels = offer.levels(packing)
    scaled = gang.cliques[0].group if gang.base_gang is not None and gang.cliques else None
    whole = packing.whole
    if scaled is not None:
        whole = packing.groups.get(scaled.blueprint.name, whole)
    cliques = {}
    for slot in gang.cliques:
        own = packing.cliques.get(slot.blueprint.name)
        translated = own.translated(levels) if own is not None else None
        if translated is not None:
            cliques[slot.name] = translated
    return GangPacking(
        whole=whole.translated(levels) if whole is not None else None,
        bundles=() if scaled is not None else tuple(_bundles(packing, gang, levels)),
        cliques=cliques,
        order=tuple(levels.values()),
    )


def _bundles(packing: Packing, gang: GangSlot, levels: Levels) -> Iterator[Bundle]:
    members: dict[str, list[CliqueSlot]] = {}
    for slot in gang.cliques:
        if slot.group is not None and slot.group.blueprint.name in packing.groups:
            members.setdefault(bundle_name(slot), []).append(slot)
    for name, slots in members.items():
        group = slots[0].group
        if group is not None:
            together = packing.groups[group.blueprint.name].translated(levels)
            yield Bundle(name, tuple(slot.name for slot in slots), together)


def bundle_name(slot: CliqueSlot) -> str:
    """Name of a replica of a scaling group, as PodGangs know it; empty outside groups."""
    return f"{slot.group.name}-{slot.group_replica}" if slot.group is not None else ""


def constraint_body(together: Together | None) -> dict[str, Any] | None:
    """As it stands in a PodGang."""
    if together is None:
        return None
    pack = {"required": together.required, "preferred": together.preferred}
    return {"packConstraint": {key: value for key, value in pack.items() if value}}
