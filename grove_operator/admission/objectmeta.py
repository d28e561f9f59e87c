"""What an API server asks of every object's metadata: known fields, a name, labels and so on.

Owns the schema of metadata, which CRDs leave out because the server knows it. Syntax is in
`syntax.py`. Refuses rules of ours, such as how long a set's name may be.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from grove_operator.admission.fields import FieldError, invalid, required, too_long
from grove_operator.admission.syntax import key_problem, label_value_problem

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

_MAX_NAME: Final = 253
_MAX_ANNOTATIONS: Final = 256 * 1024
_PART: Final = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN: Final = re.compile(rf"{_PART}(\.{_PART})*")
_NAME_WORDS: Final = (
    "a lowercase RFC 1123 subdomain must consist of lower case letters, digits, '-' or '.', and "
    "start and end with a letter or digit"
)


def metadata_errors(metadata: Mapping[str, Any]) -> Iterator[FieldError]:
    """`metadata` fits the schema above."""
    name = metadata.get("name", "")
    if not name:
        if not metadata.get("generateName"):
            yield required("metadata.name", "name or generateName is required")
    elif len(name) > _MAX_NAME:
        yield invalid("metadata.name", name, f"must be no more than {_MAX_NAME} characters")
    elif not _SUBDOMAIN.fullmatch(name):
        yield invalid("metadata.name", name, _NAME_WORDS)
    yield from _labels(metadata.get("labels", {}))
    yield from _annotations(metadata.get("annotations", {}))
    for finalizer in metadata.get("finalizers", ()):
        if problem := key_problem(finalizer):
            yield invalid("metadata.finalizers", finalizer, problem)


def _labels(labels: Mapping[str, str]) -> Iterator[FieldError]:
    for key, value in labels.items():
        if problem := key_problem(key):
            yield invalid("metadata.labels", key, problem)
        if problem := label_value_problem(value):
            yield invalid("metadata.labels", value, problem)


def _annotations(annotations: Mapping[str, str]) -> Iterator[FieldError]:
    for key in annotations:
        if problem := key_problem(key.lower()):
            yield invalid("metadata.annotations", key, problem)
    texts = (text for pair in annotations.items() for text in pair)
    if sum(len(text.encode(errors="surrogatepass")) for text in texts) > _MAX_ANNOTATIONS:
        detail = f"may not be more than {_MAX_ANNOTATIONS} bytes"
        yield too_long("metadata.annotations", detail)
