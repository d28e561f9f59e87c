"""The PodCliqueSets that are measured, and what each becomes.

A shape is a set of about as many pods as asked for. The floor posts what the operator's own
planner says that the set becomes, so both end with the same objects.
"""

from dataclasses import dataclass
from typing import Any

from grove_operator.api.parsing import parse_podcliqueset
from grove_operator.desired.blueprint import build_blueprint
from grove_operator.desired.packing import TopologyOffer
from grove_operator.plan.rehearse import rehearse
from grove_operator.scheduling.native import Capabilities
from tools.localcluster.nodes import HOST_LABEL, RACK_LABEL, ZONE_LABEL

Body = dict[str, Any]

MADE_UP_SET_UID = "uid-of-the-set"


@dataclass(frozen=True)
class Shape:
    name: str
    pods_per_replica: int
    template: Body

    def replicas(self, pods: int) -> int:
        return max(1, round(pods / self.pods_per_replica))

    def podcliqueset(self, namespace: str, pods: int) -> Body:
        return {
            "apiVersion": "grove.io/v1alpha1",
            "kind": "PodCliqueSet",
            "metadata": {"name": self.name, "namespace": namespace},
            "spec": {"replicas": self.replicas(pods), "template": self.template},
        }


def _clique(name: str, replicas: int) -> Body:
    container = {
        "name": "main",
        "image": "pause:3.10",
        "resources": {"requests": {"cpu": "10m", "memory": "16Mi"}},
    }
    spec = {
        "roleName": name,
        "replicas": replicas,
        "minAvailable": replicas,
        "podSpec": {"containers": [container]},
    }
    return {"name": name, "spec": spec}


def _group(name: str, cliques: list[str]) -> Body:
    return {"name": name, "cliqueNames": cliques, "replicas": 2, "minAvailable": 1}


FLAT = Shape("flat", 2, {"cliques": [_clique("server", 2)]})

DISAGG = Shape(
    "disagg",
    17,
    {
        "cliques": [
            _clique("frontend", 1),
            _clique("pleader", 1),
            _clique("pworker", 3),
            _clique("dleader", 1),
            _clique("dworker", 3),
        ],
        "podCliqueScalingGroups": [
            _group("prefill", ["pleader", "pworker"]),
            _group("decode", ["dleader", "dworker"]),
        ],
    },
)

LEVELS = {"zone": ZONE_LABEL, "rack": RACK_LABEL, "host": HOST_LABEL}
BINDING: Body = {
    "apiVersion": "grove.io/v1alpha1",
    "kind": "ClusterTopologyBinding",
    "metadata": {"name": "bench"},
    "spec": {"levels": [{"domain": domain, "key": key} for domain, key in LEVELS.items()]},
}
OFFER = TopologyOffer(enabled=True, bindings={"bench": LEVELS})
GPUS = "nvidia.com/gpu"


def _in_one(domain: str) -> Body:
    return {"topologyConstraint": {"topologyName": "bench", "pack": {"required": domain}}}


def _on_gpus(clique: Body) -> Body:
    """One for each pod."""
    [container] = clique["spec"]["podSpec"]["containers"]
    requests = container["resources"]["requests"]
    resources = {"requests": requests | {GPUS: "1"}, "limits": {GPUS: "1"}}
    pod_spec = {"containers": [container | {"resources": resources}]}
    return clique | {"spec": clique["spec"] | {"podSpec": pod_spec}}


TOPOLOGY = Shape(
    "topology",
    17,
    {
        "cliques": [
            _clique("router", 2),
            _clique("leader", 1),
            _on_gpus(_clique("worker", 4)) | _in_one("host"),
        ],
        "podCliqueScalingGroups": [
            _group("unit", ["leader", "worker"])
            | {"replicas": 3, "minAvailable": 2}
            | _in_one("rack")
        ],
        **_in_one("zone"),
    },
)
"""Three levels: an instance in a zone, each of its units in a rack, its workers on a host."""

PLAIN_SHAPES = (FLAT, DISAGG)
"""Measured together; the others need nodes of their own kind."""
SHAPES = {shape.name: shape for shape in (*PLAIN_SHAPES, TOPOLOGY)}


def family(podcliqueset: Body, capabilities: Capabilities) -> list[Body]:
    """Every object the set becomes, with made-up UIDs, ready to be posted without an operator.

    Pods without gates and objects without finalizers: nobody is there to lift or remove them.
    """
    metadata = podcliqueset["metadata"] | {"uid": MADE_UP_SET_UID, "generation": 1}
    blueprint = build_blueprint(parse_podcliqueset(podcliqueset | {"metadata": metadata}))
    return [_without_operator(body) for body in rehearse(blueprint, capabilities)]


def bare_pods(bodies: list[Body]) -> list[Body]:
    """The pods of a family alone: no owner, no gang."""
    return [_bare(body) for body in bodies if body["kind"] == "Pod"]


def _without_operator(body: Body) -> Body:
    kept = _without(body["metadata"], "finalizers")
    if body["kind"] != "Pod":
        return body | {"metadata": kept}
    return body | {"metadata": kept, "spec": _without(body["spec"], "schedulingGates")}


def _bare(body: Body) -> Body:
    return body | {
        "metadata": _without(body["metadata"], "ownerReferences", "uid"),
        "spec": _without(body["spec"], "schedulingGroup", "affinity"),
    }


def _without(mapping: Body, *keys: str) -> Body:
    return {key: value for key, value in mapping.items() if key not in keys}
