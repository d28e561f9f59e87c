"""PodGangs: the contract that schedulers and tools read, whoever does the scheduling."""

from collections.abc import Mapping, Sequence
from typing import Any

from grove_operator.api import labels
from grove_operator.desired.blueprint import SetBlueprint
from grove_operator.desired.expansion import GangSlot


def gang_labels(blueprint: SetBlueprint) -> dict[str, str]:
    return dict(blueprint.mirrored_labels) | {
        **blueprint.pair,
        labels.COMPONENT: labels.COMPONENT_PODGANG,
        labels.SCHEDULER_NAME: blueprint.scheduler,
    }


def gang_spec(
    blueprint: SetBlueprint, slot: GangSlot, pods: Mapping[str, Sequence[str]]
) -> dict[str, Any]:
    """`pods` are the names of each PodClique's pods, those about to be made included."""
    spec: dict[str, Any] = {
        "podgroups": [
            {
                "name": clique.name,
                "minReplicas": clique.blueprint.min_available,
                "podReferences": [
                    {"namespace": blueprint.namespace, "name": name}
                    for name in sorted(pods.get(clique.name, ()))
                ],
            }
            for clique in slot.cliques
        ]
    }
    if blueprint.priority_class:
        spec["priorityClassName"] = blueprint.priority_class
    return spec


def build_gang(
    blueprint: SetBlueprint, slot: GangSlot, pods: Mapping[str, Sequence[str]]
) -> dict[str, Any]:
    metadata: dict[str, Any] = {
        "name": slot.name,
        "namespace": blueprint.namespace,
        "labels": gang_labels(blueprint),
    }
    if blueprint.mirrored_annotations:
        metadata["annotations"] = dict(blueprint.mirrored_annotations)
    return {
        "apiVersion": labels.SCHEDULER_API,
        "kind": "PodGang",
        "metadata": metadata,
        "spec": gang_spec(blueprint, slot, pods),
    }
