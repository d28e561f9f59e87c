"""What an API server asks of every object's metadata: known fields, a name, labels and so on.

Owns the schema of metadata, which CRDs leave out because the server knows it. Syntax is in
`syntax.py`. Refuses rules of ours, such as how long a set's name may be.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from grove_operator.admission.fields import FieldError, invalid, required
from grove_operator.admission.labelling import annotation_errors, label_errors
from grove_operator.admission.syntax import (
    MAX_LABEL,
    MAX_SUBDOMAIN,
    is_label,
    is_subdomain,
    key_problem,
)

Schema = Mapping[str, Any]


def _each(schema: Schema, *names: str) -> dict[str, Schema]:
    return dict.fromkeys(names, schema)


_TEXT: Final = {"type": "string"}
_COUNT: Final = {"type": "integer", "format": "int64"}
_TEXTS: Final = {"type": "object", "additionalProperties": _TEXT}
_OWNER: Final = {
    "type": "object",
    "required": ["apiVersion", "kind", "name", "uid"],
    "properties": {
        **_each(_TEXT, "apiVersion", "kind", "name", "uid"),
        **_each({"type": "boolean"}, "controller", "blockOwnerDeletion"),
    },
}
METADATA: Final[Schema] = {
    "type": "object",
    "properties": {
        **_each(_TEXT, "name", "generateName", "namespace", "selfLink", "uid"),
        **_each(_TEXT, "resourceVersion", "creationTimestamp", "deletionTimestamp"),
        **_each(_COUNT, "generation", "deletionGracePeriodSeconds"),
        **_each(_TEXTS, "labels", "annotations"),
        "finalizers": {"type": "array", "items": _TEXT},
        "ownerReferences": {"type": "array", "items": _OWNER},
        "managedFields": {"x-kubernetes-preserve-unknown-fields": True},
    },
}
"""As a structural schema; defaults there are none."""

_NAME_WORDS: Final = (
    "a lowercase RFC 1123 subdomain must consist of lower case letters, digits, '-' or '.', and "
    "start and end with a letter or digit"
)
_NAMESPACE_WORDS: Final = (
    f"a lowercase RFC 1123 label must have at most {MAX_LABEL} characters, consist of lower case "
    "letters, digits or '-', and start and end with a letter or digit"
)


def metadata_errors(metadata: Mapping[str, Any]) -> Iterator[FieldError]:
    """`metadata` fits the schema above."""
    name = metadata.get("name", "")
    if not name:
        if not metadata.get("generateName"):
            yield required("metadata.name", "name or generateName is required")
    elif len(name) > MAX_SUBDOMAIN:
        yield invalid("metadata.name", name, f"must be no more than {MAX_SUBDOMAIN} characters")
    elif not is_subdomain(name):
        yield invalid("metadata.name", name, _NAME_WORDS)
    namespace = metadata.get("namespace", "")
    if namespace and not is_label(namespace):
        yield invalid("metadata.namespace", namespace, _NAMESPACE_WORDS)
    yield from label_errors("metadata.labels", metadata.get("labels", {}))
    yield from annotation_errors("metadata.annotations", metadata.get("annotations", {}))
    for finalizer in metadata.get("finalizers", ()):
        if problem := key_problem(finalizer):
            yield invalid("metadata.finalizers", finalizer, problem)
