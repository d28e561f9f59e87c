"""Plans the steps of an update inside one replica of a PodCliqueSet.

Pods of standalone cliques are replaced one at a time, replicas of a scaling group as a whole and
one at a time; different cliques and groups go on side by side. PodCliques keep their objects, so
their replica counts stay. Every step follows from what is stored: the process may end between any
two of them.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from grove_operator.api.times import seconds_between
from grove_operator.desired.expansion import CliqueSlot, GroupSlot
from grove_operator.observed import Clique, Kind, Pod, ReplicaSnapshot, ScalingGroup
from grove_operator.plan.actions import Event
from grove_operator.plan.context import ReplicaContext
from grove_operator.plan.editions import is_outdated
from grove_operator.plan.motion import AT_REST, Movement, is_updating, soonest
from grove_operator.policy.availability import CliqueCounts, Newest
from grove_operator.policy.rolling import (
    REMEMBERED,
    Floor,
    GroupReplica,
    GroupRoll,
    PodRoll,
    roll_group,
    roll_pods,
)
from grove_operator.policy.turns import Turn, turn_of

PATIENCE: Final = 60.0
"""Seconds within which a new pod may start before its update is said to wait for it."""
_GENERATION: Final = "podCliqueSetGenerationHash"
_PODS: Final = "readyPodsSelectedToUpdate"
_REPLICAS: Final = "readyReplicaIndicesSelectedToUpdate"
_WHY: Final = "it is from an outdated template"

Counts = Mapping[str, CliqueCounts]


def plan_movement(context: ReplicaContext, seen: ReplicaSnapshot, counts: Counts) -> Movement:
    """`context` lays the replica out by the newest template; `counts` are judged by it."""
    blueprint = context.blueprint
    turn = turn_of(
        context.index,
        blueprint.generation_hash,
        seen.set_status,
        on_delete=blueprint.on_delete,
        is_next=seen.is_next,
    )
    if turn in (Turn.HOLD, Turn.PREPARE) and not any(item.scheduled for item in counts.values()):
        turn = Turn.MOVE  # nothing of it runs, so nobody misses it
    steps = _Steps(context, seen, counts)
    if turn is Turn.FREE:
        return steps.close(frozenset())
    if turn is Turn.HOLD:
        return steps.close(frozenset(steps.outdated()))
    if turn is Turn.ON_DELETE:
        return steps.leave_to_others()
    if turn is Turn.PREPARE:
        return replace(steps.move(), turn=turn, removals={}, news=())
    return steps.move()


@dataclass(slots=True)
class _Steps:
    context: ReplicaContext
    seen: ReplicaSnapshot
    counts: Counts
    held: set[str] = field(default_factory=set)
    removals: dict[str, str] = field(default_factory=dict)
    waiting: str = ""
    recheck: float | None = None
    complete: bool = True
    urgent: set[str] = field(default_factory=set)
    news: list[Event] = field(default_factory=list)

    def outdated(self) -> Iterator[str]:
        for name, clique in self.context.cliques.items():
            slot = self.context.slots.cliques.get(name)
            if slot is not None and is_outdated(slot, clique):
                yield name

    def leave_to_others(self) -> Movement:
        """OnDelete: whoever deletes a pod gets a new one; an update ends as it begins."""
        if not self.seen.set_status.get("updateProgress"):
            return Movement(Turn.ON_DELETE)
        cliques = {
            name: self._clique_progress(
                self.context.slots.cliques[name], clique, PodRoll(done=True)
            )
            for name, clique in self.context.cliques.items()
            if name in self.counts
        }
        groups = {
            slot.name: self._group_progress(
                slot, self.context.groups[slot.name], GroupRoll(done=True)
            )
            for slot in self.context.slots.groups
            if slot.name in self.context.groups
        }
        return Movement(Turn.ON_DELETE, cliques=cliques, groups=groups)

    def close(self, held: frozenset[str]) -> Movement:
        """No step, but an update that is through is noted as such, if that is not stored yet."""
        context = self.context
        cliques = {
            name: self._clique_progress(context.slots.cliques[name], clique, PodRoll(done=True))
            for name, clique in context.cliques.items()
            if is_updating(clique.status.get("updateProgress"))
            and name in self.counts
            and name not in held
            and self.counts[name].updated == self.counts[name].total
        }
        groups = {
            slot.name: self._group_progress(slot, context.groups[slot.name], GroupRoll(done=True))
            for slot in context.slots.groups
            if slot.name in context.groups
            and is_updating(context.groups[slot.name].status.get("updateProgress"))
            and not self._is_old(slot)
        }
        turn = Turn.HOLD if held else Turn.FREE
        if not held and not cliques and not groups:
            return AT_REST
        return Movement(turn, held, cliques=cliques, groups=groups)

    def _is_old(self, group: GroupSlot) -> bool:
        members = self._members(group)
        return any(self._replica(index, found).old for index, found in members.items())

    def move(self) -> Movement:
        context = self.context
        cliques = {
            name: self._roll_clique(context.slots.cliques[name], context.cliques[name])
            for name in self.counts
            if context.slots.cliques[name].group is None
        }
        groups = {
            slot.name: self._roll_group(slot, context.groups[slot.name])
            for slot in context.slots.groups
            if slot.name in context.groups
        }
        if self.complete and not self.waiting:
            self._note_unready()
        return Movement(
            turn=Turn.MOVE,
            held=frozenset(self.held),
            removals=self.removals,
            cliques=cliques,
            groups=groups,
            complete=self.complete,
            urgent=frozenset(self.urgent),
            waiting=self.waiting,
            recheck_after=self.recheck,
            news=tuple(self.news),
        )

    # --- standalone cliques ----------------------------------------------------------------

    def _roll_clique(self, slot: CliqueSlot, clique: Clique) -> dict[str, Any]:
        stored = clique.status.get("updateProgress")
        selection = _selection(stored, _PODS)
        taken, completed = selection.get("current"), selection.get("completed") or ()
        pods = self._active(clique)
        floor = Floor(clique.replicas, slot.blueprint.min_available)
        roll = roll_pods(pods, floor, slot.blueprint.pod_hash, taken, completed)
        self.removals |= {pod.meta.uid: _WHY for pod in roll.remove}
        self._note(roll, taken, Kind.CLIQUE, slot.name)
        return self._clique_progress(slot, clique, roll)

    def _clique_progress(self, slot: CliqueSlot, clique: Clique, roll: PodRoll) -> dict[str, Any]:
        target = {
            _GENERATION: self.context.blueprint.generation_hash,
            "podTemplateHash": slot.blueprint.pod_hash,
        }
        return self._progress(clique.status.get("updateProgress") or {}, target, roll, _PODS)

    # --- scaling groups --------------------------------------------------------------------

    def _roll_group(self, slot: GroupSlot, group: ScalingGroup) -> dict[str, Any]:
        stored = group.status.get("updateProgress")
        taken = _selection(stored, _REPLICAS).get("current")
        members = self._members(slot)
        replicas = [self._replica(index, found) for index, found in members.items()]
        floor = Floor(group.replicas, slot.blueprint.min_available)
        roll = roll_group(replicas, floor, taken)
        for index, found in members.items():
            if index in roll.move:
                self._replace_instance(slot, index, found)
            else:
                self.held |= {name for name in self.outdated() if name in found}
        self._note(roll, taken, Kind.SCALING_GROUP, slot.name)
        return self._group_progress(slot, group, roll)

    def _members(self, group: GroupSlot) -> dict[int, dict[str, CliqueSlot]]:
        found: dict[int, dict[str, CliqueSlot]] = {}
        for name, slot in self.context.slots.cliques.items():
            if slot.group is not None and slot.group.name == group.name:
                found.setdefault(slot.group_replica, {})[name] = slot
        return found

    def _replica(self, index: int, members: Mapping[str, CliqueSlot]) -> GroupReplica:
        counts = [self.counts[name] for name in members if name in self.counts]
        old = any(
            is_outdated(slot, self.context.cliques[name])
            for name, slot in members.items()
            if name in self.context.cliques
        ) or any(item.updated < item.total for item in counts)
        available = len(counts) == len(members) and all(
            item.enough_scheduled and item.enough_ready for item in counts
        )
        unready = next((item.unready_pod for item in counts if item.unready_pod), None)
        return GroupReplica(index, old, available, unready)

    def _replace_instance(
        self, group: GroupSlot, index: int, members: Mapping[str, CliqueSlot]
    ) -> None:
        """All its pods make way at once, those of unchanged cliques too."""
        gone = 0
        for name, slot in members.items():
            clique = self.context.cliques.get(name)
            if clique is None:
                continue
            newest = Newest(slot.blueprint.pod_hash, slot.instance)
            for pod in self._active(clique):
                if not newest.made(pod):
                    self.removals[pod.meta.uid] = _WHY
                    gone += 1
        if gone:
            blueprint = self.context.blueprint
            text = (
                f"replica {index} of {group.name} is replaced by one of template "
                f"{blueprint.generation_hash}"
            )
            reason = "PodCliqueScalingGroupReplicaDeleteSuccessful"
            self.news.append(Event(Kind.SET, blueprint.name, blueprint.uid, reason, text))

    def _group_progress(
        self, slot: GroupSlot, group: ScalingGroup, roll: GroupRoll
    ) -> dict[str, Any]:
        target = {_GENERATION: self.context.blueprint.generation_hash}
        progress = self._progress(group.status.get("updateProgress") or {}, target, roll, _REPLICAS)
        updated = sum(
            self.counts[name].updated >= self.counts[name].total
            and not is_outdated(slot, self.context.cliques[name])
            for found in self._members(slot).values()
            for name, slot in found.items()
            if name in self.counts
        )
        progress["updatedPodCliquesCount"] = updated
        progress["totalPodCliquesCount"] = group.replicas * len(slot.blueprint.cliques)
        return progress

    # --- both ------------------------------------------------------------------------------

    def _active(self, clique: Clique) -> list[Pod]:
        return [
            pod
            for pod in self.seen.pods.get(clique.meta.name, ())
            if pod.meta.owner_uid == clique.meta.uid and not pod.meta.deleting
        ]

    def _progress(
        self,
        stored: Mapping[str, Any],
        target: Mapping[str, str],
        roll: PodRoll | GroupRoll,
        selected: str,
    ) -> dict[str, Any]:
        """A new target begins anew, and keeps what is in hand."""
        now = self.context.now
        same = all(stored.get(key) == value for key, value in target.items())
        progress: dict[str, Any] = {
            "updateStartedAt": stored.get("updateStartedAt") if same else now,
            **target,
        }
        if roll.done:
            progress["updateEndedAt"] = (same and stored.get("updateEndedAt")) or now
            return progress
        if roll.taken is not None:
            before = stored.get(selected) or {}
            # The successor of what was taken last is waited for by a new target, too.
            completed = list(before.get("completed") or ())[0 if same else -1 :]
            last = before.get("current")
            if last is not None and last != roll.taken:
                completed = [*completed, last][-REMEMBERED:]
            progress[selected] = {"current": roll.taken}
            if completed:
                progress[selected]["completed"] = completed
        return progress

    def _note(
        self, roll: PodRoll | GroupRoll, taken: str | int | None, kind: Kind, name: str
    ) -> None:
        self.complete &= roll.done
        if not roll.done and roll.taken != taken:
            self.urgent.add(name)
        text, wait = _reason(roll, self.context.now)
        refused = self.seen.surroundings.refused
        if not text and not roll.done and roll.blocker is None and refused:
            text = f"the API server refuses what is to take its place: {refused}"
        self.recheck = soonest(self.recheck, wait)
        if text and not self.waiting:
            self.waiting = f"{kind} {name}: {text}"

    def _note_unready(self) -> None:
        """All is at the newest template, and the turn stays here until enough of it is ready."""
        for name, counts in self.counts.items():
            if not counts.enough_ready and counts.unready_pod is not None:
                text, wait = _reason(PodRoll(blocker=counts.unready_pod), self.context.now)
                self.recheck = soonest(self.recheck, wait)
                if text:
                    self.waiting = f"{Kind.CLIQUE} {name}: {text}"
                    return


def _selection(progress: Mapping[str, Any] | None, selected: str) -> Mapping[str, Any]:
    """The pod or replica that was taken last, and those before it, while the update goes on."""
    if progress is None or not is_updating(progress):
        return {}
    return progress.get(selected) or {}


def _reason(roll: PodRoll | GroupRoll, now: str) -> tuple[str, float | None]:
    """What a step waits for, if it is worth telling; else the seconds until it may be."""
    pod = roll.blocker
    if pod is None:
        return roll.short, None
    text = f"pod {pod.meta.name} is not ready"
    wait: float | None = None
    if trouble := pod.trouble or pod.verdict:
        text = f"{text}: {trouble}"
    elif not roll.short:
        age = seconds_between(pod.meta.created, now)
        wait = None if age is None else PATIENCE - age
        if wait is not None and wait > 0:
            return "", wait
        wait = None
    return "; ".join(filter(None, (roll.short, text))), wait
