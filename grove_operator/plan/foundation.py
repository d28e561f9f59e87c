"""Plans what a replica stands on: its Service, autoscalers, scaling groups and PodCliques.

Existing objects are patched by what we own: a user's labels and everybody's replica counts stay.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from grove_operator.api import labels
from grove_operator.desired.autoscaler import build_autoscalers
from grove_operator.desired.expansion import CliqueSlot, GroupSlot
from grove_operator.desired.ownership import next_replicas, recall
from grove_operator.desired.podclique import (
    build_clique,
    clique_annotations,
    clique_labels,
    clique_spec,
)
from grove_operator.desired.scalinggroup import build_group, group_annotations, group_spec
from grove_operator.desired.service import build_service
from grove_operator.observed import Child, Clique, Kind, Meta, ReplicaSnapshot, ScalingGroup
from grove_operator.plan.actions import (
    Action,
    Create,
    Owner,
    Patch,
    Rank,
    first_difference,
    merge_patch,
    missing,
)
from grove_operator.plan.context import ReplicaContext
from grove_operator.plan.devices import plan_devices
from grove_operator.plan.removal import remove_unexpected
from grove_operator.policy.turns import Turn


def plan_foundation(context: ReplicaContext, seen: ReplicaSnapshot) -> Iterator[Action]:
    blueprint, replica = context.blueprint, context.index
    the_set = Owner(Kind.SET, blueprint.name)
    service = build_service(blueprint, replica)
    yield from plan_children(Kind.SERVICE, [service], seen.services, the_set, blueprint.uid)
    autoscalers = list(build_autoscalers(blueprint, replica))
    yield from plan_children(Kind.HPA, autoscalers, seen.hpas, the_set, blueprint.uid)
    for group in context.slots.groups:
        yield from _plan_group(context, seen, group)
    expected = {group.name for group in context.slots.groups}
    yield from remove_unexpected(Kind.SCALING_GROUP, seen.groups, expected, [blueprint.uid])
    for clique in context.slots.cliques.values():
        yield from _plan_clique(context, seen, clique)
    owners = [blueprint.uid, *(group.meta.uid for group in context.groups.values())]
    yield from remove_unexpected(Kind.CLIQUE, seen.cliques, context.slots.cliques, owners)
    yield from plan_devices(context, seen)


def plan_children(
    kind: Kind,
    wanted: list[dict[str, Any]],
    existing: Mapping[str, Child],
    owner: Owner,
    owner_uid: str,
) -> Iterator[Action]:
    """Make, mend and prune simple children, of which the server fills in parts."""
    yield from keep_children(kind, wanted, existing, owner, owner_uid)
    names = {body["metadata"]["name"] for body in wanted}
    yield from remove_unexpected(kind, existing, names, [owner_uid])


def keep_children(
    kind: Kind,
    wanted: list[dict[str, Any]],
    existing: Mapping[str, Child],
    owner: Owner,
    owner_uid: str,
) -> Iterator[Action]:
    """Make and mend, and leave all others of the kind alone."""
    for body in wanted:
        name = body["metadata"]["name"]
        child = existing.get(name)
        if child is None:
            yield Create(Rank.FOUNDATION, kind, name, body, owner)
        elif child.meta.owner_uid == owner_uid and not child.meta.deleting:
            yield from _mend(kind, child, body)


def _mend(kind: Kind, child: Child, body: dict[str, Any]) -> Iterator[Patch]:
    content = {key: value for key, value in body.items() if key not in _ENVELOPE}
    patch = missing(child.body, content) or {}
    if kind is Kind.SERVICE:
        # The server adds nothing to a selector, and one label too many selects nothing.
        current = child.body.get("spec", {}).get("selector") or {}
        selector = merge_patch(current, body["spec"]["selector"])
        if selector:
            patch.setdefault("spec", {})["selector"] = selector
    metadata = _metadata_patch(child.meta, body["metadata"])
    if metadata:
        patch["metadata"] = metadata
    if patch:
        why = first_difference(patch)
        yield Patch(Rank.FOUNDATION, kind, child.meta.name, child.meta.uid, patch, why)


_ENVELOPE = frozenset({"apiVersion", "kind", "metadata"})


def _metadata_patch(meta: Meta, wanted: Mapping[str, Any]) -> dict[str, Any]:
    return (
        missing(
            {"labels": meta.labels, "annotations": meta.annotations},
            {
                "labels": wanted.get("labels", {}),
                "annotations": wanted.get("annotations", {}),
            },
        )
        or {}
    )


def _plan_group(
    context: ReplicaContext, seen: ReplicaSnapshot, slot: GroupSlot
) -> Iterator[Action]:
    existing = seen.groups.get(slot.name)
    if existing is None:
        body = build_group(context.blueprint, slot, context.index)
        owner = Owner(Kind.SET, context.blueprint.name)
        yield Create(Rank.FOUNDATION, Kind.SCALING_GROUP, slot.name, body, owner)
        return
    if slot.name not in context.groups:
        return  # it is going away, or somebody else's
    spec = {
        "minAvailable": existing.min_available,
        "cliqueNames": list(existing.clique_names),
    }
    body = build_group(context.blueprint, slot, context.index)
    wanted = _Wanted(
        labels=body["metadata"]["labels"],
        annotations=group_annotations(slot) | _update_order(context, Kind.SCALING_GROUP, slot.name),
        replicas=slot.blueprint.replicas,
        finalizer=labels.GROUP_FINALIZER,
        rank=Rank.REMOVE if context.movement.turn is Turn.MOVE else Rank.FOUNDATION,
        kind=Kind.SCALING_GROUP,
    )
    yield from _mend_owned(existing, spec, group_spec(slot), wanted)


def _plan_clique(
    context: ReplicaContext, seen: ReplicaSnapshot, slot: CliqueSlot
) -> Iterator[Action]:
    existing = seen.cliques.get(slot.name)
    if existing is None:
        group = slot.group
        if group is not None and group.name in seen.groups and group.name not in context.groups:
            return  # its scaling group is going away
        body = build_clique(context.blueprint, slot, context.index)
        if group is None:
            rank, owner = Rank.FOUNDATION, Owner(Kind.SET, context.blueprint.name)
        else:
            rank, owner = Rank.CLIQUE, Owner(Kind.SCALING_GROUP, group.name)
        yield Create(rank, Kind.CLIQUE, slot.name, body, owner)
        return
    if slot.name not in context.cliques:
        return
    wanted = _Wanted(
        labels=clique_labels(context.blueprint, slot, context.index),
        annotations=clique_annotations(slot) | _update_order(context, Kind.CLIQUE, slot.name),
        replicas=slot.blueprint.replicas,
        finalizer=labels.CLIQUE_FINALIZER,
        # An update's pods are made from the set's template, so their removal need not wait.
        rank=Rank.REMOVE if context.movement.turn is Turn.MOVE else Rank.CLIQUE,
        kind=Kind.CLIQUE,
    )
    yield from _mend_owned(existing, existing.spec, clique_spec(slot), wanted)


def _update_order(context: ReplicaContext, kind: Kind, name: str) -> dict[str, str]:
    order = context.movement.orders.get((kind, name))
    return {} if order is None else {labels.UPDATE_ORDER: order.as_text()}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wanted:
    """What a PodClique or scaling group should carry besides its spec."""

    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    replicas: int
    finalizer: str
    rank: Rank
    kind: Kind


def _mend_owned(
    existing: Clique | ScalingGroup,
    current_spec: Mapping[str, Any],
    wanted_spec: Mapping[str, Any],
    wanted: _Wanted,
) -> Iterator[Patch]:
    meta = existing.meta
    spec = merge_patch(current_spec, wanted_spec)
    last = recall(meta.annotations.get(labels.LAST_APPLIED))
    replicas = next_replicas(existing.replicas, wanted.replicas, last)
    if replicas != existing.replicas:
        spec["replicas"] = replicas
    metadata: dict[str, Any] = {}
    for field, current, ours, before in (
        ("labels", meta.labels, wanted.labels, last.labels),
        ("annotations", meta.annotations, wanted.annotations, last.annotations),
    ):
        changed: dict[str, Any] = missing(current, ours) or {}
        changed |= {key: None for key in before if key in current and key not in ours}
        if changed:
            metadata[field] = changed
    if wanted.finalizer not in meta.finalizers:
        metadata["finalizers"] = [*meta.finalizers, wanted.finalizer]
    patch: dict[str, Any] = {}
    if spec:
        patch["spec"] = spec
    if metadata:
        patch["metadata"] = metadata
    if patch:
        # The count that we hand on was read at this version; a faster scaler must win.
        exact = meta.version if "replicas" in spec or "finalizers" in metadata else None
        why = first_difference(patch)
        yield Patch(wanted.rank, wanted.kind, meta.name, meta.uid, patch, why, exact)
