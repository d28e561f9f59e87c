"""Nodes that nobody runs but the test: what happens to their pods is what the test says."""

from datetime import UTC, datetime, timedelta
from typing import Any

from tests.integration.sets import Body, a_clique
from tests.support.controlplane import Kube, Object
from tests.support.follow import collection

STRATEGIC_PATCH = "application/strategic-merge-patch+json"
POOL = "example.org/pool"


def moment(ago: float = 0.0) -> str:
    """A time in the past, as Kubernetes writes it."""
    return (datetime.now(UTC) - timedelta(seconds=ago)).strftime("%Y-%m-%dT%H:%M:%SZ")


class Pool:
    """Nodes that only the pods of one test go to. KWOK leaves them and their pods alone."""

    def __init__(self, kube: Kube, name: str) -> None:
        self.kube = kube
        self.name = name
        self.nodes: list[str] = []

    def clique(self, name: str, replicas: int = 1, minimum: int | None = None, **rest: Any) -> Body:
        body = a_clique(name, replicas, minimum, **rest)
        body["spec"]["podSpec"]["nodeSelector"] = {POOL: self.name}
        return body

    async def add(self, **labels: str) -> str:
        name = f"{self.name}-{len(self.nodes)}"
        size = {"cpu": "8", "memory": "32Gi", "pods": "100", "nvidia.com/gpu": "8"}
        node = {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {
                "name": name,
                "labels": {POOL: self.name, "kubernetes.io/hostname": name, **labels},
            },
            "status": {"capacity": size, "allocatable": size, "conditions": [_ready("True", 0)]},
        }
        await self.kube.create("/api/v1/nodes", node)
        self.nodes.append(name)
        return name

    async def fall_silent(self, node: str, ago: float) -> None:
        """As the node lifecycle controller says it, once heartbeats stop."""
        await self._say(node, "Unknown", ago)

    async def come_back(self, node: str) -> None:
        await self._say(node, "True", 0)

    async def _say(self, node: str, ready: str, ago: float) -> None:
        status = {"status": {"conditions": [_ready(ready, ago)]}}
        await self.kube.patch(f"/api/v1/nodes/{node}/status", status, STRATEGIC_PATCH)

    async def change(self, node: str, spec: Body) -> None:
        """Cordon it, taint it, or take that back."""
        await self.kube.patch(f"/api/v1/nodes/{node}", {"spec": spec})

    async def close(self, namespace: str) -> None:
        """Take the sets and the nodes away, and the pods, which nobody else would end."""
        for item in await self.kube.list(collection("PodCliqueSet", namespace)):
            path = collection("PodCliqueSet", namespace, item["metadata"]["name"])
            await self.kube.delete(path, propagationPolicy="Background")
        await self.kube.delete(collection("Pod", namespace), gracePeriodSeconds=0)
        for node in self.nodes:
            await self.kube.delete(f"/api/v1/nodes/{node}")

    async def report(self, pod: Object, status: Body) -> Object:
        """Say of a pod what its kubelet would."""
        meta = pod["metadata"]
        path = collection("Pod", meta["namespace"], meta["name"])
        return await self.kube.patch(f"{path}/status", {"status": status}, STRATEGIC_PATCH)

    async def report_ready(self, pod: Object) -> None:
        started = {"running": {"startedAt": moment()}}
        await self.report(pod, containers(True, state=started, started=True))


def _ready(status: str, ago: float) -> Body:
    return {
        "type": "Ready",
        "status": status,
        "reason": "KubeletReady" if status == "True" else "NodeStatusUnknown",
        "message": "said by a test",
        "lastHeartbeatTime": moment(ago),
        "lastTransitionTime": moment(ago),
    }


def containers(ready: bool = False, **fields: Any) -> Body:
    """A pod's status with its one container `app`."""
    truth = str(ready)
    conditions = [
        {"type": kind, "status": truth, "lastTransitionTime": moment()}
        for kind in ("Ready", "ContainersReady")
    ]
    container = {
        "name": "app",
        "image": "registry.example/app:1",
        "imageID": "",
        "ready": ready,
        "restartCount": 0,
        **fields,
    }
    return {
        "phase": "Running" if ready or "running" in str(fields) else "Pending",
        "conditions": conditions,
        "containerStatuses": [container],
    }
