"""What every model of the API has in common.

Models are read-only values. Reading is lenient where the API server is: an unknown field is
dropped and `null` counts as absent. Numbers and booleans are strict, for `"3"` is not 3 there.
What a field means to the CRD beyond its type is written as `json_schema_extra`; `schema.py` turns
that into the CRD, so a field is described once.
"""

from typing import Annotated, Any, Final, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    Strict,
    StringConstraints,
    WithJsonSchema,
    model_validator,
)
from pydantic.alias_generators import to_camel

from grove_operator.api.conditions import Condition

# Marks for schema.py. The first two part the CRD from the model: a counter of a status reads as 0
# when it is absent, yet the server must not invent it; a replica count must be written, yet a
# manifest that never met the server still has a meaning without it.
NO_SERVER_DEFAULT: Final[dict[str, Any]] = {"x-grove-no-default": True}
REQUIRED: Final[dict[str, Any]] = {"x-grove-required": True}
ATOMIC_LIST: Final[dict[str, Any]] = {"x-kubernetes-list-type": "atomic"}


def kubernetes_type(definition: str) -> dict[str, Any]:
    """Marks an opaque field whose schema comes from Kubernetes' own OpenAPI document."""
    return {"x-grove-openapi": definition}


Int32 = Annotated[int, Strict(), WithJsonSchema({"type": "integer", "format": "int32"})]
Int64 = Annotated[int, Strict(), WithJsonSchema({"type": "integer", "format": "int64"})]
Boolean = Annotated[bool, Strict()]
Timestamp = Annotated[str, WithJsonSchema({"type": "string", "format": "date-time"})]
"""RFC 3339 text in UTC, as the server writes it. Such texts compare in time order."""

TopologyDomain = Annotated[
    str, StringConstraints(min_length=1, max_length=63, pattern=r"^[a-z][a-z0-9-]*$")
]
"""The name of a level of a ClusterTopologyBinding, such as `rack` or `host`."""


class KubeModel(BaseModel):
    model_config = ConfigDict(
        frozen=True, extra="ignore", alias_generator=to_camel, populate_by_name=True
    )

    @model_validator(mode="before")
    @classmethod
    def _null_is_absent(cls, value: Any) -> Any:
        if isinstance(value, dict):
            return {key: item for key, item in value.items() if item is not None}
        return value

    def as_dict(self) -> dict[str, Any]:
        """The JSON form: camelCase, and only what was given, so that reading it back is equal.

        A whole object always says its apiVersion and kind.
        """
        named = {"apiVersion": "api_version", "kind": "kind"}
        head = {key: getattr(self, name) for key, name in named.items() if hasattr(self, name)}
        given = self.model_dump(mode="json", by_alias=True, exclude_unset=True, exclude_none=True)
        return head | given

    def replace(self, **changes: Any) -> Self:
        """A copy in which the given fields (Python names) differ. They are not validated."""
        return self.model_copy(update=changes)


class OwnerReference(KubeModel):
    api_version: str
    kind: str
    name: str
    uid: str
    controller: Boolean = False
    block_owner_deletion: Boolean = False


class ObjectMeta(KubeModel):
    name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    generation: int = 0
    labels: dict[str, str] = Field(default_factory=dict)
    annotations: dict[str, str] = Field(default_factory=dict)
    finalizers: list[str] = Field(default_factory=list)
    owner_references: list[OwnerReference] = Field(default_factory=list)
    creation_timestamp: Timestamp | None = None
    deletion_timestamp: Timestamp | None = None

    @property
    def controller(self) -> OwnerReference | None:
        """The one owner that controls this object."""
        return next((owner for owner in self.owner_references if owner.controller), None)


def cel_rules(*rules: dict[str, Any]) -> ConfigDict:
    """Model configuration that puts CEL rules beside the model's schema in the CRD."""
    return ConfigDict(json_schema_extra={"x-kubernetes-validations": list(rules)})


class LastError(KubeModel):
    """One failure of the latest pass over this object."""

    code: str = Field(description="Machine-readable kind of the failure.")
    description: str = Field(description="What failed, in words.")
    observed_at: Timestamp = Field(description="When it was seen.")


Conditions = Annotated[
    list[Condition],
    Field(description="What is true of this object now, one entry for each type."),
    WithJsonSchema({"type": "array", "items": {"x-grove-condition": True}}),
]

LastErrors = Annotated[
    list[LastError],
    Field(description="Failures of the latest pass. Empty or absent when it went well."),
]

ObservedGeneration = Annotated[
    Int64 | None,
    Field(description="The metadata.generation that this status was worked out from."),
]
