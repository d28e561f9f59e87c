"""Plans a gang's PodGroups and CompositePodGroups, and what becomes of them when they must change.

Of a group only a PodGroup's minimum can be changed. A composite is made anew at any time: pods that
run stay. A PodGroup that pods use cannot go, so another topology or priority reaches a gang only
while none of its pods has a node; a gang that runs keeps the groups that it was placed by, for a
scheduler that found its pods in the wrong domain, or of two priorities, would place no replacement
for any of them.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from grove_operator.api import conditions as c
from grove_operator.desired.expansion import CliqueSlot, GangSlot
from grove_operator.desired.gangpacking import GangPacking, pack_gang
from grove_operator.observed import Child, Kind, Pod, ReplicaSnapshot
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
from grove_operator.scheduling.native import (
    NativeGang,
    build_native_gang,
    gang_minimum,
    gang_priority,
    pod_group_of,
)
from grove_operator.scheduling.tree import (
    Tree,
    as_found,
    is_like,
    is_placed_like,
    lay_out,
    priority_of,
    topology_key,
)

_WHY_ANEW = "it cannot be changed to what it should be"
_WHY_POD = "its gang's groups are made anew"


@dataclass(frozen=True, slots=True)
class Wanted:
    """The groups of a gang, and the PriorityClass of all of it."""

    groups: NativeGang
    priority: str
    held: bool = False
    """They keep an older topology, because the gang runs."""
    older_priority: bool = False
    """The same of the priority."""
    stale: bool = False
    """Those which exist are of another form, and can be made anew."""

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
        asked = gang_priority(self.context.blueprint, self.context.capabilities)
        groups = self._build(tree, asked)
        unlike = list(self._unlike(groups))
        if not unlike:
            return Wanted(groups, asked)
        if not self._is_placed:
            return Wanted(groups, asked, stale=any(map(self._can_be_better, unlike)))
        found = as_found(tree, self.seen.pod_groups, self.seen.composite_groups)
        priority = self._priority_that_runs(asked)
        return Wanted(
            self._build(found, priority),
            priority,
            held=any(not is_placed_like(child.body, body) for child, body in unlike),
            older_priority=priority != asked,
        )

    def _unlike(self, groups: NativeGang) -> Iterator[tuple[Child, dict[str, Any]]]:
        """What exists of another form than wanted, each with what is wanted."""
        yield from _unlike(groups.pod_groups, self.seen.pod_groups)
        yield from _unlike(groups.composites, self.seen.composite_groups)

    def _can_be_better(self, pair: tuple[Child, dict[str, Any]]) -> bool:
        """A server without the gate for topology drops keys, and would do so again and again."""
        found, body = pair[0].body, pair[1]
        return (
            self.context.capabilities.composite_groups
            or bool(topology_key(found))
            or priority_of(found) != priority_of(body)
        )

    def _priority_that_runs(self, asked: str) -> str:
        """Of the first PodGroup that has placed pods; theirs cannot be changed."""
        for slot in self.gang.cliques:
            group = self.seen.pod_groups.get(pod_group_of(slot, self.context.capabilities))
            counts = self.counts.get(slot.name)
            if group is not None and counts is not None and counts.scheduled > counts.outside:
                return priority_of(group.body)
        return asked

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

    def _build(self, tree: Tree, priority: str) -> NativeGang:
        context = self.context
        return build_native_gang(
            context.blueprint,
            tree,
            {slot.name: self._minimum_of(slot) for slot in self.gang.cliques},
            context.capabilities,
            context.index,
            priority,
        )

    def _minimum_of(self, slot: CliqueSlot) -> int:
        counts = self.counts.get(slot.name)
        replicas = self.context.cliques[slot.name].replicas
        return gang_minimum(slot, replicas, counts.outside if counts else 0)

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
            elif self._must_go(existing, body):
                if not existing.meta.deleting:
                    uid = existing.meta.uid
                    yield Delete(Rank.REMOVE, Kind.POD_GROUP, name, uid, _WHY_ANEW)
                for pod in self._pods:
                    if pod.group == name:
                        yield from _drop(pod)  # they keep it from going
            elif not existing.meta.deleting:
                yield from _mend(existing, body)

    def _must_go(self, found: Child, body: dict[str, Any]) -> bool:
        return (
            not is_like(found.body, body)
            and self._can_be_better((found, body))
            and not self._is_used(found.meta.name)
        )

    def _is_used(self, group: str) -> bool:
        """Whether placed pods are in it."""
        return any(pod.node and pod.group == group and not pod.meta.deleting for pod in self._pods)

    @property
    def _pods(self) -> Iterator[Pod]:
        for slot in self.gang.cliques:
            yield from self.seen.pods.get(slot.name, ())

    def _owner_of(self, group: str) -> Owner:
        """Pods keep their PodGroup alive, so it must not go with a PodGang that is made anew."""
        if group in self.context.cliques:
            return Owner(Kind.CLIQUE, group)
        return Owner(Kind.SET, self.context.blueprint.name)

    def _plan_composite(self, body: dict[str, Any]) -> Iterator[Action]:
        """Neither its minimum nor its priority can be changed, so a composite is made anew.

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
        elif _minimum(existing.body, "minGroupCount") != _minimum(
            body, "minGroupCount"
        ) or priority_of(existing.body) != priority_of(body):
            yield Delete(Rank.REMOVE, kind, name, existing.meta.uid, _WHY_ANEW)
            yield creation

    def _remake(self, groups: NativeGang) -> Iterator[Delete]:
        """Groups of the wrong form go, and all pods of the gang, which wait for a node.

        All, because the scheduler may be placing some of them by the old groups at this moment.
        """
        for kind, bodies, existing in (
            (Kind.POD_GROUP, groups.pod_groups, self.seen.pod_groups),
            (Kind.COMPOSITE_POD_GROUP, groups.composites, self.seen.composite_groups),
        ):
            for found, _ in _unlike(bodies, existing):
                yield Delete(Rank.REMOVE, kind, found.meta.name, found.meta.uid, _WHY_ANEW)
        for pod in self._pods:
            if pod.group:
                yield from _drop(pod)


def _drop(pod: Pod) -> Iterator[Delete]:
    """A pod that waits; its successor joins the group as it is by then."""
    if not pod.node and not pod.meta.deleting:
        yield Delete(Rank.REMOVE, Kind.POD, pod.meta.name, pod.meta.uid, _WHY_POD)


def held_priorities(gangs: int) -> Iterator[c.Condition]:
    """`gangs` is how many run with another PriorityClass than is asked for."""
    if not gangs:
        return
    message = (
        f"{gangs} running gang{'s keep' if gangs > 1 else ' keeps'} the priority class that the "
        "scheduler placed it by, for it accepts no gang of two priorities; a gang gets the new one "
        "when all of its pods are gone at once"
    )
    yield c.condition(
        c.GANG_PRIORITY_HELD, status=True, reason="OlderPriorityInUse", message=message
    )


def _unlike(
    bodies: Iterable[dict[str, Any]], existing: Mapping[str, Child]
) -> Iterator[tuple[Child, dict[str, Any]]]:
    for body in bodies:
        found = existing.get(body["metadata"]["name"])
        if found is not None and not found.meta.deleting and not is_like(found.body, body):
            yield found, body


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
