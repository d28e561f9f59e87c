"""Plans a gang's PodGroups and CompositePodGroups, and what becomes of them when they must change.

Of a group only a PodGroup's minimum can be changed. A composite is made anew at any time: pods that
run stay. A PodGroup that pods use cannot go, so another topology reaches a gang only while none of
its pods has a node; a gang that runs keeps the groups that it was placed by, for a scheduler that
found its pods in the wrong domain would place no replacement for any of them.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from grove_operator.desired.expansion import GangSlot
from grove_operator.desired.gangpacking import GangPacking, pack_gang
from grove_operator.observed import Child, Kind, ReplicaSnapshot
from grove_operator.plan.actions import (
    Action,
    Create,
    Delete,
    Owner,
    Patch,
    Rank,
    first_difference,
    missing,
)
from grove_operator.plan.context import ReplicaContext
from grove_operator.policy.availability import CliqueCounts
from grove_operator.scheduling.native import NativeGang, build_native_gang
from grove_operator.scheduling.tree import Tree, as_found, is_like, lay_out

_WHY = "its topology constraint has changed"


@dataclass(frozen=True, slots=True)
class Wanted:
    """The groups of a gang. `held` means: in an older form, because the gang runs.

    `stale` means that those which exist have another form, and can be made anew.
    """

    groups: NativeGang
    held: bool = False
    stale: bool = False

    @property
    def composites(self) -> set[str]:
        return {body["metadata"]["name"] for body in self.groups.composites}


@dataclass(frozen=True, slots=True)
class NativePlanner:
    """One look at the groups of one gang."""

    context: ReplicaContext
    seen: ReplicaSnapshot
    counts: Mapping[str, CliqueCounts]
    gang: GangSlot
    packing: GangPacking | None

    @property
    def keeps(self) -> set[str]:
        """PodGroups that stay. One of a clique at zero is harmless, and needed again later."""
        return {slot.name for slot in self.gang.cliques} | {self.gang.name}

    def wanted(self) -> Wanted:
        tree = self._lay_out()
        groups = self._build(tree)
        if not is_outdated(groups, self.seen):
            return Wanted(groups)
        if not self._is_placed:
            return Wanted(groups, stale=self.context.capabilities.composite_groups)
        found = as_found(tree, self.seen.pod_groups, self.seen.composite_groups)
        return Wanted(self._build(found), held=True)

    def _lay_out(self) -> Tree:
        """As with all its PodCliques: scaling a group changes nothing of how they hang together."""
        gang = self.gang
        if not gang.absent:
            return lay_out(gang, self.packing)
        whole, context = gang.full, self.context
        packing = pack_gang(context.blueprint.packing, whole, context.capabilities.topology)
        return lay_out(whole, packing)

    @property
    def _is_placed(self) -> bool:
        found = (self.counts.get(slot.name) for slot in self.gang.cliques)
        return any(counts.scheduled for counts in found if counts is not None)

    def _build(self, tree: Tree) -> NativeGang:
        context = self.context
        return build_native_gang(
            context.blueprint,
            tree,
            {slot.name: context.cliques[slot.name].replicas for slot in self.gang.cliques},
            context.capabilities,
            context.index,
            {name: counts.outside for name, counts in self.counts.items()},
        )

    def plan(self, wanted: Wanted) -> Iterator[Action]:
        groups = wanted.groups
        if wanted.stale:
            yield from self._remake(groups)
            return
        for body in groups.composites:
            yield from self._plan_composite(body)
        for body in groups.pod_groups:
            name = body["metadata"]["name"]
            existing = self.seen.pod_groups.get(name)
            if existing is None:
                yield Create(Rank.POD_GROUP, Kind.POD_GROUP, name, body, self._owner_of(name))
            elif not existing.meta.deleting:
                yield from _mend(existing, body)
            elif not is_like(existing.body, body):
                yield from self._drop_pods(name)  # they keep it from going

    def _owner_of(self, group: str) -> Owner:
        """Pods keep their PodGroup alive, so it must not go with a PodGang that is made anew."""
        if group in self.context.cliques:
            return Owner(Kind.CLIQUE, group)
        return Owner(Kind.SET, self.context.blueprint.name)

    def _plan_composite(self, body: dict[str, Any]) -> Iterator[Action]:
        """Its minimum cannot be changed, so a composite with another one is made anew.

        In one plan: once it is gone nothing tells by which key a running gang was placed.
        """
        name, kind = body["metadata"]["name"], Kind.COMPOSITE_POD_GROUP
        existing = self.seen.composite_groups.get(name)
        owner = Owner(Kind.GANG, self.gang.name)
        creation = Create(Rank.COMPOSITE_GROUP, kind, name, body, owner)
        if existing is None:
            yield creation
        elif existing.meta.deleting:
            return
        elif _minimum(existing.body, "minGroupCount") != _minimum(body, "minGroupCount"):
            why = "spec.schedulingPolicy.gang.minGroupCount"
            yield Delete(Rank.REMOVE, kind, name, existing.meta.uid, why)
            yield creation

    def _remake(self, groups: NativeGang) -> Iterator[Delete]:
        """Groups of the wrong form go, and all pods of the gang, which wait for a node.

        All, because the scheduler may be placing some of them by the old groups at this moment.
        """
        for kind, bodies, existing in (
            (Kind.POD_GROUP, groups.pod_groups, self.seen.pod_groups),
            (Kind.COMPOSITE_POD_GROUP, groups.composites, self.seen.composite_groups),
        ):
            for name, found in _unlike(bodies, existing):
                yield Delete(Rank.REMOVE, kind, name, found.meta.uid, _WHY)
        for slot in self.gang.cliques:
            yield from self._drop_pods(slot.name)

    def _drop_pods(self, clique: str) -> Iterator[Delete]:
        for pod in self.seen.pods.get(clique, ()):
            if pod.group and not pod.node and not pod.meta.deleting:
                yield Delete(Rank.REMOVE, Kind.POD, pod.meta.name, pod.meta.uid, _WHY)


def is_outdated(wanted: NativeGang, seen: ReplicaSnapshot) -> bool:
    """Whether the gang has groups under another parent, or with another key, than wanted."""
    return any(_unlike(wanted.pod_groups, seen.pod_groups)) or any(
        _unlike(wanted.composites, seen.composite_groups)
    )


def _unlike(
    bodies: Iterable[dict[str, Any]], existing: Mapping[str, Child]
) -> Iterator[tuple[str, Child]]:
    for body in bodies:
        name = body["metadata"]["name"]
        found = existing.get(name)
        if found is not None and not found.meta.deleting and not is_like(found.body, body):
            yield name, found


def _minimum(body: Mapping[str, Any], field: str) -> int | None:
    gang = body.get("spec", {}).get("schedulingPolicy", {}).get("gang", {})
    value = gang.get(field)
    return value if isinstance(value, int) else None


def _mend(existing: Child, body: dict[str, Any]) -> Iterator[Patch]:
    """Only the minimum of a PodGroup can be changed, and our labels."""
    patch: dict[str, Any] = {}
    minimum = _minimum(body, "minCount")
    if _minimum(existing.body, "minCount") != minimum:
        patch["spec"] = {"schedulingPolicy": {"gang": {"minCount": minimum}}}
    changed = missing(existing.meta.labels, body["metadata"]["labels"])
    if changed:
        patch["metadata"] = {"labels": changed}
    if patch:
        why = first_difference(patch)
        meta = existing.meta
        yield Patch(Rank.POD_GROUP, Kind.POD_GROUP, meta.name, meta.uid, patch, why)
