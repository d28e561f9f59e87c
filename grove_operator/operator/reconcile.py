"""The operator in one page: take a snapshot, plan, apply, write statuses.

A key names one replica of a PodCliqueSet, or the set as a whole. Whatever happens to an object only
puts its key on the queue; a pass then looks at everything that the key stands for and does what is
missing, so lost, repeated or late events change nothing. Actions go out at once, statuses when the
replica has been quiet for a moment: a burst of events becomes one write.
"""

import time
from collections.abc import Callable, Collection
from dataclasses import replace
from typing import Final, TypeVar

from grove_operator import metrics
from grove_operator.cluster.applier import Applier, Report, describe, refusal
from grove_operator.cluster.events import Recorder
from grove_operator.cluster.store import Family, Store
from grove_operator.observed import (
    Child,
    Kind,
    ReplicaSnapshot,
    ReplicaSummary,
    SetSnapshot,
    Surroundings,
)
from grove_operator.operator.attention import NODES, Attention, Key
from grove_operator.operator.families import Known
from grove_operator.operator.fleet import Fleet
from grove_operator.operator.lane import Lane
from grove_operator.operator.queue import WorkQueue
from grove_operator.operator.stories import tell_activity, tell_failure, tell_news, tell_rejection
from grove_operator.plan.actions import Plan
from grove_operator.plan.podcliqueset import SetFacts, plan_set, rejected_status, release_set
from grove_operator.plan.replica import plan_replica
from grove_operator.policy.pacing import Pace, is_strained, status_delay
from grove_operator.scheduling.native import Capabilities

Snapshot = TypeVar("Snapshot", ReplicaSnapshot, SetSnapshot)

_LOOKS: Final = 8
"""Looks in one pass: each does what the last one made possible. More would be going in circles."""


class Reconciler:
    """`on_lack` is called when the first set names a scheduler that the cluster does not have."""

    def __init__(
        self,
        store: Store,
        applier: Applier,
        queue: WorkQueue[Key],
        recorder: Recorder,
        now: Callable[[], str],
        pace: Pace,
    ) -> None:
        self.store = store
        self.applier = applier
        self.queue = queue
        self.recorder = recorder
        self.now = now
        self.capabilities = Capabilities()
        self.attention = Attention(store, queue, pace, now, lambda: applier.latency)
        self.on_lack: Callable[[], None] = lambda: None
        self.lacking: set[Family] = set()
        """Sets whose scheduler the cluster does not have."""
        self.fleet = Fleet()
        self._stale: set[Key] = set()
        self._lane: Lane[Key] = Lane(
            lambda: is_strained(applier.latency), lambda key: queue.add(key, again=True)
        )

    async def reconcile(self, key: Key) -> None:
        """One pass over one key. Raises only on bugs; what must wait is put back on the queue."""
        if key == NODES:
            self.attention.look_at_blocked()
            return
        started = time.perf_counter()
        try:
            outcome = await (
                self._reconcile_set(key) if key.whole else self._reconcile_replica(key)
            )
        finally:
            self._lane.wake()
        kind = "PodCliqueSet" if key.whole else "Replica"
        metrics.count_reconcile(kind, outcome, time.perf_counter() - started)

    async def _reconcile_replica(self, key: Key) -> str:
        known = self.attention.knowledge(key.family)
        if known.problems:
            return "rejected"
        parked = known.parking.take(key.replica, known.blueprint, known.turn)
        if parked is not None and not self.queue.is_asked(key):
            return await self._conclude(key, known, parked, Report())
        plan, report = await self._carry_out(key, known, self._plan_replica)
        if report.namespace_ends:
            return self._leave(key)
        self.fleet.file(key, plan.tally)
        summary = plan.summary
        if report.failures:
            code, text = describe(*report.failures[0])
            summary = replace(summary or ReplicaSummary(), problem=text, problem_code=code)
        before = known.summaries.get(key.replica)
        if known.summarize(key.replica, summary):
            self.attention.touch_set(key, at_once=self.attention.may_hand_on(key, before, summary))
        return await self._conclude(key, known, plan, report)

    async def _reconcile_set(self, key: Key) -> str:
        family, known = key.family, self.attention.knowledge(key.family)
        record = self.store.the_set(family)
        self.fleet.reject(family, rejected=record is not None and bool(known.problems))
        self.fleet.follow(family, record.status if record is not None else {})
        self._note_lack(family, known)
        if record is None:
            self.attention.look_at_replicas(family, known)
            self.attention.forget(key)
            return "gone"
        if known.problems:
            return await self._reject(key, record, known)
        plan, report = await self._carry_out(key, known, self._plan_set)
        if report.namespace_ends:
            return self._leave(key)
        errors = tuple(describe(*failure) for failure in report.failures)
        if errors != known.errors:
            known.errors = errors
            plan = self._plan_set(key, known)
        if not known.has_counted(self.store.replicas, family):
            # A new process would tell of nothing but zeros; the last replica's pass comes back.
            plan = replace(plan, statuses=(), urgent=False, wake=frozenset(), turn=known.turn)
        if plan.turn != known.turn:
            known.turn = plan.turn
            if plan.turn is not None:
                self.queue.add(Key(*family, plan.turn))
        return await self._conclude(key, known, plan, report)

    def _note_lack(self, family: Family, known: Known) -> None:
        blueprint, before = known.blueprint, bool(self.lacking)
        if blueprint is not None and self.capabilities.profiles.lacks(blueprint.scheduler):
            self.lacking.add(family)
        else:
            self.lacking.discard(family)
        if self.lacking and not before:
            self.on_lack()

    async def _carry_out(
        self, key: Key, known: Known, look: Callable[[Key, Known], Plan]
    ) -> tuple[Plan, Report]:
        """Look and act until nothing is left to do, or something is in the way."""
        report = Report()
        plan = look(key, known)
        for _ in range(_LOOKS):
            if not plan.actions:
                if known.refused.pop(key.replica, None):
                    plan = look(key, known)
                break
            report = await self.applier.apply(key.namespace, plan.actions, known.pace)
            known.done.update(report.done)
            known.note_refusal(key.replica, refusal(report))
            if report.pods_removed:
                tell_news(self.recorder, key.namespace, plan.news)
            self.attention.touch(key)
            plan = look(key, known)
            if report.failures or report.stale or not report.done:
                break
        return plan, report

    def _plan_replica(self, key: Key, known: Known) -> Plan:
        self.queue.answer(key)
        attention = self.attention
        seen = replace(
            self._with_templates(self.store.snapshot(key.family, key.replica)),
            turn=known.turn,
            surroundings=Surroundings(
                nodes=attention.nodes.by_name,
                free=attention.occupancy,
                unreachable=attention.nodes.unreachable,
                active=attention.active.get(known.blueprint.scheduler, "")
                if known.blueprint
                else "",
                refused=known.refused.get(key.replica, ""),
                claims=attention.claims.known,
                set_claims=self._set_claims(key, known),
                answers=attention.occupancy.answers,
            ),
        )
        return plan_replica(known.blueprint, key.replica, seen, self.capabilities, self.now())

    def _plan_set(self, key: Key, known: Known) -> Plan:
        self.queue.answer(key)
        record = self.store.the_set(key.family)
        if record is None or known.blueprint is None:
            return Plan()
        children = self.store.set_children(key.family)
        facts = SetFacts(self.capabilities, self.now(), known.errors)
        seen = self._with_templates(known.picture(children))
        return plan_set(known.blueprint, record, seen, facts)

    def _with_templates(self, seen: Snapshot) -> Snapshot:
        """Show the ResourceClaimTemplates to the planner."""
        return replace(seen, claim_templates=self.attention.templates.known)

    def _set_claims(self, key: Key, known: Known) -> Collection[str]:
        """Those that all replicas share, for a set that has any."""
        if known.blueprint is None or all(claim.per_copy for claim in known.blueprint.claims):
            return ()
        return self.store.set_children(key.family).get(Kind.RESOURCE_CLAIM, {}).keys()

    async def _reject(self, key: Key, record: Child, known: Known) -> str:
        """Say what is wrong with a spec, leave all that runs alone, and let it be deleted."""
        if record.meta.deleting:
            plan = release_set(record)
            report = await self.applier.apply(key.namespace, plan.actions, known.pace)
        else:
            plan = rejected_status(record, known.problems, self.now())
            tell_rejection(self.recorder, record, known.problems, plan)
            report = await self.applier.write_statuses(key.namespace, plan.statuses)
        if report.failures or report.stale:
            self.queue.retry(key)
        return "rejected"

    def _leave(self, key: Key) -> str:
        """Its namespace is being deleted, so a status would tell nobody; see whether it stays."""
        self.queue.retry(key)
        return "ends"

    async def _conclude(self, key: Key, known: Known, plan: Plan, report: Report) -> str:
        """Write statuses, whatever happened; then decide whether to come back.

        A conflict means look again; a failure is told to users and tried again after a while.
        """
        written = await self._write_statuses(key, known, plan)
        failures = report.failures or written.failures
        if failures or report.stale:
            known.parking.drop(key.replica)
        if failures:
            action, error = failures[0]
            metrics.count_error(str(action.kind), error.reason or "Unknown")
            tell_failure(self.recorder, self.store.the_set(key.family), action, error)
            self.queue.retry(key)
            return "error"
        if report.stale or written.stale:
            self._look_again(key)
            return "conflict"
        self._stale.discard(key)
        if plan.recheck_after is not None:
            wait = max(plan.recheck_after, self.attention.pace.debounce)
            self.queue.add(key, delay=wait, again=True)
        return "ok"

    def _look_again(self, key: Key) -> None:
        """At once the first time; a cache that stays behind is given time to catch up."""
        if key in self._stale:
            self.queue.retry(key)
        else:
            self._stale.add(key)
            self.queue.add(key, delay=self.attention.pace.debounce)

    def _park(self, key: Key, known: Known, plan: Plan) -> None:
        if not key.whole:
            known.parking.put(key.replica, plan, known.blueprint, known.turn)

    async def _write_statuses(self, key: Key, known: Known, plan: Plan) -> Report:
        """Write what differs once things are quiet; until then ask to be called again."""
        wait = status_delay(
            self.attention.changes(key),
            self.attention.pace,
            settled=plan.settled or plan.prompt,
            latency=self.applier.latency,
            moving=plan.moving,
            crowd=known.blueprint.replicas if known.blueprint is not None else 0,
        )
        differs = bool(plan.statuses or plan.later)
        if differs and wait > 0 and not plan.urgent:
            self.queue.add(key, delay=wait, again=True)
            self._park(key, known, plan)
            return Report()
        if differs and not self._lane.enter(key, urgent=plan.urgent):
            self._park(key, known, plan)
            return Report()
        self.attention.touched.pop(key, None)
        for event in plan.events:
            self.recorder.record(key.namespace, event)
        if key.whole:
            tell_activity(self.recorder, self.store.the_set(key.family), known.done)
        if not differs:
            return Report()
        try:
            written = await self.applier.write_statuses(key.namespace, plan.statuses)
            if plan.later:
                written.take_over(await self.applier.apply(key.namespace, plan.later, known.pace))
        finally:
            self._lane.leave()
        if plan.urgent:
            self.queue.add(key)  # the next step was waiting for this
        for replica in plan.wake:
            # Who has no turn has nothing to do but to tell of it.
            soon = self.attention.has_turn(key.family, replica)
            delay = 0.0 if soon else self.attention.pace.quiet
            self.queue.add(Key(key.namespace, key.name, replica), delay=delay)
        return written
