"""What the pods of a PodClique wait for before they start.

A parent that was scaled below its minimum can never have that many ready pods, so what counts is
the smaller number, and a parent at zero is not waited for. A pod that was told to wait for more
makes way for one that knows better.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from grove_operator.api import labels
from grove_operator.api.conditions import Condition
from grove_operator.desired.startorder import Needs, read_needs
from grove_operator.observed import Pod
from grove_operator.policy.availability import CliqueCounts

Counts = Mapping[str, CliqueCounts]


@dataclass(frozen=True, slots=True)
class StartOrder:
    """Keys are names of PodCliques that start after others."""

    needs: Mapping[str, Needs] = field(default_factory=dict)
    blocked: frozenset[str] = frozenset()
    """PodCliques whose pods cannot be made, because what would wait in them is not known."""
    conditions: Mapping[str, Condition] = field(default_factory=dict)
    removals: Mapping[str, str] = field(default_factory=dict)
    """UIDs of pods that make way for new ones, and why."""


NO_ORDER: Final = StartOrder()


def find_needs(parents: Iterable[str], counts: Counts) -> Needs:
    """How many ready pods of each parent; nothing of a parent that does not exist now."""
    found = ((name, counts[name].needed) for name in parents if name in counts)
    return tuple((name, needed) for name, needed in found if needed > 0)


def lacking(needs: Needs, counts: Counts) -> Needs:
    """The parents that have fewer ready pods."""
    return tuple((name, needed) for name, needed in needs if counts[name].ready < needed)


def asks_too_much(pod: Pod, parents: Collection[str], counts: Counts) -> bool:
    """Whether a pod that has not started waits for more than `parents` will ever have.

    Its arguments cannot be changed. A parent that is just being made anew is no reason.
    """
    told = pod.meta.annotations.get(labels.WAITS_FOR)
    if told is None or pod.phase != "Pending" or pod.meta.deleting:
        return False
    return any(
        counts[name].needed < needed if name in counts else name not in parents
        for name, needed in read_needs(told).items()
    )
