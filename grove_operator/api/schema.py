"""From the models to CustomResourceDefinitions.

Pydantic describes a model in JSON schema; an API server wants a structural one: no references, no
titles, no nulls, and Kubernetes' extensions. The marks of `base.py` say what the types cannot.
Same models, same bytes.
"""

import json
import re
from typing import Any, Final

import yaml
from pydantic import BaseModel

from grove_operator.api import labels
from grove_operator.api.schema_kinds import KINDS, Column, Kind
from grove_operator.api.schema_kubernetes import inlined

Schema = dict[str, Any]

HEADER: Final = "# Made from the models in grove_operator/api by `make crds`; do not edit.\n"

_CONDITION: Final[Schema] = {
    "type": "object",
    "description": "One observation.",
    "required": ["lastTransitionTime", "message", "reason", "status", "type"],
    "properties": {
        "type": {
            "type": "string",
            "description": "What is observed, in CamelCase.",
            "maxLength": 316,
            "pattern": r"^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?"
            r"(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])$",
        },
        "status": {
            "type": "string",
            "description": "Whether it is so.",
            "enum": ["True", "False", "Unknown"],
        },
        "reason": {
            "type": "string",
            "description": "Why, in one CamelCase word for programs.",
            "minLength": 1,
            "maxLength": 1024,
            "pattern": "^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$",
        },
        "message": {
            "type": "string",
            "description": "Why, in words for people.",
            "maxLength": 32768,
        },
        "lastTransitionTime": {
            "type": "string",
            "description": "When status last changed.",
            "format": "date-time",
        },
        "observedGeneration": {
            "type": "integer",
            "description": "The metadata.generation that the observation is about.",
            "format": "int64",
            "minimum": 0,
        },
    },
}

_API_VERSION: Final = "Group and version of this object's schema."
_KIND: Final = "Kind of this object."

# What a structural schema takes over as it is.
_PLAIN: Final = {
    "description",
    "enum",
    "format",
    "maxLength",
    "minItems",
    "minLength",
    "minimum",
    "pattern",
    "type",
    "x-kubernetes-list-map-keys",
    "x-kubernetes-list-type",
    "x-kubernetes-validations",
}


def render(kind: Kind) -> str:
    """The CRD as a YAML file."""
    # Through JSON, for what is shared would come out as YAML anchors.
    separate = json.loads(json.dumps(build_crd(kind)))
    return HEADER + yaml.safe_dump(separate, sort_keys=True, width=100, allow_unicode=True)


def file_name(kind: Kind) -> str:
    return f"{kind.group}_{kind.plural}.yaml"


def build_crds() -> dict[str, str]:
    """All CRD files: name to content."""
    return {file_name(kind): render(kind) for kind in KINDS}


def build_crd(kind: Kind) -> dict[str, Any]:
    subresources: dict[str, Any] = {"status": {}}
    if kind.scale_selector:
        subresources["scale"] = {
            "specReplicasPath": ".spec.replicas",
            "statusReplicasPath": ".status.replicas",
            "labelSelectorPath": kind.scale_selector,
        }
    version = {
        "name": labels.VERSION,
        "served": True,
        "storage": True,
        "additionalPrinterColumns": [_column(column) for column in kind.columns],
        "schema": {"openAPIV3Schema": build_root_schema(kind.model)},
        "subresources": subresources,
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": f"{kind.plural}.{kind.group}",
            # Tools that tell CRD dialects apart look for it.
            "annotations": {"controller-gen.kubebuilder.io/version": "v0.17.3"},
        },
        "spec": {
            "group": kind.group,
            "names": {
                "kind": kind.name,
                "listKind": f"{kind.name}List",
                "plural": kind.plural,
                "shortNames": [kind.short],
                "singular": kind.singular,
            },
            "scope": kind.scope,
            "versions": [version],
        },
    }


def _column(column: Column) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "name": column.name,
        "type": column.type,
        "jsonPath": column.path,
    }
    return shown | ({"priority": column.priority} if column.priority else {})


def build_root_schema(model: type[BaseModel]) -> Schema:
    """The schema of a whole object. The server itself knows metadata; only spec is required."""
    schema = build_schema(model)
    schema["properties"] |= {
        "apiVersion": {"type": "string", "description": _API_VERSION},
        "kind": {"type": "string", "description": _KIND},
        "metadata": {"type": "object"},
    }
    return schema


def build_schema(model: type[BaseModel]) -> Schema:
    described = model.model_json_schema(by_alias=True)
    return _structural(described, described.get("$defs", {}))


def _structural(node: Schema, types: dict[str, Schema]) -> Schema:
    node = _resolved(node, types)
    if "x-grove-condition" in node:
        return _CONDITION
    if "x-grove-openapi" in node:
        own = {"description": _one_line(node["description"])} if "description" in node else {}
        return inlined(node["x-grove-openapi"]) | own
    result = {key: value for key, value in node.items() if key in _PLAIN}
    if "description" in result:
        result["description"] = _one_line(result["description"])
    if node.get("default") is not None and "x-grove-no-default" not in node:
        result["default"] = node["default"]
    for key in ("items", "additionalProperties"):
        if isinstance(node.get(key), dict):
            result[key] = _structural(node[key], types)
    if "properties" in node:
        result |= _fields(node, types)
    return result


def _fields(node: Schema, types: dict[str, Schema]) -> Schema:
    required = set(node.get("required", ()))
    required |= {name for name, field in node["properties"].items() if "x-grove-required" in field}
    fields = {name: _structural(field, types) for name, field in node["properties"].items()}
    return {"properties": fields} | ({"required": sorted(required)} if required else {})


def _resolved(node: Schema, types: dict[str, Schema]) -> Schema:
    """Without reference and without null, which Kubernetes takes for absent anyway."""
    beside = {key: value for key, value in node.items() if key not in {"$ref", "anyOf"}}
    if "$ref" in node:
        return _resolved(types[node["$ref"].rpartition("/")[2]], types) | beside
    if "anyOf" in node:
        (other,) = (choice for choice in node["anyOf"] if choice != {"type": "null"})
        return _resolved(other, types) | beside
    return node


def _one_line(text: str) -> str:
    """Docstrings wrap; `kubectl explain` wraps by itself. Paragraphs stay."""
    return re.sub(r"(?<!\n)\n(?!\n)", " ", text.strip())
