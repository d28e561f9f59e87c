"""The operator in one page: take a snapshot, plan, apply, write statuses.

A key names one replica of a PodCliqueSet, or the set as a whole. Whatever happens to an object only
puts its key on the queue; a pass then looks at everything that the key stands for and does what is
missing, so lost, repeated or late events change nothing. Actions go out at once, statuses when the
replica has been quiet for a moment: a burst of events becomes one write.
"""

import asyncio
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Final, NamedTuple, TypeVar

from grove_operator import metrics
from grove_operator.api.labels import DEFAULT_SCHEDULER
from grove_operator.cluster.applier import Applier, Report, describe, refusal
from grove_operator.cluster.claimtemplates import TemplateCache
from grove_operator.cluster.events import Recorder
from grove_operator.cluster.nodes import Nodes
from grove_operator.cluster.occupancy import Occupancy
from grove_operator.cluster.store import WHOLE_SET, Family, Place, Store
from grove_operator.desired.blueprint import SetBlueprint
from grove_operator.observed import (
    Child,
    Kind,
    Node,
    Pod,
    Record,
    ReplicaSnapshot,
    ReplicaSummary,
    SetSnapshot,
    Surroundings,
)
from grove_operator.operator.families import Known
from grove_operator.operator.fleet import Fleet
from grove_operator.operator.lane import Lane
from grove_operator.operator.queue import WorkQueue
from grove_operator.operator.stories import tell_activity, tell_failure, tell_news, tell_rejection
from grove_operator.plan.actions import Plan
from grove_operator.plan.motion import is_updating
from grove_operator.plan.podcliqueset import SetFacts, plan_set, rejected_status, release_set
from grove_operator.plan.replica import plan_replica
from grove_operator.policy.pacing import Changes, Pace, is_strained, status_delay
from grove_operator.policy.turns import holder
from grove_operator.scheduling.native import Capabilities

Snapshot = TypeVar("Snapshot", ReplicaSnapshot, SetSnapshot)

_LOOKS: Final = 8
"""Looks in one pass: each does what the last one made possible. More would be going in circles."""


_GROUPS: Final = frozenset({Kind.POD_GROUP, Kind.KAI_POD_GROUP, Kind.VOLCANO_POD_GROUP})


class Key(NamedTuple):
    """One replica of a set; `replica` is WHOLE_SET for the set itself."""

    namespace: str
    name: str
    replica: int

    @property
    def family(self) -> Family:
        return Family(self.namespace, self.name)


class Reconciler:
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
        self.pace = pace
        self.capabilities = Capabilities()
        self.default_scheduler = DEFAULT_SCHEDULER
        self.on_lack: Callable[[], None] = lambda: None
        """Called when the first set names a scheduler that the cluster does not have."""
        self.lacking: set[Family] = set()
        """Sets whose scheduler the cluster does not have."""
        self.fleet = Fleet()
        self.nodes = Nodes(self._node_changed)
        self.occupancy = Occupancy(self.nodes, store)
        self._active: dict[str, str] = {}
        self.templates = TemplateCache(self._look_at_family)
        self._known: dict[Family, Known] = {}
        self._touched: dict[Key, tuple[float, float]] = {}
        self._stale: set[Key] = set()
        self._lane: Lane[Key] = Lane(lambda: is_strained(applier.latency), queue.add)

    async def reconcile(self, key: Key) -> None:
        """One pass over one key. Raises only on bugs; what must wait is put back on the queue."""
        started = time.perf_counter()
        whole = key.replica == WHOLE_SET
        try:
            outcome = await (self._reconcile_set(key) if whole else self._reconcile_replica(key))
        finally:
            self._lane.wake()
        kind = "PodCliqueSet" if whole else "Replica"
        metrics.count_reconcile(kind, outcome, time.perf_counter() - started)

    async def _reconcile_replica(self, key: Key) -> str:
        known = self._knowledge(key.family)
        if known.problems:
            return "rejected"
        plan, report = await self._carry_out(key, known, self._plan_replica)
        self.fleet.file(key, plan.tally)
        summary = plan.summary
        if report.failures:
            code, text = describe(*report.failures[0])
            summary = replace(summary or ReplicaSummary(), problem=text, problem_code=code)
        before = known.summaries.get(key.replica)
        if known.summarize(key.replica, summary):
            self._touch_set(key, at_once=self._may_hand_on(key, before, summary))
        return await self._conclude(key, known, plan, report)

    async def _reconcile_set(self, key: Key) -> str:
        family, known = key.family, self._knowledge(key.family)
        record = self.store.the_set(family)
        self.fleet.reject(family, rejected=record is not None and bool(known.problems))
        self.fleet.follow(family, record.status if record is not None else {})
        self._note_lack(family, known)
        if record is None:
            self._look_at_replicas(family, known)
            self._touched.pop(key, None)
            if not self.store.replicas(family):
                self._known.pop(family, None)
            return "gone"
        if known.problems:
            return await self._reject(key, record, known)
        plan, report = await self._carry_out(key, known, self._plan_set)
        errors = tuple(describe(*failure) for failure in report.failures)
        if errors != known.errors:
            known.errors = errors
            plan = self._plan_set(key, known)
        if not known.looked.issuperset(self.store.replicas(family)):
            # A new process would tell of nothing but zeros; the last replica's pass comes back.
            plan = replace(plan, statuses=(), urgent=False, wake=frozenset())
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
        """Look and act until nothing is left to do, or something is in the way.

        What an update takes next is stored beside actions; its removal comes with the next look.
        """
        report = Report()
        plan = look(key, known)
        for _ in range(_LOOKS):
            beside = plan.statuses if plan.urgent and key.replica != WHOLE_SET else ()
            if not plan.actions and not beside:
                if known.refused.pop(key.replica, None):
                    plan = look(key, known)
                break
            report, written = await asyncio.gather(
                self.applier.apply(key.namespace, plan.actions, known.pace),
                self.applier.write_statuses(key.namespace, beside),
            )
            known.done.update(report.done)
            known.note_refusal(key.replica, refusal(report))
            report.failures += written.failures
            report.stale |= written.stale
            if not report.failures and not report.stale:
                tell_news(self.recorder, key.namespace, plan.news)
            self._touch(key)
            plan = look(key, known)
            if report.failures or report.stale:
                break
        return plan, report

    def _plan_replica(self, key: Key, known: Known) -> Plan:
        seen = replace(
            self._with_templates(key, known, self.store.snapshot(key.family, key.replica)),
            surroundings=Surroundings(
                self.nodes.by_name,
                self.occupancy,
                self.nodes.unreachable,
                self._active.get(known.blueprint.scheduler, "") if known.blueprint else "",
                known.refused.get(key.replica, ""),
            ),
        )
        return plan_replica(known.blueprint, key.replica, seen, self.capabilities, self.now())

    def _plan_set(self, key: Key, known: Known) -> Plan:
        record = self.store.the_set(key.family)
        if record is None or known.blueprint is None:
            return Plan()
        children = self.store.set_children(key.family)
        facts = SetFacts(self.capabilities, self.now(), known.errors)
        seen = self._with_templates(key, known, known.picture(children))
        return plan_set(known.blueprint, record, seen, facts)

    def _with_templates(self, key: Key, known: Known, seen: Snapshot) -> Snapshot:
        """Show the ResourceClaimTemplates to the planner, if the set names any."""
        if known.blueprint is None or not known.blueprint.claim_sources:
            return seen
        return replace(seen, claim_templates=self.templates.for_set(key.family))

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

    async def _conclude(self, key: Key, known: Known, plan: Plan, report: Report) -> str:
        """Write statuses, whatever happened; then decide whether to come back.

        A conflict means look again; a failure is told to users and tried again after a while.
        """
        written = await self._write_statuses(key, known, plan)
        failures = report.failures or written.failures
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
            self.queue.add(key, delay=max(plan.recheck_after, self.pace.debounce))
        return "ok"

    def _look_again(self, key: Key) -> None:
        """At once the first time; a cache that stays behind is given time to catch up."""
        if key in self._stale:
            self.queue.retry(key)
        else:
            self._stale.add(key)
            self.queue.add(key, delay=self.pace.debounce)

    async def _write_statuses(self, key: Key, known: Known, plan: Plan) -> Report:
        """Write what differs once things are quiet; until then ask to be called again."""
        now = time.monotonic()
        changes = Changes(*self._touched.setdefault(key, (now, now - self.pace.quiet)), now)
        latency = self.applier.latency
        settled = plan.settled or plan.prompt
        wait = status_delay(
            changes, self.pace, settled=settled, latency=latency, moving=plan.moving
        )
        if plan.statuses and wait > 0 and not plan.urgent:
            self.queue.add(key, delay=wait)
            return Report()
        if plan.statuses and not self._lane.enter(key, urgent=plan.urgent):
            return Report()
        if not plan.urgent or key.replica == WHOLE_SET:
            self._touched.pop(key, None)  # what is urgent of a replica is not all of it
        for event in plan.events:
            self.recorder.record(key.namespace, event)
        if key.replica == WHOLE_SET:
            tell_activity(self.recorder, self.store.the_set(key.family), known.done)
        if not plan.statuses:
            return Report()
        try:
            written = await self.applier.write_statuses(key.namespace, plan.statuses)
        finally:
            self._lane.leave()
        if plan.urgent:
            self.queue.add(key)  # the next step was waiting for this
        for replica in plan.wake:
            self.queue.add(Key(key.namespace, key.name, replica))
        return written

    # --- bookkeeping -----------------------------------------------------------------------

    def changed(self, place: Place, kind: Kind, old: Record | None, new: Record | None) -> None:
        """The store's listener: something is worth a look."""
        self.occupancy.changed(place, kind, old, new)
        key = Key(*place.family, place.replica)
        self._touch(key)
        self.queue.add(key, delay=self._patience(place, kind, old, new))

    def _patience(self, place: Place, kind: Kind, old: Record | None, new: Record | None) -> float:
        """How long the look may wait so that more changes go into it.

        What a scheduler says of a group changes statuses only; so does a living pod that became
        ready, or placed in a set whose gangs do not wait for each other. Statuses wait longer
        anyway while the API server is slow. An update's next step waits for nothing but a pod
        that becomes ready.
        """
        slow = is_strained(self.applier.latency)
        patience = self.pace.longest if slow else self.pace.quiet
        if kind in _GROUPS and old is not None and new is not None:
            return patience
        if isinstance(old, Pod) and isinstance(new, Pod) and old.meta.deleting == new.meta.deleting:
            if new.ready and not old.ready and self._has_turn(place):
                return 0.0
            known = self._known.get(place.family)
            waiting = known is None or known.blueprint is None or known.blueprint.groups
            if known and known.blueprint and new.scheduled and not old.scheduled:
                self._active[known.blueprint.scheduler] = self.now()
            if old.scheduled == new.scheduled or not waiting:
                return patience
        return self.pace.debounce

    def _has_turn(self, place: Place) -> bool:
        record = self.store.the_set(place.family)
        return record is not None and holder(record.status.get("updateProgress")) == place.replica

    def _node_changed(self, old: Node | None, new: Node | None) -> None:
        """A node that falls silent or comes back concerns its pods, any change those that wait."""
        node = new or old
        if node is None:
            return
        self.occupancy.node_changed(node.name)
        if (old.unreachable_since if old else "") != (new.unreachable_since if new else ""):
            for place in self.occupancy.places(node.name):
                self.queue.add(Key(*place.family, place.replica), delay=self.pace.quiet)
        for family, known in self._known.items():
            for replica in known.blocked:
                self.queue.add(Key(*family, replica), delay=self.pace.longest)

    def _touch(self, key: Key) -> None:
        """Remember that the key's objects are changing, so that statuses wait for the end of it."""
        moment = time.monotonic()
        first, _ = self._touched.get(key, (moment, moment))
        self._touched[key] = (first, moment)

    def look_at_everything(self) -> None:
        """For a new leader, and when what the cluster offers has changed."""
        for family in self.store.families():
            self.queue.add(Key(*family, WHOLE_SET))
            for replica in self.store.replicas(family):
                self.queue.add(Key(*family, replica))

    def look_at_topology(self, name: str) -> None:
        """A ClusterTopologyBinding has changed: look at the sets that name it, or may mean it."""
        for family, known in self._known.items():
            blueprint = known.blueprint
            if blueprint is None:
                continue
            packing = blueprint.packing
            if blueprint.spread or (packing is not None and packing.topology == name):
                self.queue.add(Key(*family, WHOLE_SET))
                self._look_at_replicas(family, known)

    def _knowledge(self, family: Family) -> Known:
        """What is known of a set; if its spec has changed, all its replicas deserve a look."""
        record = self.store.the_set(family)
        if record is None and not self.store.replicas(family):
            self._known.pop(family, None)
            self.templates.want(family, ())
            return Known()
        known = self._known.setdefault(family, Known(self.default_scheduler))
        if record is None:
            known.blueprint, known.problems, known.identity = None, [], ()
            self.templates.want(family, ())
        elif known.read(record):
            self.templates.want(family, known.blueprint.claim_sources if known.blueprint else ())
            self.queue.add(Key(*family, WHOLE_SET))
            self._look_at_replicas(family, known)
        return known

    def blueprints(self) -> Iterator[SetBlueprint]:
        """Of all sets that can be carried out."""
        for known in self._known.values():
            if known.blueprint is not None:
                yield known.blueprint

    def _look_at_family(self, family: Family) -> None:
        known = self._known.get(family)
        if known is not None:
            self.queue.add(Key(*family, WHOLE_SET))
            self._look_at_replicas(family, known)

    def _look_at_replicas(self, family: Family, known: Known) -> None:
        wanted = range(known.blueprint.replicas) if known.blueprint else ()
        for replica in {*wanted, *self.store.replicas(family)}:
            self.queue.add(Key(*family, replica))

    def _touch_set(self, key: Key, *, at_once: bool) -> None:
        whole = Key(key.namespace, key.name, WHOLE_SET)
        self._touch(whole)
        self.queue.add(whole, delay=0.0 if at_once else self.pace.quiet)

    def _may_hand_on(
        self, key: Key, before: ReplicaSummary | None, after: ReplicaSummary | None
    ) -> bool:
        """Whether a replica that was being updated is whole again: another one waits for that."""
        record = self.store.the_set(key.family)
        if record is None or not is_updating(record.status.get("updateProgress")):
            return False
        return _is_whole(after) and not _is_whole(before)


def _is_whole(summary: ReplicaSummary | None) -> bool:
    return summary is not None and summary.is_current and summary.available
