"""PodCliqueScalingGroups."""

from typing import Any

from grove_operator.api import labels
from grove_operator.desired.blueprint import SetBlueprint, child_metadata, replica_label
from grove_operator.desired.expansion import GroupSlot
from grove_operator.desired.ownership import remember


def group_annotations(slot: GroupSlot) -> dict[str, str]:
    group = slot.blueprint
    return dict(group.annotations) | {
        labels.LAST_APPLIED: remember(group.replicas, {}, group.annotations)
    }


def group_spec(slot: GroupSlot) -> dict[str, Any]:
    """The spec without `replicas`, which belongs to whoever scales the group."""
    return {
        "minAvailable": slot.blueprint.min_available,
        "cliqueNames": [clique.name for clique in slot.blueprint.cliques],
    }


def build_group(blueprint: SetBlueprint, slot: GroupSlot, replica: int) -> dict[str, Any]:
    metadata = child_metadata(
        blueprint, slot.name, labels.COMPONENT_SCALING_GROUP, replica_label(replica)
    )
    return {
        "apiVersion": labels.GROVE_API,
        "kind": "PodCliqueScalingGroup",
        "metadata": metadata
        | {
            "annotations": group_annotations(slot),
            "finalizers": [labels.GROUP_FINALIZER],
        },
        "spec": group_spec(slot) | {"replicas": slot.blueprint.replicas},
    }
