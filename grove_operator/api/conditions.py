"""Condition types and reasons, and the one rule by which a condition changes."""

from collections.abc import Sequence
from typing import Any, Final

Condition = dict[str, Any]
"""A metav1.Condition as it stands in a status; opaque to everybody but this module."""

# PodClique
POD_CLIQUE_SCHEDULED: Final = "PodCliqueScheduled"
MIN_AVAILABLE_BREACHED: Final = "MinAvailableBreached"
MIN_AVAILABLE_REACHED: Final = "MinAvailableReached"
"""True once a clique or group had what it needs: only then can it fall below its minimum."""
POD_REPLACEMENT_WAITS: Final = "PodReplacementWaits"
WAITING_FOR_PARENTS: Final = "WaitingForParents"
"""On a PodClique that starts after others."""
# PodCliqueScalingGroup
GANG_TERMINATION_IN_PROGRESS: Final = "GangTerminationInProgress"
# PodCliqueSet
TOPOLOGY_LEVELS_UNAVAILABLE: Final = "TopologyLevelsUnavailable"
TOPOLOGY_GUARANTEE: Final = "TopologyGuarantee"
"""What is done about topology constraints where the stock scheduler places the gangs."""
REPLICAS_SPREAD: Final = "ReplicasSpread"
SPEC_ACCEPTED: Final = "SpecAccepted"
GANG_GUARANTEE: Final = "GangGuarantee"
GANG_PRIORITY_HELD: Final = "GangPriorityHeld"
"""Gangs that run keep the priority class that they were placed with."""
UPDATING: Final = "Updating"
POD_MONITORED: Final = "PodMonitored"
DEVICES_AVAILABLE: Final = "DevicesAvailable"
START_ORDER_UNAVAILABLE: Final = "StartOrderUnavailable"
# PodGang, and for its worst gang PodCliqueSet
GANG_BLOCKED: Final = "GangBlocked"
# ClusterTopologyBinding
SCHEDULER_TOPOLOGY_DRIFT: Final = "SchedulerTopologyDrift"
# PodGang
INITIALIZED: Final = "Initialized"
SCHEDULED: Final = "Scheduled"
READY: Final = "Ready"
UNHEALTHY: Final = "Unhealthy"

MAX_MESSAGE: Final = 32768


def condition(type_: str, *, status: bool | None, reason: str, message: str) -> Condition:
    """A condition without its transition time; `merge` adds that. `None` means Unknown."""
    text = "Unknown" if status is None else str(status)
    return {"type": type_, "status": text, "reason": reason, "message": message[:MAX_MESSAGE]}


def find(conditions: Sequence[Condition], type_: str) -> Condition | None:
    return next((item for item in conditions if item.get("type") == type_), None)


def is_true(conditions: Sequence[Condition], type_: str) -> bool:
    found = find(conditions, type_)
    return found is not None and found.get("status") == "True"


def merge(
    current: Sequence[Condition],
    ours: Sequence[Condition],
    *,
    now: str,
    owned: frozenset[str],
) -> list[Condition]:
    """`current` with our conditions brought up to date.

    `owned` are the types that we write: one of them that is not in `ours` is dropped, every other
    type is kept as it stands, for it belongs to a scheduler or a user. The transition time moves
    only when the status changes, unless ours gives one. Order: kept ones in place, new ones
    appended.
    """
    wanted = {item["type"]: item for item in ours}
    result: list[Condition] = []
    for item in current:
        type_ = item.get("type", "")
        if type_ in wanted:
            result.append(_updated(item, wanted.pop(type_), now))
        elif type_ not in owned:
            result.append(item)
    result.extend({"lastTransitionTime": now} | item for item in wanted.values())
    return result


def _updated(old: Condition, new: Condition, now: str) -> Condition:
    same = all(old.get(key) == value for key, value in new.items())
    if same:
        return old
    moved = now if old.get("status") != new["status"] else old.get("lastTransitionTime", now)
    return {"lastTransitionTime": moved} | new
