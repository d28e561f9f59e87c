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
from grove_operator.desired.updateorder import UpdateOrder
from grove_operator.observed import Clique, Kind, Pod, ReplicaSnapshot, ScalingGroup
from grove_operator.plan.actions import Event
from grove_operator.plan.context import ReplicaContext
from grove_operator.plan.editions import is_outdated
from grove_operator.plan.motion import AT_REST, Movement, began, is_updating, soonest
from grove_operator.plan.order import (
    GENERATION,
    PODS,
    REPLICAS,
    TEMPLATE,
    carried,
    carried_replicas,
    is_told,
    stored_group_order,
    stored_order,
)
from grove_operator.policy.availability import CliqueCounts, Newest
from grove_operator.policy.rolling import (
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
_WHY: Final = "it is from an outdated template"

Counts = Mapping[str, CliqueCounts]


def plan_movement(context: ReplicaContext, seen: ReplicaSnapshot, counts: Counts) -> Movement:
    """`context` lays the replica out by the newest template; `counts` are judged by it."""
    steps = _Steps(context, seen, counts)
    movement = _as_turn_allows(steps)
    in_hand, begun = steps.has_in_hand(), steps.has_begun()
    return replace(movement, in_hand=in_hand, begun=begun) if in_hand or begun else movement


def _as_turn_allows(steps: "_Steps") -> Movement:
    context, seen = steps.context, steps.seen
    blueprint = context.blueprint
    turn = turn_of(
        context.index,
        blueprint.generation_hash,
        seen.set_status,
        on_delete=blueprint.on_delete,
        turn=seen.turn,
    )
    if turn is Turn.HOLD and not any(item.scheduled for item in steps.counts.values()):
        turn = Turn.MOVE  # nothing of it runs, so nobody misses it
    if turn is Turn.FREE:
        return steps.close(frozenset(), holds=False)
    if turn is Turn.HOLD:
        return steps.close(frozenset(steps.outdated()), holds=True)
    if turn is Turn.ON_DELETE:
        return steps.leave_to_others()
    return steps.move()


@dataclass(slots=True)
class _Steps:
    context: ReplicaContext
    seen: ReplicaSnapshot
    counts: Counts
    held: set[str] = field(default_factory=set)
    removals: dict[str, str] = field(default_factory=dict)
    taken: set[str] = field(default_factory=set)
    orders: dict[tuple[Kind, str], UpdateOrder] = field(default_factory=dict)
    waiting: str = ""
    recheck: float | None = None
    complete: bool = True
    news: list[Event] = field(default_factory=list)

    def outdated(self) -> Iterator[str]:
        for name, clique in self.context.cliques.items():
            slot = self.context.slots.cliques.get(name)
            if slot is not None and is_outdated(slot, clique):
                yield name

    def _standalone(self) -> Iterator[tuple[CliqueSlot, Clique]]:
        """The PodCliques outside scaling groups that are there and are to stay."""
        for name in self.counts:
            slot = self.context.slots.cliques[name]
            if slot.group is None:
                yield slot, self.context.cliques[name]

    def _groups(self) -> Iterator[tuple[GroupSlot, ScalingGroup]]:
        for slot in self.context.slots.groups:
            if slot.name in self.context.groups:
                yield slot, self.context.groups[slot.name]

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
            slot.name: self._group_progress(slot, group, GroupRoll(done=True))
            for slot, group in self._groups()
        }
        return Movement(Turn.ON_DELETE, cliques=cliques, groups=groups)

    def close(self, held: frozenset[str], *, holds: bool) -> Movement:
        """No step, but an update that is through is noted as such, if that is not stored yet.

        Who waits for the turn to come back remembers what is in hand.
        """
        context = self.context
        cliques = {
            name: self._clique_progress(context.slots.cliques[name], clique, PodRoll(done=True))
            for name, clique in context.cliques.items()
            if name in self.counts
            and name not in held
            and self._is_to_close(context.slots.cliques[name], clique)
            and self.counts[name].updated == self.counts[name].total
        }
        groups = {
            slot.name: self._group_progress(slot, group, GroupRoll(done=True))
            for slot, group in self._groups()
            if self._is_group_to_close(group)
            and not self._is_old(slot)
            and not (holds and self._has_replica_in_hand(slot, group))
        }
        turn = Turn.HOLD if held else Turn.FREE
        if not held and not cliques and not groups:
            return AT_REST
        return Movement(turn, held, cliques=cliques, groups=groups)

    def _is_to_close(self, slot: CliqueSlot, clique: Clique) -> bool:
        """Whether its status has yet to tell of an update that began."""
        progress, order = clique.status.get("updateProgress"), stored_order(clique)
        begun = order.template == slot.blueprint.pod_hash
        return is_updating(progress) or (begun and not is_told(order, progress, TEMPLATE))

    def _is_group_to_close(self, group: ScalingGroup) -> bool:
        begun = stored_group_order(group).template == self.context.blueprint.generation_hash
        return is_updating(group.status.get("updateProgress")) or begun

    def has_in_hand(self) -> bool:
        context = self.context
        if context.blueprint.on_delete:
            return False
        return any(
            carried(stored_order(clique), clique, self._active(clique))
            for _, clique in self._standalone()
        ) or any(self._has_replica_in_hand(slot, group) for slot, group in self._groups())

    def _has_replica_in_hand(self, slot: GroupSlot, group: ScalingGroup) -> bool:
        order = stored_group_order(group)
        return bool(order.replicas and carried_replicas(order, group, self._replicas(slot)))

    def has_begun(self) -> bool:
        """Also true of some updates that are over; whoever asks knows of those."""
        target = self.context.blueprint.generation_hash
        return any(
            stored_order(clique).template == slot.blueprint.pod_hash
            for slot, clique in self._standalone()
        ) or any(stored_group_order(group).template == target for _, group in self._groups())

    def _is_old(self, group: GroupSlot) -> bool:
        return any(item.old for item in self._replicas(group))

    def move(self) -> Movement:
        cliques = {
            slot.name: self._roll_clique(slot, clique) for slot, clique in self._standalone()
        }
        groups = {slot.name: self._roll_group(slot, group) for slot, group in self._groups()}
        if self.complete and not self.waiting:
            self._note_unready()
        return Movement(
            turn=Turn.MOVE,
            held=frozenset(self.held),
            removals=self.removals,
            taken=frozenset(self.taken),
            cliques=cliques,
            groups=groups,
            orders=self.orders,
            complete=self.complete,
            waiting=self.waiting,
            recheck_after=self.recheck,
            news=tuple(self.news),
        )

    # --- standalone cliques ----------------------------------------------------------------

    def _roll_clique(self, slot: CliqueSlot, clique: Clique) -> dict[str, Any]:
        target, pods = slot.blueprint.pod_hash, self._active(clique)
        stored = stored_order(clique)
        same = stored.template == target
        known = stored.pods if same else carried(stored, clique, pods)
        floor = Floor(clique.replicas, slot.blueprint.min_available)
        roll = roll_pods(pods, floor, target, known)
        begins = not same and not roll.done
        if begins or roll.order != known:
            since = stored.since if same else self.context.now
            self.orders[Kind.CLIQUE, slot.name] = UpdateOrder(target, since, pods=roll.order)
        self.removals |= {pod.meta.uid: _WHY for pod in roll.remove}
        self.taken |= {pod.meta.name for pod in roll.remove if pod.ready}
        self._note(roll, Kind.CLIQUE, slot.name)
        return self._clique_progress(slot, clique, roll)

    def _clique_progress(self, slot: CliqueSlot, clique: Clique, roll: PodRoll) -> dict[str, Any]:
        target = {
            GENERATION: self.context.blueprint.generation_hash,
            TEMPLATE: slot.blueprint.pod_hash,
        }
        order = self.orders.get((Kind.CLIQUE, slot.name)) or stored_order(clique)
        since = order.since if order.template == slot.blueprint.pod_hash else ""
        progress = self._progress(
            clique.status.get("updateProgress") or {}, target, done=roll.done, since=since
        )
        if roll.taken is not None and not roll.done:
            progress[PODS] = {"current": roll.taken}
            if roll.completed:
                progress[PODS]["completed"] = list(roll.completed)
        return progress

    # --- scaling groups --------------------------------------------------------------------

    def _roll_group(self, slot: GroupSlot, group: ScalingGroup) -> dict[str, Any]:
        target, replicas = self.context.blueprint.generation_hash, self._replicas(slot)
        stored = stored_group_order(group)
        same = stored.template == target
        known = stored.replicas if same else carried_replicas(stored, group, replicas)
        floor = Floor(group.replicas, slot.blueprint.min_available)
        roll = roll_group(replicas, floor, known)
        if roll.order != stored.replicas or (roll.order and not same):
            # A clock that is behind must not have it look over before it begins.
            earliest = began(group.status.get("updateProgress"))
            since = stored.since if same else max(self.context.now, earliest)
            self.orders[Kind.SCALING_GROUP, slot.name] = UpdateOrder(
                target, since, replicas=roll.order
            )
        for index, found in self._members(slot).items():
            if index in roll.move:
                self._replace_instance(slot, index, found)
            else:
                self.held |= {name for name in self.outdated() if name in found}
        self._note(roll, Kind.SCALING_GROUP, slot.name)
        return self._group_progress(slot, group, roll)

    def _replicas(self, group: GroupSlot) -> list[GroupReplica]:
        return [self._replica(index, found) for index, found in self._members(group).items()]

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
        cliques = [found for name in members if (found := self.context.cliques.get(name))]
        removed = any(len(self._active(clique)) < clique.replicas for clique in cliques) or not any(
            is_outdated(members[clique.meta.name], clique) for clique in cliques
        )
        return GroupReplica(index, old, available, unready, removed)

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
        newest = self.context.blueprint.generation_hash
        order = self.orders.get((Kind.SCALING_GROUP, slot.name)) or stored_group_order(group)
        since = order.since if order.template == newest else ""
        progress = self._progress(
            group.status.get("updateProgress") or {},
            {GENERATION: newest},
            done=roll.done,
            since=since,
        )
        if roll.taken is not None and not roll.done:
            progress[REPLICAS] = {"current": roll.taken}
            if roll.completed:
                progress[REPLICAS]["completed"] = list(roll.completed)
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
        self, stored: Mapping[str, Any], target: Mapping[str, str], *, done: bool, since: str = ""
    ) -> dict[str, Any]:
        """Without what is selected. A new target begins anew, `since` then if that is known."""
        now, started = self.context.now, stored.get("updateStartedAt")
        same = all(stored.get(key) == value for key, value in target.items())
        same &= not since or since == started
        progress: dict[str, Any] = {
            "updateStartedAt": started if same else since or now,
            **target,
        }
        if done:
            progress["updateEndedAt"] = (same and stored.get("updateEndedAt")) or now
        return progress

    def _note(self, roll: PodRoll | GroupRoll, kind: Kind, name: str) -> None:
        self.complete &= roll.done
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
