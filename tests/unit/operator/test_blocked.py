"""Blocked gangs on an API server in memory: told, kept up to date, taken back."""

from typing import Any

from grove_operator.api import conditions as c
from grove_operator.observed import Kind, Node
from tests.support.builders import a_set
from tests.support.fakecluster import FakeCluster, forbidden
from tests.unit.operator.test_reconcile import Operator, _retried, at_work

PAIR = a_set().with_clique("w", 2)


def blocked(operator: Operator, kind: Kind, name: str) -> tuple[str, str]:
    status = operator.cluster.get(kind, name).get("status") or {}
    found: dict[str, Any] = c.find(status.get("conditions") or (), c.GANG_BLOCKED) or {}
    return found.get("reason", ""), found.get("message", "")


def gang(operator: Operator) -> tuple[str, str]:
    return blocked(operator, Kind.GANG, "tide-0")


def unschedulable(operator: Operator) -> None:
    verdict = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}
    for name in operator.cluster.names(Kind.POD):
        status = {"phase": "Pending", "conditions": [verdict | {"message": "0/0 nodes"}]}
        operator.cluster.set_status(Kind.POD, name, status)


async def test_a_start_without_trouble_never_mentions_it() -> None:
    async with at_work() as operator:
        operator.cluster.apply(PAIR.manifest())
        await operator.settle()
        assert not [item for item in operator.cluster.requests if c.GANG_BLOCKED in str(item.body)]


async def test_nodes_that_come_change_what_is_told() -> None:
    async with at_work(FakeCluster(room=lambda _: False)) as operator:
        operator.cluster.apply(PAIR.manifest())
        await operator.settle()
        unschedulable(operator)
        await operator.settle()
        assert gang(operator) == ("NoNodeMatches", "w short of 2 pods: no nodes at all")
        node = Node(name="n", allocatable={"cpu": 1000, "pods": 1})
        operator.reconciler.attention.nodes.upsert(node)
        await operator.settle()
        text = "w short of 1 pod: 1 node that will do has 1 free pod slots, 2 needed"
        assert gang(operator) == ("InsufficientCapacity", text)
        told = blocked(operator, Kind.SET, "tide")
        assert told == ("InsufficientCapacity", f"tide-0: {text}")
        operator.cluster.room = lambda _: True
        await operator.settle()
        assert gang(operator) == ("", "")
        assert blocked(operator, Kind.SET, "tide") == ("", "")


async def test_however_many_nodes_change_blocked_gangs_are_looked_at_once() -> None:
    async with at_work(FakeCluster(room=lambda _: False)) as operator:
        operator.cluster.apply(PAIR.but(replicas=3).manifest())
        await operator.settle()
        unschedulable(operator)
        await operator.settle()
        assert operator.queue.scheduled == 0
        for number in range(50):
            node = Node(name=f"n{number}", allocatable={"cpu": 1000, "pods": 1})
            operator.reconciler.attention.nodes.upsert(node)
        assert operator.queue.scheduled == 1
        await operator.settle()
        assert gang(operator)[0] == "Unschedulable"  # by this count there is room now


async def test_a_node_that_falls_silent_is_told_of_its_pods() -> None:
    async with at_work() as operator:
        operator.cluster.apply(PAIR.manifest())
        await operator.settle()
        operator.reconciler.attention.nodes.upsert(Node(name="node"))
        for name in operator.cluster.names(Kind.POD):
            operator.cluster.place(name, ready=False)
        await operator.settle()
        assert gang(operator) == ("", "")
        silent = Node(name="node", unreachable_since="2026-03-01T09:59:00Z")
        operator.reconciler.attention.nodes.upsert(silent)
        await operator.settle()
        assert gang(operator)[0] == "NodeUnreachable"
        operator.reconciler.attention.nodes.upsert(Node(name="node"))
        await operator.settle()
        assert gang(operator) == ("", "")


async def test_what_is_refused_is_told_until_it_is_not_refused() -> None:
    async with at_work() as operator:
        fault = operator.cluster.fail("create", "Pod", forbidden)
        operator.cluster.apply(PAIR.manifest())
        await operator.settle()
        await _retried(operator, lambda: gang(operator)[0] == "CreationRefused")
        assert "exceeded quota" in gang(operator)[1]
        await _retried(
            operator, lambda: blocked(operator, Kind.SET, "tide")[0] == "CreationRefused"
        )
        fault.times = 0
        await _retried(operator, lambda: not gang(operator)[0])
        await _retried(operator, lambda: not blocked(operator, Kind.SET, "tide")[0])
