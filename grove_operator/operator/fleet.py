"""What metrics tell of all sets together: gangs by phase, replicas wanted and available, and waits.

Each pass over a replica files its tally; the totals move by the difference to the one before, so a
pass pays for its own replica only, and a scrape for those that wait. Refuses to know single objects
beyond what it needs to count a gang's first placement and first readiness once.
"""

import time
from collections import Counter
from collections.abc import Callable, Hashable, Mapping
from datetime import datetime
from typing import Any, Final

from grove_operator import metrics
from grove_operator.api import conditions as c
from grove_operator.api.podgang import GangPhase
from grove_operator.observed import Kind
from grove_operator.plan.tally import GangTally, ReplicaTally, Sums

_NEW, _PLACED, _READY = range(3)
_STAGES: Final[Mapping[str, int]] = {GangPhase.STARTING: _PLACED, GangPhase.RUNNING: _READY}
"""How far a gang is in its life, by phase; it never goes back."""


class Fleet:
    """Keys are replicas. `clock` gives seconds since 1970, to compare with creation times."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._tallies: dict[Hashable, ReplicaTally] = {}
        self._stages: dict[Hashable, dict[str, int]] = {}
        self._waiting: dict[Hashable, str] = {}
        self._rejected: set[Hashable] = set()
        self._updates: dict[Hashable, tuple[str, bool]] = {}
        """By set: when its update began, and whether something is in its way."""
        self._phases: Counter[str] = Counter()
        self._unhealthy = 0
        self._available = 0
        self._cliques = Sums()
        self._groups = Sums()

    def file(self, key: Hashable, tally: ReplicaTally | None) -> None:
        """Take what a pass has found of a replica; None if there should be no such replica."""
        old = self._tallies.get(key)
        if tally == old:
            return
        if old is not None:
            self._subtract(old)
        if tally is None:
            for known in (self._tallies, self._stages, self._waiting):
                known.pop(key, None)
            return
        self._tallies[key] = tally
        self._add(tally)
        before = self._stages.get(key, {})
        self._stages[key] = {gang.uid: self._advance(gang, before) for gang in tally.gangs}
        since = min((gang.since for gang in tally.gangs if gang.since), default="")
        if since:
            self._waiting[key] = since
        else:
            self._waiting.pop(key, None)

    def reject(self, family: Hashable, *, rejected: bool) -> None:
        """Note whether the set's spec can be carried out."""
        if rejected:
            self._rejected.add(family)
        else:
            self._rejected.discard(family)

    def follow(self, family: Hashable, status: Mapping[str, Any]) -> None:
        """Note from a set's stored status whether an update is under way."""
        progress = status.get("updateProgress") or {}
        if not progress or progress.get("updateEndedAt"):
            began = self._updates.pop(family, None)
            if began is not None and progress:
                metrics.observe_update(self._since(began[0]))
            return
        updating = c.find(status.get("conditions") or (), c.UPDATING) or {}
        self._updates[family] = progress["updateStartedAt"], updating.get("reason") == "Waiting"

    def measure(self) -> None:
        """Set the gauges; called before each scrape."""
        phases = {str(phase): self._phases[phase] for phase in GangPhase}
        oldest = min(self._waiting.values(), default="")
        metrics.set_gangs(phases, self._unhealthy, self._since(oldest) if oldest else 0.0)
        metrics.set_replicas(Kind.SET, len(self._tallies), self._available)
        for kind, sums in ((Kind.CLIQUE, self._cliques), (Kind.SCALING_GROUP, self._groups)):
            metrics.set_replicas(kind, sums.wanted, sums.available)
            metrics.set_breached(kind, sums.breached)
        waiting = sum(waits for _, waits in self._updates.values())
        first = min((began for began, _ in self._updates.values()), default="")
        age = self._since(first) if first else 0.0
        metrics.set_updates(len(self._updates) - waiting, waiting, age)
        metrics.set_sets_rejected(len(self._rejected))

    def _add(self, tally: ReplicaTally) -> None:
        self._phases.update(gang.phase for gang in tally.gangs)
        self._unhealthy += sum(gang.unhealthy for gang in tally.gangs)
        self._available += tally.available
        self._cliques = self._cliques.plus(tally.cliques)
        self._groups = self._groups.plus(tally.groups)

    def _subtract(self, tally: ReplicaTally) -> None:
        self._phases.subtract(gang.phase for gang in tally.gangs)
        self._unhealthy -= sum(gang.unhealthy for gang in tally.gangs)
        self._available -= tally.available
        self._cliques = self._cliques.minus(tally.cliques)
        self._groups = self._groups.minus(tally.groups)

    def _advance(self, gang: GangTally, before: Mapping[str, int]) -> int:
        """How far the gang has come; what it passed since the last look is measured.

        Of a gang that this process has not met, the stored phase tells what was measured before.
        """
        old = before.get(gang.uid)
        if old is None:
            old = _STAGES.get(gang.before, _NEW)
        new = max(old, _STAGES.get(gang.phase, _NEW))
        if new > old:
            seconds = self._since(gang.created)
            if old < _PLACED:
                metrics.observe_gang_scheduled(seconds)
            if new == _READY:
                metrics.observe_gang_ready(seconds)
        return new

    def _since(self, moment: str) -> float:
        """Seconds since a time as Kubernetes writes it; clocks may differ, but not below zero."""
        return max(0.0, self._clock() - datetime.fromisoformat(moment).timestamp())
