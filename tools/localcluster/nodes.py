"""Simulated GPU nodes: real Node objects that KWOK keeps alive, in racks and zones.

Pods bound to such a node become Running and Ready at once. Each node carries the topology labels
that a ClusterTopologyBinding can map: zone, block, rack and hostname, from wide to narrow.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any

from tools.localcluster.api import ApiClient, ApiRefusalError

FAKE_NODE = "kwok.x-k8s.io/node"
"""The annotation of nodes that KWOK runs."""
ZONE_LABEL = "topology.kubernetes.io/zone"
BLOCK_LABEL = "topology.kubernetes.io/block"
RACK_LABEL = "topology.kubernetes.io/rack"
HOST_LABEL = "kubernetes.io/hostname"

_CONNECTIONS = 8


@dataclass(frozen=True)
class NodeShape:
    """Size of each node, and how the nodes spread.

    Racks are filled in turn and spread over the blocks, blocks over the zones, so a rack never
    crosses a block nor a block a zone.
    """

    zones: int = 1
    blocks: int = 1
    racks: int = 1
    gpus: int = 8
    cpu: str = "96"
    memory: str = "1Ti"
    pods: int = 500
    prefix: str = "node"
    labels: dict[str, str] = field(default_factory=dict)
    resources: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not 1 <= self.zones <= self.blocks <= self.racks:
            raise ValueError("there must be 1 <= zones <= blocks <= racks")


def build_node(index: int, shape: NodeShape) -> dict[str, Any]:
    name = f"{shape.prefix}-{index:04d}"
    rack = index % shape.racks
    block = rack % shape.blocks
    capacity = {
        "cpu": shape.cpu,
        "memory": shape.memory,
        "pods": str(shape.pods),
        **({"nvidia.com/gpu": str(shape.gpus)} if shape.gpus else {}),
        **shape.resources,
    }
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": name,
            "annotations": {
                FAKE_NODE: "fake",
                # KWOK answers as every kubelet on one port; the path says which node is meant.
                "metrics.k8s.io/resource-metrics-path": f"/metrics/nodes/{name}/metrics/resource",
            },
            "labels": {
                HOST_LABEL: name,
                RACK_LABEL: f"rack-{rack}",
                BLOCK_LABEL: f"block-{block}",
                ZONE_LABEL: f"zone-{block % shape.zones}",
                "kubernetes.io/os": "linux",
                "kubernetes.io/arch": "amd64",
                "type": "kwok",
                **shape.labels,
            },
        },
        "status": {"capacity": capacity, "allocatable": dict(capacity)},
    }


def create_nodes(kubeconfig: Path, count: int, shape: NodeShape | None = None) -> int:
    """Make nodes 0 to count-1, leaving those that exist; returns how many are new."""
    chosen = shape or NodeShape()
    shares = [range(start, count, _CONNECTIONS) for start in range(min(_CONNECTIONS, count))]
    with ThreadPoolExecutor(max_workers=_CONNECTIONS) as pool:
        return sum(pool.map(lambda share: _create_share(kubeconfig, share, chosen), shares))


def _create_share(kubeconfig: Path, indexes: range, shape: NodeShape) -> int:
    with ApiClient(kubeconfig) as client:
        return sum(_create(client, build_node(index, shape)) for index in indexes)


def _create(client: ApiClient, node: dict[str, Any]) -> bool:
    try:
        client.request("POST", "/api/v1/nodes", node)
    except ApiRefusalError as refusal:
        if refusal.status != HTTPStatus.CONFLICT:
            raise
        return False
    return True


def unready_nodes(client: ApiClient) -> Iterator[str]:
    """Names of nodes that no pod can be bound to yet."""
    for node in client.request("GET", "/api/v1/nodes")["items"]:
        conditions = {c["type"]: c["status"] for c in node["status"].get("conditions", ())}
        taints = [taint["key"] for taint in node["spec"].get("taints", ())]
        tainted = any(key.startswith("node.kubernetes.io/") for key in taints)
        if conditions.get("Ready") != "True" or tainted:
            yield node["metadata"]["name"]
