"""A set that lives on a clock: pods take time to start, fail, fall ill; the operator dies at times.

Each step is one look of the operator at everything, then five seconds. Statuses that nothing waits
for may stay unwritten for a while, pods may be placed one by one, and a plan may end after any of
its writes. Every removal of a pod is checked when it is made.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, Final

from grove_operator.api import labels
from grove_operator.api.names import replica_of
from grove_operator.api.times import after, seconds_between
from grove_operator.cluster.slowstart import SlowStart
from grove_operator.desired.expansion import CliqueSlot, expand
from grove_operator.observed import Kind, Pod, ReplicaSnapshot
from grove_operator.plan.actions import Action, Delete, Plan, StatusPatch
from grove_operator.scheduling.native import Capabilities
from tests.properties.world import World
from tests.support.builders import NOW, SetBuilder
from tests.support.fakecluster import FakeCluster

STEP = 5.0
START_UP = 2
"""Steps that a placed pod needs to become ready."""
OUTDATED = "it is from an outdated template"
RESTART = "stayed below a minimum"
DELAY: Final = 40.0
"""Seconds for which a minimum may be breached."""
SICK: Final = {"name": "app", "started": True, "ready": False}
"""A container that has started, so that its pod counts as broken."""
NODES = ("node-0", "node-1", "node-2")


@dataclass(frozen=True)
class Hardship:
    """What makes a life less easy; `seed` decides when."""

    seed: int = 0
    withholds: bool = False
    """Whether statuses that nothing waits for are often not written."""
    trickles: bool = False
    """Whether the scheduler places one pod at a time."""


class Life:
    def __init__(self, builder: SetBuilder, capabilities: Capabilities, hardship: Hardship) -> None:
        self.world = World(builder, capabilities)
        self.hardship = hardship
        self.chance = Random(hardship.seed)
        self.cluster.slow = True
        self.cluster.nodes = NODES
        self.cluster.room = self._has_room
        self.slots_left = 1
        self.writes_left: int | None = None
        """After how many writes of the next plan the operator dies."""
        self.moving: set[int] = set()
        """Replicas of which an update took something that served, until they are whole again."""
        self.clock = NOW
        self.sick: dict[str, int] = {}
        self.placed: dict[str, int] = {}
        self.steps = 0
        self.in_hand: dict[str, str] = {}
        self.log: list[str] = []

    @property
    def cluster(self) -> FakeCluster:
        return self.world.cluster

    async def step(self) -> bool:
        """Look, act, and let five seconds pass. True if anything happened or is still to happen."""
        world = self.world
        self.cluster.now = world.now = self.clock
        self.slots_left = 1
        self.moving = {index for index in self.moving if not self._is_whole(index)}
        busy = False
        waits: list[float] = []
        turn = world.known.turn
        plans = list(world.plans())
        self._check_turn(turn)
        for plan in plans:
            busy |= bool(plan.actions or plan.statuses or plan.later)
            if plan.recheck_after is not None:
                waits.append(plan.recheck_after)
            if not await self._carry_out(plan):
                break
        busy |= self.cluster.tick()
        busy |= self._kubelet()
        # Where nothing happens until some time, that time may as well come.
        self.clock = after(self.clock, STEP if busy else max(STEP, min(waits, default=STEP)))
        self.steps += 1
        return busy or bool(waits)

    async def _carry_out(self, plan: Plan) -> bool:
        """False if the operator died over it."""
        namespace, applier = self.world.family.namespace, self.world.applier
        actions, statuses, later = plan.actions, plan.statuses, plan.later
        dies = bool(actions) and self.writes_left is not None
        if dies:
            actions = actions[: self.writes_left]
            statuses = statuses if plan.urgent and self.chance.random() < 0.5 else ()
            later = ()
        elif not plan.urgent and self.hardship.withholds and self.chance.random() < 0.6:
            statuses, later = (), ()
        self._check(actions)
        self._check_taken(statuses)
        report = await applier.apply(namespace, actions, SlowStart())
        assert not report.failures, report.failures
        await applier.write_statuses(namespace, statuses)
        await applier.apply(namespace, later, SlowStart())
        if dies:
            self.writes_left = None
            self.log.append(f"{self.clock} the operator dies after {len(actions)} writes")
            self.world.restart()
        return not dies

    def _has_room(self, _: object) -> bool:
        self.slots_left -= 1
        return self.slots_left >= 0 or not self.hardship.trickles

    async def rest(self, limit: int = 400) -> None:
        for _ in range(limit):
            if not await self.step() and not self.sick:
                return
        left = [action for plan in self.world.plans() for action in plan.actions]
        raise AssertionError(f"no rest after {limit} steps: {left[:3]}\n{self.story()}")

    def story(self) -> str:
        return "\n".join(self.log[-40:])

    def _kubelet(self) -> bool:
        busy = False
        alive = {}
        for name, pod in list(self.cluster.objects[Kind.POD].items()):
            uid = pod["metadata"]["uid"]
            if not pod["spec"].get("nodeName") or pod["status"].get("phase") == "Failed":
                continue
            alive[uid] = since = self.placed.get(uid, self.steps)
            if pod["spec"]["nodeName"] in self.cluster.silent:
                continue
            if self.sick.get(uid, 0) > 0:
                self.sick[uid] -= 1
                self.cluster.place(name, ready=False)
                self.cluster.change(Kind.POD, name, {"status": {"containerStatuses": [SICK]}})
                busy = True
                continue
            self.sick.pop(uid, None)
            if self.steps - since >= START_UP:
                before = self.cluster.version
                self.cluster.place(name, ready=True)
                busy |= self.cluster.version != before
            else:
                busy = True
        self.placed = alive
        self.sick = {uid: left for uid, left in self.sick.items() if uid in alive}
        return busy

    # --- what must hold at each removal ------------------------------------------------------

    def _check(self, actions: Sequence[Action]) -> None:
        removed = {
            action.uid: action
            for action in actions
            if isinstance(action, Delete) and action.kind is Kind.POD
        }
        for action in removed.values():
            self.log.append(f"{self.clock} delete {action.name}: {action.why}")
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
            age = seconds_between(first, self.clock)
            assert age is not None
            assert age >= DELAY, f"{gang} is restarted after {age} s\n{self.story()}"

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

    def _check_taken(self, statuses: Sequence[StatusPatch]) -> None:
        """A group's next replica is chosen and stored first; then the last one must be back."""
        for status in statuses:
            progress = status.body["status"].get("updateProgress") or {}
            group = (progress.get("readyReplicaIndicesSelectedToUpdate") or {}).get("current")
            if status.kind is Kind.SCALING_GROUP and group is not None:
                self._check_last_replica(status.name, group)

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
            needed = min(group.min_available, group.replicas)
            enough = len(available) > needed or len(available) >= group.replicas
            assert enough, f"{group_name} below its floor\n{self.story()}"

    def _check_last_replica(self, name: str, taken: int) -> None:
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

    def _check_turn(self, before: int | None) -> None:
        """The turn goes on only from a replica that is whole, or no longer wanted.

        Or to one that has something in hand, whose own it was before the process was restarted.
        """
        known, now = self.world.known, self.world.known.turn
        if before == now:
            return
        self.log.append(f"{self.clock} turn {before} -> {now}")
        if before is None or now is None or known.summaries[now].in_hand:
            return
        assert self._is_whole(before), self.story()

    # --- what happens to it ------------------------------------------------------------------

    def pod(self, which: int) -> dict[str, Any] | None:
        pods = [pod for _, pod in sorted(self.cluster.objects[Kind.POD].items())]
        return pods[which % len(pods)] if pods else None

    def edit(self, which: int, much: int) -> None:
        """A new image for one clique; what an update that was through has taken is history."""
        self.in_hand = {
            name: last
            for name, last in self.in_hand.items()
            if not self._is_whole(self._replica_of(name))
        }
        spec = self.cluster.get(Kind.SET, self.world.builder.name)["spec"]
        cliques = [dict(clique) for clique in spec["template"]["cliques"]]
        place = which % len(cliques)
        pod_spec = {"containers": [{"name": "app", "image": f"registry.example/x:{much}"}]}
        cliques[place]["spec"] = cliques[place]["spec"] | {"podSpec": pod_spec}
        template = spec["template"] | {"cliques": cliques}
        name = self.world.builder.name
        self.cluster.change(Kind.SET, name, {"spec": spec | {"template": template}})
        self.log.append(f"{self.clock} edit {cliques[place]['name']} to {much}")

    def scale(self, which: int, much: int) -> None:
        kinds = (Kind.SET, Kind.CLIQUE, Kind.SCALING_GROUP)
        found = [(kind, name) for kind in kinds for name in sorted(self.cluster.objects[kind])]
        kind, name = found[which % len(found)]
        self.cluster.scale(kind, name, much)
        self.log.append(f"{self.clock} scale {kind} {name} to {much}")

    def fail(self, which: int, _: int) -> None:
        pod = self.pod(which)
        if pod is None or not pod["spec"].get("nodeName"):
            return
        ready = {"type": "Ready", "status": "False", "lastTransitionTime": self.clock}
        others = [item for item in pod["status"]["conditions"] if item["type"] != "Ready"]
        status = {"phase": "Failed", "conditions": [*others, ready]}
        self.cluster.set_status(Kind.POD, pod["metadata"]["name"], status)
        self.log.append(f"{self.clock} {pod['metadata']['name']} fails")

    def sicken(self, which: int, much: int) -> None:
        if pod := self.pod(which):
            self.sick[pod["metadata"]["uid"]] = 1 + much * 4
            self.log.append(f"{self.clock} {pod['metadata']['name']} falls ill")

    def lose(self, which: int, much: int) -> None:
        """A node goes with some pods."""
        for offset in range(much):
            if pod := self.pod(which + offset):
                self.cluster.remove(Kind.POD, pod["metadata"]["name"])
                self.log.append(f"{self.clock} {pod['metadata']['name']} is lost")

    def restart(self, _: int, __: int) -> None:
        self.world.restart()
        self.log.append(f"{self.clock} the operator starts anew")

    def die(self, which: int, _: int) -> None:
        """In the midst of the next plan."""
        self.writes_left = which

    def silence(self, which: int, _: int) -> None:
        """Nothing is heard of a node any more; one of which that was so comes back.

        Kubernetes says that its pods are not ready, and deletes those that do not tolerate it.
        """
        node = NODES[which % len(NODES)]
        self.cluster.silent = {node}
        self.world.unreachable = {node: self.clock}
        self.log.append(f"{self.clock} {node} falls silent")
        for name, pod in list(self.cluster.objects[Kind.POD].items()):
            placed = pod["spec"].get("nodeName") == node and pod["status"]["phase"] != "Failed"
            if not placed or "deletionTimestamp" in pod["metadata"]:
                continue
            self.cluster.place(name, ready=False)
            if self.chance.random() < 0.5:
                self.cluster.remove(Kind.POD, name)

    def hashes(self) -> Counter[bool]:
        """How many pods are, and are not, from the newest template."""
        newest = self.world.blueprint.by_name
        found: Counter[bool] = Counter()
        for clique in self.cluster.objects[Kind.CLIQUE].values():
            role = clique["spec"]["roleName"]
            for pod in self.world.pods_of(clique["metadata"]["name"]):
                found[pod["metadata"]["labels"][labels.TEMPLATE_HASH] == newest[role].pod_hash] += 1
        return found


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
