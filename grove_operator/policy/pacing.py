"""When a status is written: late enough to hold a burst of changes, early enough to be of use."""

from dataclasses import dataclass
from typing import Final

AT_EASE: Final = 0.02
"""Seconds within which an API server answers that has nothing to complain of."""
STRAIN: Final = 400.0
"""How many times longer than the time beyond that a status may wait."""
CROWD: Final = 200
"""Replicas of a set that make its statuses wait as long again: beside thousands that wait for their
place, one that does so is no news, and the set's own status tells of all."""

REST: Final = 0.25
"""Seconds for which news may pile up while the API server has more to do than it can. Read together
they cost half of what they cost one by one, and most of what they change is told later anyway."""


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds. A status waits for `quiet` without changes, but not longer than `longest`.

    While the API server is slow, the status of what is not yet finished may wait up to `strained`,
    in a large set longer: it would be out of date before it is stored, and would slow the server
    down further. What an
    update is replacing may wait for `moving`: what the next step needs is stored at once anyway,
    and a pod that is ready by then has cost no status for the time in between.
    """

    quiet: float = 0.25
    longest: float = 1.0
    strained: float = 20.0
    debounce: float = 0.02
    moving: float = 5.0


@dataclass(frozen=True, slots=True)
class Changes:
    """Times of the first and the last change since the status was written, and now."""

    first: float
    last: float
    now: float


def is_strained(latency: float) -> bool:
    """Whether an API server that takes so many seconds to answer has more to do than it can."""
    return latency > AT_EASE


def rest(latency: float, now: float) -> float:
    """Seconds until news are to be read again; 0 while the API server is at ease.

    All readers get the same moments, so that what happened at once is found together.
    """
    return REST - now % REST if is_strained(latency) else 0.0


def status_delay(
    changes: Changes,
    pace: Pace,
    *,
    settled: bool,
    latency: float,
    moving: bool = False,
    crowd: int = 0,
) -> float:
    """Seconds until the status may be written; 0 or less means now.

    `settled` says that nothing more is expected to change, `latency` how long the API server takes
    to answer, in seconds, `moving` that an update is at work on it, and `crowd` how many replicas
    its set has.
    """
    strained = min(pace.strained, (latency - AT_EASE) * STRAIN) * (1 + crowd / CROWD)
    patience = max(pace.longest, strained)
    if moving:
        patience = max(patience, pace.moving)
    if patience > pace.longest and not settled:
        left = changes.first + patience - changes.now
        # The time creeps on with the latency: it must not have a thousand replicas looked at all
        # the time.
        return max(left, pace.longest) if left > 0 else left
    return min(changes.last + pace.quiet, changes.first + patience) - changes.now
