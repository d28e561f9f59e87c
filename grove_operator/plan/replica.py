"""Plans one replica of a PodCliqueSet: actions, statuses and a summary for the set.

The same snapshot gives the same plan. A plan holds what this snapshot allows; what needs the
outcome of these actions comes with the next look. Called by `operator/reconcile.py` and, on made-up
clusters, by `plan/rehearse.py`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from grove_operator.api import labels
from grove_operator.desired.blueprint import SetBlueprint
from grove_operator.observed import Kind, ReplicaSnapshot, ReplicaSummary
from grove_operator.plan.actions import Action, Event, Plan, StatusPatch
from grove_operator.plan.blocking import Blocking
from grove_operator.plan.context import ReplicaContext, replica_context
from grove_operator.plan.devices import hold_pods, tell_obstacle
from grove_operator.plan.editions import keep_editions
from grove_operator.plan.excess import TOO_MANY, excess
from grove_operator.plan.foundation import plan_foundation
from grove_operator.plan.gangs import GangPlanner
from grove_operator.plan.groups import GroupView, group_views
from grove_operator.plan.motion import is_updating, soonest
from grove_operator.plan.recovery import plan_recovery
from grove_operator.plan.removal import release_finalizers, remove_replica
from grove_operator.plan.schedulergroups import scheduler_problem
from grove_operator.plan.startorder import plan_start_order
from grove_operator.plan.status import (
    clique_status,
    gang_status,
    group_status,
    status_patch,
)
from grove_operator.plan.tally import GangTally, ReplicaTally, Sums, tally_gang
from grove_operator.plan.unreachable import plan_lost_pods
from grove_operator.plan.updates import plan_movement
from grove_operator.policy.availability import CliqueCounts, Newest, count_pods
from grove_operator.policy.turns import Turn
from grove_operator.policy.unreachable import as_they_are
from grove_operator.scheduling.native import Capabilities


def plan_replica(
    blueprint: SetBlueprint | None,
    index: int,
    seen: ReplicaSnapshot,
    capabilities: Capabilities,
    now: str,
) -> Plan:
    """Decide what replica `index` needs. `blueprint` is None when its set is gone.

    While the set is being deleted, or is gone, garbage collection takes the children; all we do
    is let go of them.
    """
    releases: list[Action] = sorted(release_finalizers(seen), key=lambda patch: patch.name)
    if blueprint is None or blueprint.deleting:
        return Plan(actions=tuple(releases))
    lost = plan_lost_pods(blueprint, seen, now)
    if index >= blueprint.replicas:
        removed = remove_replica(seen, blueprint.uid)
        return Plan(actions=(*releases, *lost.actions, *removed), recheck_after=lost.wait)
    if problem := excess(seen):
        target = blueprint.generation_hash
        summary = ReplicaSummary(target=target, problem=problem, problem_code=TOO_MANY)
        return Plan(actions=tuple(releases), summary=summary)
    context = replica_context(blueprint, index, seen, capabilities.for_set(blueprint), now)
    counts = _count(context, seen)
    movement = plan_movement(context, seen, counts)
    context = replace(keep_editions(context, movement.held), movement=movement)
    recovery = plan_recovery(context, seen, counts)
    recovery = replace(recovery, removals={**lost.removals, **recovery.removals})
    context = replace(context, recovery=recovery)
    context = replace(context, order=plan_start_order(context, seen, counts))
    gangs = GangPlanner(context, seen, counts)
    actions = [
        *releases,
        *lost.actions,
        *plan_foundation(context, seen),
        *gangs.plan(),
        *recovery.actions,
    ]
    actions = hold_pods(context, actions)
    statuses = _Statuses(context, seen, counts)
    patches = tuple(statuses.patches())
    summary = statuses.blocking.summarize(_summarize(context, counts, statuses))
    summary = tell_obstacle(summary, context, seen)
    summary = replace(summary, outdated=len(gangs.held), older_priority=len(gangs.older_priority))
    return Plan(
        actions=tuple(sorted(actions, key=lambda action: action.rank)),
        statuses=patches,
        later=tuple(gangs.later),
        events=tuple(statuses.events()),
        summary=summary,
        tally=statuses.tally(available=summary.available),
        # A blocked replica does not move: nothing is worth waiting for before it is told.
        settled=summary.blocked is not None
        or (not actions and movement.complete and _is_settled(context, counts)),
        moving=movement.turn is Turn.MOVE and not movement.complete,
        prompt=recovery.alarm,
        recheck_after=soonest(
            movement.recheck_after, recovery.recheck_after, lost.wait, statuses.blocking.wait
        ),
        news=(*movement.news, *recovery.news),
    )


def _count(context: ReplicaContext, seen: ReplicaSnapshot) -> dict[str, CliqueCounts]:
    counts = {}
    # On delete, pods come and go one by one, whatever instance they were made for.
    by_pod = context.blueprint.on_delete
    silent = {} if context.blueprint.keep_unreachable else seen.surroundings.unreachable
    for name, clique in context.cliques.items():
        slot = context.slots.cliques.get(name)
        if slot is not None:
            own = (pod for pod in seen.pods.get(name, ()) if pod.meta.owner_uid == clique.meta.uid)
            pods = as_they_are(own, silent) if silent else own
            newest = Newest(slot.blueprint.pod_hash, "" if by_pod else slot.instance)
            group = context.backend.group_of(slot) if context.native else ""
            minimum = slot.blueprint.min_available
            stored = clique.meta.labels.get(labels.TEMPLATE_HASH)
            counts[name] = count_pods(
                pods, clique.replicas, minimum, newest, group=group, template_hash=stored
            )
    return counts


class _Statuses:
    """The status patches of one replica, and what is new enough to be told as an event."""

    def __init__(
        self, context: ReplicaContext, seen: ReplicaSnapshot, counts: Mapping[str, CliqueCounts]
    ) -> None:
        self.context = context
        self.seen = seen
        self.counts = counts
        self.views = group_views(context, counts)
        self.refusals = context.backend.refusals(seen)
        self.phases: dict[str, str] = {}
        self._groups = Sums()
        self._gangs: list[GangTally] = []
        self.blocking = Blocking(context, seen, counts, self._verdict_of)

    def patches(self) -> Iterator[StatusPatch]:
        context, seen = self.context, self.seen
        for name, counts in self.counts.items():
            slot, clique = context.slots.cliques[name], context.cliques[name]
            says = self._verdict_of(name)
            status = clique_status(context, slot, clique, counts, says)
            if patch := status_patch(Kind.CLIQUE, clique, status, exact=False):
                yield patch
        for group in context.slots.groups:
            record = context.groups.get(group.name)
            if record is not None:
                status = group_status(context, group, record, self.views[group.name])
                self._groups = self._groups.plus(Sums.of_group(record.replicas, status))
                if patch := status_patch(Kind.SCALING_GROUP, record, status, exact=False):
                    yield patch
        for gang in context.slots.gangs:
            child = seen.gangs.get(gang.name)
            if child is not None and not child.meta.deleting:
                status = gang_status(
                    context, gang, child, self.counts, self._gang_verdict(gang.name)
                )
                status = self.blocking.mark(gang.name, status)
                self.phases[gang.name] = status["phase"]
                self._gangs.append(tally_gang(child, status))
                # Schedulers write conditions here as well: never overwrite one unseen.
                if patch := status_patch(Kind.GANG, child, status, exact=True):
                    yield patch

    def tally(self, *, available: bool) -> ReplicaTally:
        """What metrics are made of, once the patches were asked for."""
        cliques = Sums.of_cliques(self.counts.values())
        return ReplicaTally(available, cliques, self._groups, tuple(self._gangs))

    def events(self) -> Iterator[Event]:
        """What is not yet in the statuses is news."""
        yield from self._losses()
        yield from self._verdicts()

    def _losses(self) -> Iterator[Event]:
        if self.context.movement.turn is Turn.MOVE:
            return  # an update takes an instance of a group as a whole
        for name, counts in self.counts.items():
            clique = self.context.cliques[name]
            if clique.status.get("scheduledReplicas") and not counts.scheduled and counts.wanted:
                yield Event(
                    Kind.CLIQUE,
                    name,
                    clique.meta.uid,
                    "AllScheduledReplicasLost",
                    "none of the pods is placed any more",
                    warning=True,
                )

    def _verdicts(self) -> Iterator[Event]:
        for gang in self.context.slots.gangs:
            child = self.seen.gangs.get(gang.name)
            says = self._gang_verdict(gang.name)
            if child is None or not says:
                continue
            known = " ".join(
                str(item.get("message", "")) for item in child.status.get("conditions") or ()
            )
            if says not in known:
                problem = scheduler_problem(self.context, self.seen, gang.name)
                yield Event(
                    Kind.GANG,
                    gang.name,
                    child.meta.uid,
                    problem.reason if problem else "Unschedulable",
                    problem.text if problem else f"the scheduler cannot place this gang: {says}",
                    warning=True,
                )

    def _verdict_of(self, clique: str) -> str:
        slot = self.context.slots.cliques[clique]
        group = self.context.backend.group_of(slot)
        return self.refusals.get(group, "") or self.counts[clique].verdict

    def _gang_verdict(self, gang: str) -> str:
        """The first clique that the scheduler complains of speaks for the gang."""
        slots = next(item for item in self.context.slots.gangs if item.name == gang)
        for slot in slots.cliques:
            counts = self.counts.get(slot.name)
            if counts is None or counts.enough_scheduled:
                continue
            if problem := scheduler_problem(self.context, self.seen, gang):
                return problem.text
            if says := self._verdict_of(slot.name):
                return f"{slot.name}: {says}"
        return ""


def _is_settled(context: ReplicaContext, counts: Mapping[str, CliqueCounts]) -> bool:
    return len(counts) == len(context.slots.cliques) and all(
        item.total == item.wanted == item.ready for item in counts.values()
    )


def _summarize(
    context: ReplicaContext, counts: Mapping[str, CliqueCounts], statuses: "_Statuses"
) -> ReplicaSummary:
    slots, movement = context.slots, context.movement
    complete = len(counts) == len(slots.cliques) and len(context.groups) == len(slots.groups)
    standalone = [
        counts[name] for name, slot in slots.cliques.items() if slot.group is None and complete
    ]
    views = list(statuses.views.values())
    available = (
        complete
        and all(view.available >= view.needed for view in views)
        and all(item.enough_ready for item in standalone)
    )
    up_to_date = not movement.held and all(item.updated == item.total for item in counts.values())
    return ReplicaSummary(
        available=available,
        updated=available and up_to_date,
        gangs=tuple(statuses.phases.items()),
        target=context.blueprint.generation_hash,
        is_current=complete and up_to_date and movement.complete,
        stale=any(item.updated < item.total for item in counts.values()),
        placed=any(item.scheduled for item in counts.values()),
        breached=any(item.is_breached for item in standalone)
        or any(view.is_breached for view in views),
        updated_cliques=sum(
            item.updated == item.total and item.enough_ready for item in standalone
        ),
        updated_groups=sum(
            _is_updated(context, name, view, counts) for name, view in statuses.views.items()
        ),
        in_hand=movement.in_hand,
        begun=movement.begun,
        waiting=movement.waiting,
    )


def _is_updated(
    context: ReplicaContext, group: str, view: GroupView, counts: Mapping[str, CliqueCounts]
) -> bool:
    """Whether all of a group is at the newest template, and as much of it runs as must."""
    held = context.movement.held
    members = [name for item in view.replicas.values() for name in item.members]
    found = [counts[name] for name in members if name in counts]
    return (
        not is_updating(context.movement.groups.get(group))
        and view.available >= view.needed
        and not any(name in held for name in members)
        and all(item.updated == item.total for item in found)
    )
