"""PodCliques, of the set itself and of its scaling groups."""

from typing import Any

from grove_operator.api import labels, names
from grove_operator.desired.blueprint import SetBlueprint, child_metadata, replica_label
from grove_operator.desired.computedomain import with_domain_claim
from grove_operator.desired.expansion import CliqueSlot
from grove_operator.desired.ownership import remember


def clique_labels(blueprint: SetBlueprint, slot: CliqueSlot, replica: int) -> dict[str, str]:
    """The clique template's labels below, ours on top."""
    own = {
        labels.PODGANG: slot.gang,
        labels.TEMPLATE_HASH: slot.blueprint.pod_hash,
        **replica_label(replica),
    }
    component = labels.COMPONENT_CLIQUE
    if slot.group is not None:
        component = labels.COMPONENT_GROUP_CLIQUE
        own[labels.SCALING_GROUP] = slot.group.name
        own[labels.GROUP_REPLICA_INDEX] = str(slot.group_replica)
    if slot.base_gang is not None:
        own[labels.BASE_PODGANG] = slot.base_gang
    metadata = child_metadata(blueprint, slot.name, component, own)
    ours: dict[str, str] = metadata["labels"]
    return dict(slot.blueprint.labels) | ours


def clique_annotations(slot: CliqueSlot) -> dict[str, str]:
    clique = slot.blueprint
    applied = remember(clique.replicas, clique.labels, clique.annotations)
    return dict(clique.annotations) | {labels.LAST_APPLIED: applied}


def clique_pod_spec(slot: CliqueSlot) -> dict[str, Any]:
    """The template's pod spec, with the claim for multi-node NVLink if its clique asks for it."""
    pod_spec: dict[str, Any] = slot.blueprint.spec["podSpec"]
    group = slot.blueprint.mnnvl_group
    if not group:
        return pod_spec
    base = slot.base_gang or slot.gang  # named like the replica
    return with_domain_claim(pod_spec, names.compute_domain_name(base, group))


def clique_spec(slot: CliqueSlot) -> dict[str, Any]:
    """The spec without `replicas`, which belongs to whoever scales the clique."""
    spec = {**slot.blueprint.spec, "podSpec": clique_pod_spec(slot)}
    if slot.starts_after:
        spec["startsAfter"] = list(slot.starts_after)
    return spec


def build_clique(blueprint: SetBlueprint, slot: CliqueSlot, replica: int) -> dict[str, Any]:
    return {
        "apiVersion": labels.GROVE_API,
        "kind": "PodClique",
        "metadata": {
            "name": slot.name,
            "namespace": blueprint.namespace,
            "labels": clique_labels(blueprint, slot, replica),
            "annotations": clique_annotations(slot),
            "finalizers": [labels.CLIQUE_FINALIZER],
        },
        "spec": clique_spec(slot) | {"replicas": slot.blueprint.replicas},
    }
