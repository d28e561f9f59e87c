"""Counts and verdicts: how much of a clique, group or gang is placed, ready, up to date."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from grove_operator.api import labels
from grove_operator.observed import Pod

ENDED: Final = frozenset({"Failed", "Succeeded"})
"""Phases that a pod does not leave again."""


@dataclass(frozen=True, slots=True)
class CliqueCounts:
    """Pods of one PodClique, those being deleted left out. `wanted` is its spec.replicas."""

    wanted: int
    minimum: int
    total: int
    scheduled: int
    ready: int
    updated: int
    gated: int
    failing: int
    unready: int
    verdict: str
    outside: int = 0
    """Placed pods that are not in the PodGroup that new ones join: in another, or in none."""
    ended: int = 0
    """Pods that failed or succeeded and have yet to be replaced."""
    retried: int = 0
    """Ready pods that still carry how often pods before them had ended."""
    unready_pod: Pod | None = None
    """The first pod that is not ready."""
    as_made: int = 0
    """Pods from the template that the PodClique itself has, which may be older than the set's."""
    placed_since: str = ""
    """When the first of its placed pods was placed, or made where that is not told."""

    @property
    def enough_scheduled(self) -> bool:
        """A clique scaled below its minimum on purpose needs no more than it has."""
        return self.scheduled >= self.needed

    @property
    def enough_ready(self) -> bool:
        return self.ready >= self.needed

    @property
    def needed(self) -> int:
        return min(self.minimum, self.wanted)

    @property
    def complete(self) -> bool:
        return self.total >= self.wanted

    @property
    def healthy(self) -> int:
        """Placed pods that are not known to be broken; those still starting count."""
        return self.scheduled - self.failing - self.unready

    @property
    def is_breached(self) -> bool:
        return not self.enough_scheduled or self.healthy < self.needed


@dataclass(frozen=True, slots=True)
class Newest:
    """What a pod must carry to be up to date; `instance` is empty outside scaling groups."""

    template_hash: str
    instance: str = ""

    def made(self, pod: Pod) -> bool:
        """A pod without the mark of an instance was made before there were such marks."""
        meta = pod.meta
        return meta.labels.get(labels.TEMPLATE_HASH) == self.template_hash and (
            not self.instance
            or meta.annotations.get(labels.INSTANCE_HASH, self.instance) == self.instance
        )


def count_pods(
    pods: Iterable[Pod],
    wanted: int,
    minimum: int,
    newest: Newest,
    *,
    group: str = "",
    template_hash: str | None = None,
) -> CliqueCounts:
    """`group` is the PodGroup that new pods join; empty where there is none.

    `template_hash` is that of the PodClique as it is stored.
    """
    total = scheduled = ready = updated = gated = failing = unready = outside = ended = 0
    retried = as_made = 0
    verdict, lagging, first = "", None, ""
    for pod in pods:
        if pod.meta.deleting:
            continue
        total += 1
        updated += newest.made(pod)
        as_made += pod.meta.labels.get(labels.TEMPLATE_HASH) == template_hash
        if not pod.ready:
            lagging = lagging or pod
            if pod.phase in ENDED:
                ended += 1
                continue
        gated += labels.GATE in pod.gates
        if not pod.scheduled:
            verdict = verdict or pod.verdict
            continue
        since = pod.placed_since or pod.meta.created
        first = min(first, since) if scheduled else since
        scheduled += 1
        outside += pod.group != group
        if pod.ready:
            ready += 1
            retried += labels.TRIES in pod.meta.annotations
        elif pod.failing:
            failing += 1
        elif pod.started_unready:
            unready += 1
    return CliqueCounts(
        wanted=wanted,
        minimum=minimum,
        total=total,
        scheduled=scheduled,
        ready=ready,
        updated=updated,
        gated=gated,
        failing=failing,
        unready=unready,
        verdict=verdict,
        outside=outside,
        ended=ended,
        retried=retried,
        as_made=as_made,
        unready_pod=lagging,
        placed_since=first,
    )


@dataclass(frozen=True, slots=True)
class GangCounts:
    """A gang by its cliques: how many have what they need."""

    cliques: int
    scheduled: int
    ready: int
    initialized: bool
    short: tuple[str, ...]
    """PodCliques that lack placed pods."""
    unready: tuple[str, ...]

    @property
    def is_scheduled(self) -> bool:
        return self.initialized and self.scheduled == self.cliques

    @property
    def is_ready(self) -> bool:
        return self.is_scheduled and self.ready == self.cliques


def count_gang(cliques: Sequence[tuple[str, CliqueCounts | None]]) -> GangCounts:
    """`None` stands for a PodClique that does not exist yet."""
    known = [(name, counts) for name, counts in cliques if counts is not None]
    short = [name for name, counts in cliques if counts is None or not counts.enough_scheduled]
    unready = [name for name, counts in cliques if counts is None or not counts.enough_ready]
    return GangCounts(
        cliques=len(cliques),
        scheduled=len(cliques) - len(short),
        ready=len(cliques) - len(unready),
        initialized=len(known) == len(cliques) and all(counts.complete for _, counts in known),
        short=tuple(short),
        unready=tuple(unready),
    )
