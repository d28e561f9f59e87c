"""What an API server does to a body before it looks at values: drop strangers, fill in defaults.

Owns the two walks over a structural schema, as the CRDs have it. Refuses to judge values, which is
`schemacheck.py`. Bodies are left as they are; parts that have another type than the schema says are
taken over, for the later check names them.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

Schema = Mapping[str, Any]
Body = dict[str, Any]

_NOTHING: Final[Schema] = {}


def declared(value: Any, schema: Schema) -> Any:
    """`value` without the fields that the schema does not know."""
    if _is_open(schema):
        return value
    if isinstance(value, dict) and _is_object(schema):
        known = {key: field(schema, key) for key in value}
        return {
            key: declared(value[key], within) for key, within in known.items() if within is not None
        }
    if isinstance(value, list):
        return [declared(item, schema.get("items", _NOTHING)) for item in value]
    return value


def unknown_fields(value: Any, schema: Schema, path: str = "") -> Iterator[str]:
    """Paths of the fields that `declared` drops."""
    if _is_open(schema):
        return
    if isinstance(value, dict) and _is_object(schema):
        for key, item in value.items():
            within, place = field(schema, key), below(path, key)
            if within is None:
                yield place
            else:
                yield from unknown_fields(item, within, place)
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from unknown_fields(item, schema.get("items", _NOTHING), f"{path}[{index}]")


def filled(value: Any, schema: Schema) -> Any:
    """`value` with the schema's defaults, and without nulls, which count as absent in objects."""
    if isinstance(value, dict):
        given = {key: item for key, item in value.items() if item is not None}
        result = {key: filled(item, field(schema, key) or _NOTHING) for key, item in given.items()}
        for key, within in schema.get("properties", _NOTHING).items():
            if key not in result and "default" in within:
                result[key] = within["default"]
        return result
    if isinstance(value, list):
        return [filled(item, schema.get("items", _NOTHING)) for item in value]
    return value


def field(schema: Schema, key: str) -> Schema | None:
    """The schema of one field of an object; None if there may not be such a field."""
    found: Schema | None = schema.get("properties", _NOTHING).get(key)
    return found if found is not None else schema.get("additionalProperties")


def below(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


def _is_open(schema: Schema) -> bool:
    return not schema or bool(schema.get("x-kubernetes-preserve-unknown-fields"))


def _is_object(schema: Schema) -> bool:
    return schema.get("type") == "object"
