"""Kubernetes' own types, as its OpenAPI document describes them.

The data file beside this module is made by tools/openapi.py; nobody edits it.
"""

import json
from functools import cache
from importlib.resources import files
from typing import Any, Final

KUBERNETES_VERSION: Final = "v1.37.2"


def file_name() -> str:
    return f"kubernetes-{KUBERNETES_VERSION}.json"


@cache
def definitions() -> dict[str, dict[str, Any]]:
    """Structural schemas by type name; `$ref` holds the name of another one."""
    text = files("grove_operator.api").joinpath(f"openapi/{file_name()}").read_text()
    loaded: dict[str, dict[str, Any]] = json.loads(text)
    return loaded


def inlined(name: str) -> dict[str, Any]:
    """The schema of a type with every reference replaced by what it refers to."""
    return _without_references(definitions()[name])


def _without_references(node: dict[str, Any]) -> dict[str, Any]:
    if "$ref" in node:
        return inlined(node["$ref"])
    return {key: _inlined_value(value) for key, value in node.items()}


def _inlined_value(value: Any) -> Any:
    return _without_references(value) if isinstance(value, dict) else value
