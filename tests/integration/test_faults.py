"""A network and an API server that misbehave: the operator converges, stays up, and stays calm."""

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest

from tests.integration.conftest import Proxied, Stage, StartProxied
from tests.integration.sets import plain, tide
from tests.support.controlplane import Kube
from tests.support.faults import (
    Answer,
    Delay,
    DelayEvents,
    DropEvents,
    EventFault,
    Hang,
    LoseAnswer,
    ReorderEvents,
    RepeatEvents,
    RequestFault,
    Reset,
)
from tests.support.follow import Followed
from tests.support.operator import OperatorProcess
from tests.support.privileges import Ledger, under_audit
from tools.demo.crds import install_crds
from tools.localcluster import LocalCluster, NodeShape

WRITES = {"create", "patch", "update", "delete"}
QUICK = {"GROVE_CACHE__RELIST_INTERVAL": "2s", "GROVE_CACHE__INACTIVITY_TIMEOUT": "5s"}
CALM = 1500
"""Requests for `tide` from nothing to settled, scaled and deleted: 200 without faults."""


async def live_through(stage: Stage, proxied: Proxied) -> None:
    """Make, scale and delete a set: the process stays the same one and is in no loop."""
    pid, before = proxied.operator.pid, proxied.proxy.requests.total()
    try:
        await stage.create(tide(autoscaled=False))
        await stage.settled(90)
        await stage.scale("PodCliqueScalingGroup", "tide-0-crew", 4)
        await stage.scale("PodClique", "tide-0-router", 3)  # which of two would go is open here
        await stage.settled(90)
        await stage.delete("PodCliqueSet", "tide", propagationPolicy="Background")
        await stage.gone(90)
    except AssertionError as error:
        raise AssertionError(f"{error}\n{proxied.operator.tail(12)}") from error
    assert proxied.operator.running, proxied.operator.tail()
    assert proxied.operator.pid == pid
    assert proxied.proxy.requests.total() - before < CALM, proxied.proxy.requests.most_common(12)


@pytest.mark.parametrize(
    "fault",
    [
        DropEvents(every=3),
        RepeatEvents(every=1, copies=3),
        DelayEvents(1.0),
        ReorderEvents(window=16, seconds=0.3),
        ReorderEvents(window=16, seconds=0.3, within_object=True),
    ],
    ids=["lost", "repeated", "late", "out of order", "out of order within an object"],
)
async def test_watch_events(stage: Stage, start_proxied: StartProxied, fault: EventFault) -> None:
    proxied = await start_proxied(**QUICK)
    with proxied.proxy.fault(fault) as rule:
        await live_through(stage, proxied)
    assert rule.hits > 0


REQUESTS: dict[str, tuple[RequestFault, dict[str, Any]]] = {
    "answers lost after the write": (LoseAnswer(), {"verbs": WRITES, "probability": 0.3}),
    "connections reset": (Reset(), {"verbs": WRITES, "probability": 0.3}),
    "internal errors": (Answer(500), {"verbs": WRITES, "probability": 0.3}),
    "too many requests": (Answer(429, 1), {"verbs": WRITES, "probability": 0.2}),
    "conflicts": (Answer(409), {"verbs": {"patch"}, "probability": 0.3}),
    "slow": (Delay(0.2, 1.0), {"verbs": WRITES}),
    "hanging": (Hang(), {"verbs": WRITES, "times": 3}),
    "pods refused at first": (Answer(503), {"verbs": {"create"}, "times": 12}),
    "expired lists and watches": (Answer(410), {"verbs": {"list", "watch"}, "probability": 0.5}),
}


@pytest.mark.parametrize("name", REQUESTS)
async def test_requests(stage: Stage, start_proxied: StartProxied, name: str) -> None:
    fault, match = REQUESTS[name]
    client = {"GROVE_RUNTIME_CLIENT_CONNECTION__REQUEST_TIMEOUT": "3s"}
    proxied = await start_proxied(**QUICK, **client)
    with proxied.proxy.fault(fault, **match) as rule:
        await live_through(stage, proxied)
    assert rule.hits > 0


async def test_watches_that_end_with_expiry(stage: Stage, start_proxied: StartProxied) -> None:
    proxied = await start_proxied()
    await stage.create(tide(autoscaled=False))
    for _ in range(5):
        proxied.proxy.stream_error(410)
        await stage.seen.stays_quiet(0.3)
    await stage.settled()


async def test_connections_that_are_cut(stage: Stage, start_proxied: StartProxied) -> None:
    proxied = await start_proxied()
    await stage.create(tide(autoscaled=False))
    for _ in range(5):
        proxied.proxy.cut()
        await stage.seen.stays_quiet(0.3)
    await stage.settled()


async def test_nobody_listens_for_a_while(stage: Stage, start_proxied: StartProxied) -> None:
    """Requests are not hammered meanwhile, and what was missed is made up for."""
    proxied = await start_proxied()
    await stage.create(plain())
    await stage.settled()
    await proxied.proxy.refuse()
    proxied.proxy.cut()
    await stage.scale("PodClique", "plain-0-main", 4)
    await stage.edit("Service", "plain-0", {"spec": {"selector": {"gone": "astray"}}})
    await stage.seen.stays_quiet(3)
    before = proxied.proxy.requests.total()
    await proxied.proxy.accept()
    await stage.settled()
    assert proxied.proxy.requests.total() - before < 200


@pytest.mark.cluster
async def test_the_api_server_is_restarted(tmp_path: Path, ledger: Ledger) -> None:
    """In the middle of making a set, on a cluster of its own: others must not go down with it."""
    options = under_audit()
    with LocalCluster.create("fragile", tmp_path, options, owner_pid=os.getpid()) as cluster:
        install_crds(cluster)
        cluster.create_nodes(2, NodeShape(gpus=0))
        with (
            ledger.watching(cluster) as kubeconfig,
            OperatorProcess(kubeconfig, tmp_path) as operator,
        ):
            async with (
                Kube.from_kubeconfig(cluster.kubeconfig) as kube,
                Followed.start(kube, "default") as seen,
            ):
                stage = Stage(kube, "default", seen)
                await stage.create(tide(3, autoscaled=False))
                await seen.until(lambda: len(seen.of("Pod")) > 3, "some pods")
                with ledger.starting():
                    await asyncio.to_thread(cluster.restart_component, "kube-apiserver")
                await stage.settled(90)
                before = operator.requests()
                await seen.stays_quiet(3)
                assert operator.requests() - before < 100
