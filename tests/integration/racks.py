"""Simulated racks that only the pods of one test can take, and the levels that name them."""

import uuid
from collections.abc import Iterable
from dataclasses import replace
from typing import Any, Protocol

from grove_operator.desired.packing import TopologyOffer
from grove_operator.scheduling.native import Capabilities
from tests.integration.sets import Body, a_clique
from tests.support.controlplane import Kube, Object, path_of
from tests.support.follow import Followed
from tests.support.inventory import NATIVE
from tools.localcluster import LocalCluster, NodeShape
from tools.localcluster.nodes import HOST_LABEL


class Scene(Protocol):
    """A namespace, and what is seen of it."""

    kube: Kube
    seen: Followed
    capabilities: Capabilities

    def path(self, kind: str, name: str | None = None) -> str: ...


def binding_path(name: str | None = None) -> str:
    return path_of("grove.io/v1alpha1", "clustertopologybindings", name=name)


class Racks:
    """Nodes with labels and a resource of their own, in zones and racks."""

    def __init__(self, cluster: LocalCluster) -> None:
        self.cluster = cluster
        self.mark = f"site-{uuid.uuid4().hex[:6]}"
        self.resource = f"example.org/{self.mark}"
        self.keys = {
            "zone": f"{self.mark}.example.org/zone",
            "rack": f"{self.mark}.example.org/rack",
            "host": HOST_LABEL,
        }
        self.places: dict[str, dict[str, str]] = {}
        """The domains of each node, by level."""

    def add(self, zone: str, rack: str, nodes: int = 1, seats: int = 4) -> list[str]:
        """Names of the new nodes, each with so many seats."""
        prefix = f"{self.mark}-{uuid.uuid4().hex[:4]}"
        labels = {self.keys["zone"]: zone, self.keys["rack"]: rack}
        resources = {self.resource: str(seats)}
        shape = NodeShape(prefix=prefix, gpus=0, resources=resources, labels=labels)
        self.cluster.create_nodes(nodes, shape)
        names = [f"{prefix}-{index:04d}" for index in range(nodes)]
        for name in names:
            self.places[name] = {"zone": zone, "rack": rack, "host": name}
        return names

    def binding(self, **keys: str) -> Body:
        """The levels; `keys` replaces some node labels."""
        chosen = self.keys | keys
        levels = [{"domain": domain, "key": key} for domain, key in chosen.items()]
        return {
            "apiVersion": "grove.io/v1alpha1",
            "kind": "ClusterTopologyBinding",
            "metadata": {"name": self.mark},
            "spec": {"levels": levels},
        }

    async def bind(self, kube: Kube, **keys: str) -> None:
        await kube.create(binding_path(), self.binding(**keys))

    def packed(self, required: str = "", preferred: str = "") -> Body:
        pack = {"required": required, "preferred": preferred}
        given = {key: value for key, value in pack.items() if value}
        return {"topologyConstraint": {"topologyName": self.mark, "pack": given}}

    def clique(self, name: str, replicas: int = 1, minimum: int | None = None, **rest: Any) -> Body:
        """Each of its pods takes one seat. `rest` stands beside the clique's spec."""
        return a_clique(name, replicas, minimum, requests={self.resource: "1"}) | rest

    def domains(self, stage: Scene, level: str, **labels: str) -> list[str]:
        """Where the pods with these labels (`podgang="x"`) are, each domain once, sorted."""
        return sorted({self.places[node][level] for node in nodes(stage.seen.of("Pod"), labels)})

    async def lose(self, stage: Scene, names: Iterable[str]) -> None:
        """The nodes go, and their pods with them, as when a rack's power fails."""
        gone = set(names)
        for name in gone:
            await stage.kube.delete(path_of("v1", "nodes", name=name))
        for pod in stage.seen.of("Pod"):
            if pod["spec"].get("nodeName") in gone:
                path = stage.path("Pod", pod["metadata"]["name"])
                await stage.kube.delete(path, gracePeriodSeconds=0)


def nodes(pods: Iterable[Object], labels: dict[str, str]) -> list[str]:
    wanted = {f"grove.io/{key.replace('_', '-')}": value for key, value in labels.items()}
    return [
        pod["spec"]["nodeName"]
        for pod in pods
        if wanted.items() <= pod["metadata"]["labels"].items()
        and pod["spec"].get("nodeName")
        and "deletionTimestamp" not in pod["metadata"]
    ]


def with_template(body: Body, **fields: Any) -> Body:
    body["spec"]["template"] |= fields
    return body


def placed(stage: Scene, **labels: str) -> int:
    return len(nodes(stage.seen.of("Pod"), labels))


def know(stage: Scene, racks: Racks, **keys: str) -> None:
    """From now on `settled` expects what the binding asks for."""
    offer = TopologyOffer(enabled=True, bindings={racks.mark: racks.keys | keys})
    stage.capabilities = replace(NATIVE, topology=offer)
