"""Looks after ClusterTopologyBindings and the topology objects that schedulers have of their own.

Tells planning of the levels, keeps and compares the objects, writes the bindings' statuses. A queue
of its own, a key per binding, one worker: there are a handful. Idle while topology-aware scheduling
is off.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

import msgspec

from grove_operator import metrics
from grove_operator.cluster.connection import Api
from grove_operator.cluster.discovery import Served, is_served
from grove_operator.cluster.events import Recorder
from grove_operator.cluster.informer import Informer
from grove_operator.cluster.records import decode_child
from grove_operator.cluster.resources import TOPOLOGY_BINDINGS
from grove_operator.cluster.topologies import KAI_TOPOLOGIES, Topologies, levels_of
from grove_operator.desired.packing import TopologyOffer
from grove_operator.errors import ClusterError, NotFoundError
from grove_operator.observed import Child
from grove_operator.operator.queue import WorkQueue
from grove_operator.plan.topologybinding import KAI, BindingPlan, KaiFacts, plan_binding
from grove_operator.settings import Settings

_LOOKS: Final = 4
_encode = msgspec.json.Encoder().encode


class TopologyKeeper:
    """`changed` is told the name of each binding whose levels changed."""

    def __init__(
        self,
        api: Api,
        settings: Settings,
        recorder: Recorder,
        now: Callable[[], str],
        changed: Callable[[str], None],
    ) -> None:
        self._api = api
        self._recorder = recorder
        self._now = now
        self._changed = changed
        self._settings = settings.topology_aware_scheduling
        self._kai = any(profile.name == KAI for profile in settings.scheduler.profiles)
        self._served = asyncio.Event()
        self._errors: dict[str, str] = {}
        self.queue: WorkQueue[str] = WorkQueue()
        self.bindings = Topologies(self._binding_changed)
        self.informer = self._informer(api, TOPOLOGY_BINDINGS, self.bindings)
        self.kai_topologies = Topologies(self._kai_changed)
        self.kai_informer = self._informer(api, KAI_TOPOLOGIES, self.kai_topologies)

    @staticmethod
    def _informer(api: Api, resource: Any, sink: Topologies) -> Informer[Child]:
        return Informer(api, resource, decode=decode_child, sink=sink)

    @property
    def enabled(self) -> bool:
        return self._settings.enabled

    def offer(self) -> TopologyOffer:
        """For planning: the levels of all bindings."""
        if not self.enabled:
            return TopologyOffer(affinity=self._settings.affinity)
        levels = {name: levels_of(item) for name, item in self.bindings.records.items()}
        return TopologyOffer(enabled=True, affinity=self._settings.affinity, bindings=levels)

    def look(self, name: str) -> None:
        if self.enabled:
            self.queue.add(name)

    def serve(self, found: Served) -> None:
        """KAI's kind may come and go."""
        if is_served(found, KAI_TOPOLOGIES) == self._served.is_set():
            return
        if self._served.is_set():
            self._served.clear()
        else:
            self._served.set()
        self._look_at_all()

    async def follow(self) -> None:
        """Run the informers for ever."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.informer.run(), name="informer ClusterTopologyBinding")
            if self._kai:
                group.create_task(self._follow_kai(), name="informer Topology")

    async def _follow_kai(self) -> None:
        await self._served.wait()
        async with asyncio.TaskGroup() as group:
            group.create_task(self.kai_informer.run(), name="informer Topology")
            await self.kai_informer.synced.wait()
            self._look_at_all()

    async def work(self) -> None:
        """Keep objects and statuses; for the process that leads."""
        self._look_at_all()
        await self.queue.run(self.reconcile, 1)

    def _look_at_all(self) -> None:
        for name in self.bindings.records:
            self.queue.add(name)

    def _binding_changed(self, old: Child | None, new: Child | None) -> None:
        record = new or old
        assert record is not None
        name = record.meta.name
        # As lists, for the order of levels counts.
        before, after = (item and list(levels_of(item).items()) for item in (old, new))
        if before != after:
            self._changed(name)
        self.queue.add(name)

    def _kai_changed(self, old: Child | None, new: Child | None) -> None:
        """Its owner compares it, and every binding that names it."""
        record = new or old
        assert record is not None
        if record.meta.owner_name in self.bindings.records:
            self.queue.add(record.meta.owner_name)
        for name, binding in self.bindings.records.items():
            references = binding.body.get("spec", {}).get("schedulerTopologyBindings") or ()
            mine = name == record.meta.name
            if mine or any(it.get("topologyReference") == record.meta.name for it in references):
                self.queue.add(name)

    # --- one binding

    def _plan(self, name: str) -> BindingPlan:
        binding = self.bindings.records.get(name)
        if binding is None:
            self._errors.pop(name, None)
            return BindingPlan()
        listed = self._served.is_set() and self.kai_informer.synced.is_set()
        kai = KaiFacts(
            enabled=self._kai,
            served=self._served.is_set(),
            topologies=self.kai_topologies.records if listed else None,
            error=self._errors.get(name, ""),
        )
        return plan_binding(binding, kai, self._now())

    async def reconcile(self, name: str) -> None:
        self._errors.pop(name, None)
        plan = self._plan(name)
        for _ in range(_LOOKS):
            if plan.delete is None and plan.create is None:
                break
            try:
                await self._carry_out(plan)
            except ClusterError as error:
                metrics.count_error(KAI_TOPOLOGIES.kind, error.reason or "Unknown")
                self._errors[name] = str(error)
                self.queue.retry(name)
                plan = self._plan(name)
                break
            plan = self._plan(name)
        await self._write_status(name, plan)

    async def _carry_out(self, plan: BindingPlan) -> None:
        if plan.delete is not None:
            meta = plan.delete.meta
            with suppress(NotFoundError):  # somebody was faster
                await self._api.delete(KAI_TOPOLOGIES, None, meta.name, uid=meta.uid)
            self.kai_topologies.delete(plan.delete)
        if plan.create is not None:
            answer = await self._api.create(KAI_TOPOLOGIES, None, _encode(plan.create))
            self.kai_topologies.upsert(decode_child(answer))

    async def _write_status(self, name: str, plan: BindingPlan) -> None:
        if plan.status is None:
            return
        try:
            answer = await self._api.merge_patch(
                TOPOLOGY_BINDINGS, None, name, _encode(plan.status), "status"
            )
        except NotFoundError:
            return
        except ClusterError as error:
            metrics.count_error(TOPOLOGY_BINDINGS.kind, error.reason or "Unknown")
            self.queue.retry(name)
            return
        self.bindings.upsert(decode_child(answer))
        if plan.event is not None:
            self._recorder.record("", plan.event)
