"""Pod affinity: what stands in for topology that the scheduler cannot hold for whole gangs.

Preferred levels, which the stock scheduler does not know, draw each pod to where its fellows are.
So do required levels where no group can hold them. A scaled gang must join its base gang in the
domain of the set's constraint. And replicas that are to be spread repel each other.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from grove_operator.api import labels
from grove_operator.desired.blueprint import SetBlueprint
from grove_operator.desired.expansion import CliqueSlot
from grove_operator.desired.gangpacking import GangPacking, bundle_name
from grove_operator.desired.packing import Together
from grove_operator.desired.spreading import repel_other_replicas
from grove_operator.scheduling.native import Capabilities
from grove_operator.scheduling.tree import required

_REQUIRED: Final = "requiredDuringSchedulingIgnoredDuringExecution"
_PREFERRED: Final = "preferredDuringSchedulingIgnoredDuringExecution"
_WISH: Final = 50
_NEED: Final = 100
"""Weight of a required level that nothing holds."""


@dataclass(frozen=True, slots=True)
class _Circle:
    """Pods that belong together, by their labels. `held` says whether a group sees to the need."""

    fellows: Mapping[str, str]
    together: Together | None
    held: bool


@dataclass(frozen=True, slots=True)
class Neighbours:
    """Whom a pod of a clique wants near and far, and what the cluster does about it by itself."""

    blueprint: SetBlueprint
    slot: CliqueSlot
    replica: int
    capabilities: Capabilities

    def affinity(self, packing: GangPacking | None) -> dict[str, Any] | None:
        """The whole affinity of the clique's pods; None if the user's own is all of it."""
        near, far = self._near(packing), self._far()
        if not near and not far:
            return None
        own = self.slot.blueprint.spec["podSpec"].get("affinity") or {}
        result = dict(own)
        for field, ours in (("podAffinity", near), ("podAntiAffinity", far)):
            if ours:
                result[field] = _joined(own.get(field) or {}, ours)
        return result

    def _spread_key(self) -> str:
        spread = self.blueprint.spread
        if spread is None:
            return ""
        return spread.key(self.blueprint.packing, self.capabilities.topology)

    def _far(self) -> dict[str, Any]:
        spread, key = self.blueprint.spread, self._spread_key()
        if spread is None or not key:
            return {}
        found: dict[str, Any] = repel_other_replicas(
            self.blueprint.name, self.replica, key, required=spread.required
        )
        return found

    def _near(self, packing: GangPacking | None) -> dict[str, Any]:
        """Other schedulers read the PodGang, which says it all."""
        if self.blueprint.scheduler != labels.DEFAULT_SCHEDULER:
            return {}
        result: dict[str, Any] = {}
        if packing is not None and (joins := self._joins()):
            result[_REQUIRED] = [joins]
        wishes = list(self._wishes(packing)) if self.capabilities.topology.affinity else []
        if wishes:
            result[_PREFERRED] = wishes
        return result

    def _joins(self) -> dict[str, Any] | None:
        """A scaled gang goes where its base gang is, if the set requires one domain."""
        base, whole = self.slot.base_gang, self._of_the_set()
        if base is None or whole is None or not whole.required:
            return None
        return _term(whole.required, {labels.PODGANG: base})

    def _of_the_set(self) -> Together | None:
        """The set's own constraint; that of a scaled gang may be its group's instead."""
        own = self.blueprint.packing
        if own is None or own.whole is None:
            return None
        return own.whole.translated(self.capabilities.topology.levels(own))

    def _wishes(self, packing: GangPacking | None) -> Iterator[dict[str, Any]]:
        spread = self._spread_key()
        if spread and (packing is None or not required(packing.whole)):
            # A replica that takes more domains than it must leaves fewer to the others.
            yield {"weight": _NEED, "podAffinityTerm": _term(spread, self._replica())}
        if packing is not None:
            yield from self._wishes_of(packing)

    def _replica(self) -> dict[str, str]:
        return {labels.PART_OF: self.blueprint.name, labels.REPLICA_INDEX: str(self.replica)}

    def _wishes_of(self, packing: GangPacking) -> Iterator[dict[str, Any]]:
        for circle in self._circles(packing):
            if circle.together is None:
                continue
            need, wish = circle.together.required, circle.together.preferred
            if need and not circle.held:
                yield {"weight": _NEED, "podAffinityTerm": _term(need, circle.fellows)}
            if wish and packing.narrowest(need, wish) != need:
                yield {"weight": _WISH, "podAffinityTerm": _term(wish, circle.fellows)}

    def _circles(self, packing: GangPacking) -> Iterator[_Circle]:
        slot, offered = self.slot, self.capabilities
        yield _Circle({labels.PODGANG: slot.gang}, packing.whole, offered.pod_groups)
        if slot.base_gang is not None and (whole := self._of_the_set()) is not None:
            yield _Circle(self._replica(), whole, held=True)
        bundle = next((it for it in packing.bundles if it.name == bundle_name(slot)), None)
        if bundle is not None and slot.group is not None:
            fellows = {
                labels.SCALING_GROUP: slot.group.name,
                labels.GROUP_REPLICA_INDEX: str(slot.group_replica),
            }
            yield _Circle(fellows, bundle.together, offered.composite_groups)
        own = packing.cliques.get(slot.name)
        yield _Circle({labels.PODCLIQUE: slot.name}, own, offered.composite_groups)


def _term(key: str, fellows: Mapping[str, str]) -> dict[str, Any]:
    return {"topologyKey": key, "labelSelector": {"matchLabels": dict(fellows)}}


def _joined(own: Mapping[str, Any], ours: Mapping[str, Any]) -> dict[str, Any]:
    """Both lists of terms: all required ones must hold, preferred ones add up."""
    return dict(own) | {field: [*(own.get(field) or ()), *terms] for field, terms in ours.items()}
