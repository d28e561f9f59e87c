"""PodGang: pods that a scheduler places all-or-nothing.

The operator writes the spec for schedulers to read. Unlike a PodCliqueSet it speaks of node labels
and names of real pods.
"""

from enum import StrEnum
from typing import Literal

from pydantic import Field

from grove_operator.api.base import (
    NO_SERVER_DEFAULT,
    REQUIRED,
    Conditions,
    Int32,
    KubeModel,
    ObjectMeta,
)


class GangPhase(StrEnum):
    PENDING = "Pending"
    STARTING = "Starting"
    RUNNING = "Running"


class NamespacedName(KubeModel):
    """Another object."""

    namespace: str = Field(description="Its namespace.")
    name: str = Field(description="Its name.")


class PodGangPackConstraint(KubeModel):
    """Where pods must, or should, be together, by node label."""

    required: str | None = Field(
        None, description="Node label of which all pods must share one value."
    )
    preferred: str | None = Field(
        None, description="Node label of which all pods should share one value."
    )


class PodGangTopologyConstraint(KubeModel):
    """Keeps pods together, in terms of node labels."""

    pack_constraint: PodGangPackConstraint | None = Field(
        None, description="Where the pods must, or should, be together."
    )


class PodGroup(KubeModel):
    """The pods of one PodClique."""

    name: str = Field(description="Name of the PodClique.")
    pod_references: list[NamespacedName] = Field(
        default_factory=list, description="The pods, sorted by name.", json_schema_extra=REQUIRED
    )
    min_replicas: Int32 = Field(
        description="Pods of the group that must be placed for the gang to start."
    )
    topology_constraint: PodGangTopologyConstraint | None = Field(
        None, description="Keeps the pods of the group together."
    )


class TopologyConstraintGroupConfig(KubeModel):
    """Keeps several groups of pods together."""

    name: str = Field(description="Name of the copy of the scaling group that they belong to.")
    pod_group_names: list[str] = Field(description="Names of the groups.")
    topology_constraint: PodGangTopologyConstraint | None = Field(
        None, description="Keeps the pods of these groups together."
    )


class PodGangSpec(KubeModel):
    """Which pods belong together."""

    pod_groups: list[PodGroup] = Field(
        alias="podgroups", description="The groups of pods, one for each PodClique."
    )
    topology_constraint: PodGangTopologyConstraint | None = Field(
        None, description="Keeps all pods of the gang together."
    )
    topology_constraint_group_configs: list[TopologyConstraintGroupConfig] = Field(
        default_factory=list, description="Constraints for several groups at once."
    )
    priority_class_name: str = Field(
        "",
        description="PriorityClass of the gang.",
        json_schema_extra=NO_SERVER_DEFAULT,
    )
    reuse_reservation_ref: NamespacedName | None = Field(
        None, description="A gang whose reserved place may be taken over."
    )


class PodGangStatus(KubeModel):
    """What became of the gang."""

    phase: str = Field(
        GangPhase.PENDING,
        description="Pending until the gang is placed, Starting until it is ready, then Running.",
        json_schema_extra=REQUIRED | NO_SERVER_DEFAULT,
    )
    conditions: Conditions = Field(default_factory=list)
    placement_score: float | None = Field(
        None, description="How good the scheduler thinks the placement is, 0 to 1."
    )


class PodGang(KubeModel):
    """Pods that the scheduler places all-or-nothing. Made by the operator; do not create one."""

    api_version: Literal["scheduler.grove.io/v1alpha1"] = "scheduler.grove.io/v1alpha1"
    kind: Literal["PodGang"] = "PodGang"
    metadata: ObjectMeta = Field(default_factory=ObjectMeta)
    spec: PodGangSpec = Field(description="Which pods belong together.")
    status: PodGangStatus = Field(
        default_factory=PodGangStatus, description="What became of the gang."
    )
