"""A node that falls silent does not keep the pods of a gang for ever."""

import uuid
from collections.abc import AsyncIterator

import pytest

from tests.integration.conftest import Stage
from tests.integration.handrun import Pool
from tests.integration.sets import Body, a_set, has
from tests.support.controlplane import Object
from tests.support.operator import OperatorProcess

pytestmark = pytest.mark.unguarded
"""Pods are deleted by hand here, which admission forbids to users."""


@pytest.fixture
async def pool(stage: Stage, operator: OperatorProcess) -> AsyncIterator[Pool]:
    del operator
    made = Pool(stage.kube, f"far-{uuid.uuid4().hex[:6]}")
    yield made
    await made.close(stage.namespace)


NOT_READY = {"type": "Ready", "status": "False", "reason": "NodeNotReady"}
"""What the node lifecycle controller writes into the pods of a silent node, and no more."""


def a_patient_set(pool: Pool, delay: str, **annotations: str) -> Body:
    body = a_set("hold", [pool.clique("main", 2, 1)])
    body["spec"]["template"]["terminationDelay"] = delay
    body["metadata"]["annotations"] = annotations
    return body


async def two_pods(stage: Stage, pool: Pool, body: Body) -> list[Object]:
    await pool.add()
    await stage.create(body)
    await stage.seen.until(lambda: len(placed(stage)) == 2, "both pods are placed")
    for pod in placed(stage):
        await pool.report_ready(pod)
    return placed(stage)


def placed(stage: Stage) -> list[Object]:
    return [pod for pod in stage.seen.of("Pod") if pod["spec"].get("nodeName")]


def is_there(stage: Stage, pod: Object) -> bool:
    found = stage.seen.named("Pod", pod["metadata"]["name"])
    return found is not None and found["metadata"]["uid"] == pod["metadata"]["uid"]


async def delete(stage: Stage, pod: Object) -> None:
    await stage.delete("Pod", pod["metadata"]["name"])


async def test_a_pod_that_nobody_can_end_is_let_go_of(stage: Stage, pool: Pool) -> None:
    first, second = await two_pods(stage, pool, a_patient_set(pool, "1h"))
    await pool.fall_silent(pool.nodes[0], ago=7200)
    await delete(stage, first)
    await stage.seen.until(lambda: not is_there(stage, first), "the pod is gone")
    assert is_there(stage, second)
    assert len(stage.seen.of("Pod")) == 2


async def test_it_is_let_go_of_when_the_delay_ends(stage: Stage, pool: Pool) -> None:
    """Nothing happens at that time but that it has come."""
    first, _ = await two_pods(stage, pool, a_patient_set(pool, "20s"))
    await delete(stage, first)
    await pool.fall_silent(pool.nodes[0], ago=10)
    await stage.seen.stays_quiet(3)
    assert is_there(stage, first)
    await stage.seen.until(lambda: not is_there(stage, first), "the pod is gone", 20)


async def test_a_pod_that_tolerates_its_dead_node_is_replaced(stage: Stage, pool: Pool) -> None:
    """Nobody deletes it but the operator; then nobody is there to end it."""
    body = a_patient_set(pool, "15s")
    spec = body["spec"]["template"]["cliques"][0]["spec"]
    spec["minAvailable"] = 2
    # Kubernetes lets pods with these stay, and places no new one there.
    spec["podSpec"]["tolerations"] = [
        {"key": f"node.kubernetes.io/{key}", "operator": "Exists", "effect": "NoExecute"}
        for key in ("unreachable", "not-ready")
    ]
    pods = await two_pods(stage, pool, body)
    await pool.add()
    await pool.fall_silent(pool.nodes[0], ago=0)
    for pod in pods:
        await pool.report(pod, {"conditions": [NOT_READY]})
    await stage.seen.until(
        lambda: has(stage.seen.named("PodClique", "hold-0-main"), "MinAvailableBreached"),
        "the minimum is breached",
    )
    assert all(is_there(stage, pod) for pod in pods)
    await stage.seen.until(
        lambda: {pod["spec"]["nodeName"] for pod in placed(stage)} == {pool.nodes[1]},
        "both have successors on the other node",
        30,
    )
    assert len(stage.seen.of("Pod")) == 2


async def test_an_annotation_leaves_it_to_people(stage: Stage, pool: Pool) -> None:
    kept = a_patient_set(pool, "1s", **{"grove.io/keep-unreachable-pods": "true"})
    first, _ = await two_pods(stage, pool, kept)
    await pool.fall_silent(pool.nodes[0], ago=7200)
    await delete(stage, first)
    await stage.seen.stays_quiet(4)
    assert is_there(stage, first)
    annotations = {"metadata": {"annotations": {"grove.io/keep-unreachable-pods": None}}}
    await stage.edit("PodCliqueSet", "hold", annotations)
    await stage.seen.until(lambda: not is_there(stage, first), "the pod is gone")
