"""PodCliqueScalingGroup: cliques that scale together, as one unit.

Each copy of the group has one PodClique for each clique name. The operator makes the object, but
its replica count belongs to users and autoscalers.
"""

from typing import Literal

from pydantic import Field

from grove_operator.api.base import (
    NO_SERVER_DEFAULT,
    REQUIRED,
    Conditions,
    Int32,
    KubeModel,
    LastErrors,
    ObjectMeta,
    ObservedGeneration,
    Timestamp,
)


class PodCliqueScalingGroupSpec(KubeModel):
    """How many copies of the group's cliques run."""

    replicas: Int32 = Field(
        1,
        description="Copies of the group. The operator sets it once, at creation; afterwards it "
        "belongs to whoever scales the group.",
        json_schema_extra=REQUIRED,
    )
    min_available: Int32 = Field(
        1,
        description="Copies that belong to the base gang and must be placed with it. Every copy "
        "beyond is a gang of its own.",
    )
    clique_names: list[str] = Field(description="Cliques of one copy, by their template names.")


class ReadyReplicaIndicesSelectedToUpdate(KubeModel):
    """Ready copies of the group are replaced one at a time."""

    current: Int32 = Field(description="Index of the copy that is being replaced now.")
    completed: list[Int32] = Field(
        default_factory=list, description="Indices of the copies that were replaced before it."
    )


class PodCliqueScalingGroupUpdateProgress(KubeModel):
    """How far the latest update has come."""

    update_started_at: Timestamp = Field(description="When the update began.")
    update_ended_at: Timestamp | None = Field(
        None, description="When it was complete. Absent while it runs."
    )
    pod_clique_set_generation_hash: str = Field(
        description="Generation hash of the PodCliqueSet that the update leads to."
    )
    updated_pod_cliques_count: Int32 = Field(
        0, description="Member PodCliques that are at that hash."
    )
    total_pod_cliques_count: Int32 = Field(0, description="Member PodCliques in all.")
    ready_replica_indices_selected_to_update: ReadyReplicaIndicesSelectedToUpdate | None = Field(
        None, description="Ready copies that were picked for replacement."
    )


class PodCliqueScalingGroupStatus(KubeModel):
    """What was last seen of the group."""

    replicas: Int32 = Field(
        0,
        description="Copies that should run, as in the spec.",
        json_schema_extra=NO_SERVER_DEFAULT,
    )
    scheduled_replicas: Int32 = Field(
        0,
        description="Copies of which every PodClique has enough pods on nodes.",
        json_schema_extra=REQUIRED,
    )
    available_replicas: Int32 = Field(
        0,
        description="Scheduled copies of which every PodClique has minAvailable ready pods.",
        json_schema_extra=REQUIRED,
    )
    updated_replicas: Int32 = Field(
        0,
        description="Available copies that are at the current template.",
        json_schema_extra=REQUIRED,
    )
    selector: str = Field(
        "",
        description="Label selector of the pods, for autoscalers.",
        json_schema_extra=NO_SERVER_DEFAULT,
    )
    observed_generation: ObservedGeneration = None
    last_errors: LastErrors = Field(default_factory=list)
    conditions: Conditions = Field(default_factory=list)
    current_pod_clique_set_generation_hash: str | None = Field(
        None, description="Generation hash of the PodCliqueSet that all copies have reached."
    )
    update_progress: PodCliqueScalingGroupUpdateProgress | None = Field(
        None, description="The latest update, running or done."
    )


class PodCliqueScalingGroup(KubeModel):
    """Cliques of one copy of a PodCliqueSet that scale together. Made by the operator.

    Scale it with `kubectl scale pcsg` or an autoscaler; do not create one.
    """

    api_version: Literal["grove.io/v1alpha1"] = "grove.io/v1alpha1"
    kind: Literal["PodCliqueScalingGroup"] = "PodCliqueScalingGroup"
    metadata: ObjectMeta = Field(default_factory=ObjectMeta)
    spec: PodCliqueScalingGroupSpec = Field(
        description="What should run. Filled in from the PodCliqueSet; only replicas is for others "
        "to change, through the scale subresource."
    )
    status: PodCliqueScalingGroupStatus = Field(
        default_factory=PodCliqueScalingGroupStatus, description="What was last seen."
    )
