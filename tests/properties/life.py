"""A set that lives on a clock: pods take time to start, fail, fall ill; the operator dies at times.

Each step is one look of the operator at everything, then five seconds. Statuses that nothing waits
for may stay unwritten for a while, pods may be placed one by one, and a plan may end after any of
its writes. Every removal of a pod is checked when it is made.
"""

from collections import Counter
from dataclasses import dataclass
from random import Random
from typing import Any, Final

from grove_operator.api import labels
from grove_operator.api.times import after
from grove_operator.cluster.slowstart import SlowStart
from grove_operator.observed import Kind
from grove_operator.plan.actions import Plan
from grove_operator.scheduling.native import Capabilities
from tests.properties.removals import Judge
from tests.properties.world import World
from tests.support.builders import NOW, SetBuilder
from tests.support.fakecluster import FakeCluster

STEP = 5.0
START_UP = 2
"""Steps that a placed pod needs to become ready."""
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
        self.judge = Judge(self.world, DELAY)
        self.hardship = hardship
        self.chance = Random(hardship.seed)
        self.cluster.slow = True
        self.cluster.nodes = NODES
        self.cluster.room = self._has_room
        self.slots_left = 1
        self.writes_left: int | None = None
        """After how many writes of the next plan the operator dies."""
        self.clock = NOW
        self.sick: dict[str, int] = {}
        self.placed: dict[str, int] = {}
        self.steps = 0

    @property
    def cluster(self) -> FakeCluster:
        return self.world.cluster

    async def step(self) -> bool:
        """Look, act, and let five seconds pass. True if anything happened or is still to happen."""
        world = self.world
        self.cluster.now = world.now = self.clock
        self.slots_left = 1
        self.judge.look_again()
        busy = False
        waits: list[float] = []
        turn = world.known.turn
        plans = list(world.plans())
        self.judge.check_turn(turn)
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
            statuses, later = (), ()
        elif not plan.urgent and self.hardship.withholds and self.chance.random() < 0.6:
            statuses, later = (), ()
        self.judge.check_actions(actions)
        report = await applier.apply(namespace, actions, SlowStart())
        assert not report.failures, report.failures
        await applier.write_statuses(namespace, statuses)
        await applier.apply(namespace, later, SlowStart())
        if dies:
            self.writes_left = None
            self.judge.note(f"the operator dies after {len(actions)} writes")
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
        raise AssertionError(f"no rest after {limit} steps: {left[:3]}\n{self.judge.story()}")

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

    # --- what happens to it ------------------------------------------------------------------

    def pod(self, which: int) -> dict[str, Any] | None:
        pods = [pod for _, pod in sorted(self.cluster.objects[Kind.POD].items())]
        return pods[which % len(pods)] if pods else None

    def edit(self, which: int, much: int) -> None:
        """A new image for one clique."""
        self.judge.start_anew()
        spec = self.cluster.get(Kind.SET, self.world.builder.name)["spec"]
        cliques = [dict(clique) for clique in spec["template"]["cliques"]]
        place = which % len(cliques)
        pod_spec = {"containers": [{"name": "app", "image": f"registry.example/x:{much}"}]}
        cliques[place]["spec"] = cliques[place]["spec"] | {"podSpec": pod_spec}
        template = spec["template"] | {"cliques": cliques}
        name = self.world.builder.name
        self.cluster.change(Kind.SET, name, {"spec": spec | {"template": template}})
        self.judge.note(f"edit {cliques[place]['name']} to {much}")

    def scale(self, which: int, much: int) -> None:
        kinds = (Kind.SET, Kind.CLIQUE, Kind.SCALING_GROUP)
        found = [(kind, name) for kind in kinds for name in sorted(self.cluster.objects[kind])]
        kind, name = found[which % len(found)]
        self.cluster.scale(kind, name, much)
        self.judge.note(f"scale {kind} {name} to {much}")

    def fail(self, which: int, _: int) -> None:
        pod = self.pod(which)
        if pod is None or not pod["spec"].get("nodeName"):
            return
        ready = {"type": "Ready", "status": "False", "lastTransitionTime": self.clock}
        others = [item for item in pod["status"]["conditions"] if item["type"] != "Ready"]
        status = {"phase": "Failed", "conditions": [*others, ready]}
        self.cluster.set_status(Kind.POD, pod["metadata"]["name"], status)
        self.judge.note(f"{pod['metadata']['name']} fails")

    def sicken(self, which: int, much: int) -> None:
        if pod := self.pod(which):
            self.sick[pod["metadata"]["uid"]] = 1 + much * 4
            self.judge.note(f"{pod['metadata']['name']} falls ill")

    def lose(self, which: int, much: int) -> None:
        """A node goes with some pods."""
        for offset in range(much):
            if pod := self.pod(which + offset):
                self.cluster.remove(Kind.POD, pod["metadata"]["name"])
                self.judge.note(f"{pod['metadata']['name']} is lost")

    def restart(self, _: int, __: int) -> None:
        self.world.restart()
        self.judge.note("the operator starts anew")

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
        self.judge.note(f"{node} falls silent")
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
