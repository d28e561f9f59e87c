"""Nodes: what of them counts, and that heartbeats do not."""

import json
from typing import Any

import pytest

from grove_operator.cluster.nodes import Nodes, decode_node
from grove_operator.observed import Node, Taint

UNREACHABLE = "node.kubernetes.io/unreachable"


def node(name: str = "n", **parts: Any) -> Node:
    body = {"metadata": {"name": name, "labels": {"rack": "r1"}}} | parts
    return decode_node(json.dumps(body).encode())


def conditions(status: str, heartbeat: str = "") -> dict[str, Any]:
    return {
        "conditions": [
            {"type": "MemoryPressure", "status": "False"},
            {
                "type": "Ready",
                "status": status,
                "lastHeartbeatTime": heartbeat,
                "lastTransitionTime": "2026-01-01T00:00:00Z",
            },
        ]
    }


def test_a_node() -> None:
    record = node(
        spec={
            "unschedulable": True,
            "taints": [
                {"key": "gpu", "value": "yes", "effect": "NoSchedule"},
                {"key": "soft", "effect": "PreferNoSchedule"},
            ],
        },
        status={"allocatable": {"cpu": "1500m", "memory": "2Gi", "pods": "110", "a/gpu": "8"}}
        | conditions("True"),
    )
    assert record == Node(
        name="n",
        labels={"rack": "r1"},
        allocatable={"cpu": 1500, "memory": 2 * 1024**3, "pods": 110, "a/gpu": 8},
        unschedulable=True,
        taints=(Taint("gpu", "yes", "NoSchedule"),),
        ready=True,
    )


def taint(**more: str) -> dict[str, Any]:
    return {"taints": [{"key": UNREACHABLE, "effect": "NoExecute"} | more]}


SILENT: dict[str, tuple[dict[str, Any], str]] = {
    "ready": ({"status": conditions("True")}, ""),
    "there, but not ready": ({"status": conditions("False")}, ""),
    "silent": ({"status": conditions("Unknown")}, "2026-01-01T00:00:00Z"),
    "silent, and tainted since": (
        {"status": conditions("Unknown"), "spec": taint(timeAdded="2026-01-01T00:00:05Z")},
        "2026-01-01T00:00:00Z",
    ),
    "tainted": ({"spec": taint(timeAdded="2026-01-01T00:00:05Z")}, "2026-01-01T00:00:05Z"),
    "tainted, nobody knows since when": ({"spec": taint()}, ""),
}


@pytest.mark.parametrize(("parts", "since"), SILENT.values(), ids=SILENT)
def test_since_when_a_node_is_unreachable(parts: dict[str, Any], since: str) -> None:
    assert node(**parts).unreachable_since == since


def name_of(record: Node | None) -> str | None:
    return record.name if record else None


def test_only_what_matters_is_told() -> None:
    told: list[tuple[str | None, str | None]] = []
    nodes = Nodes(lambda old, new: told.append((name_of(old), name_of(new))))
    nodes.upsert(node(status=conditions("True", "2026-01-01T00:00:00Z")))
    nodes.upsert(node(status=conditions("True", "2026-01-01T00:05:00Z")))
    nodes.replace([node(status=conditions("True")), node("m")], "9")
    nodes.upsert(node(status=conditions("Unknown")))
    nodes.replace([node("m")], "10")
    nodes.delete(node("m"))
    nodes.delete(node("m"))
    assert told == [(None, "n"), (None, "m"), ("n", "n"), ("n", None), ("m", None)]
    assert not nodes.by_name
