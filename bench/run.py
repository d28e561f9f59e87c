"""One benchmark: a cluster of its own, then floors and operator for each shape, one at a time."""

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from bench.audit import AuditLog
from bench.floors import bare_pods_floor, family_floor
from bench.measure import UPDATED, Measurement
from bench.observe import Progress, observing
from bench.operator import Operator, OperatorFailedError, cpu_seconds, running_operator
from bench.shapes import BINDING, FLAT, OFFER, TOPOLOGY, Shape, family
from bench.updates import outdated, with_new_image
from bench.wire import RefusedError, Wire, collection
from grove_operator.scheduling.native import Capabilities
from tools.demo.crds import install_crds
from tools.localcluster import ClusterOptions, LocalCluster, NodeShape
from tools.localcluster.api import read_kubeconfig
from tools.localcluster.cluster import sweep

ROOT = Path(__file__).resolve().parents[1]
WORKDIR = ROOT / ".local" / "kwok-bench"
IDLE_SECONDS = 30.0
SETTLE_SECONDS = 5.0
"""Between reaching a goal and looking for idle writes: the last statuses come after it."""
PODS_PER_NODE = 110
WARM_UP_PODS = 40

Say = Callable[[str], None]
Body = dict[str, Any]


@dataclass(frozen=True)
class Plan:
    shapes: tuple[Shape, ...]
    pods: int
    floors: bool
    idle_seconds: float = IDLE_SECONDS
    update: bool = False
    """Whether everything is updated once more, pod by pod: minutes for a thousand pods."""


def _nodes(plan: Plan) -> tuple[int, NodeShape]:
    """Enough room for the pods, a tenth more and a few nodes besides.

    For topology a node for ten pods, ten nodes to a rack, and on each room for three groups of
    workers, of which two are taken in the end.
    """
    if TOPOLOGY in plan.shapes:
        count = max(20, plan.pods // 10)
        return count, NodeShape(zones=2, blocks=2, racks=count // 10, gpus=12)
    count = plan.pods * 11 // (PODS_PER_NODE * 10) + 5
    return count, NodeShape(racks=max(1, count // 8), pods=PODS_PER_NODE)


@contextlib.contextmanager
def bench_cluster(plan: Plan) -> Iterator[LocalCluster]:
    """Audited; gone afterwards."""
    sweep()
    options = ClusterOptions(audit=True)
    with LocalCluster.create(
        f"bench-{os.getpid()}", WORKDIR, options, owner_pid=os.getpid()
    ) as cluster:
        cluster.create_nodes(*_nodes(plan))
        install_crds(cluster)
        yield cluster


@dataclass(frozen=True)
class Bench:
    """What every measurement needs."""

    cluster: LocalCluster
    wire: Wire
    capabilities: Capabilities
    plan: Plan


async def measure_all(cluster: LocalCluster, plan: Plan, say: Say) -> list[Measurement]:
    server, tls = read_kubeconfig(cluster.kubeconfig)
    results: list[Measurement] = []
    async with Wire(server, tls) as wire:
        bench = Bench(cluster, wire, await discover(wire), plan)
        await _warm_up(bench)
        if TOPOLOGY in plan.shapes:
            await wire.create(BINDING)
            bench = replace(bench, capabilities=replace(bench.capabilities, topology=OFFER))
        for shape in plan.shapes:
            for title, measure in _measurements(plan):
                say(f"{shape.name}: {title}")
                async with _namespace(wire, f"{shape.name}-{measure.__name__.strip('_')}") as name:
                    result = await measure(bench, shape, name)
                results.append(result)
                say(f"  {_brief(result)}")
    return results


Measure = Callable[[Bench, Shape, str], Coroutine[Any, Any, Measurement]]


def _measurements(plan: Plan) -> Iterator[tuple[str, Measure]]:
    if plan.floors:
        yield "the pods alone", _pods
        yield "the same objects, posted without an operator", _family
    yield "the operator", _operator


async def _pods(bench: Bench, shape: Shape, namespace: str) -> Measurement:
    body = shape.podcliqueset(namespace, bench.plan.pods)
    return await bare_pods_floor(
        bench.wire,
        namespace,
        shape.name,
        family(body, bench.capabilities),
        update=bench.plan.update,
    )


async def _family(bench: Bench, shape: Shape, namespace: str) -> Measurement:
    body = shape.podcliqueset(namespace, bench.plan.pods)
    bodies = family(body, bench.capabilities)
    spent = partial(_scheduler_cpu, bench.cluster)
    return await family_floor(bench.wire, body, bodies, spent, update=bench.plan.update)


async def _operator(bench: Bench, shape: Shape, namespace: str) -> Measurement:
    cluster, wire, plan, name = bench.cluster, bench.wire, bench.plan, shape.name
    body = shape.podcliqueset(namespace, plan.pods)
    result = Measurement(name, "operator", shape.replicas(plan.pods) * shape.pods_per_replica)
    audit = AuditLog(cluster.audit_log)
    log = WORKDIR / f"operator-{name}.log"
    settings = {"GROVE_TOPOLOGY_AWARE_SCHEDULING__ENABLED": str(shape is TOPOLOGY)}
    async with (
        running_operator(cluster.kubeconfig, log, settings) as operator,
        observing(wire, namespace, result.pods) as progress,
    ):
        audit.skip()
        cpu, counted = operator.cpu_seconds(), await operator.counted_writes()
        scheduler = _scheduler_cpu(cluster)
        start = time.monotonic()
        await wire.create(body)
        for goal in ("created", "placed", "ready", "available"):
            result.note(goal, start, await _or_dead(operator, progress.until(goal)))
        result.cpu_up = operator.cpu_seconds() - cpu
        result.scheduler_cpu = _scheduler_cpu(cluster) - scheduler
        await asyncio.sleep(SETTLE_SECONDS)
        result.writes_up, result.refused = audit.operator_writes(), audit.refused
        result.metrics_writes_up = await operator.counted_writes() - counted
        await asyncio.sleep(plan.idle_seconds)
        result.writes_idle = audit.operator_writes()
        if plan.update:
            await _update(bench, body, result, operator, progress)
            result.writes_update = audit.operator_writes()
        start = time.monotonic()
        await wire.send("DELETE", _path(body))
        result.note("gone", start, await _or_dead(operator, progress.until("gone")))
        await asyncio.sleep(SETTLE_SECONDS)
        result.writes_down = audit.operator_writes()
        result.memory_peak = operator.memory_peak()
    return result


def _scheduler_cpu(cluster: LocalCluster) -> float:
    """User and system seconds of kube-scheduler so far."""
    return cpu_seconds(cluster.components()["kube-scheduler"])


async def _update(
    bench: Bench, body: Body, result: Measurement, operator: Operator, progress: Progress
) -> None:
    """Change the image of every clique, and wait until all pods have it."""
    cpu, start = operator.cpu_seconds(), time.monotonic()
    await bench.wire.send("PATCH", _path(body), with_new_image(body))
    result.note(UPDATED, start, await _or_dead(operator, progress.until(UPDATED)))
    result.cpu_update = operator.cpu_seconds() - cpu
    listing = await bench.wire.get(f"/api/v1/namespaces/{body['metadata']['namespace']}/pods")
    left = outdated(listing["items"])
    if left or len(listing["items"]) != result.pods:
        raise TimeoutError(
            f"updateEndedAt is set, but of {len(listing['items'])} pods {len(left)} are not new "
            f"and ready: {left[:3]}"
        )
    await asyncio.sleep(SETTLE_SECONDS)


def _path(podcliqueset: Body) -> str:
    metadata = podcliqueset["metadata"]
    return f"{collection(podcliqueset)}/{metadata['name']}"


async def _or_dead(operator: Operator, goal: Awaitable[float]) -> float:
    """The goal's time, or at once the operator's last words if it ends before."""
    waiting = asyncio.ensure_future(goal)
    while not waiting.done():
        await asyncio.wait({waiting}, timeout=1)
        if not waiting.done():
            try:
                operator.check()
            except OperatorFailedError:
                waiting.cancel()
                raise
    return waiting.result()


async def discover(wire: Wire) -> Capabilities:
    """What the cluster offers to gangs, as the operator itself finds out."""
    kinds: set[str] = set()
    for version in ("v1beta1", "v1alpha3"):
        with contextlib.suppress(RefusedError):
            listing = await wire.get(f"/apis/scheduling.k8s.io/{version}")
            kinds |= {resource["kind"] for resource in listing["resources"]}
    return Capabilities(
        pod_groups="PodGroup" in kinds,
        composite_groups="CompositePodGroup" in kinds,
        workloads="Workload" in kinds,
    )


@contextlib.asynccontextmanager
async def _namespace(wire: Wire, name: str) -> AsyncIterator[str]:
    """A namespace in which pods can be made, deleted (without waiting) after use."""
    await wire.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    account = f"/api/v1/namespaces/{name}/serviceaccounts/default"
    async with asyncio.timeout(30):
        while True:
            with contextlib.suppress(RefusedError):
                await wire.get(account)
                break
            await asyncio.sleep(0.1)
    try:
        yield name
    finally:
        await wire.send("DELETE", f"/api/v1/namespaces/{name}")


async def _warm_up(bench: Bench) -> None:
    """The first pods of a cluster are slow: caches, connections and leases are made then."""
    async with _namespace(bench.wire, "warm-up") as name:
        bodies = family(FLAT.podcliqueset(name, WARM_UP_PODS), bench.capabilities)
        await bare_pods_floor(bench.wire, name, FLAT.name, bodies)


def _brief(result: Measurement) -> str:
    return ", ".join(f"{goal} {seconds:.1f} s" for goal, seconds in result.seconds.items())
