"""Pods: the user's pod spec with its place in the set written in."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from grove_operator.api import labels, names
from grove_operator.desired.blueprint import SetBlueprint
from grove_operator.desired.claims import claims_of_pod, with_claims
from grove_operator.desired.environment import pod_environment, with_environment
from grove_operator.desired.expansion import CliqueSlot
from grove_operator.desired.podclique import clique_labels, clique_pod_spec
from grove_operator.desired.startorder import Needs, tell_needs, with_waiter


def pod_labels(
    blueprint: SetBlueprint, slot: CliqueSlot, replica: int, pod_index: int
) -> dict[str, str]:
    """The PodClique's labels, and the pod's own place."""
    return clique_labels(blueprint, slot, replica) | {
        labels.PODCLIQUE: slot.name,
        labels.POD_INDEX: str(pod_index),
    }


@dataclass(frozen=True, slots=True)
class PodTemplate:
    """What the pods of one PodClique have in common. `gated` holds them back from the scheduler."""

    blueprint: SetBlueprint
    slot: CliqueSlot
    replica: int
    gated: bool
    placement: Mapping[str, Any]
    """Fields of the pod spec that the scheduler's backend asks for, and metadata likewise."""
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    needs: Needs = ()
    """What must be ready before they start."""
    waiter_image: str = ""

    def build(
        self, pod_index: int, name: str, notes: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        """`notes` are annotations of this one pod."""
        blueprint, slot = self.blueprint, self.slot
        metadata: dict[str, Any] = {
            "name": name,
            "generateName": f"{slot.name}-",
            "namespace": blueprint.namespace,
            "labels": pod_labels(blueprint, slot, self.replica, pod_index) | dict(self.labels),
        }
        annotations = {**slot.blueprint.annotations, **self.annotations, **(notes or {})}
        if slot.instance:
            annotations[labels.INSTANCE_HASH] = slot.instance
        if self.needs:
            annotations[labels.WAITS_FOR] = tell_needs(self.needs)
        if annotations:
            metadata["annotations"] = annotations
        return {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": metadata,
            "spec": self._spec(pod_index),
        }

    def _spec(self, pod_index: int) -> dict[str, Any]:
        blueprint, slot = self.blueprint, self.slot
        service = names.replica_name(blueprint.name, self.replica)
        address = names.service_address(blueprint.name, self.replica, blueprint.namespace)
        spec = with_environment(
            clique_pod_spec(slot),
            pod_environment(blueprint.name, self.replica, slot.name, address),
        )
        if slot.blueprint.name in blueprint.claiming:
            claims = claims_of_pod(blueprint, slot, self.replica, pod_index)
            spec = with_claims(spec, claims)
        spec.pop("schedulingGates", None)
        if self.gated:
            spec["schedulingGates"] = [{"name": labels.GATE}]
        spec["schedulerName"] = blueprint.scheduler
        spec["hostname"] = names.hostname(slot.name, pod_index)
        spec["subdomain"] = service
        if self.needs:
            spec = with_waiter(spec, blueprint.name, self.waiter_image, self.needs)
        return spec | dict(self.placement)
