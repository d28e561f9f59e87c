"""Plans what brings a replica back: ended pods are replaced, broken gangs are restarted as a whole.

A gang is restarted by deleting its placed pods; its objects, and with them every replica count,
stay. A scaling group restarts a broken replica of its own while enough others are left, else the
set restarts the whole replica.
"""

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from grove_operator.api import conditions as c
from grove_operator.api import labels
from grove_operator.desired.expansion import GroupSlot
from grove_operator.observed import Clique, Kind, Pod, ReplicaSnapshot, ScalingGroup
from grove_operator.plan.actions import Event, Patch, Rank
from grove_operator.plan.context import ReplicaContext
from grove_operator.plan.groups import GroupView, group_views
from grove_operator.plan.motion import Recovery, is_updating, soonest
from grove_operator.policy.availability import CliqueCounts
from grove_operator.policy.breaches import Breach, breach_of, first, judge_group, reached_since
from grove_operator.policy.endings import Endings, Healed, healed_pods, replace_ended

Counts = Mapping[str, CliqueCounts]


def plan_recovery(context: ReplicaContext, seen: ReplicaSnapshot, counts: Counts) -> Recovery:
    """`context` knows of the update's step already: what is being updated is not restarted."""
    judge = _Judge(context, seen, counts, group_views(context, counts))
    endings, healed = judge.endings(), judge.healed()
    reached = dict(judge.reached())
    restarts = judge.restarts(reached)
    removals = {pod.meta.uid: "it has ended" for found in endings.values() for pod in found.replace}
    return Recovery(
        reached=reached,
        removals={**removals, **restarts.removals},
        tries={name: found.tries for name, found in endings.items() if found.replace},
        notices={name: found.notice for name, found in endings.items() if found.notice},
        actions=(*restarts.actions, *(_forget_tries(pod) for pod in healed.pods)),
        alarm=restarts.alarm,
        recheck_after=soonest(
            restarts.recheck_after,
            healed.wait,
            *(found.recheck_after for found in endings.values()),
        ),
        news=restarts.news,
    )


@dataclass(frozen=True, slots=True)
class _Judge:
    context: ReplicaContext
    seen: ReplicaSnapshot
    counts: Counts
    views: Mapping[str, GroupView]

    # --- ended pods ------------------------------------------------------------------------

    def endings(self) -> dict[str, Endings]:
        return {
            name: replace_ended(self._active(self.context.cliques[name]), self.context.now)
            for name, item in self.counts.items()
            if item.ended
        }

    def healed(self) -> Healed:
        return healed_pods(
            (
                pod
                for name, item in self.counts.items()
                if item.retried
                for pod in self._active(self.context.cliques[name])
            ),
            self.context.now,
        )

    def _active(self, clique: Clique) -> Iterator[Pod]:
        for pod in self.seen.pods.get(clique.meta.name, ()):
            if pod.meta.owner_uid == clique.meta.uid and not pod.meta.deleting:
                yield pod

    # --- what has once had its minimum -----------------------------------------------------

    def reached(self) -> Iterator[tuple[str, str]]:
        """An instance of which nothing that was placed is left starts from the beginning.

        So does what is scaled to zero: it has no minimum, and may find no room when it is wanted.
        """
        now = self.context.now
        for name, item in self.counts.items():
            conditions, enough = _conditions(self.context.cliques[name]), item.enough_scheduled
            since = reached_since(conditions, self._start(name), now, enough=enough)
            if item.needed and since is not None:
                yield name, since
        for name, view in self.views.items():
            conditions, enough = _conditions(self.context.groups[name]), not view.is_breached
            since = reached_since(conditions, self._start(name), now, enough=enough)
            if view.needed and since is not None:
                yield name, since

    def _start(self, name: str) -> str | None:
        """When the first pod was placed of what is restarted together with a PodClique or group."""
        slot = self.context.slots.cliques.get(name)
        members: Iterable[str] = self.counts
        if slot is not None and slot.group is not None:
            members = self.views[slot.group.name].replicas[slot.group_replica].members
        found = (self.counts[name] for name in members if name in self.counts)
        return min((item.placed_since for item in found if item.scheduled), default=None)

    # --- broken gangs ----------------------------------------------------------------------

    def restarts(self, reached: Container[str]) -> Recovery:
        """The whole replica, if it is broken; else the broken replicas of its groups."""
        breaches = list(self._breaches_of_set(reached)) if self._is_complete() else []
        worst = first(breaches)
        if worst is not None and worst.is_over:
            return self._restart_replica(worst)
        recheck = worst.left if worst is not None else None
        alarm = any(breach.is_new for breach in breaches)
        removals: dict[str, str] = {}
        news: list[Event] = []
        for slot in self.context.slots.groups:
            if slot.name not in self.views or self._is_updating(slot.name):
                continue
            found = self._restart_members(slot, reached)
            removals |= found.removals
            news += found.news
            alarm |= found.alarm
            recheck = soonest(recheck, found.recheck_after)
        return Recovery(removals=removals, alarm=alarm, recheck_after=recheck, news=tuple(news))

    def _is_complete(self) -> bool:
        """A replica whose standalone PodCliques are not all there is still being made."""
        slots = self.context.slots.cliques
        return all(name in self.counts for name, slot in slots.items() if slot.group is None)

    def _breaches_of_set(self, reached: Container[str]) -> Iterator[Breach]:
        for name, item in self.counts.items():
            standalone = self.context.slots.cliques[name].group is None
            if standalone and name in reached and item.is_breached and not self._is_updating(name):
                yield self._breach(self.context.cliques[name])
        for name, group in self.context.groups.items():
            view = self.views.get(name)
            if view is None or name not in reached or self._is_updating(name):
                continue
            restarting = c.is_true(_conditions(group), c.GANG_TERMINATION_IN_PROGRESS)
            if view.is_breached and not restarting:
                yield self._breach(group)

    def _breach(self, record: Clique | ScalingGroup) -> Breach:
        name, delay = record.meta.name, self.context.blueprint.termination_delay
        start = self._start(name) or ""
        return breach_of(name, _conditions(record), delay, start, self.context.now)

    def _is_updating(self, name: str) -> bool:
        movement = self.context.movement
        return is_updating(movement.cliques.get(name) or movement.groups.get(name))

    def _restart_members(self, slot: GroupSlot, reached: Container[str]) -> Recovery:
        view = self.views[slot.name]
        breaches = [
            (index, self._breach(self.context.cliques[name]))
            for index, replica in view.replicas.items()
            for name in replica.members
            if name in self.counts and name in reached and self.counts[name].is_breached
        ]
        verdict = judge_group(breaches, slot.replicas, view.needed)
        members = [name for index in verdict.restart for name in view.replicas[index].members]
        removals = self._remove(members, "its replica of the scaling group stayed below a minimum")
        text = f"restarted replica {_list(verdict.restart)} of {slot.name}, which stayed below a "
        text += f"minimum for {self.context.blueprint.termination_delay:g} s"
        news = self._event("PodCliqueScalingGroupReplicaDeleteSuccessful", text)
        return Recovery(
            removals=removals,
            alarm=any(breach.is_new for _, breach in breaches),
            recheck_after=verdict.recheck_after,
            news=(news,) if removals else (),
        )

    def _restart_replica(self, worst: Breach) -> Recovery:
        removals = self._remove(self.counts, "its replica of the set stayed below a minimum")
        text = (
            f"restarted replica {self.context.index}: {worst.name} stayed below its minimum for "
            f"{self.context.blueprint.termination_delay:g} s"
        )
        news = self._event("PodCliqueSetReplicaDeleteSuccessful", text)
        actions = tuple(self._mark(group) for group in self.context.groups.values())
        if not removals:
            return Recovery()
        return Recovery(removals=removals, actions=actions, news=(news,))

    def _remove(self, cliques: Iterable[str], why: str) -> dict[str, str]:
        """Placed pods only: the others hold nothing, and wait for their gang anyway."""
        return {
            pod.meta.uid: why
            for name in cliques
            if name in self.counts
            for pod in self._active(self.context.cliques[name])
            if pod.scheduled
        }

    def _mark(self, group: ScalingGroup) -> Patch:
        """Say so on each group, so that nothing restarts it again before it was whole once."""
        mark = c.condition(
            c.GANG_TERMINATION_IN_PROGRESS,
            status=True,
            reason="GangTerminationActive",
            message="the replica of the set was restarted, and the group is not whole again yet",
        )
        conditions = c.merge(
            group.status.get("conditions") or (),
            [mark],
            now=self.context.now,
            owned=frozenset({c.GANG_TERMINATION_IN_PROGRESS}),
        )
        meta = group.meta
        body = {"status": {"conditions": conditions}}
        why = "status.conditions"
        return Patch(
            Rank.REPORT,
            Kind.SCALING_GROUP,
            meta.name,
            meta.uid,
            body,
            why,
            meta.version,
            subresource="status",
        )

    def _event(self, reason: str, text: str) -> Event:
        blueprint = self.context.blueprint
        return Event(Kind.SET, blueprint.name, blueprint.uid, reason, text, warning=True)


def _forget_tries(pod: Pod) -> Patch:
    body = {"metadata": {"annotations": {labels.TRIES: None}}}
    why = f"metadata.annotations.{labels.TRIES}"
    return Patch(Rank.REPORT, Kind.POD, pod.meta.name, pod.meta.uid, body, why)


def _conditions(record: Clique | ScalingGroup) -> Sequence[c.Condition]:
    return record.status.get("conditions") or ()


def _list(indices: Iterable[int]) -> str:
    return ", ".join(map(str, indices))
