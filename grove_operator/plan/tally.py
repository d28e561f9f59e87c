"""What metrics tell of one replica: sums and gangs, made beside its statuses.

Owns the form only. A replica's pass gives one, `operator/fleet.py` adds them up by what changed, so
no metric ever costs a look at all objects. Refuses to count pods: `policy/availability.py` has.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

from grove_operator.api import conditions as c
from grove_operator.api.podgang import GangPhase
from grove_operator.observed import Child
from grove_operator.policy.availability import CliqueCounts


class Sums(NamedTuple):
    """Of one kind: replicas wanted, replicas available, and objects below their minimum."""

    wanted: int = 0
    available: int = 0
    breached: int = 0

    def plus(self, other: "Sums") -> "Sums":
        return Sums(
            self.wanted + other.wanted,
            self.available + other.available,
            self.breached + other.breached,
        )

    def minus(self, other: "Sums") -> "Sums":
        return Sums(
            self.wanted - other.wanted,
            self.available - other.available,
            self.breached - other.breached,
        )

    @classmethod
    def of_cliques(cls, counts: Iterable[CliqueCounts]) -> Self:
        wanted = available = breached = 0
        for item in counts:
            wanted += item.wanted
            available += item.ready
            breached += item.is_breached
        return cls(wanted, available, breached)

    @classmethod
    def of_group(cls, wanted: int, status: Mapping[str, Any]) -> Self:
        breached = c.is_true(status["conditions"], c.MIN_AVAILABLE_BREACHED)
        return cls(wanted, status["availableReplicas"], int(breached))


class GangTally(NamedTuple):
    """One PodGang as it is now. `before` is the phase that is stored, `since` when it was unplaced.

    Times are as in Kubernetes; `since` is empty for a gang that is placed.
    """

    name: str
    uid: str
    created: str
    phase: str
    before: str
    since: str = ""
    unhealthy: bool = False


@dataclass(frozen=True, slots=True)
class ReplicaTally:
    """One replica of a set."""

    available: bool
    cliques: Sums
    groups: Sums
    gangs: tuple[GangTally, ...]


def tally_gang(gang: Child, status: Mapping[str, Any]) -> GangTally:
    """`status` is the new one; most gangs run, and these need no look at conditions."""
    meta, phase, before = gang.meta, status["phase"], gang.status.get("phase") or ""
    if phase == GangPhase.RUNNING:
        return GangTally(meta.name, meta.uid, meta.created, phase, before)
    if c.is_true(gang.status.get("conditions") or (), c.UNHEALTHY):
        before = GangPhase.RUNNING  # it has been, and that is what counts
    unhealthy = c.is_true(status["conditions"], c.UNHEALTHY)
    since = ""
    if phase == GangPhase.PENDING:
        scheduled = c.find(status["conditions"], c.SCHEDULED) or {}
        since = scheduled.get("lastTransitionTime") or meta.created
    return GangTally(meta.name, meta.uid, meta.created, phase, before, since, unhealthy)
