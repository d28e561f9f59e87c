"""Plans the gangs of a replica and their pods.

A gang is written once, complete: pod names are known before the pods exist. Then the pods, and the
scheduler's own groups last: until then the scheduler lets the pods wait, and it never tries half a
gang.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from grove_operator.api import labels
from grove_operator.desired.expansion import CliqueSlot, GangSlot
from grove_operator.desired.gangpacking import GangPacking, pack_gang
from grove_operator.desired.pod import PodTemplate, pod_labels
from grove_operator.desired.podgang import build_gang
from grove_operator.observed import Child, Clique, Kind, Pod, ReplicaSnapshot
from grove_operator.plan.actions import (
    Action,
    Create,
    Delete,
    Owner,
    Patch,
    Rank,
    first_difference,
    merge_patch,
    missing,
)
from grove_operator.plan.context import ReplicaContext
from grove_operator.plan.nativegroups import NativePlanner, Wanted
from grove_operator.plan.removal import remove_unexpected
from grove_operator.plan.schedulergroups import (
    awaits_scheduler_group,
    plan_scheduler_group,
    prepare_gang,
)
from grove_operator.policy.availability import CliqueCounts, count_gang
from grove_operator.policy.gating import may_ungate, needs_gate
from grove_operator.policy.placement import CliqueState, NewPod, Placement, place, pod_index
from grove_operator.scheduling.affinity import Neighbours
from grove_operator.scheduling.native import pod_group_of


@dataclass(frozen=True, slots=True)
class GangPods:
    """What the pods of one gang are planned from. `placements` are by PodClique."""

    gang: GangSlot
    placements: Mapping[str, Placement]
    packing: GangPacking | None
    base_scheduled: bool
    groups: Wanted | None
    """The scheduler's own groups, where the stock one has them."""

    @property
    def is_stale(self) -> bool:
        """Whether new pods would join groups that are about to go."""
        return self.groups is not None and self.groups.stale


@dataclass(frozen=True, slots=True)
class GangPlanner:
    """One pass over the gangs of one replica. `counts` are by PodClique name."""

    context: ReplicaContext
    seen: ReplicaSnapshot
    counts: Mapping[str, CliqueCounts]
    held: set[str] = field(default_factory=set)
    """Filled by `plan`: gangs that run, and therefore keep an older topology constraint."""
    older_priority: set[str] = field(default_factory=set)
    """The same of an older priority class."""
    later: list[Patch] = field(default_factory=list)
    """Filled by `plan`: what nobody waits for."""

    @property
    def removals(self) -> dict[str, str]:
        """UIDs of pods that make way for others, and why."""
        context = self.context
        return {**context.order.removals, **context.recovery.removals, **context.movement.removals}

    def plan(self) -> Iterator[Action]:
        context, seen = self.context, self.seen
        placements = {
            name: self._place(context.slots.cliques[name], clique)
            for name, clique in context.cliques.items()
            if name in context.slots.cliques
        }
        groups: set[str] = set()
        composites: set[str] = set()
        for gang in context.slots.gangs:
            complete = all(slot.name in placements for slot in gang.cliques)
            if not complete or self._is_taken(gang.name):
                groups |= {slot.name for slot in gang.cliques} | {gang.name}
                composites |= self._composites_of(gang)
                continue  # its PodCliques come first, or an old gang of its name must go first
            base_scheduled = self._base_scheduled(gang)
            packing = pack_gang(context.blueprint.packing, gang, context.capabilities.topology)
            yield from self._plan_gang(gang, placements, packing)
            native = NativePlanner(context, seen, self.counts, gang, packing)
            wanted = native.wanted() if context.native else None
            plan = GangPods(gang, placements, packing, base_scheduled, wanted)
            yield from self._plan_pods(plan)
            if wanted is not None:
                groups |= native.keeps
                composites |= wanted.composites
                if wanted.held:
                    self.held.add(gang.name)
                if wanted.older_priority:
                    self.older_priority.add(gang.name)
                if base_scheduled:  # else it is not to be shown to the scheduler yet
                    yield from native.plan(wanted)
        expected = {gang.name for gang in context.slots.gangs}
        yield from remove_unexpected(Kind.GANG, seen.gangs, expected, [context.blueprint.uid])
        if context.native:
            owners = [clique.meta.uid for clique in context.cliques.values()]
            owners.append(context.blueprint.uid)
            yield from remove_unexpected(Kind.POD_GROUP, seen.pod_groups, groups, owners)
            owners = [child.meta.uid for child in seen.gangs.values()]
            yield from remove_unexpected(
                Kind.COMPOSITE_POD_GROUP, seen.composite_groups, composites, owners
            )

    def _composites_of(self, gang: GangSlot) -> set[str]:
        return {
            name
            for name, child in self.seen.composite_groups.items()
            if child.meta.labels.get(labels.PODGANG) == gang.name
        }

    def _is_taken(self, name: str) -> bool:
        """Whether a PodGang of that name is not ours, or not for long."""
        gang = self.seen.gangs.get(name)
        uid = self.context.blueprint.uid
        return gang is not None and (gang.meta.deleting or gang.meta.owner_uid != uid)

    def _place(self, slot: CliqueSlot, clique: Clique) -> Placement:
        state = CliqueState(
            name=slot.name,
            uid=clique.meta.uid,
            replicas=clique.replicas,
            template_hash=slot.blueprint.pod_hash,
            pods=self._own_pods(clique),
            departed=self.seen.departed.get(slot.name, {}),
            removed=self.removals,
        )
        return place(state)

    def _own_pods(self, clique: Clique) -> tuple[Pod, ...]:
        pods = self.seen.pods.get(clique.meta.name, ())
        return tuple(pod for pod in pods if pod.meta.owner_uid == clique.meta.uid)

    def _plan_gang(
        self, gang: GangSlot, placements: Mapping[str, Placement], packing: GangPacking | None
    ) -> Iterator[Action]:
        blueprint = self.context.blueprint
        pods = {slot.name: placements[slot.name].names for slot in gang.cliques}
        body = prepare_gang(self.context, build_gang(blueprint, gang, pods, packing))
        yield from plan_scheduler_group(self.context, self.seen, body)
        existing = self.seen.gangs.get(gang.name)
        if existing is None:
            owner = Owner(Kind.SET, blueprint.name)
            yield Create(Rank.GANG, Kind.GANG, gang.name, body, owner)
        elif patch := _gang_patch(existing, body):
            why = first_difference(patch)
            kept = [pod for slot in gang.cliques for pod in placements[slot.name].keep]
            if self._only_tells(existing, body, patch) and not any(pod.gates for pod in kept):
                uid = existing.meta.uid
                self.later.append(Patch(Rank.REPORT, Kind.GANG, gang.name, uid, patch, why))
                return
            # It names pods that do not exist yet anyway, so an update need not wait for it.
            rank = Rank.REMOVE if self.removals else Rank.GANG
            yield Patch(rank, Kind.GANG, gang.name, existing.meta.uid, patch, why)

    def _only_tells(
        self, existing: Child, body: Mapping[str, Any], patch: Mapping[str, Any]
    ) -> bool:
        """Whether a patch does nothing but name other pods, and no scheduler reads the names."""
        if not self.context.native or patch.keys() != {"spec"} or patch["spec"].keys() != _PODS:
            return False
        return _without_pods(existing.body.get("spec", {})) == _without_pods(body["spec"])

    def _awaits_group(self, slot: CliqueSlot, placement: Placement) -> bool:
        """Whether a PodGroup of an earlier PodClique must be gone before the first pod is made.

        A pod that joined it would keep it in deletion for ever.
        """
        group = self.seen.pod_groups.get(pod_group_of(slot, self.context.capabilities))
        if group is None or placement.keep or not self.context.native:
            return False
        owners = (self.context.cliques[slot.name].meta.uid, self.context.blueprint.uid)
        return group.meta.deleting or group.meta.owner_uid not in owners

    def _plan_pods(self, plan: GangPods) -> Iterator[Action]:
        gang, placements = plan.gang, plan.placements
        gated = any(pod.gates for slot in gang.cliques for pod in placements[slot.name].keep)
        held = gated and awaits_scheduler_group(self.context, self.seen, gang)
        listed = _listed(self.seen.gangs.get(gang.name)) if gated and not held else set()
        for slot in gang.cliques:
            placement = placements[slot.name]
            owner = Owner(Kind.CLIQUE, slot.name)
            held_back = slot.name in self.context.order.blocked or plan.is_stale
            new_pods = placement.create
            if held_back or self._awaits_group(slot, placement):
                new_pods = ()
            if new_pods:
                template = self._template(slot, plan)
            for new in new_pods:
                body = template.build(new.index, new.name, self._notes(slot, new))
                yield Create(Rank.POD, Kind.POD, new.name, body, owner)
            for pod in placement.delete:
                yield self._remove(pod)
            for pod in placement.keep:
                yield from self._mend_pod(slot, pod)
                if may_ungate(pod, slot, listed, base_scheduled=plan.base_scheduled):
                    yield _ungate(pod)

    def _remove(self, pod: Pod) -> Delete:
        """What another pod takes the place of goes first: no two may have one index."""
        why = self.removals.get(pod.meta.uid)
        rank = Rank.POD if why is None else Rank.REMOVE
        why = why or "the clique was scaled in"
        return Delete(rank, Kind.POD, pod.meta.name, pod.meta.uid, why)

    def _notes(self, slot: CliqueSlot, new: NewPod) -> dict[str, str]:
        """What a pod that takes another one's place is to remember of it."""
        notes: dict[str, str] = {}
        if new.replaces in self.context.movement.taken:
            notes[labels.REPLACES] = new.replaces
        tries = self.context.recovery.tries.get(slot.name, 0)
        if new.replaces and tries:
            notes[labels.TRIES] = str(tries)
        return notes

    def _template(self, slot: CliqueSlot, plan: GangPods) -> PodTemplate:
        context = self.context
        prepared = context.backend.prepare_pod(slot)
        placement = dict(prepared.spec)
        wanted = Neighbours(context.blueprint, slot, context.index, context.capabilities)
        if affinity := wanted.affinity(plan.packing):
            placement["affinity"] = affinity
        if plan.groups is not None:
            own = slot.blueprint.spec["podSpec"].get("priorityClassName") or ""
            if plan.groups.priority != own:
                placement["priorityClassName"] = plan.groups.priority
        return PodTemplate(
            blueprint=self.context.blueprint,
            slot=slot,
            replica=self.context.index,
            gated=needs_gate(slot, native_gang=context.native, base_scheduled=plan.base_scheduled),
            placement=placement,
            labels=prepared.labels,
            annotations=prepared.annotations,
            needs=self.context.order.needs.get(slot.name, ()),
            waiter_image=self.context.capabilities.waiter_image,
        )

    def _base_scheduled(self, gang: GangSlot) -> bool:
        """Whether the gang that this one waits for is placed; a base gang waits for none."""
        if gang.base_gang is None:
            return True
        base = next(item for item in self.context.slots.gangs if item.name == gang.base_gang)
        counts = count_gang([(slot.name, self.counts.get(slot.name)) for slot in base.cliques])
        return counts.is_scheduled

    def _mend_pod(self, slot: CliqueSlot, pod: Pod) -> Iterator[Patch]:
        """Put back labels that somebody took; the hash stays what the pod was made from."""
        index = pod_index(pod)
        wanted = pod_labels(self.context.blueprint, slot, self.context.index, index or 0)
        wanted |= self.context.backend.prepare_pod(slot).labels
        template = {labels.TEMPLATE_HASH} | set(slot.blueprint.labels)
        ours = {key: value for key, value in wanted.items() if key not in template}
        changed = missing(pod.meta.labels, ours)
        if changed:
            why = f"metadata.labels.{min(changed)}"
            patch = {"metadata": {"labels": changed}}
            yield Patch(Rank.POD, Kind.POD, pod.meta.name, pod.meta.uid, patch, why)


def _listed(gang: Child | None) -> set[str]:
    """Names of all pods that a PodGang refers to."""
    if gang is None:
        return set()
    return {
        reference["name"]
        for group in gang.body.get("spec", {}).get("podgroups") or ()
        for reference in group.get("podReferences") or ()
    }


_PODS: Final = {"podgroups"}


def _without_pods(spec: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [
        {key: value for key, value in group.items() if key != "podReferences"}
        for group in spec.get("podgroups") or ()
    ]


def _gang_patch(existing: Child, body: dict[str, Any]) -> dict[str, Any]:
    """Spec and mirrored metadata as they should be; other writers' `grove.io/` keys stay."""
    patch: dict[str, Any] = {}
    spec = merge_patch(existing.body.get("spec", {}), body["spec"])
    if spec:
        patch["spec"] = spec
    metadata: dict[str, Any] = {}
    for part, current in (
        ("labels", existing.meta.labels),
        ("annotations", existing.meta.annotations),
    ):
        ours = body["metadata"].get(part, {})
        changed = missing(current, ours) or {}
        if labels.TOPOLOGY_NAME in current and labels.TOPOLOGY_NAME not in ours:
            changed[labels.TOPOLOGY_NAME] = None
        if changed:
            metadata[part] = changed
    if metadata:
        patch["metadata"] = metadata
    return patch


def _ungate(pod: Pod) -> Patch:
    """Take our gate off and leave any other."""
    rest = [{"name": gate} for gate in pod.gates if gate != labels.GATE]
    body = {"spec": {"schedulingGates": rest or None}}
    why = "spec.schedulingGates"
    return Patch(Rank.RELEASE, Kind.POD, pod.meta.name, pod.meta.uid, body, why)
