"""HorizontalPodAutoscalers: one for each clique and each scaling group that asks for one."""

from collections.abc import Iterator
from typing import Any

from grove_operator.api import labels, names
from grove_operator.api.podclique import AutoScalingConfig
from grove_operator.desired.blueprint import SetBlueprint, child_metadata


def build_autoscalers(blueprint: SetBlueprint, replica: int) -> Iterator[dict[str, Any]]:
    for clique in blueprint.standalone:
        if clique.scaling is not None:
            name = names.clique_name(blueprint.name, replica, clique.name)
            minimum = clique.scaling.effective_min_replicas(clique.replicas)
            yield _build(blueprint, "PodClique", name, clique.scaling, minimum)
    for group in blueprint.groups:
        if group.scaling is not None:
            name = names.group_name(blueprint.name, replica, group.name)
            minimum = group.scaling.effective_min_replicas(group.replicas)
            yield _build(blueprint, "PodCliqueScalingGroup", name, group.scaling, minimum)


def _build(
    blueprint: SetBlueprint, kind: str, name: str, config: AutoScalingConfig, minimum: int
) -> dict[str, Any]:
    spec: dict[str, Any] = {
        "scaleTargetRef": {"apiVersion": labels.GROVE_API, "kind": kind, "name": name},
        "minReplicas": minimum,
        "maxReplicas": config.max_replicas,
    }
    if config.metrics:
        spec["metrics"] = config.metrics
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": child_metadata(blueprint, name, labels.COMPONENT_HPA),
        "spec": spec,
    }
