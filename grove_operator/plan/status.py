"""Full statuses of PodCliques, scaling groups and PodGangs, from what exists now.

A status is compared with the stored one as a whole and written only if it differs. Conditions of
other writers stay; a transition time moves only with its condition's status.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from grove_operator.api import conditions as c
from grove_operator.api import labels
from grove_operator.desired.expansion import CliqueSlot, GangSlot, GroupSlot
from grove_operator.observed import Child, Clique, Kind, ScalingGroup
from grove_operator.plan.actions import StatusPatch, merge_patch
from grove_operator.plan.context import ReplicaContext
from grove_operator.plan.groups import GroupView
from grove_operator.plan.motion import is_updating
from grove_operator.policy.availability import CliqueCounts, count_gang

Counts = Mapping[str, CliqueCounts]

_CLIQUE_CONDITIONS = frozenset(
    {
        c.POD_CLIQUE_SCHEDULED,
        c.MIN_AVAILABLE_BREACHED,
        c.MIN_AVAILABLE_REACHED,
        c.POD_REPLACEMENT_WAITS,
        c.WAITING_FOR_PARENTS,
    }
)
_GROUP_CONDITIONS = frozenset(
    {c.MIN_AVAILABLE_BREACHED, c.MIN_AVAILABLE_REACHED, c.GANG_TERMINATION_IN_PROGRESS}
)
_GANG_CONDITIONS = frozenset({c.INITIALIZED, c.SCHEDULED, c.READY, c.UNHEALTHY})


def status_patch(
    kind: Kind, record: Clique | ScalingGroup | Child, status: Mapping[str, Any], *, exact: bool
) -> StatusPatch | None:
    """The patch that makes the stored status `status`, or None if it is that already."""
    changed = merge_patch(record.status, status)
    if not changed:
        return None
    meta = record.meta
    version = meta.version if exact else None
    return StatusPatch(kind, meta.name, meta.uid, {"status": changed}, version)


def clique_status(
    context: ReplicaContext,
    slot: CliqueSlot,
    clique: Clique,
    counts: CliqueCounts,
    scheduler_says: str,
) -> dict[str, Any]:
    """Status of one PodClique. `scheduler_says` is why its pods are not placed, if it said so."""
    old = clique.status
    is_held = slot.name in context.movement.held
    status: dict[str, Any] = {
        **old,
        "observedGeneration": clique.meta.generation,
        "replicas": counts.total,
        "readyReplicas": counts.ready,
        "scheduledReplicas": counts.scheduled,
        "scheduleGatedReplicas": counts.gated,
        # An update that has not come to this PodClique has not changed what it should be.
        "updatedReplicas": counts.as_made if is_held else counts.updated,
        "conditions": c.merge(
            old.get("conditions") or (),
            list(_clique_conditions(context, slot.name, counts, scheduler_says)),
            now=context.now,
            owned=_CLIQUE_CONDITIONS,
        ),
    }
    if slot.group is None:
        status["hpaPodSelector"] = labels.selector(
            context.blueprint.pair | {labels.PODCLIQUE: slot.name}
        )
    if progress := context.movement.cliques.get(slot.name):
        status["updateProgress"] = progress
    if counts.updated == counts.total and not is_held and not is_updating(progress):
        status["currentPodTemplateHash"] = slot.blueprint.pod_hash
        status["currentPodCliqueSetGenerationHash"] = context.blueprint.generation_hash
    return status


def _clique_conditions(
    context: ReplicaContext, name: str, counts: CliqueCounts, scheduler_says: str
) -> Iterator[c.Condition]:
    yield _scheduled(counts, scheduler_says)
    if is_updating(context.movement.cliques.get(name)):
        yield _suspended()
    else:
        yield _breached(counts)
    if since := context.recovery.reached.get(name):
        yield _REACHED | {"lastTransitionTime": since}
    if notice := context.recovery.notices.get(name):
        yield c.condition(c.POD_REPLACEMENT_WAITS, status=True, reason="BackingOff", message=notice)
    if waiting := context.order.conditions.get(name):
        yield waiting


_REACHED: Final = c.condition(
    c.MIN_AVAILABLE_REACHED,
    status=True,
    reason="MinimumReached",
    message="the minimum was reached once since the last start",
)


def _suspended() -> c.Condition:
    return c.condition(
        c.MIN_AVAILABLE_BREACHED,
        status=None,
        reason="UpdateInProgress",
        message="not judged while an update replaces pods",
    )


def _scheduled(counts: CliqueCounts, scheduler_says: str) -> c.Condition:
    message = f"{counts.scheduled} of at least {counts.needed} pods are placed"
    if counts.enough_scheduled:
        return c.condition(
            c.POD_CLIQUE_SCHEDULED,
            status=True,
            reason="SufficientScheduledPods",
            message=f"at least {counts.needed} pods are placed",
        )
    if scheduler_says:
        message = f"{message}: {scheduler_says}"
    return c.condition(
        c.POD_CLIQUE_SCHEDULED, status=False, reason="InsufficientScheduledPods", message=message
    )


def _breached(counts: CliqueCounts) -> c.Condition:
    if not counts.enough_scheduled:
        reason = "ScheduledReplicasBelowMinAvailable"
        message = f"fewer than {counts.needed} pods are placed"
    elif counts.healthy < counts.needed:
        reason = "InsufficientReadyPods"
        message = f"fewer than {counts.needed} pods are starting or ready"
    else:
        return c.condition(
            c.MIN_AVAILABLE_BREACHED,
            status=False,
            reason="SufficientReadyPods",
            message=f"at least {counts.needed} pods are starting or ready",
        )
    return c.condition(c.MIN_AVAILABLE_BREACHED, status=True, reason=reason, message=message)


def group_status(
    context: ReplicaContext, slot: GroupSlot, group: ScalingGroup, view: GroupView
) -> dict[str, Any]:
    """Status of one scaling group: its replicas counted by their PodCliques."""
    old = group.status
    progress = context.movement.groups.get(slot.name)
    status = {
        **old,
        "observedGeneration": group.meta.generation,
        "replicas": group.replicas,
        "scheduledReplicas": view.scheduled,
        "availableReplicas": view.available,
        "updatedReplicas": view.updated,
        "selector": labels.selector(context.blueprint.pair | {labels.SCALING_GROUP: slot.name}),
        "conditions": c.merge(
            old.get("conditions") or (),
            list(_group_conditions(context, group, view)),
            now=context.now,
            owned=_GROUP_CONDITIONS,
        ),
    }
    if progress:
        status["updateProgress"] = progress
    if view.updated == group.replicas and not is_updating(progress):
        status["currentPodCliqueSetGenerationHash"] = context.blueprint.generation_hash
    return status


def _group_conditions(
    context: ReplicaContext, group: ScalingGroup, view: GroupView
) -> Iterator[c.Condition]:
    name = group.meta.name
    breached = view.is_breached
    prefix = "Insufficient" if breached else "Sufficient"
    if is_updating(context.movement.groups.get(name)):
        yield _suspended()
    else:
        yield c.condition(
            c.MIN_AVAILABLE_BREACHED,
            status=breached,
            reason=f"{prefix}AvailablePodCliqueScalingGroupReplicas",
            message=f"{'fewer than' if breached else 'at least'} {view.needed} replicas are intact",
        )
    if since := context.recovery.reached.get(name):
        yield _REACHED | {"lastTransitionTime": since}
    restarting = c.find(group.status.get("conditions") or (), c.GANG_TERMINATION_IN_PROGRESS)
    if restarting is not None and breached:
        yield restarting


def gang_status(
    context: ReplicaContext, slot: GangSlot, gang: Child, counts: Counts, scheduler_says: str
) -> dict[str, Any]:
    """Status of one PodGang: Pending until placed, Starting until ready, then Running."""
    tally = count_gang([(item.name, counts.get(item.name)) for item in slot.cliques])
    old = gang.status
    before = old.get("conditions") or ()
    was_ready = c.is_true(before, c.READY) or c.is_true(before, c.UNHEALTHY)
    waiting = f"{tally.scheduled} of {tally.cliques} PodCliques are placed"
    base = slot.base_gang if not scheduler_says else None
    if base is not None and any(
        counts[item.name].gated for item in slot.cliques if item.name in counts
    ):
        scheduler_says = f"waits until base gang {base} is placed"
    if scheduler_says:
        waiting = f"{waiting}; {scheduler_says}"
    initialized = tally.initialized or c.is_true(before, c.INITIALIZED)
    ours = [
        c.condition(
            c.INITIALIZED,
            status=initialized,
            reason="PodGangPodsCreated" if initialized else "PodGangPodsCreationPending",
            message="all pods were created" if initialized else "not all pods exist yet",
        ),
        c.condition(
            c.SCHEDULED,
            status=tally.is_scheduled,
            reason="AllPodCliquesScheduled" if tally.is_scheduled else "PodCliquesUnscheduled",
            message="all PodCliques are placed" if tally.is_scheduled else waiting,
        ),
        c.condition(
            c.READY,
            status=tally.is_ready,
            reason="AllPodCliquesReady" if tally.is_ready else "PodCliquesNotReady",
            message="all PodCliques are ready"
            if tally.is_ready
            else f"not ready: {_some(tally.unready)}",
        ),
        c.condition(
            c.UNHEALTHY,
            status=was_ready and not tally.is_ready,
            reason="BelowMinAvailable" if was_ready and not tally.is_ready else "Healthy",
            message=f"was ready, lacks: {_some(tally.unready)}"
            if was_ready and not tally.is_ready
            else "no PodClique fell below its minimum",
        ),
    ]
    return {
        **old,
        "phase": _phase(scheduled=tally.is_scheduled, ready=tally.is_ready),
        "conditions": c.merge(before, ours, now=context.now, owned=_GANG_CONDITIONS),
    }


def _phase(*, scheduled: bool, ready: bool) -> str:
    if ready:
        return "Running"
    return "Starting" if scheduled else "Pending"


def _some(names: Sequence[str], limit: int = 4) -> str:
    """The first few names; a gang may have many cliques."""
    shown = ", ".join(names[:limit])
    return shown if len(names) <= limit else f"{shown} and {len(names) - limit} more"
