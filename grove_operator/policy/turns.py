"""Whose turn it is in an update: one replica of a PodCliqueSet at a time.

The turn stands in the set's stored status (`updateProgress.currentlyUpdating`), so it survives a
restart and users see it. A replica reads its turn, the set's own pass hands it on.
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
    PREPARE = 5
    """Its turn is being written down: note what is taken first, but remove nothing yet."""
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
    is_next: bool = False,
) -> Turn:
    """`target` is the generation hash of the set's template, `status` the set's stored one.

    `is_next` says that the set's pass is about to store that the turn is this replica's.
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
    if replica == holder(progress):
        return Turn.MOVE
    return Turn.PREPARE if is_next else Turn.HOLD


def holder(progress: Mapping[str, Any] | None) -> int | None:
    """Index of the replica whose turn it is."""
    for entry in (progress or {}).get("currentlyUpdating") or ():
        if not entry.get("updateEndedAt"):
            index: int | None = entry.get("replicaIndex")
            return index
    return None


@dataclass(frozen=True, slots=True)
class Choice:
    """Who has the turn, if anybody, and whether nobody is left."""

    replica: int | None = None
    done: bool = False


def choose(
    summaries: Mapping[int, ReplicaSummary], replicas: int, target: str, current: int | None
) -> Choice:
    """Keep the replica that is being updated until it is whole again, then take the next.

    First those that are broken anyway, then by index. A replica of which no pod is placed serves
    nobody: it follows the template without a turn, and nobody waits for it.
    """
    known = [summaries.get(index) for index in range(replicas)]
    if current is not None and current < replicas:
        mine = known[current]
        if mine is None or mine.target != target or not (mine.is_current and mine.available):
            return Choice(current)
    left: list[tuple[bool, int]] = []
    done = True
    for index, summary in enumerate(known):
        if summary is None or summary.target != target:
            return Choice(current)  # not known yet
        if not summary.is_current:
            done = False
            if summary.placed:
                left.append((not summary.breached, index))
    return Choice(min(left)[1] if left else None, done)
