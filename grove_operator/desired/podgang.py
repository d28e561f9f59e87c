"""PodGangs: the contract that schedulers and tools read, whoever does the scheduling."""

from collections.abc import Mapping, Sequence
from typing import Any

from grove_operator.api import labels
from grove_operator.desired.blueprint import SetBlueprint
from grove_operator.desired.expansion import GangSlot
from grove_operator.desired.gangpacking import GangPacking, constraint_body


def gang_labels(blueprint: SetBlueprint) -> dict[str, str]:
    return dict(blueprint.mirrored_labels) | {
        **blueprint.pair,
        labels.COMPONENT: labels.COMPONENT_PODGANG,
        labels.SCHEDULER_NAME: blueprint.scheduler,
    }


def gang_spec(
    blueprint: SetBlueprint,
    slot: GangSlot,
    pods: Mapping[str, Sequence[str]],
    packing: GangPacking | None = None,
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
    if packing is not None:
        _pack(spec, packing)
    return spec


def _pack(spec: dict[str, Any], packing: GangPacking) -> None:
    for group in spec["podgroups"]:
        if body := constraint_body(packing.cliques.get(group["name"])):
            group["topologyConstraint"] = body
    if body := constraint_body(packing.whole):
        spec["topologyConstraint"] = body
    bundles = []
    for bundle in packing.bundles:
        entry: dict[str, Any] = {"name": bundle.name, "podGroupNames": list(bundle.cliques)}
        if body := constraint_body(bundle.together):
            entry["topologyConstraint"] = body
        bundles.append(entry)
    if bundles:
        spec["topologyConstraintGroupConfigs"] = bundles


def build_gang(
    blueprint: SetBlueprint,
    slot: GangSlot,
    pods: Mapping[str, Sequence[str]],
    packing: GangPacking | None = None,
) -> dict[str, Any]:
    metadata: dict[str, Any] = {
        "name": slot.name,
        "namespace": blueprint.namespace,
        "labels": gang_labels(blueprint),
    }
    annotations = dict(blueprint.mirrored_annotations)
    if packing is not None and not packing.is_empty and blueprint.packing is not None:
        annotations[labels.TOPOLOGY_NAME] = blueprint.packing.topology
    if annotations:
        metadata["annotations"] = annotations
    return {
        "apiVersion": labels.SCHEDULER_API,
        "kind": "PodGang",
        "metadata": metadata,
        "spec": gang_spec(blueprint, slot, pods, packing),
    }
