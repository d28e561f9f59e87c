"""Plans the one object that KAI or Volcano reads for each PodGang.

It is made with the gang and goes with it, by garbage collection. Pods keep their gate until it is
there, so the scheduler never sees half a gang.
"""

from collections.abc import Iterator
from typing import Any

from grove_operator.desired.expansion import GangSlot
from grove_operator.observed import Child, Kind, ReplicaSnapshot
from grove_operator.plan.actions import Action, Create, Owner, Patch, Rank, first_difference
from grove_operator.plan.context import ReplicaContext
from grove_operator.scheduling.backend import Gang, Problem
from grove_operator.scheduling.comparing import lost_owner


def prepare_gang(context: ReplicaContext, body: dict[str, Any]) -> dict[str, Any]:
    """The PodGang with what its scheduler asks for on it."""
    wanted = context.backend.prepare_gang(context.blueprint)
    metadata = body["metadata"]
    for field, more in (("labels", wanted.labels), ("annotations", wanted.annotations)):
        if more:
            metadata = metadata | {field: {**metadata.get(field, {}), **more}}
    return body if metadata is body["metadata"] else body | {"metadata": metadata}


def plan_scheduler_group(
    context: ReplicaContext, seen: ReplicaSnapshot, body: dict[str, Any]
) -> Iterator[Action]:
    """`body` is the PodGang as it should be."""
    kind = context.backend.group_kind
    if kind is None:
        return
    wanted = context.backend.group(Gang.wanted(context.blueprint, body))
    if wanted is None:
        return
    name = body["metadata"]["name"]
    existing = seen.children(kind).get(name)
    if existing is None:
        yield Create(Rank.POD_GROUP, kind, name, wanted, Owner(Kind.GANG, name))
    elif isinstance(existing, Child):
        gang = seen.gangs.get(name)
        # One of an earlier PodGang of that name is about to go.
        if gang is not None and existing.meta.owner_uid in ("", gang.meta.uid):
            yield from _mend(context, kind, (existing, gang), wanted)


def _mend(
    context: ReplicaContext, kind: Kind, found: tuple[Child, Child], wanted: dict[str, Any]
) -> Iterator[Patch]:
    existing, gang = found
    meta = existing.meta
    if meta.deleting:
        return
    patch = context.backend.mend(existing, wanted)
    if owner := lost_owner(meta, gang.meta.name, gang.meta.uid):
        patch = patch | {"metadata": patch.get("metadata", {}) | owner}
    if patch:
        yield Patch(Rank.POD_GROUP, kind, meta.name, meta.uid, patch, first_difference(patch))


def scheduler_problem(context: ReplicaContext, seen: ReplicaSnapshot, gang: str) -> Problem | None:
    """Why the scheduler cannot be told of a gang at all; asked of gangs that are not placed."""
    child, backend = seen.gangs.get(gang), context.backend
    if child is None or backend.group_kind is None:
        return None
    return backend.problem(Gang.stored(context.blueprint, child))


def awaits_scheduler_group(context: ReplicaContext, seen: ReplicaSnapshot, gang: GangSlot) -> bool:
    """Whether the gang's pods stay gated because the scheduler has no group of it yet."""
    kind = context.backend.group_kind
    if kind is None:
        return False
    group, owner = seen.children(kind).get(gang.name), seen.gangs.get(gang.name)
    if group is None or owner is None:
        return True
    return group.meta.deleting or group.meta.owner_uid != owner.meta.uid
