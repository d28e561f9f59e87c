"""What an API server with our CRDs says of a creation, before any webhook that validates.

Owns the order of its stages: decoding, defaults (the schema's and the webhook's), metadata, schema.
Refuses what only a cluster knows, such as names that are taken. `lint` is the user.
"""

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, Final

from grove_operator.admission.defaulting import default_podcliqueset
from grove_operator.admission.fields import FieldError, invalid, unsupported
from grove_operator.admission.objectmeta import METADATA, metadata_errors
from grove_operator.admission.schemacheck import schema_errors
from grove_operator.admission.structural import Schema, declared, filled, unknown_fields
from grove_operator.api.labels import GROVE_API, GROVE_GROUP
from grove_operator.api.podcliqueset import PodCliqueSet
from grove_operator.api.schema import build_root_schema
from grove_operator.api.schema_kinds import KINDS, Kind
from grove_operator.api.topology import ClusterTopologyBinding

Body = dict[str, Any]

JUDGED: Final[Mapping[str, Kind]] = {
    kind.name: kind for kind in KINDS if kind.model in {PodCliqueSet, ClusterTopologyBinding}
}
"""The kinds that users write, and that have admission."""


def is_ours(body: Body) -> bool:
    """A kind that is judged, or a misspelt one of the group, which nobody else would judge."""
    group = str(body.get("apiVersion", "")).partition("/")[0]
    kind = str(body.get("kind", ""))
    others = {kind.name for kind in KINDS if kind.group == group} - JUDGED.keys()
    return group == GROVE_GROUP and kind not in others


@cache
def schema_of(kind: str) -> Schema:
    """The CRD's own, and metadata's, which the API server adds."""
    schema = build_root_schema(JUDGED[kind].model)
    return schema | {"properties": schema["properties"] | {"metadata": METADATA}}


def served_version(body: Body) -> FieldError | None:
    """Without the right kind and version there is nobody who would look at the rest."""
    kind, version = str(body.get("kind", "")), body.get("apiVersion")
    if kind not in JUDGED:
        known = sorted(kind.name for kind in KINDS if kind.group == GROVE_GROUP)
        return unsupported("kind", kind, known)
    if version != GROVE_API:
        return unsupported("apiVersion", version, [GROVE_API])
    return None


def server_verdict(body: Body) -> tuple[Body, list[str], list[FieldError]]:
    """What an API server with the CRD makes of a creation, short of webhooks that validate.

    Gives the body as stored, the unknown fields, and what is wrong with the known ones.
    """
    schema = schema_of(body["kind"])
    unknown = list(unknown_fields(body, schema))
    # A status is not taken from whoever creates.
    known = {key: part for key, part in declared(body, schema).items() if key != "status"}
    stored = filled(known, schema)
    if body["kind"] == "PodCliqueSet":
        stored = filled(default_podcliqueset(stored), schema)
    errors = list(schema_errors(stored, schema))
    if not any(error.path.startswith("metadata") for error in errors):
        errors = [*metadata_errors(stored.get("metadata", {})), *errors]
    return stored, unknown, [*errors, *_scale_errors(stored)]


def _scale_errors(stored: Body) -> Iterator[FieldError]:
    """Where a scale subresource finds its count, the server wants one."""
    spec = stored.get("spec")
    replicas = spec.get("replicas") if isinstance(spec, dict) else None
    if JUDGED[stored["kind"]].scale_selector and isinstance(replicas, int) and replicas < 0:
        yield invalid("spec.replicas", replicas, "should be a non-negative integer")
