"""What must hold whenever a life takes a pod away, by an update or a restart of a gang."""

from collections import Counter
from collections.abc import Mapping, Sequence

from grove_operator.api import labels
from grove_operator.api.names import replica_of
from grove_operator.api.times import seconds_between
from grove_operator.desired.expansion import CliqueSlot, expand
from grove_operator.observed import Kind, Pod, ReplicaSnapshot
from grove_operator.plan.actions import Action, Delete
from tests.properties.world import World

OUTDATED = "it is from an outdated template"
RESTART = "stayed below a minimum"


class Judge:
    """Looks at each plan before it is carried out. `delay` is how long a breach may last, in s."""

    def __init__(self, world: World, delay: float) -> None:
        self.world = world
        self.delay = delay
        self.moving: set[int] = set()
        """Replicas of which an update took something that served, until they are whole again."""
        self.in_hand: dict[str, str] = {}
        """By clique or group, the pod or replica that was taken last."""
        self.log: list[str] = []

    def note(self, what: str) -> None:
        self.log.append(f"{self.world.now} {what}")

    def story(self) -> str:
        return "\n".join(self.log[-40:])

    def look_again(self) -> None:
        """Forget replicas that are whole by now. Before anything is planned."""
        self.moving = {index for index in self.moving if not self._is_whole(index)}

    def start_anew(self) -> None:
        """The template changed: what an update that was through has taken is history."""
        self.in_hand = {
            name: last
            for name, last in self.in_hand.items()
            if not self._is_whole(self._replica_of(name))
        }

    def check_actions(self, actions: Sequence[Action]) -> None:
        removed = {
            action.uid: action
            for action in actions
            if isinstance(action, Delete) and action.kind is Kind.POD
        }
        for action in removed.values():
            self.note(f"delete {action.name}: {action.why}")
        self._check_restarts([item for item in removed.values() if RESTART in item.why])
        updated = {uid for uid, action in removed.items() if action.why == OUTDATED}
        if not updated:
            return
        for index in range(self.world.blueprint.replicas):
            seen = self.world.store.snapshot(self.world.family, index)
            live = {name: group.replicas for name, group in seen.groups.items()}
            slots = expand(self.world.blueprint, index, live).cliques
            self._check_cliques(seen, slots, updated)
            self._check_groups(seen, slots, updated)
            if _serving(seen, slots, updated):
                assert self.moving <= {index}, f"{self.moving} and {index} move\n{self.story()}"
                self.moving.add(index)

    def _is_whole(self, index: int) -> bool:
        """Whether an update is through with it, and it has what it must have.

        A replica that is not wanted needs nothing.
        """
        blueprint = self.world.blueprint
        if index >= blueprint.replicas:
            return True
        seen = self.world.store.snapshot(self.world.family, index)
        live = {name: group.replicas for name, group in seen.groups.items()}
        slots = expand(blueprint, index, live).cliques
        instances: dict[object, list[CliqueSlot]] = {}
        for slot in slots.values():
            instances.setdefault(_instance(slot), []).append(slot)
        well = Counter(
            found[0].group.name if found[0].group else ""
            for found in instances.values()
            if _available(seen, found)
        )
        needs = {name: min(item.min_available, item.replicas) for name, item in seen.groups.items()}
        needs[""] = sum(slot.group is None for slot in slots.values())
        return all(well[name] >= count for name, count in needs.items()) and all(
            pod.meta.labels[labels.TEMPLATE_HASH] == slot.blueprint.pod_hash
            for name, slot in slots.items()
            for pod in _active(seen, name)
        )

    def _check_restarts(self, removed: Sequence[Delete]) -> None:
        """A gang has the whole delay before it is restarted, so some pod of it is that old."""
        gangs: dict[str, list[Pod]] = {}
        for action in removed:
            pod = self.world.store.get(Kind.POD, self.world.family.namespace, action.name)
            assert isinstance(pod, Pod)
            own = pod.meta.labels
            key = "" if "the set" in action.why else own[labels.GROUP_REPLICA_INDEX]
            gangs.setdefault(f"{own[labels.REPLICA_INDEX]}/{key}", []).append(pod)
        for gang, pods in gangs.items():
            first = min(pod.placed_since for pod in pods)
            age = seconds_between(first, self.world.now)
            assert age is not None
            assert age >= self.delay, f"{gang} is restarted after {age} s\n{self.story()}"

    def _check_cliques(
        self, seen: ReplicaSnapshot, slots: Mapping[str, CliqueSlot], updated: set[str]
    ) -> None:
        for name, slot in slots.items():
            if slot.group is not None or name not in seen.cliques:
                continue
            clique, pods = seen.cliques[name], _active(seen, name)
            ready = [pod for pod in pods if pod.ready]
            victims = [pod for pod in ready if pod.meta.uid in updated]
            if not victims:
                continue
            assert len(victims) == 1, self.story()
            self._check_last(name, victims[0])
            needed = min(slot.blueprint.min_available, clique.replicas)
            enough = len(ready) > needed or len(ready) >= clique.replicas
            assert enough, f"{name} below its floor\n{self.story()}"

    def _replica_of(self, name: str) -> int:
        index = replica_of(self.world.builder.name, name)
        assert index is not None
        return index

    def _seen(self, name: str) -> ReplicaSnapshot:
        return self.world.store.snapshot(self.world.family, self._replica_of(name))

    def _check_last(self, name: str, victim: Pod) -> None:
        """The pod that took the place of the last one is ready, or was not wanted any more."""
        seen = self._seen(name)
        clique, pods, last = seen.cliques[name], _active(seen, name), self.in_hand.get(name)
        self.in_hand[name] = victim.meta.labels[labels.POD_INDEX]
        heirs = [pod for pod in pods if pod.meta.labels[labels.POD_INDEX] == last]
        fine = all(pod.ready for pod in heirs) if heirs else len(pods) >= clique.replicas
        assert last is None or fine, f"{name}: the next was taken too early\n{self.story()}"

    def _check_groups(
        self, seen: ReplicaSnapshot, slots: Mapping[str, CliqueSlot], updated: set[str]
    ) -> None:
        for group_name, group in seen.groups.items():
            members: dict[int, list[CliqueSlot]] = {}
            for slot in slots.values():
                if slot.group is not None and slot.group.name == group_name:
                    members.setdefault(slot.group_replica, []).append(slot)
            available = {index for index, found in members.items() if _available(seen, found)}
            victims = {
                index
                for index, found in members.items()
                for slot in found
                for pod in _active(seen, slot.name)
                if pod.meta.uid in updated and index in available
            }
            if not victims:
                continue
            assert len(victims) == 1, self.story()
            self._check_last_replica(group_name, min(victims))
            needed = min(group.min_available, group.replicas)
            enough = len(available) > needed or len(available) >= group.replicas
            assert enough, f"{group_name} below its floor\n{self.story()}"

    def _check_last_replica(self, name: str, taken: int) -> None:
        """The replica that was taken last is available again, or not wanted any more."""
        seen, last = self._seen(name), self.in_hand.get(name)
        self.in_hand[name] = str(taken)
        if last is None or int(last) in (taken, *range(seen.groups[name].replicas, 99)):
            return
        live = {group: found.replicas for group, found in seen.groups.items()}
        members = [
            slot
            for slot in expand(self.world.blueprint, self._replica_of(name), live).cliques.values()
            if slot.group is not None and (slot.group.name, slot.group_replica) == (name, int(last))
        ]
        assert _available(seen, members), f"{name}: the next was taken too early\n{self.story()}"

    def check_turn(self, before: int | None) -> None:
        """The turn goes on only from a replica that is whole, or no longer wanted.

        Or to one that has something in hand, whose own it was before the process was restarted.
        """
        known, now = self.world.known, self.world.known.turn
        if before == now:
            return
        self.note(f"turn {before} -> {now}")
        if before is None or now is None or known.summaries[now].in_hand:
            return
        assert self._is_whole(before), self.story()


def _active(seen: ReplicaSnapshot, clique: str) -> list[Pod]:
    return [pod for pod in seen.pods.get(clique, ()) if not pod.meta.deleting]


def _serving(seen: ReplicaSnapshot, slots: Mapping[str, CliqueSlot], updated: set[str]) -> bool:
    """Whether anything that served is taken: a ready pod, or a group replica that is whole."""
    for name, slot in slots.items():
        victims = [pod for pod in _active(seen, name) if pod.meta.uid in updated and pod.ready]
        members = [item for item in slots.values() if _instance(item) == _instance(slot)]
        if victims and (slot.group is None or _available(seen, members)):
            return True
    return False


def _instance(slot: CliqueSlot) -> tuple[str, int] | str:
    return slot.name if slot.group is None else (slot.group.name, slot.group_replica)


def _available(seen: ReplicaSnapshot, slots: list[CliqueSlot]) -> bool:
    for slot in slots:
        clique = seen.cliques.get(slot.name)
        if clique is None:
            return False
        ready = sum(pod.ready for pod in _active(seen, slot.name))
        if ready < min(slot.blueprint.min_available, clique.replicas):
            return False
    return True
