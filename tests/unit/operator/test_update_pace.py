"""What an update costs, and what its steps wait for, on an API server in memory."""

import asyncio
import time
from typing import Any

import pytest

from grove_operator.observed import Kind
from grove_operator.policy.pacing import Pace
from tests.support.builders import SetBuilder, a_set
from tests.unit.operator.test_reconcile import Operator, at_work

IMAGE = "registry.example/app:new"
PATIENT = Pace(quiet=3600.0, longest=3600.0, debounce=0.001)
"""A step that waited for the end of a burst would not come while the test runs."""
MOST_WRITES = 8


def set_image(operator: Operator, name: str = "tide") -> None:
    spec = operator.cluster.get(Kind.SET, name)["spec"]
    pod_spec = {"containers": [{"name": "app", "image": IMAGE}]}
    cliques = [
        clique | {"spec": clique["spec"] | {"podSpec": pod_spec}}
        for clique in spec["template"]["cliques"]
    ]
    template = spec["template"] | {"cliques": cliques}
    changed = {"spec": spec | {"template": template}}
    operator.cluster.change(Kind.SET, name, changed, replace=("spec",))


async def updated(operator: Operator, start_up: float = 0.0) -> None:
    """Until the update has ended; pods need `start_up` seconds to become ready."""
    progress: dict[str, Any] = {}
    cluster, placed = operator.cluster, dict.fromkeys(operator.cluster.names(Kind.POD), 0.0)
    cluster.slow = start_up > 0
    async with asyncio.timeout(5):
        while not progress.get("updateEndedAt"):
            await asyncio.sleep(0.001)
            cluster.tick()
            now = time.monotonic()
            for name in cluster.names(Kind.POD) if cluster.slow else ():
                if now - placed.setdefault(name, now) > start_up:
                    cluster.place(name)
            progress = operator.status().get("updateProgress") or {}


CLIQUES = a_set(replicas=3).with_clique("a", 2, minAvailable=2)
GROUPS = (
    a_set(replicas=2)
    .with_clique("front", 1)
    .with_clique("head", 1)
    .with_clique("hand", 3, minAvailable=3)
    .with_group("pair", "head", "hand", replicas=2, min_available=1)
)
both_kinds = pytest.mark.parametrize(
    "builder", [pytest.param(CLIQUES, id="cliques"), pytest.param(GROUPS, id="groups")]
)


@both_kinds
async def test_steps_wait_for_readiness_alone_and_cost_few_writes(builder: SetBuilder) -> None:
    async with at_work() as operator:
        operator.cluster.apply(builder.manifest())
        await operator.settle()
        pods = operator.cluster.names(Kind.POD)
        writes = len(operator.cluster.writes())
        operator.reconciler.attention.pace = PATIENT
        set_image(operator)
        await updated(operator)
        operator.reconciler.attention.pace = Pace(quiet=0.004, longest=0.02, debounce=0.001)
        operator.reconciler.attention.look_at_everything()
        await operator.settle()
        images = {
            container["image"]
            for pod in operator.cluster.objects[Kind.POD].values()
            for container in pod["spec"]["containers"]
        }
        assert images == {IMAGE}
        assert not set(pods) & set(operator.cluster.names(Kind.POD))
        assert (len(operator.cluster.writes()) - writes) / len(pods) <= MOST_WRITES


@both_kinds
async def test_a_pod_that_takes_a_while_costs_no_statuses_in_between(builder: SetBuilder) -> None:
    pace = Pace(quiet=0.01, longest=0.02, debounce=0.001)
    async with at_work(pace=pace) as operator:
        operator.cluster.apply(builder.manifest())
        await operator.settle()
        pods, writes = operator.cluster.names(Kind.POD), len(operator.cluster.writes())
        set_image(operator)
        await updated(operator, start_up=0.06)
        operator.cluster.slow = False
        await operator.settle()
        assert (len(operator.cluster.writes()) - writes) / len(pods) <= MOST_WRITES
