"""What an update costs, and what its steps wait for, on an API server in memory."""

import asyncio
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


async def updated(operator: Operator) -> None:
    progress: dict[str, Any] = {}
    async with asyncio.timeout(5):
        while not progress.get("updateEndedAt"):
            await asyncio.sleep(0.001)
            operator.cluster.tick()
            progress = operator.status().get("updateProgress") or {}


@pytest.mark.parametrize(
    "builder",
    [
        pytest.param(a_set(replicas=3).with_clique("a", 3, minAvailable=3), id="cliques"),
        pytest.param(
            a_set(replicas=2)
            .with_clique("front", 1)
            .with_clique("head", 1)
            .with_clique("hand", 3, minAvailable=3)
            .with_group("pair", "head", "hand", replicas=2, min_available=1),
            id="groups",
        ),
    ],
)
async def test_steps_wait_for_readiness_alone_and_cost_few_writes(builder: SetBuilder) -> None:
    async with at_work() as operator:
        operator.cluster.apply(builder.manifest())
        await operator.settle()
        pods = operator.cluster.names(Kind.POD)
        writes = len(operator.cluster.writes())
        operator.reconciler.pace = PATIENT
        set_image(operator)
        await updated(operator)
        operator.reconciler.pace = Pace(quiet=0.004, longest=0.02, debounce=0.001)
        operator.reconciler.look_at_everything()
        await operator.settle()
        images = {
            container["image"]
            for pod in operator.cluster.objects[Kind.POD].values()
            for container in pod["spec"]["containers"]
        }
        assert images == {IMAGE}
        assert not set(pods) & set(operator.cluster.names(Kind.POD))
        assert (len(operator.cluster.writes()) - writes) / len(pods) <= MOST_WRITES
