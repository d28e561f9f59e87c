"""Plans the gangs of a replica and their pods.

A gang is written once, complete: pod names are known before the pods exist. Then the pods, and the
scheduler's own groups last: until then the scheduler lets the pods wait, and it never tries half a
gang.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from grove_operator.api import labels
from grove_operator.desired.expansion import CliqueSlot, GangSlot
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
from grove_operator.plan.removal import remove_unexpected
from grove_operator.policy.availability import CliqueCounts, count_gang
from grove_operator.policy.gating import may_ungate, needs_gate
from grove_operator.policy.placement import CliqueState, NewPod, Placement, place, pod_index
from grove_operator.scheduling.native import build_native_gang, pod_group_of


@dataclass(frozen=True, slots=True)
class GangPlanner:
    """One pass over the gangs of one replica. `counts` are by PodClique name."""

    context: ReplicaContext
    seen: ReplicaSnapshot
    counts: Mapping[str, CliqueCounts]

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
                composites.add(gang.name)
                continue  # its PodCliques come first, or an old gang of its name must go first
            base_scheduled = self._base_scheduled(gang)
            yield from self._plan_gang(gang, placements)
            yield from self._plan_pods(gang, placements, base_scheduled=base_scheduled)
            yield from self._plan_native(gang, groups, composites, base_scheduled=base_scheduled)
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

    def _plan_gang(self, gang: GangSlot, placements: Mapping[str, Placement]) -> Iterator[Action]:
        blueprint = self.context.blueprint
        pods = {slot.name: placements[slot.name].names for slot in gang.cliques}
        body = build_gang(blueprint, gang, pods)
        existing = self.seen.gangs.get(gang.name)
        if existing is None:
            owner = Owner(Kind.SET, blueprint.name)
            yield Create(Rank.GANG, Kind.GANG, gang.name, body, owner)
        elif patch := _gang_patch(existing, body):
            why = first_difference(patch)
            yield Patch(Rank.GANG, Kind.GANG, gang.name, existing.meta.uid, patch, why)

    def _plan_native(
        self, gang: GangSlot, groups: set[str], composites: set[str], *, base_scheduled: bool
    ) -> Iterator[Action]:
        """Groups that a gang still needs are added to `groups` and `composites`.

        A gang is shown to the scheduler when nothing holds it back any more.
        """
        if not self.context.native:
            return
        replicas = {slot.name: self.context.cliques[slot.name].replicas for slot in gang.cliques}
        native = build_native_gang(
            self.context.blueprint,
            gang,
            replicas,
            self.context.capabilities,
            self.context.index,
            {name: counts.outside for name, counts in self.counts.items()},
        )
        # A clique at zero keeps its group: it is harmless, and needed when the clique comes back.
        groups |= {slot.name for slot in gang.cliques} | {gang.name}
        if native.composite is not None:
            composites.add(gang.name)
        if not base_scheduled:
            return
        if native.composite is not None:
            yield from self._plan_composite(native.composite, Owner(Kind.GANG, gang.name))
        for body in native.pod_groups:
            name = body["metadata"]["name"]
            existing = self.seen.pod_groups.get(name)
            if existing is None:
                yield Create(Rank.POD_GROUP, Kind.POD_GROUP, name, body, self._group_owner(name))
            elif not existing.meta.deleting:
                yield from _mend_group(Kind.POD_GROUP, existing, body, "minCount")

    def _group_owner(self, group: str) -> Owner:
        """Pods keep their PodGroup alive, so it must not go with a PodGang that is made anew."""
        if group in self.context.cliques:
            return Owner(Kind.CLIQUE, group)
        return Owner(Kind.SET, self.context.blueprint.name)

    def _awaits_group(self, slot: CliqueSlot, placement: Placement) -> bool:
        """Whether a PodGroup of an earlier PodClique must be gone before the first pod is made.

        A pod that joined it would keep it in deletion for ever.
        """
        group = self.seen.pod_groups.get(pod_group_of(slot, self.context.capabilities))
        if group is None or placement.keep or not self.context.native:
            return False
        owners = (self.context.cliques[slot.name].meta.uid, self.context.blueprint.uid)
        return group.meta.deleting or group.meta.owner_uid not in owners

    def _plan_composite(self, body: dict[str, Any], owner: Owner) -> Iterator[Action]:
        """Its minimum cannot be changed, so a composite with another one is made anew."""
        name = body["metadata"]["name"]
        existing = self.seen.composite_groups.get(name)
        kind = Kind.COMPOSITE_POD_GROUP
        if existing is None:
            yield Create(Rank.COMPOSITE_GROUP, kind, name, body, owner)
        elif existing.meta.deleting:
            return
        elif _minimum(existing.body, "minGroupCount") != _minimum(body, "minGroupCount"):
            why = "spec.schedulingPolicy.gang.minGroupCount"
            yield Delete(Rank.REMOVE, kind, name, existing.meta.uid, why)

    def _plan_pods(
        self, gang: GangSlot, placements: Mapping[str, Placement], *, base_scheduled: bool
    ) -> Iterator[Action]:
        gated = any(pod.gates for slot in gang.cliques for pod in placements[slot.name].keep)
        listed = _listed(self.seen.gangs.get(gang.name)) if gated else set()
        for slot in gang.cliques:
            placement = placements[slot.name]
            owner = Owner(Kind.CLIQUE, slot.name)
            template = self._template(slot, base_scheduled=base_scheduled)
            held_back = slot.name in self.context.order.blocked
            held_back = held_back or self._awaits_group(slot, placement)
            for new in () if held_back else placement.create:
                body = template.build(new.index, new.name, self._notes(slot, new))
                yield Create(Rank.POD, Kind.POD, new.name, body, owner)
            for pod in placement.delete:
                yield self._remove(pod)
            for pod in placement.keep:
                yield from self._mend_pod(slot, pod)
                if may_ungate(pod, slot, listed, base_scheduled=base_scheduled):
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
        if new.replaces and slot.name in self.context.movement.cliques:
            notes[labels.REPLACES] = new.replaces
        tries = self.context.recovery.tries.get(slot.name, 0)
        if new.replaces and tries:
            notes[labels.TRIES] = str(tries)
        return notes

    def _template(self, slot: CliqueSlot, *, base_scheduled: bool) -> PodTemplate:
        native = self.context.native
        placement: dict[str, Any] = {}
        if native:
            group = pod_group_of(slot, self.context.capabilities)
            placement["schedulingGroup"] = {"podGroupName": group}
        return PodTemplate(
            blueprint=self.context.blueprint,
            slot=slot,
            replica=self.context.index,
            gated=needs_gate(slot, native_gang=native, base_scheduled=base_scheduled),
            placement=placement,
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


def _gang_patch(existing: Child, body: dict[str, Any]) -> dict[str, Any]:
    """Spec and mirrored metadata as they should be; other writers' `grove.io/` keys stay."""
    patch: dict[str, Any] = {}
    spec = merge_patch(existing.body.get("spec", {}), body["spec"])
    if spec:
        patch["spec"] = spec
    metadata: dict[str, Any] = {}
    for field, current in (
        ("labels", existing.meta.labels),
        ("annotations", existing.meta.annotations),
    ):
        changed = missing(current, body["metadata"].get(field, {})) or {}
        if changed:
            metadata[field] = changed
    if metadata:
        patch["metadata"] = metadata
    return patch


def _minimum(body: Mapping[str, Any], field: str) -> int | None:
    gang = body.get("spec", {}).get("schedulingPolicy", {}).get("gang", {})
    value = gang.get(field)
    return value if isinstance(value, int) else None


def _mend_group(kind: Kind, existing: Child, body: dict[str, Any], field: str) -> Iterator[Patch]:
    """Only the minimum of a group can be changed, and our labels."""
    patch: dict[str, Any] = {}
    minimum = _minimum(body, field)
    if _minimum(existing.body, field) != minimum:
        patch["spec"] = {"schedulingPolicy": {"gang": {field: minimum}}}
    changed = missing(existing.meta.labels, body["metadata"]["labels"])
    if changed:
        patch["metadata"] = {"labels": changed}
    if patch:
        why = first_difference(patch)
        yield Patch(Rank.POD_GROUP, kind, existing.meta.name, existing.meta.uid, patch, why)


def _ungate(pod: Pod) -> Patch:
    """Take our gate off and leave any other."""
    rest = [{"name": gate} for gate in pod.gates if gate != labels.GATE]
    body = {"spec": {"schedulingGates": rest or None}}
    why = "spec.schedulingGates"
    return Patch(Rank.RELEASE, Kind.POD, pod.meta.name, pod.meta.uid, body, why)
