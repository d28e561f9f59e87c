"""A set on the API server in memory, with the real planner, applier and store but no queue."""

from collections.abc import Iterator
from dataclasses import replace as changed
from typing import Any

import msgspec

from grove_operator.api import labels
from grove_operator.cluster.applier import Applier
from grove_operator.cluster.records import DECODERS
from grove_operator.cluster.slowstart import SlowStart
from grove_operator.cluster.store import Family, Store
from grove_operator.desired.blueprint import SetBlueprint
from grove_operator.observed import Child, Kind, Surroundings
from grove_operator.operator.families import Known
from grove_operator.plan.actions import Plan
from grove_operator.plan.podcliqueset import SetFacts, plan_set
from grove_operator.plan.replica import plan_replica
from grove_operator.scheduling.native import Capabilities
from tests.support.builders import NOW, SetBuilder
from tests.support.fakecluster import FakeCluster, FakeConnection

LOOKS = 60
"""A made-up bound: far above what any sequence of events has needed."""


class World:
    def __init__(self, builder: SetBuilder, capabilities: Capabilities) -> None:
        self.builder = builder
        self.capabilities = capabilities
        self.cluster = FakeCluster()
        self.store = self.cluster.store = Store(lambda *_: None)
        self.applier = Applier(FakeConnection(self.cluster), self.store)
        self.known = Known()
        self.now = NOW
        self.unreachable: dict[str, str] = {}
        """Since when, by node: of which nothing is heard."""
        self.cluster.apply(builder.manifest())

    @property
    def family(self) -> Family:
        return Family(self.builder.namespace, self.builder.name)

    @property
    def record(self) -> Child:
        record = self.store.the_set(self.family)
        assert record is not None
        return record

    @property
    def blueprint(self) -> SetBlueprint:
        self.known.read(self.record)
        assert self.known.blueprint is not None, self.known.problems
        return self.known.blueprint

    def restart(self) -> None:
        """End the operator and start it anew: nothing is remembered but what is stored."""
        self.store = self.cluster.store = Store(lambda *_: None)
        self.applier = Applier(FakeConnection(self.cluster), self.store)
        self.known = Known()
        for kind, decode in DECODERS.items():
            for body in self.cluster.objects[kind].values():
                self.store.upsert(kind, decode(msgspec.json.encode(body)))

    def plans(self) -> Iterator[Plan]:
        """One look at everything, set last."""
        blueprint, known = self.blueprint, self.known
        for replica in sorted({*range(blueprint.replicas), *self.store.replicas(self.family)}):
            around = Surroundings(unreachable=self.unreachable)
            seen = self.store.snapshot(self.family, replica)
            seen = changed(seen, surroundings=around, turn=known.turn)
            plan = plan_replica(blueprint, replica, seen, self.capabilities, self.now)
            known.summarize(replica, plan.summary)
            yield plan
        whole = known.picture(self.store.set_children(self.family))
        plan = plan_set(blueprint, self.record, whole, SetFacts(self.capabilities, self.now))
        known.turn = plan.turn
        yield plan

    async def settle(self) -> int:
        """Look and act, with the cluster's own controllers in between, until all is quiet."""
        for look in range(LOOKS):
            busy = False
            for plan in self.plans():
                busy |= bool(plan.actions or plan.statuses or plan.later)
                report = await self.applier.apply(self.family.namespace, plan.actions, SlowStart())
                assert not report.failures
                await self.applier.write_statuses(self.family.namespace, plan.statuses)
                report = await self.applier.apply(self.family.namespace, plan.later, SlowStart())
                assert not report.failures
            if not self.cluster.tick() and not busy:
                return look
        actions = [action for plan in self.plans() for action in plan.actions]
        raise AssertionError(f"does not settle: {actions[:3]}")

    def living(self, kind: Kind) -> dict[str, dict[str, Any]]:
        return self.cluster.objects[kind]

    def pods_of(self, clique: str) -> list[dict[str, Any]]:
        pods = self.living(Kind.POD).values()
        return [pod for pod in pods if pod["metadata"]["labels"][labels.PODCLIQUE] == clique]
