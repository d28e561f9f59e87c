"""Says of each gang that is not ready why it is not: gathers what is known, and writes it down.

The rules are in `policy/reasons.py`. Only gangs that are not ready cost anything. A condition
appears with the first cause and goes with the last, so a gang that merely starts never has it.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

from grove_operator.api import conditions as c
from grove_operator.desired.claims import claims_of_pod
from grove_operator.desired.expansion import CliqueSlot, GangSlot
from grove_operator.observed import (
    Blocked,
    ReplicaSnapshot,
    ReplicaSummary,
    SetSnapshot,
)
from grove_operator.plan.context import ReplicaContext
from grove_operator.plan.devices import holds_pods
from grove_operator.plan.missingclaims import MissingClaims
from grove_operator.plan.motion import soonest
from grove_operator.plan.obstacles import CLAIMS_UNSERVED
from grove_operator.plan.schedulergroups import scheduler_problem
from grove_operator.plan.shortages import Shortages
from grove_operator.plan.startorder import IMAGE_MESSAGE
from grove_operator.policy.availability import CliqueCounts
from grove_operator.policy.reasons import Cause, CliqueView, Explanation, GangView, explain, tell
from grove_operator.policy.requests import claims_of
from grove_operator.scheduling.native import failed_attempt, pod_group_of

_OWNED: Final = frozenset({c.GANG_BLOCKED})
_NO_FAILURE: Final = ("", "")

Counts = Mapping[str, CliqueCounts]


class Blocking:
    """The explanations of one pass over one replica. `verdict_of` gives the scheduler's words."""

    def __init__(
        self,
        context: ReplicaContext,
        seen: ReplicaSnapshot,
        counts: Counts,
        verdict_of: Callable[[str], str],
    ) -> None:
        self._context = context
        self._seen = seen
        self._counts = counts
        self._verdict_of = verdict_of
        self._shortages = Shortages(context, seen, counts)
        self._missing = MissingClaims(context, seen)
        self.found = dict(self._explanations())

    def mark(self, gang: str, status: dict[str, Any]) -> dict[str, Any]:
        """The gang's status with the condition, or without it."""
        before = status.get("conditions") or ()
        found = self.found.get(gang)
        if not found or not found.causes:
            if c.find(before, c.GANG_BLOCKED) is None:
                return status
            ours = []
        else:
            reason, message = tell(found.causes)
            ours = [c.condition(c.GANG_BLOCKED, status=True, reason=reason, message=message)]
        merged = c.merge(before, ours, now=self._context.now, owned=_OWNED)
        return status | {"conditions": merged}

    def summarize(self, summary: ReplicaSummary) -> ReplicaSummary:
        """Note the worst gang for the set's own status."""
        blocked = [
            Blocked(found.causes[0].rank, gang, *tell(found.causes))
            for gang, found in self.found.items()
            if found.causes
        ]
        if not blocked:
            return summary
        return replace(summary, blocked=min(blocked), blocked_gangs=len(blocked))

    @property
    def wait(self) -> float | None:
        """Seconds until time alone may make a cause."""
        return soonest(*(found.wait for found in self.found.values()))

    # --- gathering -----------------------------------------------------------------------

    def _explanations(self) -> Iterator[tuple[str, Explanation]]:
        base: dict[str, Explanation] = {}
        for gang in self._context.slots.gangs:
            found = [self._counts.get(slot.name) for slot in gang.cliques]
            if all(item and item.enough_ready and item.enough_scheduled for item in found):
                continue
            causes = base[gang.base_gang].causes if gang.base_gang in base else ()
            explanation = explain(self._view(gang, causes), self._context.now)
            if gang.base_gang is None:
                base[gang.name] = explanation
            if explanation.causes or explanation.wait is not None:
                yield gang.name, explanation

    def _view(self, gang: GangSlot, base_causes: tuple[Cause, ...]) -> GangView:
        around = self._seen.surroundings
        names = _display_names(gang)
        cliques = tuple(self._clique_view(slot, names) for slot in gang.cliques)
        held = gang.base_gang is not None and any(
            view.counts.gated for view in cliques if view.counts is not None
        )
        refused_place = any(
            view.verdict and view.counts and not view.counts.enough_scheduled for view in cliques
        )
        return GangView(
            cliques,
            base=gang.base_gang or "" if held else "",
            base_causes=base_causes if held else (),
            refused=around.refused,
            shown=self._shown(gang),
            shortage=self._shortages.find(gang, names) if refused_place else None,
            unreachable=around.unreachable,
            untold=self._untold(gang),
        )

    def _untold(self, gang: GangSlot) -> tuple[str, str] | None:
        found = [self._counts.get(slot.name) for slot in gang.cliques]
        if all(counts and counts.enough_scheduled for counts in found):
            return None
        problem = scheduler_problem(self._context, self._seen, gang.name)
        return (problem.reason, problem.text) if problem else None

    def _clique_view(self, slot: CliqueSlot, names: Mapping[str, str]) -> CliqueView:
        counts = self._counts.get(slot.name)
        verdict, failure = "", _NO_FAILURE
        claims: tuple[str, ...] = ()
        missing, unsure = "", False
        if counts is not None and not counts.enough_scheduled:
            verdict = self._verdict_of(slot.name)
            group = self._seen.pod_groups.get(pod_group_of(slot, self._context.capabilities))
            if group is not None and not verdict:
                failure = failed_attempt(group.status)
            if failure[0]:
                claims = self._claims(slot)
            missing, unsure = self._missing.of(slot), self._missing.is_unsure(slot)
        return CliqueView(
            name=names[slot.name],
            counts=counts,
            pods=self._seen.pods.get(slot.name, ()),
            verdict=verdict,
            parents=tuple(names[parent] for parent in slot.starts_after if parent in names),
            failure=failure,
            claims=claims,
            unmade=self._unmade(slot),
            missing=missing,
            unsure=unsure,
        )

    def _unmade(self, slot: CliqueSlot) -> tuple[str, str]:
        """Why its pods are not even made, if that is our own decision."""
        if slot.name in self._context.order.blocked:
            return "StartOrderUnavailable", IMAGE_MESSAGE
        counts = self._counts.get(slot.name)
        if counts is not None and not counts.complete and holds_pods(self._context, slot):
            return CLAIMS_UNSERVED
        return "", ""

    def _claims(self, slot: CliqueSlot) -> tuple[str, ...]:
        """By name, those that pods of the PodClique use; of claims for single pods the first."""
        context = self._context
        shared = claims_of_pod(context.blueprint, slot, context.index, 0)
        return (*claims_of(context.cliques[slot.name].spec["podSpec"]), *shared)

    def _shown(self, gang: GangSlot) -> str:
        """Since when a scheduler may place the gang and has not been busy with others."""
        name = gang.base_gang or gang.name
        child = self._seen.gangs.get(name)
        active = self._seen.surroundings.active
        if child is None:
            return active
        placed = c.find(child.status.get("conditions") or (), c.SCHEDULED) or {}
        since = placed.get("lastTransitionTime") if gang.base_gang else None
        return max(str(since or child.meta.created), active)


def _display_names(gang: GangSlot) -> dict[str, str]:
    """The clique's own name where it is the only one of that name in the gang."""
    own = [slot.blueprint.name for slot in gang.cliques]
    if len(set(own)) == len(own):
        return dict(zip((slot.name for slot in gang.cliques), own, strict=True))
    number = Counter(own)
    return {
        slot.name: slot.blueprint.name if number[slot.blueprint.name] == 1 else slot.name
        for slot in gang.cliques
    }


def set_blocked(seen: SetSnapshot) -> Iterator[c.Condition]:
    """The set's own condition: its worst gang speaks for all."""
    found = [summary.blocked for summary in seen.blocked.values() if summary.blocked]
    if found:
        worst = min(found)
        number = sum(summary.blocked_gangs for summary in seen.blocked.values())
        more = f" ({number} gangs are blocked)" if number > 1 else ""
        message = f"{worst.gang}: {worst.message}{more}"
        yield c.condition(c.GANG_BLOCKED, status=True, reason=worst.reason, message=message)
