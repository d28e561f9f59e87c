"""When a gang that fell below its minimum is restarted as a whole.

Only what has once reached its minimum can fall below it: a gang that is still waiting for room is
not broken. The clock is the stored condition MinAvailableBreached, so it goes on over a restart of
the operator. What is stored may be older than the pods: it says nothing of an instance that was
started since.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from grove_operator.api import conditions as c
from grove_operator.api.times import seconds_between


@dataclass(frozen=True, slots=True)
class Breach:
    """A breach that counts; `left` are the seconds until something must be done about it."""

    name: str
    left: float
    is_new: bool = False
    """Whether it is not stored yet, so that its clock has yet to start."""

    @property
    def is_over(self) -> bool:
        return self.left <= 0


def reached_since(
    conditions: Sequence[c.Condition], start: str | None, now: str, *, enough: bool
) -> str | None:
    """When an instance is noted to have had its minimum; None if it has not yet.

    `start` is when the first of its pods was placed, None if none is. What was noted before that
    is about pods that are gone.
    """
    if start is None:
        return None
    stored = c.find(conditions, c.MIN_AVAILABLE_REACHED)
    if stored is not None and stored.get("status") == "True":
        noted = str(stored.get("lastTransitionTime", ""))
        if noted >= start:
            return noted
    return max(now, start) if enough else None


def breach_of(
    name: str, conditions: Sequence[c.Condition], delay: float, start: str, now: str
) -> Breach:
    """A breach that is there now. One that is not stored yet begins now.

    None lasts for longer than the pods that it is about: `start` is when the first was placed.
    """
    stored = c.find(conditions, c.MIN_AVAILABLE_BREACHED)
    if stored is None or stored.get("status") != "True":
        return Breach(name, delay, is_new=True)
    since = seconds_between(max(str(stored.get("lastTransitionTime", "")), start), now)
    return Breach(name, delay if since is None else delay - max(since, 0.0))


@dataclass(frozen=True, slots=True)
class GroupVerdict:
    """Which replicas of a scaling group are restarted now, by index, and the next look."""

    restart: tuple[int, ...] = ()
    recheck_after: float | None = None


def judge_group(breaches: Iterable[tuple[int, Breach]], replicas: int, needed: int) -> GroupVerdict:
    """A group that has enough replicas besides the broken ones restarts these itself.

    One that has not leaves it to the set, which restarts the whole replica.
    """
    soonest: dict[int, Breach] = {}
    for index, breach in breaches:
        known = soonest.get(index)
        if known is None or breach.left < known.left:
            soonest[index] = breach
    if not soonest or replicas - len(soonest) < needed:
        return GroupVerdict()
    over = tuple(sorted(index for index, breach in soonest.items() if breach.is_over))
    left = [breach.left for breach in soonest.values() if not breach.is_over]
    return GroupVerdict(over, min(left, default=None))


def first(breaches: Iterable[Breach]) -> Breach | None:
    """The breach that something must be done about first."""
    return min(breaches, key=lambda breach: (breach.left, breach.name), default=None)
