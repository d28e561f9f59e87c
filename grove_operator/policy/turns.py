"""Whose turn it is in an update: one replica of a PodCliqueSet at a time.

The set's own pass hands the turn on, at once in memory and a moment later in the set's status
(`updateProgress.currentlyUpdating`), where users see it: a write for each replica would be what
most of them wait for. A process that starts anew finds out from the PodCliques who has something in
hand, and that one has the turn.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from grove_operator.observed import ReplicaSummary


class Turn(Enum):
    """What an update asks of a replica now."""

    FREE = 1
    """No update runs: what differs from the template follows it at once."""
    HOLD = 2
    """Others are being updated: keep the templates that run."""
    MOVE = 3
    """It is this replica's turn."""
    ON_DELETE = 4
    """Objects follow the template at once; pods do when somebody deletes them."""


def turn_of(
    replica: int,
    target: str,
    status: Mapping[str, Any],
    *,
    on_delete: bool,
    turn: int | None = None,
) -> Turn:
    """`target` is the generation hash of the set's template, `status` the set's stored one.

    `turn` is the replica whose turn it is by the set's last pass, if there was one.
    """
    if on_delete:
        return Turn.ON_DELETE
    stored = status.get("currentGenerationHash")
    if stored is None:
        return Turn.FREE
    if stored != target:
        return Turn.HOLD  # the set's own pass has yet to begin this update
    progress = status.get("updateProgress")
    if not progress or progress.get("updateEndedAt"):
        return Turn.FREE
    return Turn.MOVE if replica == current(progress, turn) else Turn.HOLD


def holder(progress: Mapping[str, Any] | None) -> int | None:
    """Index of the replica whose turn it is."""
    for entry in (progress or {}).get("currentlyUpdating") or ():
        if not entry.get("updateEndedAt"):
            index: int | None = entry.get("replicaIndex")
            return index
    return None


def current(progress: Mapping[str, Any] | None, turn: int | None) -> int | None:
    """Whose turn it is: by the set's last pass, or before there was one by the stored status."""
    return holder(progress) if turn is None else turn


@dataclass(frozen=True, slots=True)
class Choice:
    """Who has the turn, if anybody, and whether nobody is left."""

    replica: int | None = None
    done: bool = False


def choose(
    summaries: Mapping[int, ReplicaSummary],
    replicas: int,
    target: str,
    current: int | None,
    *,
    fresh: bool = False,
) -> Choice:
    """Keep the replica that is being updated until it is whole again, then take the next.

    First those that have something in hand, then those that are broken anyway, then by index. A
    replica of which no pod is placed serves nobody: it follows the template without a turn, and
    nobody waits for it.

    `fresh` says that `current` is but the stored one, which may be a turn behind: then one that has
    something in hand goes before one that has nothing.
    """
    known = [summaries.get(index) for index in range(replicas)]
    if current is not None and current < replicas:
        mine = known[current]
        if mine is None or mine.target != target:
            return Choice(current)
        passed = fresh and not (mine.in_hand or mine.begun) and any(s and s.in_hand for s in known)
        if not passed and not (mine.is_current and mine.available):
            return Choice(current)
    left: list[tuple[bool, bool, int]] = []
    done = True
    for index, summary in enumerate(known):
        if summary is None or summary.target != target:
            return Choice(current)  # not known yet
        if not summary.is_current:
            done = False
            if summary.placed:
                left.append((not summary.in_hand, not summary.breached, index))
    return Choice(min(left)[2] if left else None, done)
