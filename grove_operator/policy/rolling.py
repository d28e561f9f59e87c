"""The steps of an update: which pods, and which replicas of a scaling group, are replaced now.

What serves nobody is replaced at once. What is ready goes one at a time: the next is removed when
the successor of the last one is ready, and only while more than the minimum is ready (or, where the
minimum is all there is, while all of it is). What is taken is written down before it is deleted, so
a restart takes nothing twice; the next is chosen, and written down, while the last one's successor
still starts. Readiness is what a pod says now, not how an earlier container of it ended.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

from grove_operator.api import labels
from grove_operator.observed import Pod

_WATCHED: Final = 2
"""Pods taken last whose successors are waited for: the last may have ended before its turn came."""
REMEMBERED: Final = 64
"""Replaced pods that a status lists; a clique of thousands must not carry a list of thousands."""


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
    """One step for the pods of a clique. `taken` is to be stored before that pod is removed."""

    remove: tuple[Pod, ...] = ()
    taken: str | None = None
    blocker: Pod | None = None
    """The pod that must become ready first."""
    short: str = ""
    """Why no other pod may be taken, if too few are ready."""
    done: bool = False


def roll_pods(
    pods: Sequence[Pod],
    floor: Floor,
    target: str,
    taken: str | None,
    completed: Sequence[str] = (),
) -> PodRoll:
    """`pods` are those not being deleted, `taken` the stored name of the pod in hand.

    `completed` names those that were in hand before it.
    """
    new = [pod for pod in pods if pod.meta.labels.get(labels.TEMPLATE_HASH) == target]
    old = [pod for pod in pods if pod.meta.labels.get(labels.TEMPLATE_HASH) != target]
    idle = tuple(pod for pod in old if not pod.ready)
    serving = sorted((pod for pod in old if pod.ready), key=_age)
    in_hand = next((pod for pod in serving if pod.meta.name == taken), None)
    ready = len(serving) + sum(pod.ready for pod in new)
    short = f"{ready} of {floor.wanted} pods are ready and {floor.needed} must stay so"
    gone = list(completed[-_WATCHED:])
    if in_hand is None and taken is not None:
        gone = [*completed[1 - _WATCHED :], taken]
    blocker = _unready(new, gone)
    if gone and not _succeeded(serving, new, floor, gone):
        chosen = serving[0].meta.name if serving and in_hand is None else taken
        return PodRoll(idle, chosen, blocker)
    if in_hand is not None:
        if floor.allows_one_less(ready):
            return PodRoll((*idle, in_hand), taken)
        return PodRoll(idle, taken, blocker, short)
    if not serving:
        return PodRoll(idle, taken, done=not idle)
    if floor.allows_one_less(ready):
        return PodRoll(idle, serving[0].meta.name)
    return PodRoll(idle, taken, blocker, short)


def _succeeded(
    serving: Sequence[Pod], new: Sequence[Pod], floor: Floor, gone: Sequence[str]
) -> bool:
    """Whether the pods that replace the last ones taken are ready.

    Where the successor of the last one is not known, after a restart or a second replacement, all
    must be ready.
    """
    heirs = [pod for pod in new if pod.meta.annotations.get(labels.REPLACES) in gone]
    if any(pod.meta.annotations[labels.REPLACES] == gone[-1] for pod in heirs):
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


@dataclass(frozen=True, slots=True)
class GroupRoll:
    """One step for a scaling group. `move` are the replicas that follow the template now."""

    move: frozenset[int] = frozenset()
    taken: int | None = None
    blocker: Pod | None = None
    short: str = ""
    done: bool = False


def roll_group(replicas: Sequence[GroupReplica], floor: Floor, taken: int | None) -> GroupRoll:
    """Like `roll_pods`, by whole replicas; lowest index first."""
    idle = frozenset(item.index for item in replicas if item.old and not item.available)
    serving = [item for item in replicas if item.old and item.available]
    in_hand = next((item for item in replicas if item.index == taken), None)
    available = sum(item.available for item in replicas)
    unready = next((item.unready for item in replicas if not item.available), None)
    short = f"{available} of {floor.wanted} replicas are available and {floor.needed} must stay so"
    if in_hand is not None and in_hand.old:
        if in_hand.available and not floor.allows_one_less(available):
            return GroupRoll(idle, taken, unready, short)
        return GroupRoll(idle | {in_hand.index}, taken)
    if in_hand is not None and not in_hand.available:
        return GroupRoll(idle, taken, in_hand.unready)
    if not serving:
        return GroupRoll(idle, taken, done=not idle)
    if floor.allows_one_less(available):
        return GroupRoll(idle, serving[0].index)
    return GroupRoll(idle, taken, unready, short)
