"""PodClique: pods of one role.

Its spec is also what stands under each clique of a PodCliqueSet's template, so defaults that only
make sense there are properties, not field defaults: a live PodClique may be at 0 replicas.
"""

from typing import Any, Literal

from pydantic import Field

from grove_operator.api.base import (
    ATOMIC_LIST,
    NO_SERVER_DEFAULT,
    REQUIRED,
    Conditions,
    Int32,
    KubeModel,
    LastErrors,
    ObjectMeta,
    ObservedGeneration,
    Timestamp,
    kubernetes_type,
)


class AutoScalingConfig(KubeModel):
    """Bounds and metrics of the HorizontalPodAutoscaler that the operator makes."""

    min_replicas: Int32 | None = Field(
        None,
        description="Lower bound of the autoscaler, not below minAvailable. Default: the replicas "
        "beside this config as submitted.",
    )
    max_replicas: Int32 = Field(
        description="Upper bound of the autoscaler, not below minReplicas and replicas."
    )
    metrics: list[dict[str, Any]] = Field(
        default_factory=list,
        description="What the autoscaler watches, as in autoscaling/v2; see `kubectl explain "
        "hpa.spec.metrics`. Without any, the HorizontalPodAutoscaler's own default applies.",
        json_schema_extra=ATOMIC_LIST
        | {"items": kubernetes_type("io.k8s.api.autoscaling.v2.MetricSpec")},
    )

    def effective_min_replicas(self, replicas: int) -> int:
        """The lower bound that the defaulter would fill in beside `replicas`."""
        return max(replicas, 1) if self.min_replicas is None else self.min_replicas


class PodCliqueSpec(KubeModel):
    """Pods of one role: how many, how few are enough, and after whom they start."""

    role_name: str = Field(
        "",
        description="Name of the role that these pods play, unique in the PodCliqueSet. Cannot be "
        "changed later.",
        json_schema_extra=REQUIRED | NO_SERVER_DEFAULT,
    )
    pod_spec: dict[str, Any] = Field(
        description="The pods, as in any workload; see `kubectl explain pod.spec`. schedulerName "
        "cannot be changed later and must be the same in all cliques. hostname, subdomain and "
        "schedulingGates are set by the operator.",
        json_schema_extra=kubernetes_type("io.k8s.api.core.v1.PodSpec"),
    )
    replicas: Int32 = Field(
        0,
        description="Number of pods. In a PodCliqueSet it is the count to begin with, at least 1 "
        "(0 becomes 1).",
        json_schema_extra=REQUIRED | NO_SERVER_DEFAULT,
    )
    min_available: Int32 | None = Field(
        None,
        description="Number of pods that must be placed together for the gang to start, and below "
        "which the clique counts as breached. 1 to replicas. Default: replicas. Cannot be changed "
        "later, so give it if you want to lower replicas one day.",
    )
    starts_after: list[str] = Field(
        default_factory=list,
        description="Names of cliques that must be ready before these pods start. Used with the "
        "startup type CliqueStartupTypeExplicit only. Cannot be changed later. On a PodClique "
        "these are full names of PodCliques, filled in by the operator.",
    )
    auto_scaling_config: AutoScalingConfig | None = Field(
        None,
        description="Makes a HorizontalPodAutoscaler for this clique. Not for cliques of a scaling "
        "group, which scale together.",
    )

    @property
    def effective_replicas(self) -> int:
        """The count that the defaulter gives a template. A live PodClique may well be at 0."""
        return self.replicas or 1

    @property
    def effective_min_available(self) -> int:
        return self.effective_replicas if self.min_available is None else self.min_available


class ReadyPodsSelectedToUpdate(KubeModel):
    """Ready pods are replaced one at a time."""

    current: str = Field(description="Pod that is being replaced now.")
    completed: list[str] = Field(
        default_factory=list, description="Pods that were replaced before it."
    )


class PodCliqueUpdateProgress(KubeModel):
    """How far the latest update has come."""

    update_started_at: Timestamp | None = Field(None, description="When the update began.")
    update_ended_at: Timestamp | None = Field(
        None, description="When it was complete. Absent while it runs."
    )
    pod_clique_set_generation_hash: str = Field(
        description="Generation hash of the PodCliqueSet that the update leads to."
    )
    pod_template_hash: str = Field(description="Pod template hash that the update leads to.")
    ready_pods_selected_to_update: ReadyPodsSelectedToUpdate | None = Field(
        None, description="Ready pods that were picked for replacement."
    )


class PodCliqueStatus(KubeModel):
    """What was last seen of the PodClique."""

    observed_generation: ObservedGeneration = None
    last_errors: LastErrors = Field(default_factory=list)
    conditions: Conditions = Field(default_factory=list)
    replicas: Int32 = Field(
        0,
        description="Pods that are not being deleted.",
        json_schema_extra=NO_SERVER_DEFAULT,
    )
    ready_replicas: Int32 = Field(0, description="Pods that are ready.", json_schema_extra=REQUIRED)
    updated_replicas: Int32 = Field(
        0,
        description="Pods made from the current template.",
        json_schema_extra=REQUIRED,
    )
    schedule_gated_replicas: Int32 = Field(
        0,
        description="Pods that still carry the scheduling gate of their gang.",
        json_schema_extra=REQUIRED,
    )
    scheduled_replicas: Int32 = Field(
        0, description="Pods that have a node.", json_schema_extra=REQUIRED
    )
    hpa_pod_selector: str = Field(
        "",
        description="Label selector of the pods, for autoscalers. Absent for members of a scaling "
        "group.",
        json_schema_extra=NO_SERVER_DEFAULT,
    )
    current_pod_clique_set_generation_hash: str | None = Field(
        None, description="Generation hash of the PodCliqueSet that all pods have reached."
    )
    current_pod_template_hash: str | None = Field(
        None, description="Pod template hash that all pods have reached."
    )
    update_progress: PodCliqueUpdateProgress | None = Field(
        None, description="The latest update, running or done."
    )


class PodClique(KubeModel):
    """Pods of one role in one copy of a PodCliqueSet. Made by the operator; do not create one."""

    api_version: Literal["grove.io/v1alpha1"] = "grove.io/v1alpha1"
    kind: Literal["PodClique"] = "PodClique"
    metadata: ObjectMeta = Field(default_factory=ObjectMeta)
    spec: PodCliqueSpec = Field(
        description="What should run. Filled in from the PodCliqueSet; only replicas is for others "
        "to change, through the scale subresource."
    )
    status: PodCliqueStatus = Field(
        default_factory=PodCliqueStatus, description="What was last seen."
    )
