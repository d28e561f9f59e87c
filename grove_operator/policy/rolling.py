"""The steps of an update: which pods, and which replicas of a scaling group, are replaced now.

What serves nobody is replaced at once. What is ready goes one at a time: the next is removed when
the successor of the last one is ready, and only while more than the minimum is ready (or, where the
minimum is all there is, while all of it is). In which order they go is written down before the
first one does, so a restart takes nothing twice.
Readiness is what a pod says now, not how an earlier container of it ended.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Final

from grove_operator.api import labels
from grove_operator.observed import Pod

WATCHED: Final = 2
"""How many taken last are waited for: the very last may have ended before its turn came."""
REMEMBERED: Final = 64
"""How many an order and a status list; a clique of thousands must not carry a list of them all."""


@dataclass(frozen=True, slots=True)
class Floor:
    """How many there should be, and how many must stay ready."""

    wanted: int
    minimum: int

    @property
    def needed(self) -> int:
        return min(self.minimum, self.wanted)

    def allows_one_less(self, ready: int) -> bool:
        return ready > self.needed or ready >= self.wanted


@dataclass(frozen=True, slots=True)
class PodRoll:
    """One step for the pods of a clique."""

    order: tuple[str, ...] = ()
    """Names in the order in which ready pods go. To be stored before another step is asked for."""
    remove: tuple[Pod, ...] = ()
    taken: str | None = None
    """The pod in hand: the last one that went until its successor is ready, then the next."""
    completed: tuple[str, ...] = ()
    """Those before it."""
    blocker: Pod | None = None
    """The pod that must become ready first."""
    short: str = ""
    """Why no other pod may be taken, if too few are ready."""
    done: bool = False


def roll_pods(pods: Sequence[Pod], floor: Floor, target: str, order: Sequence[str] = ()) -> PodRoll:
    """`pods` are those not being deleted, `order` is the stored one.

    Of the names in it those before the first that still serves are gone.
    """
    new = [pod for pod in pods if pod.meta.labels.get(labels.TEMPLATE_HASH) == target]
    old = [pod for pod in pods if pod.meta.labels.get(labels.TEMPLATE_HASH) != target]
    idle = tuple(pod for pod in old if not pod.ready)
    serving = sorted((pod for pod in old if pod.ready), key=_age)
    ready = len(serving) + sum(pod.ready for pod in new)
    # What fell ill before its turn goes at once, and nobody waits for its successor.
    ill = {pod.meta.name for pod in idle}.intersection(order)
    kept = tuple(name for name in order if name not in ill)
    by_name = {pod.meta.name: pod for pod in serving}
    first = next((place for place, name in enumerate(kept) if name in by_name), len(kept))
    gone, following = kept[:first], by_name.get(kept[first]) if first < len(kept) else None
    if serving and following is None:
        kept = (*gone[-WATCHED:], *(pod.meta.name for pod in serving[:REMEMBERED]))
        following = serving[0]
    watched = gone[-WATCHED:]
    waits = bool(watched) and not _succeeded(serving, new, floor, watched)
    completed = gone[:-1] if waits else gone
    upcoming = following.meta.name if following is not None else None
    taken = gone[-1] if waits else upcoming
    blocker = _unready(new, watched)
    roll = PodRoll(kept, idle, taken, completed[-REMEMBERED:], blocker)
    if kept != tuple(order):
        return replace(roll, remove=tuple(pod for pod in idle if pod.meta.name not in ill))
    if waits:
        return roll
    if following is None:
        return replace(roll, blocker=None, done=not idle)
    if floor.allows_one_less(ready):
        return replace(roll, remove=(*idle, following), blocker=None)
    short = f"{ready} of {floor.wanted} pods are ready and {floor.needed} must stay so"
    return replace(roll, short=short)


def _succeeded(
    serving: Sequence[Pod], new: Sequence[Pod], floor: Floor, gone: Sequence[str]
) -> bool:
    """Whether the pods that replace the last ones taken are ready.

    Where the successor of one is not known, after a restart or a second replacement, all must be
    ready.
    """
    heirs = [pod for pod in new if pod.meta.annotations.get(labels.REPLACES) in gone]
    if {pod.meta.annotations[labels.REPLACES] for pod in heirs}.issuperset(gone):
        return all(pod.ready for pod in heirs)
    return len(serving) + len(new) >= floor.wanted and all(pod.ready for pod in new)


def _unready(new: Sequence[Pod], gone: Collection[str]) -> Pod | None:
    """The pod to tell of: a successor of those taken last before any other."""
    waiting = [pod for pod in new if not pod.ready]
    heirs = (pod for pod in waiting if pod.meta.annotations.get(labels.REPLACES) in gone)
    return next(heirs, waiting[0] if waiting else None)


def _age(pod: Pod) -> tuple[str, str]:
    return pod.meta.created, pod.meta.name


@dataclass(frozen=True, slots=True)
class GroupReplica:
    """One replica of a scaling group. `old` if any of it is not from the newest template."""

    index: int
    old: bool
    available: bool
    unready: Pod | None = None
    removed: bool = False
    """Whether an old one looks as if it had been taken: it lacks pods, or has no old templates."""

    @property
    def finished(self) -> bool:
        return self.available and not self.old


@dataclass(frozen=True, slots=True)
class GroupRoll:
    """One step for a scaling group: `PodRoll`, by indices of replicas."""

    order: tuple[int, ...] = ()
    move: frozenset[int] = frozenset()
    """Replicas that follow the template now."""
    taken: int | None = None
    completed: tuple[int, ...] = ()
    blocker: Pod | None = None
    short: str = ""
    done: bool = False


def roll_group(
    replicas: Sequence[GroupReplica], floor: Floor, order: Sequence[int] = ()
) -> GroupRoll:
    """Like `roll_pods`, by whole replicas; lowest index first.

    A replica keeps its index, so one that was taken and one that fell ill before its turn look much
    the same: both are old and not available. What was taken lacks pods, and nothing is taken before
    its predecessor in the order is finished. The first is always waited for: an update
    that this one replaced may have taken it.
    """
    by_index = {item.index: item for item in replicas}
    known = tuple(index for index in order if index in by_index)
    idle = {item.index for item in replicas if item.old and not item.available}
    serving = [item.index for item in replicas if item.old and item.available]
    ill = {
        index
        for before, index in pairwise(known)
        if index in idle and not (by_index[index].removed and by_index[before].finished)
    }
    kept = tuple(index for index in known if index not in ill)
    first = next((place for place, index in enumerate(kept) if index in serving), len(kept))
    gone, following = kept[:first], kept[first] if first < len(kept) else None
    if serving and following is None:
        kept = (*kept[-REMEMBERED:], *serving[:REMEMBERED])
        following = serving[0]
    watched = [by_index[index] for index in gone[-WATCHED:] if not by_index[index].finished]
    blocker = next((item.unready for item in watched if item.unready), None)
    completed, taken = (gone[:-1], gone[-1]) if watched else (gone, following)
    move = frozenset(idle)
    roll = GroupRoll(kept, move, taken, completed[-REMEMBERED:], blocker)
    if kept != known:
        return replace(roll, move=move - ill)
    if watched:
        return roll
    if following is None:
        return replace(roll, done=not idle)
    available = sum(item.available for item in replicas)
    if floor.allows_one_less(available):
        return replace(roll, move=move | {following})
    short = f"{available} of {floor.wanted} replicas are available and {floor.needed} must stay so"
    unready = next((item.unready for item in replicas if not item.available), None)
    return replace(roll, blocker=unready, short=short)
