"""Topology: the levels of the cluster, and how users ask for pods to be kept together.

Users name domains such as `rack`; a ClusterTopologyBinding says which node label that is.
"""

from typing import Final, Literal

from pydantic import Field

from grove_operator.api.base import (
    NO_SERVER_DEFAULT,
    Boolean,
    Conditions,
    Int64,
    KubeModel,
    ObjectMeta,
    ObservedGeneration,
    TopologyDomain,
    cel_rules,
)

LEVEL_KEY_PATTERN: Final = (
    r"^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]/)?([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]$"
)


class PackConstraint(KubeModel):
    """Where pods must, or should, be together. At least one of the two."""

    model_config = cel_rules(
        {
            "rule": "has(self.required) || has(self.preferred)",
            "message": "pack must specify at least one of required and preferred",
            "reason": "FieldValueRequired",
        }
    )

    required: TopologyDomain | None = Field(
        None,
        description="Domain, such as rack, that must hold all the pods: they wait until one can.",
    )
    preferred: TopologyDomain | None = Field(
        None,
        description="Domain that should hold all the pods: they are spread wider if none can.",
    )


class TopologyConstraint(KubeModel):
    """Keeps pods together in the cluster's topology."""

    model_config = cel_rules(
        {
            "rule": "has(self.pack) || has(self.packDomain)",
            "message": "must specify pack or deprecated packDomain",
            "reason": "FieldValueRequired",
            "fieldPath": ".pack",
        },
        {
            "rule": "!(has(self.packDomain) && has(self.pack) && has(self.pack.required))",
            "message": "must not set both packDomain and pack.required",
            "fieldPath": ".pack.required",
        },
    )

    topology_name: str = Field(
        "",
        description="Name of the ClusterTopologyBinding whose domains are meant. Default: that of "
        "the level above, so once at the top is enough. Cannot be changed later.",
        json_schema_extra=NO_SERVER_DEFAULT,
    )
    pack: PackConstraint | None = Field(
        None, description="Where the pods of each copy of this level must, or should, be together."
    )
    pack_domain: TopologyDomain | None = Field(
        None, description="Deprecated: say pack.required. Refused in new sets."
    )

    @property
    def required_domain(self) -> str:
        """The domain that must hold all pods, in either spelling; empty if there is none."""
        return (self.pack and self.pack.required) or self.pack_domain or ""

    @property
    def preferred_domain(self) -> str:
        return (self.pack and self.pack.preferred) or ""

    @property
    def referenced_domains(self) -> list[str]:
        """Required first, without empty ones and repetitions."""
        return list(dict.fromkeys(filter(None, (self.required_domain, self.preferred_domain))))


class TopologyLevel(KubeModel):
    """One level of the cluster."""

    domain: TopologyDomain = Field(
        description="Name of the level for users, such as zone, rack or host; unique."
    )
    key: str = Field(
        description="Node label whose values tell the domains of this level apart; unique.",
        min_length=1,
        max_length=63,
        pattern=LEVEL_KEY_PATTERN,
    )


class SchedulerTopologyBinding(KubeModel):
    """A topology object of a scheduler that somebody else looks after."""

    scheduler_name: str = Field(description="Scheduler that the object belongs to.")
    topology_reference: str = Field(
        description="Name of the object. The operator compares it with the levels, and never "
        "writes it."
    )


class ClusterTopologyBindingSpec(KubeModel):
    """The levels of the cluster."""

    levels: list[TopologyLevel] = Field(
        description="The levels, from the broadest to the narrowest.", min_length=1
    )
    scheduler_topology_bindings: list[SchedulerTopologyBinding] = Field(
        default_factory=list,
        description="Schedulers whose topology object is looked after elsewhere. For every other "
        "scheduler that needs one the operator makes it.",
    )


class SchedulerTopologyStatus(KubeModel):
    """How a scheduler's topology object compares with the levels."""

    scheduler_name: str = Field(description="Scheduler that the object belongs to.")
    topology_reference: str = Field(description="Name of the object.")
    in_sync: Boolean = Field(description="Whether its levels are those of this binding.")
    scheduler_backend_topology_observed_generation: Int64 | None = Field(
        None, description="The metadata.generation of the object that was compared."
    )
    message: str = Field(
        "",
        description="What differs.",
        json_schema_extra=NO_SERVER_DEFAULT,
    )


class ClusterTopologyBindingStatus(KubeModel):
    """What was last seen of the binding."""

    observed_generation: ObservedGeneration = None
    conditions: Conditions = Field(default_factory=list)
    scheduler_topology_statuses: list[SchedulerTopologyStatus] = Field(
        default_factory=list, description="One entry for each scheduler that has a topology."
    )


class ClusterTopologyBinding(KubeModel):
    """The levels of the cluster by name, so that workloads need not know node labels."""

    api_version: Literal["grove.io/v1alpha1"] = "grove.io/v1alpha1"
    kind: Literal["ClusterTopologyBinding"] = "ClusterTopologyBinding"
    metadata: ObjectMeta = Field(default_factory=ObjectMeta)
    spec: ClusterTopologyBindingSpec = Field(description="The levels of the cluster.")
    status: ClusterTopologyBindingStatus = Field(
        default_factory=ClusterTopologyBindingStatus, description="What was last seen."
    )
