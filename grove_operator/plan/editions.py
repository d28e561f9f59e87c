"""Which edition of the template each PodClique is made from: the newest, or the one that runs.

While an update has not reached a PodClique, its object and the pods that it needs meanwhile stay as
they were, so an instance never becomes a mixture. What the pods are not made from (counts,
autoscaling, start order) follows the template at once.
"""

from collections.abc import Collection, Container
from dataclasses import replace
from typing import Final

from grove_operator.api import labels
from grove_operator.desired.expansion import CliqueSlot, ReplicaSlots
from grove_operator.desired.fingerprint import instance_hash
from grove_operator.desired.ownership import recall
from grove_operator.observed import Clique, Meta
from grove_operator.plan.context import ReplicaContext

_OUR_LABELS: Final = frozenset(
    {
        labels.MANAGED_BY,
        labels.PART_OF,
        labels.NAME,
        labels.COMPONENT,
        labels.PODGANG,
        labels.BASE_PODGANG,
        labels.REPLICA_INDEX,
        labels.SCALING_GROUP,
        labels.GROUP_REPLICA_INDEX,
        labels.TEMPLATE_HASH,
    }
)
_OUR_ANNOTATIONS: Final = frozenset(
    {labels.LAST_APPLIED, labels.TOPOLOGY_NAME, labels.UPDATE_ORDER}
)


def is_outdated(slot: CliqueSlot, clique: Clique) -> bool:
    """Whether the PodClique was made from another template. A lost label is drift, not age."""
    label = clique.meta.labels.get(labels.TEMPLATE_HASH)
    return label is not None and label != slot.blueprint.pod_hash


def keep_editions(context: ReplicaContext, held: Collection[str]) -> ReplicaContext:
    """The context with the PodCliques in `held` laid out as they run."""
    if not held:
        return context
    slots = context.slots
    cliques = {
        name: _as_it_runs(slot, context.cliques[name]) if name in held else slot
        for name, slot in slots.cliques.items()
    }
    cliques |= _mark_instances(cliques, held)
    gangs = tuple(
        replace(gang, cliques=tuple(cliques[slot.name] for slot in gang.cliques))
        for gang in slots.gangs
    )
    return replace(context, slots=ReplicaSlots(slots.index, slots.groups, gangs, cliques))


def _as_it_runs(slot: CliqueSlot, clique: Clique) -> CliqueSlot:
    meta, newest = clique.meta, slot.blueprint
    own, notes = _template_keys(meta)
    blueprint = replace(
        newest,
        labels={key: value for key, value in meta.labels.items() if key in own},
        annotations={key: value for key, value in meta.annotations.items() if key in notes},
        spec={**newest.spec, "podSpec": clique.spec["podSpec"]},
        pod_hash=meta.labels[labels.TEMPLATE_HASH],
    )
    return replace(slot, blueprint=blueprint)


def _template_keys(meta: Meta) -> tuple[Container[str], Container[str]]:
    """Keys of the labels and annotations that the PodClique has from its template.

    One that Grove made bears no note of them; Grove let nobody else's stay.
    """
    last = recall(meta.annotations.get(labels.LAST_APPLIED))
    if last.replicas is not None:
        return last.labels, last.annotations
    return meta.labels.keys() - _OUR_LABELS, meta.annotations.keys() - _OUR_ANNOTATIONS


def _mark_instances(cliques: dict[str, CliqueSlot], held: Collection[str]) -> dict[str, CliqueSlot]:
    """Members of a group replica of which any is held belong to the instance that runs."""
    mixed = {_instance(cliques[name]) for name in held} - {None}
    members: dict[tuple[str, int], list[CliqueSlot]] = {}
    for slot in cliques.values():
        instance = _instance(slot)
        if instance is not None and instance in mixed:
            members.setdefault(instance, []).append(slot)
    found: dict[str, CliqueSlot] = {}
    for slots in members.values():
        mark = instance_hash(slot.blueprint.pod_hash for slot in slots)
        found |= {slot.name: replace(slot, instance=mark) for slot in slots}
    return found


def _instance(slot: CliqueSlot) -> tuple[str, int] | None:
    """The replica of a scaling group that the PodClique is in."""
    return None if slot.group is None else (slot.group.name, slot.group_replica)
