"""Plans a set's update from one replica to the next, and what its status tells of it.

A changed generation hash begins an update. The turn is handed on here and nowhere else
(`policy/turns.py`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from grove_operator.api import conditions as c
from grove_operator.desired.blueprint import SetBlueprint
from grove_operator.observed import ReplicaSummary, SetSnapshot
from grove_operator.plan.motion import is_updating
from grove_operator.policy.turns import choose, current, holder


@dataclass(frozen=True, slots=True)
class Rollout:
    """`progress` is the set's `updateProgress`; None before the first update."""

    progress: dict[str, Any] | None = None
    condition: c.Condition | None = None
    changed: bool = False
    """Whether an update began or ended."""
    wake: frozenset[int] = frozenset()
    """Replicas to look at once that is stored."""
    turn: int | None = None
    """The replica that has the turn from now on."""


def plan_rollout(
    blueprint: SetBlueprint, status: Mapping[str, Any], seen: SetSnapshot, now: str
) -> Rollout:
    stored: dict[str, Any] | None = status.get("updateProgress")
    known = status.get("currentGenerationHash")
    # Without a first update, old pods mean that the template changed before it was noted; after
    # one, that they were left to others by OnDelete, which the set has since given up.
    minded = stored is not None and (blueprint.on_delete or is_updating(stored))
    begins = known not in (None, blueprint.generation_hash) or (seen.stale > 0 and not minded)
    if stored is None and not begins:
        return Rollout(changed=known is None)
    holds = current(stored, seen.turn) if is_updating(stored) else None
    progress = _begin(holds, now) if begins else dict(stored or {})
    if blueprint.on_delete:
        progress.setdefault("updateEndedAt", now)
        progress.pop("currentlyUpdating", None)
    elif is_updating(progress):
        progress = _go_on(blueprint, progress, holds, seen, now)
    progress |= _counts(blueprint, seen)
    return Rollout(
        progress,
        _condition(blueprint, progress, seen),
        changed=begins or is_updating(stored) != is_updating(progress),
        wake=frozenset(range(blueprint.replicas)) if begins else frozenset(),
        turn=holder(progress),
    )


def _begin(holds: int | None, now: str) -> dict[str, Any]:
    """A change during an update leads it to the new template; the replica in hand keeps its turn.

    It may not be whole, and two replicas must never be out at once.
    """
    progress: dict[str, Any] = {"updateStartedAt": now}
    if holds is not None:
        progress["currentlyUpdating"] = [{"replicaIndex": holds, "updateStartedAt": now}]
    return progress


def _go_on(
    blueprint: SetBlueprint,
    progress: dict[str, Any],
    holds: int | None,
    seen: SetSnapshot,
    now: str,
) -> dict[str, Any]:
    choice = choose(
        seen.replicas,
        blueprint.replicas,
        blueprint.generation_hash,
        holds,
        fresh=seen.turn is None,
    )
    if choice.done:
        progress.pop("currentlyUpdating", None)
        progress["updateEndedAt"] = now
    elif choice.replica is None:
        progress.pop("currentlyUpdating", None)
    elif choice.replica != holder(progress):
        progress["currentlyUpdating"] = [{"replicaIndex": choice.replica, "updateStartedAt": now}]
    return progress


def _counts(blueprint: SetBlueprint, seen: SetSnapshot) -> dict[str, Any]:
    return {
        "updatedPodCliquesCount": seen.updated_cliques,
        "totalPodCliquesCount": blueprint.replicas * len(blueprint.standalone),
        "updatedPodCliqueScalingGroupsCount": seen.updated_groups,
        "totalPodCliqueScalingGroupsCount": blueprint.replicas * len(blueprint.groups),
    }


def _condition(
    blueprint: SetBlueprint, progress: Mapping[str, Any], seen: SetSnapshot
) -> c.Condition:
    if blueprint.on_delete:
        text = "pods get the newest template when somebody deletes them"
        return c.condition(c.UPDATING, status=False, reason="OnDelete", message=text)
    if not is_updating(progress):
        text = "everything is at the newest template"
        return c.condition(c.UPDATING, status=False, reason="Updated", message=text)
    index = holder(progress)
    summary = seen.replicas.get(index, ReplicaSummary()) if index is not None else ReplicaSummary()
    if summary.waiting:
        text = f"replica {index}: {summary.waiting}"
        return c.condition(c.UPDATING, status=True, reason="Waiting", message=text)
    text = "replicas are updated one at a time"
    return c.condition(c.UPDATING, status=True, reason="Progressing", message=text)
