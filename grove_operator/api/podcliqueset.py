"""PodCliqueSet: what users write. A template of cliques, run in any number of copies.

Field texts are for `kubectl explain`: meaning, default, units, and what cannot change later. Rules
between fields are in `admission/`.
"""

from enum import StrEnum
from typing import Any, Final, Literal

from pydantic import Field

from grove_operator.api.base import (
    NO_SERVER_DEFAULT,
    REQUIRED,
    Boolean,
    Conditions,
    Int32,
    KubeModel,
    LastErrors,
    ObjectMeta,
    ObservedGeneration,
    Timestamp,
    cel_rules,
)
from grove_operator.api.durations import Duration, hours, parse_duration
from grove_operator.api.podclique import AutoScalingConfig, PodCliqueSpec
from grove_operator.api.sharing import (
    GroupResourceSharing,
    ResourceClaimTemplate,
    ResourceSharing,
    SetResourceSharing,
)
from grove_operator.api.topology import TopologyConstraint

DEFAULT_TERMINATION_DELAY: Final = hours(4)


class StartupType(StrEnum):
    ANY_ORDER = "CliqueStartupTypeAnyOrder"
    IN_ORDER = "CliqueStartupTypeInOrder"
    EXPLICIT = "CliqueStartupTypeExplicit"


class UpdateStrategyType(StrEnum):
    ROLLING_RECREATE = "RollingRecreate"
    ON_DELETE = "OnDelete"


class UpdateStrategy(KubeModel):
    """How a changed template reaches the pods."""

    type: UpdateStrategyType = Field(
        UpdateStrategyType.ROLLING_RECREATE,
        description="RollingRecreate replaces pods copy by copy; OnDelete leaves them until "
        "somebody deletes them.",
    )


class HeadlessServiceConfig(KubeModel):
    """The headless Service that every copy gets."""

    publish_not_ready_addresses: Boolean = Field(
        True,
        description="Whether pods have a DNS name before they are ready, as most inference engines "
        "need to find each other.",
        json_schema_extra=REQUIRED,
    )


class CliqueTemplate(KubeModel):
    """One clique: pods of the same role."""

    name: str = Field(
        description="Name of the clique, unique in the set; part of the names of its pods. "
        "Together with the names of the set and of its scaling group at most 45 characters. "
        "Cannot be changed later."
    )
    labels: dict[str, str] = Field(
        default_factory=dict,
        description="Labels for the PodClique and its pods. A change replaces the pods.",
    )
    annotations: dict[str, str] = Field(
        default_factory=dict,
        description="Annotations for the PodClique and its pods. A change replaces the pods.",
    )
    topology_constraint: TopologyConstraint | None = Field(
        None,
        description="Keeps the pods of each PodClique of this clique together. Cannot be changed "
        "later.",
    )
    resource_sharing: list[ResourceSharing] = Field(
        default_factory=list,
        description="Resource claims that the pods of this clique share. Cannot be changed later.",
    )
    spec: PodCliqueSpec = Field(description="The pods of the clique.")


class ScalingGroupConfig(KubeModel):
    """Cliques that scale together: each copy of the group has all of them."""

    name: str = Field(
        description="Name of the group, unique among the groups of the set. Cannot be changed "
        "later."
    )
    clique_names: list[str] = Field(
        description="Names of the cliques in the group. A clique is in one group at most. Cannot "
        "be changed later."
    )
    annotations: dict[str, str] = Field(
        default_factory=dict,
        description="Annotations for the PodCliqueScalingGroup; its pods do not get them.",
    )
    replicas: Int32 = Field(
        1,
        description="Copies of the group to begin with, at least 1. A running group is scaled "
        "through its PodCliqueScalingGroup.",
    )
    min_available: Int32 = Field(
        1,
        description="Copies that belong to the base gang, which starts as a whole or not at all. "
        "Every copy beyond is a gang of its own that starts after it. 1 to replicas. Cannot be "
        "changed later.",
    )
    scale_config: AutoScalingConfig | None = Field(
        None, description="Makes a HorizontalPodAutoscaler for the group."
    )
    resource_sharing: list[GroupResourceSharing] = Field(
        default_factory=list,
        description="Resource claims that the pods of the group share. Cannot be changed later.",
    )
    topology_constraint: TopologyConstraint | None = Field(
        None,
        description="Keeps the pods of each copy of the group together. Cannot be changed later.",
    )


class PodCliqueSetTemplate(KubeModel):
    """One copy of the workload."""

    cliques: list[CliqueTemplate] = Field(
        description="The cliques, at least one. None can be added, removed or renamed later; "
        "unless the startup type is CliqueStartupTypeAnyOrder, the order stays as well.",
        json_schema_extra={
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["name"],
        },
    )
    clique_startup_type: StartupType = Field(
        StartupType.ANY_ORDER,
        description="In which order the cliques start: CliqueStartupTypeAnyOrder all at once, "
        "CliqueStartupTypeInOrder each after the one listed before it, CliqueStartupTypeExplicit "
        "as each clique's startsAfter says. Cannot be changed later.",
    )
    priority_class_name: str = Field(
        "",
        description="PriorityClass of the gangs, for the scheduler. Pods have their own in their "
        "podSpec. A change replaces the pods.",
        json_schema_extra=NO_SERVER_DEFAULT,
    )
    headless_service_config: HeadlessServiceConfig = Field(
        default_factory=HeadlessServiceConfig,
        description="Settings of the headless Service of each copy. There is one in any case.",
    )
    topology_constraint: TopologyConstraint | None = Field(
        None,
        description="Keeps the pods of each copy of the set together. Cannot be changed later.",
    )
    termination_delay: str | None = Field(
        None,
        description="How long a gang may stay below its minimum before the operator deletes and "
        "restarts it, as a duration such as 30m or 1h30m. Above 0. Default: 4h.",
    )
    resource_claim_templates: list[ResourceClaimTemplate] = Field(
        default_factory=list,
        description="Templates of resource claims that resourceSharing entries name. Cannot be "
        "changed later.",
    )
    resource_sharing: list[SetResourceSharing] = Field(
        default_factory=list,
        description="Resource claims that pods of the whole set share. Cannot be changed later.",
    )
    pod_clique_scaling_groups: list[ScalingGroupConfig] = Field(
        default_factory=list,
        description="Groups of cliques that scale together. None can be added, removed or renamed "
        "later.",
    )

    @property
    def effective_termination_delay(self) -> Duration:
        """The delay, or the default. Raises ValueError if the text is no duration."""
        if self.termination_delay is None:
            return DEFAULT_TERMINATION_DELAY
        return parse_duration(self.termination_delay)

    def clique(self, name: str) -> CliqueTemplate | None:
        return next((clique for clique in self.cliques if clique.name == name), None)

    def group_of(self, clique: str) -> ScalingGroupConfig | None:
        """The scaling group that the clique of that name is in."""
        groups = self.pod_clique_scaling_groups
        return next((group for group in groups if clique in group.clique_names), None)


class PodCliqueSetSpec(KubeModel):
    """What should run."""

    replicas: Int32 = Field(
        0,
        description="Copies of the whole template, each with gangs, names and a Service of its "
        "own. Default: 0.",
    )
    update_strategy: UpdateStrategy = Field(
        default_factory=UpdateStrategy,
        description="How a changed template reaches the pods. Default: RollingRecreate.",
    )
    template: PodCliqueSetTemplate = Field(description="One copy of the workload.")


class ReplicaUpdate(KubeModel):
    """A copy of the set that is being updated."""

    replica_index: Int32 = Field(description="Index of the copy, from 0.")
    update_started_at: Timestamp | None = Field(None, description="When its update began.")
    update_ended_at: Timestamp | None = Field(None, description="When it was complete.")


class PodCliqueSetUpdateProgress(KubeModel):
    """How far the latest update has come."""

    update_started_at: Timestamp | None = Field(None, description="When the update began.")
    update_ended_at: Timestamp | None = Field(
        None, description="When it was complete. Absent while it runs."
    )
    updated_pod_cliques_count: Int32 = Field(
        0, description="PodCliques outside scaling groups that are up to date."
    )
    total_pod_cliques_count: Int32 = Field(
        0, description="PodCliques outside scaling groups in all."
    )
    updated_pod_clique_scaling_groups_count: Int32 = Field(
        0, description="Scaling groups that are up to date."
    )
    total_pod_clique_scaling_groups_count: Int32 = Field(0, description="Scaling groups in all.")
    currently_updating: list[ReplicaUpdate] = Field(
        default_factory=list, description="Copies that are being updated now."
    )


class PodGangSummary(KubeModel):
    """One gang of the set."""

    name: str = Field(description="Name of the PodGang.")
    phase: Literal["Pending", "Starting", "Running", "Failed", "Succeeded"] = Field(
        description="Where it stands."
    )
    conditions: Conditions = Field(default_factory=list)


class PodCliqueSetStatus(KubeModel):
    """What was last seen of the set."""

    observed_generation: ObservedGeneration = None
    conditions: Conditions = Field(default_factory=list)
    last_errors: LastErrors = Field(default_factory=list)
    replicas: Int32 = Field(
        0,
        description="Copies that should run, as in the spec.",
        json_schema_extra=NO_SERVER_DEFAULT,
    )
    updated_replicas: Int32 = Field(
        0,
        description="Available copies that are at the current template.",
        json_schema_extra=REQUIRED,
    )
    available_replicas: Int32 = Field(
        0,
        description="Copies of which every clique and group has what it needs at least.",
        json_schema_extra=REQUIRED,
    )
    hpa_pod_selector: str = Field(
        "",
        description="Label selector of the pods, for autoscalers.",
        json_schema_extra=NO_SERVER_DEFAULT,
    )
    pod_gang_statuses: list[PodGangSummary] = Field(
        default_factory=list, description="The gangs of the set."
    )
    current_generation_hash: str | None = Field(
        None, description="Hash of the pod templates; a new one starts an update."
    )
    update_progress: PodCliqueSetUpdateProgress | None = Field(
        None, description="The latest update, running or done."
    )


def _banned_on_create(field: str, rule: str) -> dict[str, Any]:
    return {
        "rule": f"oldSelf.hasValue() || {rule}",
        "optionalOldSelf": True,
        "message": "packDomain is deprecated: new sets say pack.required",
        "reason": "FieldValueForbidden",
        "fieldPath": field,
    }


def _no_pack_domain(holder: str) -> str:
    return f"!(has({holder}.topologyConstraint) && has({holder}.topologyConstraint.packDomain))"


class PodCliqueSet(KubeModel):
    """A workload of several roles whose pods start together or not at all.

    Its template lists the roles as cliques; cliques may be bound into groups that scale together.
    Every copy of the template becomes gangs that the scheduler places all-or-nothing.
    """

    model_config = cel_rules(
        _banned_on_create(
            ".spec.template.topologyConstraint.packDomain", _no_pack_domain("self.spec.template")
        ),
        _banned_on_create(
            ".spec.template.cliques",
            f"self.spec.template.cliques.all(clique, {_no_pack_domain('clique')})",
        ),
        _banned_on_create(
            ".spec.template.podCliqueScalingGroups",
            "!has(self.spec.template.podCliqueScalingGroups) || self.spec.template"
            f".podCliqueScalingGroups.all(group, {_no_pack_domain('group')})",
        ),
    )

    api_version: Literal["grove.io/v1alpha1"] = "grove.io/v1alpha1"
    kind: Literal["PodCliqueSet"] = "PodCliqueSet"
    metadata: ObjectMeta = Field(default_factory=ObjectMeta)
    spec: PodCliqueSetSpec = Field(description="What should run.")
    status: PodCliqueSetStatus = Field(
        default_factory=PodCliqueSetStatus, description="What was last seen."
    )
