"""A body against the schema of its CRD, as an API server checks it, in the server's words.

Owns types, bounds, patterns, required fields, lists that are maps or sets, and the CEL rules. Knows
the part of structural schemas that our CRDs use; a test fails when they use more. Refuses to change
the body: `structural.py` has dropped and filled in what the server drops and fills in.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any, Final

from grove_operator.admission.celrules import rule_error
from grove_operator.admission.fields import (
    FieldError,
    duplicate,
    invalid,
    required,
    too_long,
    unsupported,
)
from grove_operator.admission.structural import Schema, below, field

INT_OR_STRING: Final = "integer,string"
_DATE_TIME: Final = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[-+]\d\d:\d\d)")
_DEFAULT_FORMAT: Final = "int64"
_RANGES: Final[Mapping[str, range]] = {
    "int32": range(-(2**31), 2**31),
    "int64": range(-(2**63), 2**63),
}


def schema_errors(value: Any, schema: Schema, path: str = "") -> Iterator[FieldError]:
    """Everything that is wrong with `value` and what is in it, from the outside in."""
    expected = expected_type(schema)
    if expected is not None and type_of(value) not in _ACCEPTED[expected]:
        yield invalid(path, type_of(value), f"must be of type {expected}")
        return
    if "enum" in schema and value not in schema["enum"]:
        yield unsupported(path, value, schema["enum"])
    if isinstance(value, str):
        yield from _text(value, schema, path)
    elif isinstance(value, dict):
        yield from _object(value, schema, path)
    elif isinstance(value, list):
        yield from _list(value, schema, path)
    elif not isinstance(value, bool):
        yield from _number(value, schema, path)


def expected_type(schema: Schema) -> str | None:
    if schema.get("x-kubernetes-int-or-string"):
        return INT_OR_STRING
    named: str | None = schema.get("type")
    return named


def type_of(value: Any) -> str:
    """The JSON type; whole numbers are integers however they are written."""
    if isinstance(value, float):
        return "integer" if value.is_integer() else "number"
    return _TYPES[type(value)]


_TYPES: Final[Mapping[type, str]] = {
    type(None): "null",
    bool: "boolean",
    int: "integer",
    str: "string",
    list: "array",
    dict: "object",
}
_ACCEPTED: Final[Mapping[str, frozenset[str]]] = {
    "array": frozenset({"array"}),
    "boolean": frozenset({"boolean"}),
    "integer": frozenset({"integer"}),
    "number": frozenset({"integer", "number"}),
    "object": frozenset({"object"}),
    "string": frozenset({"string"}),
    INT_OR_STRING: frozenset({"integer", "string"}),
}


def _text(text: str, schema: Schema, path: str) -> Iterator[FieldError]:
    least, most = schema.get("minLength", 0), schema.get("maxLength")
    if len(text) < least:
        yield invalid(path, text, f"should be at least {least} chars long")
    if most is not None and len(text) > most:
        yield too_long(path, f"may not be more than {most} bytes")
    pattern = schema.get("pattern")
    if pattern is not None and not _compiled(pattern).search(text):
        yield invalid(path, text, f"should match '{pattern}'")
    if schema.get("format") == "date-time" and not _DATE_TIME.fullmatch(text):
        yield invalid(path, text, "must be of type date-time")


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    """Python's `$` lets a line end pass, the API server's does not."""
    return re.compile(re.sub(r"\$$", r"\\Z", pattern))


def _number(number: float, schema: Schema, path: str) -> Iterator[FieldError]:
    least, form = schema.get("minimum"), schema.get("format", _DEFAULT_FORMAT)
    if least is not None and number < least:
        yield invalid(path, number, f"should be greater than or equal to {least}")
    if type_of(number) == "integer" and form in _RANGES and int(number) not in _RANGES[form]:
        yield invalid(path, number, f"must be of type integer with format {form}")


def _object(value: dict[str, Any], schema: Schema, path: str) -> Iterator[FieldError]:
    for key in schema.get("required", ()):
        if key not in value:
            yield required(below(path, key), "")
    for key, item in value.items():
        within = field(schema, key)
        if within is not None:
            yield from schema_errors(item, within, below(path, key))
    for rule in schema.get("x-kubernetes-validations", ()):
        if (error := rule_error(rule, value, path)) is not None:
            yield error


def _list(items: list[Any], schema: Schema, path: str) -> Iterator[FieldError]:
    least = schema.get("minItems", 0)
    if len(items) < least:
        yield invalid(path, len(items), f"should have at least {least} items")
    kind = schema.get("x-kubernetes-list-type")
    if kind == "map":
        keys = schema["x-kubernetes-list-map-keys"]
        yield from _repeated(items, path, lambda item: _key(item, keys))
    elif kind == "set":
        yield from _repeated(items, path, lambda item: item)
    for index, item in enumerate(items):
        yield from schema_errors(item, schema.get("items", {}), f"{path}[{index}]")


def _key(item: Any, keys: list[str]) -> dict[str, Any] | None:
    """The fields that tell an entry apart. What is no object cannot be told apart."""
    if not isinstance(item, dict):
        return None
    return {key: item[key] for key in keys if key in item}


def _repeated(items: list[Any], path: str, identity: Callable[[Any], Any]) -> Iterator[FieldError]:
    seen: set[str] = set()
    for index, item in enumerate(items):
        own = identity(item)
        if own is None:
            continue
        # Values need not be hashable; their text, with the type, is.
        text = repr(own)
        if text in seen:
            yield duplicate(f"{path}[{index}]", own)
        seen.add(text)
