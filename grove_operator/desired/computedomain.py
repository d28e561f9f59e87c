"""ComputeDomains: let the pods of a replica reach each other's GPUs over multi-node NVLink.

NVIDIA's driver makes a ResourceClaimTemplate for each, of the same name, and pods claim from it.
"""

from collections.abc import Mapping
from typing import Any, Final

from grove_operator.api import labels, names
from grove_operator.desired.blueprint import (
    CliqueBlueprint,
    SetBlueprint,
    child_metadata,
    replica_label,
)
from grove_operator.desired.sharing import wants_gpus

API: Final = "resource.nvidia.com/v1beta1"
CLAIM: Final = "mnnvl-claim"
"""Name of the claim inside a pod."""
_CONTAINERS: Final = ("containers", "initContainers")


def has_gpus(pod_spec: Mapping[str, Any]) -> bool:
    return any(
        wants_gpus(container) for field in _CONTAINERS for container in pod_spec.get(field) or ()
    )


def domain_group(clique: CliqueBlueprint) -> str:
    """The group whose ComputeDomain the clique's pods join; empty if they join none."""
    group = clique.mnnvl_group
    return group if group and has_gpus(clique.spec["podSpec"]) else ""


def with_domain_claim(pod_spec: dict[str, Any], template: str) -> dict[str, Any]:
    """The pod spec with the claim in it; itself if it has no GPUs, or the claim already."""
    claims = pod_spec.get("resourceClaims") or ()
    if any(item["name"] == CLAIM for item in claims) or not has_gpus(pod_spec):
        return pod_spec
    result = dict(pod_spec)
    for field in _CONTAINERS:
        if field in pod_spec:
            result[field] = [
                claiming(item, [CLAIM]) if wants_gpus(item) else item for item in pod_spec[field]
            ]
    result["resourceClaims"] = [*claims, {"name": CLAIM, "resourceClaimTemplateName": template}]
    return result


def claiming(container: Mapping[str, Any], claims: list[str]) -> dict[str, Any]:
    """A copy of a container that uses these claims of its pod, besides those that it uses."""
    resources = container.get("resources") or {}
    used = resources.get("claims") or []
    more = [{"name": name} for name in claims]
    return {**container, "resources": {**resources, "claims": [*used, *more]}}


def build_compute_domain(blueprint: SetBlueprint, replica: int, group: str) -> dict[str, Any]:
    name = names.compute_domain_name(names.replica_name(blueprint.name, replica), group)
    own = replica_label(replica) | {labels.MNNVL_GROUP: group}
    metadata = child_metadata(blueprint, name, labels.COMPONENT_COMPUTE_DOMAIN, own)
    return {
        "apiVersion": API,
        "kind": "ComputeDomain",
        "metadata": metadata | {"finalizers": [labels.COMPUTE_DOMAIN_FINALIZER]},
        "spec": {"numNodes": 0, "channel": {"resourceClaimTemplate": {"name": name}}},
    }
