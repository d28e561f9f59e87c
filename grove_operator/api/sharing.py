"""Resource claims (DRA) that pods of a PodCliqueSet share, and the templates they come from.

An entry may stand at three levels: set, scaling group, clique. Only the filters differ.
"""

from enum import StrEnum
from typing import Any

from pydantic import Field

from grove_operator.api.base import NO_SERVER_DEFAULT, KubeModel, kubernetes_type


class SharingScope(StrEnum):
    ALL_REPLICAS = "AllReplicas"
    PER_REPLICA = "PerReplica"


class ResourceClaimTemplate(KubeModel):
    """A template of resource claims that lives in the set."""

    name: str = Field(description="Name by which resourceSharing entries refer to it, unique.")
    template_spec: dict[str, Any] = Field(
        description="The claim, as in resource.k8s.io/v1; see `kubectl explain "
        "resourceclaimtemplate.spec`. It must request a device at least.",
        json_schema_extra=kubernetes_type("io.k8s.api.resource.v1.ResourceClaimTemplateSpec"),
    )


class ResourceSharing(KubeModel):
    """A resource claim that pods share."""

    name: str = Field(
        description="Name of an entry of resourceClaimTemplates, or else of a "
        "ResourceClaimTemplate object."
    )
    namespace: str = Field(
        "",
        description="Namespace of the ResourceClaimTemplate object. Default: the set's own. Not "
        "for entries of resourceClaimTemplates.",
        json_schema_extra=NO_SERVER_DEFAULT,
    )
    scope: SharingScope = Field(
        description="AllReplicas makes one claim for all copies, PerReplica one for each copy, of "
        "the level at which the entry stands: set, scaling group or clique."
    )


class GroupSharingFilter(KubeModel):
    """Which cliques of the group take part."""

    child_clique_names: list[str] = Field(
        default_factory=list, description="Names of cliques of the group."
    )


class SetSharingFilter(KubeModel):
    """Which cliques and scaling groups take part. A pod that either list covers does."""

    child_clique_names: list[str] = Field(default_factory=list, description="Names of cliques.")
    child_scaling_group_names: list[str] = Field(
        default_factory=list, description="Names of scaling groups."
    )


class GroupResourceSharing(ResourceSharing):
    filter: GroupSharingFilter | None = Field(
        None, description="Narrows the claim to some cliques of the group. Default: all."
    )


class SetResourceSharing(ResourceSharing):
    filter: SetSharingFilter | None = Field(
        None, description="Narrows the claim to some cliques and groups. Default: all."
    )
