"""The composition root: settings in, a running operator out.

The only place that knows which parts there are and how they hang together. Caches fill on every
replica; only the leader takes keys from the queue.
"""

import asyncio
import gc
import logging
import os
import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, Final

from grove_operator import __version__, metrics
from grove_operator.admission.schedulers import KAI, VOLCANO
from grove_operator.api import labels
from grove_operator.cluster.applier import RESOURCES, Applier
from grove_operator.cluster.claimtemplates import ClaimCache, decode_claim, decode_claim_template
from grove_operator.cluster.config import ClientOptions, own_namespace
from grove_operator.cluster.connection import Api
from grove_operator.cluster.discovery import VOLCANO_SUB_GROUPS, Discovery, Served, is_served
from grove_operator.cluster.election import Elector, LeaseOptions
from grove_operator.cluster.events import Recorder
from grove_operator.cluster.informer import Informer
from grove_operator.cluster.nodes import decode_node
from grove_operator.cluster.priorities import (
    PRIORITY_CLASSES,
    PriorityClasses,
    decode_priority_class,
)
from grove_operator.cluster.records import DECODERS
from grove_operator.cluster.resources import (
    NODES,
    OLDER_CLAIMS,
    RESOURCE_CLAIM_TEMPLATES,
    RESOURCE_CLAIMS,
)
from grove_operator.cluster.store import WHOLE_SET, KindSink, Place, Store
from grove_operator.desired.startorder import image_reference
from grove_operator.observed import Kind, Record
from grove_operator.operator.attention import Key
from grove_operator.operator.handlers import KINDS, event_handlers
from grove_operator.operator.queue import WorkQueue
from grove_operator.operator.reconcile import Reconciler
from grove_operator.operator.topologies import TopologyKeeper
from grove_operator.plan.obstacles import asks_for_domains
from grove_operator.policy.pacing import Pace
from grove_operator.process.launch import launch
from grove_operator.process.probes import Address, Check, Probes, is_alive, is_synced
from grove_operator.process.shell import Shell
from grove_operator.process.supervisor import EXIT_RUN, Supervisor
from grove_operator.scheduling.native import Capabilities
from grove_operator.scheduling.profiles import Profiles
from grove_operator.settings import Settings

_LOG = logging.getLogger(__name__)
_MANAGED: Final = f"{labels.MANAGED_BY}={labels.MANAGER}"
_NATIVE: Final = (Kind.WORKLOAD, Kind.POD_GROUP, Kind.COMPOSITE_POD_GROUP)
"""The stock scheduler's kinds, which the cluster may or may not serve."""
_DEVICES: Final = (Kind.RESOURCE_CLAIM, Kind.COMPUTE_DOMAIN)
_GROUPS: Final = {KAI: Kind.KAI_POD_GROUP, VOLCANO: Kind.VOLCANO_POD_GROUP}
"""The kinds of other schedulers, followed if their profile is enabled."""
_AWAITED: Final = (*_NATIVE, *_DEVICES, *_GROUPS.values())
"""Kinds without whose caches no work begins, where they are served."""
_OPTIONAL: Final = (*_AWAITED, Kind.POD_MONITOR)
"""Kinds that the cluster may or may not serve. PodMonitors that cannot be read hold nothing up."""

AnyInformer = Informer[Any]


def main(config: Path | None, kubeconfig: str | None, env: Mapping[str, str] = os.environ) -> int:
    """Run until told to stop; gives the exit code."""
    return launch(config, kubeconfig, env, Operator)


class Operator:
    """All parts of one process."""

    def __init__(self, api: Api, settings: Settings, options: ClientOptions) -> None:
        self.settings = settings
        self.store = Store(self._changed)
        self.queue: WorkQueue[Key] = WorkQueue(
            stuck_after=settings.server.health_probes.stuck_after
        )
        self.recorder = Recorder(api, _now)
        pace = Pace(quiet=settings.status.quiet_period, longest=settings.status.max_delay)
        self.reconciler = Reconciler(
            self.store, Applier(api, self.store), self.queue, self.recorder, _now, pace
        )
        self.profiles = frozenset(profile.name for profile in settings.scheduler.profiles)
        idle = {kind for name, kind in _GROUPS.items() if name not in self.profiles}
        self.informers = {kind: self._informer(api, kind) for kind in DECODERS if kind not in idle}
        self.priorities = PriorityClasses(self._offer)
        self.priority_informer: AnyInformer = Informer(
            api, PRIORITY_CLASSES, decode=decode_priority_class, sink=self.priorities
        )
        self.node_informer: AnyInformer = Informer(
            api, NODES, decode=decode_node, sink=self.reconciler.attention.nodes
        )
        attention = self.reconciler.attention
        self.named_claims: list[tuple[ClaimCache, AnyInformer]] = [
            (cache, Informer(api, resource, decode=decode, sink=cache))
            for cache, resource, decode in (
                (attention.templates, RESOURCE_CLAIM_TEMPLATES, decode_claim_template),
                (attention.claims, RESOURCE_CLAIMS, decode_claim),
            )
        ]
        self.topologies = TopologyKeeper(api, settings, self.recorder, _now, self._relevel)
        self.shell = Shell(
            api.credentials, KINDS, event_handlers(self._look_at_set, self.topologies.look)
        )
        self.discovery = Discovery(api, self._discovered, lacks=self._lacks)
        self.discovery.asks_volcano = VOLCANO in self.profiles
        self.discovery.impatient = lambda: bool(self.reconciler.lacking)
        self.reconciler.on_lack = self.discovery.refresh_soon
        self.reconciler.attention.default_scheduler = settings.scheduler.default_profile_name
        self.served = {kind: asyncio.Event() for kind in _OPTIONAL if kind in self.informers}
        self.sub_groups = False
        """Whether Volcano's PodGroups are as new as gangs need them."""
        self.older_claims = False
        self.elector = Elector(api, self._lease(options))
        self.probes = Probes(before_scrape=self._measure)
        self.supervisor = Supervisor(grace=settings.shutdown.grace_period)

    def _changed(self, place: Place, kind: Kind, old: Record | None, new: Record | None) -> None:
        self.reconciler.attention.changed(place, kind, old, new)

    # --- parts -----------------------------------------------------------------------------

    def _informer(self, api: Api, kind: Kind) -> AnyInformer:
        cache = self.settings.cache
        return Informer(
            api,
            RESOURCES[kind],
            decode=DECODERS[kind],
            sink=KindSink(self.store, kind),
            label_selector=None if kind is Kind.SET else _MANAGED,
            page_size=cache.page_size,
            inactivity=cache.inactivity_timeout,
            relist=cache.relist_interval,
            rest=self.reconciler.attention.rest,
        )

    def _lease(self, options: ClientOptions) -> LeaseOptions:
        election = self.settings.leader_election
        return LeaseOptions(
            name=election.resource_name,
            namespace=election.resource_namespace or own_namespace(options),
            duration=election.lease_duration,
            renew_deadline=election.renew_deadline,
            retry_period=election.retry_period,
        )

    async def listen(self) -> None:
        """Open the probes first, so that a process that waits for something says so."""
        always = [informer for kind, informer in self.informers.items() if kind not in _OPTIONAL]
        always += [self.priority_informer, self.node_informer]
        if self.topologies.enabled:
            always.append(self.topologies.informer)
        self.probes.live = [
            *map(is_alive, always),
            Check("queue", self.queue.stuck),
        ]
        self.probes.ready = [
            *map(is_synced, always),
            Check("discovery", lambda: None if self.discovery.known.is_set() else "not yet done"),
        ]
        server = self.settings.server
        await self.probes.start(
            Address(server.health_probes.port, server.health_probes.bind_address),
            Address(server.metrics.port, server.metrics.bind_address),
        )

    async def run(self) -> int:
        supervisor = self.supervisor
        for kind, informer in self.informers.items():
            run = partial(self._inform_if_served, kind) if kind in _OPTIONAL else informer.run
            supervisor.add(f"informer {kind}", run)
        supervisor.add("informer PriorityClass", self.priority_informer.run)
        supervisor.add("informer Node", self.node_informer.run)
        for cache, informer in self.named_claims:
            run = partial(self._inform_if_needed, cache, informer)
            supervisor.add(f"informer of named {informer.resource.kind}s", run)
        if self.topologies.enabled:
            supervisor.add("informers of topology", self.topologies.follow)
            supervisor.add("topology", self._keep_topologies)
        supervisor.add("discovery", self.discovery.run)
        supervisor.add("kopf", lambda: self.shell.run(supervisor.stopping))
        supervisor.add("events", self.recorder.run)
        if self.settings.leader_election.enabled:
            supervisor.add("election", self.elector.run)
        supervisor.add("reconcile", self._work)
        supervisor.at_stop("reconcile", self._drain)
        supervisor.at_stop("election", self.elector.release)
        try:
            return await supervisor.run()
        finally:
            await self.probes.close()

    async def _inform_if_served(self, kind: Kind) -> None:
        await self.served[kind].wait()
        informer = self.informers[kind]
        async with asyncio.TaskGroup() as group:
            group.create_task(informer.run(), name=f"informer {kind}")
            await informer.synced.wait()
            self._offer()

    async def _inform_if_needed(self, cache: ClaimCache, informer: AnyInformer) -> None:
        await cache.needed.wait()
        await self.served[Kind.RESOURCE_CLAIM].wait()
        await informer.run()

    async def _work(self) -> None:
        """Reconcile once caches are filled and this process leads."""
        await self.discovery.known.wait()
        for kind, informer in self.informers.items():
            if kind not in _OPTIONAL or (kind in _AWAITED and self._is_served(kind)):
                await informer.synced.wait()
        if self.served[Kind.POD_MONITOR].is_set():
            # Else sets that have one would be told for a moment that there can be none.
            await self.informers[Kind.POD_MONITOR].tried.wait()
        await self.priority_informer.synced.wait()
        await self.node_informer.synced.wait()
        if self.topologies.enabled:
            await self.topologies.informer.synced.wait()
        gc.collect()
        gc.freeze()
        if self.settings.leader_election.enabled:
            await self.elector.leading.wait()
        else:
            metrics.set_leader(True)
        self._offer()
        self.reconciler.attention.look_at_everything()
        # A pass mostly waits for answers, so there may be one for each request in flight.
        workers = self.settings.runtime_client_connection.max_in_flight
        await self.queue.run(self._reconcile, workers)

    async def _keep_topologies(self) -> None:
        await self.discovery.known.wait()
        await self.topologies.informer.synced.wait()
        if self.settings.leader_election.enabled:
            await self.elector.leading.wait()
        await self.topologies.work()

    async def _reconcile(self, key: Key) -> None:
        if self.settings.leader_election.enabled and not self.elector.holds():
            # Another process may lead: not even a clean-up may be tried.
            _LOG.error("the lease ran out while this process was stopped or starved")
            os._exit(EXIT_RUN)
        await self.reconciler.reconcile(key)

    async def _drain(self) -> None:
        """Let passes that are under way end; keys that wait are the next leader's."""
        self.queue.stop()
        self.topologies.queue.stop()
        await self.queue.drain()
        await self.topologies.queue.drain()

    # --- what the cluster offers -----------------------------------------------------------

    def _discovered(self, found: Served) -> None:
        self.shell.serve(found)
        self.topologies.serve(found)
        self.sub_groups = VOLCANO_SUB_GROUPS in found
        self.older_claims = any(is_served(found, resource) for resource in OLDER_CLAIMS)
        for kind, event in self.served.items():
            if is_served(found, RESOURCES[kind]):
                event.set()
            else:
                event.clear()
        self._offer()

    def _offer(self) -> None:
        """Tell the planner what there is, once the caches of all of it are filled."""
        served: set[Kind] = {kind for kind in _AWAITED if self._is_served(kind)}
        if not all(self.informers[kind].synced.is_set() for kind in served):
            return
        offered = Capabilities(
            pod_groups=Kind.POD_GROUP in served,
            composite_groups=Kind.COMPOSITE_POD_GROUP in served,
            workloads=Kind.WORKLOAD in served,
            priority_classes=self.priorities.names,
            default_priority=self.priorities.default,
            pod_monitors=self._is_known(Kind.POD_MONITOR),
            resource_claims=self._is_known(Kind.RESOURCE_CLAIM),
            older_claims=self.older_claims,
            compute_domains=self._is_known(Kind.COMPUTE_DOMAIN),
            mnnvl=self.settings.network.auto_mnnvl_enabled,
            waiter_image=image_reference(self.settings.init_container_image, __version__),
            topology=self.topologies.offer(),
            profiles=self._offered_profiles(served),
        )
        if offered != self.reconciler.capabilities:
            self.reconciler.capabilities = offered
            self.reconciler.attention.look_at_everything()

    def _lacks(self, found: Served) -> bool:
        """Whether a set waits for ComputeDomains, which come with a driver."""
        if is_served(found, RESOURCES[Kind.COMPUTE_DOMAIN]):
            return False
        return self.settings.network.auto_mnnvl_enabled and any(
            asks_for_domains(blueprint) for blueprint in self.reconciler.attention.blueprints()
        )

    def _is_served(self, kind: Kind) -> bool:
        """A kind that is not followed counts as not served."""
        return kind in self.served and self.served[kind].is_set()

    def _is_known(self, kind: Kind) -> bool:
        return self.served[kind].is_set() and self.informers[kind].synced.is_set()

    def _relevel(self, name: str) -> None:
        """A ClusterTopologyBinding has come, gone, or got other levels."""
        before = self.reconciler.capabilities
        self.reconciler.capabilities = replace(before, topology=self.topologies.offer())
        self.reconciler.attention.look_at_topology(name)

    def _offered_profiles(self, served: set[Kind]) -> Profiles:
        there = {name for name, kind in _GROUPS.items() if kind in served}
        old = set() if self.sub_groups else {VOLCANO} & there
        return Profiles(
            enabled=self.profiles,
            served=frozenset(there - old),
            outdated=frozenset(old),
            pod_grouper=self.settings.scheduler.pod_grouper,
        )

    def _look_at_set(self, namespace: str, name: str) -> None:
        self.queue.add(Key(namespace, name, WHOLE_SET))

    def _measure(self) -> None:
        self.queue.measure()
        self.reconciler.fleet.measure()
        for kind, informer in self.informers.items():
            if kind not in self.served or self.served[kind].is_set():
                metrics.set_informer_age(str(kind), informer.age())
                metrics.set_informer_objects(str(kind), self.store.count(kind))


@lru_cache(maxsize=2)
def _rfc3339(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _now() -> str:
    """The time as it stands in statuses, to the second. Asked for at each look."""
    return _rfc3339(int(time.time()))
