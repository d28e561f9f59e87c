"""Plans whose statuses wait for their moment, so that the moment needs no second look.

While thousands of replicas wait for a place, most passes come back only because a status was to be
held a while longer, or because others were being written. Nothing has changed since the last look
then, or somebody would have asked for one.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from grove_operator.desired.blueprint import SetBlueprint
from grove_operator.plan.actions import Plan


@dataclass(frozen=True, slots=True)
class _Parked:
    plan: Plan
    blueprint: SetBlueprint | None
    turn: int | None
    since: float


@dataclass(slots=True)
class Parking:
    """The waiting plans of one set, by replica."""

    clock: Callable[[], float] = time.monotonic
    _plans: dict[int, _Parked] = field(default_factory=dict)

    def put(
        self, replica: int, plan: Plan, blueprint: SetBlueprint | None, turn: int | None
    ) -> None:
        """Keep a plan that has nothing left to do but to write."""
        if not plan.actions:
            self._plans[replica] = _Parked(plan, blueprint, turn, self.clock())

    def take(self, replica: int, blueprint: SetBlueprint | None, turn: int | None) -> Plan | None:
        """Give the plan back, if time alone has not made another look worth while."""
        parked = self._plans.pop(replica, None)
        if parked is None or parked.blueprint is not blueprint or parked.turn != turn:
            return None
        plan = parked.plan
        if plan.recheck_after is None:
            return plan
        left = plan.recheck_after - (self.clock() - parked.since)
        return replace(plan, recheck_after=left) if left > 0 else None

    def drop(self, replica: int) -> None:
        self._plans.pop(replica, None)
