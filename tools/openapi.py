"""Extracts the Kubernetes types that our CRDs embed, as structural schemas without descriptions.

Reads the OpenAPI document inside the Go module k8s.io/kubernetes, which `go mod download` fetches
and verifies, and writes grove_operator/api/openapi/kubernetes-VERSION.json. Run it when the
embedded Kubernetes version changes: `python -m tools.openapi`.
"""

import json
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from grove_operator.api.schema_kubernetes import KUBERNETES_VERSION, file_name

Schema = dict[str, Any]

DOCUMENTS: Final = ("api__v1", "apis__autoscaling__v2", "apis__resource.k8s.io__v1")
ROOTS: Final = (
    "io.k8s.api.autoscaling.v2.MetricSpec",
    "io.k8s.api.core.v1.PodSpec",
    "io.k8s.api.resource.v1.ResourceClaimTemplateSpec",
)
TARGET: Final = Path(__file__).parents[1] / "grove_operator" / "api" / "openapi"

INT_OR_STRING: Final[Schema] = {
    "anyOf": [{"type": "integer"}, {"type": "string"}],
    "x-kubernetes-int-or-string": True,
}
NUMBER: Final = r"(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))"
QUANTITY: Final[Schema] = INT_OR_STRING | {
    "pattern": rf"^(\+|-)?{NUMBER}(([KMGTPE]i)|[numkMGTPE]|([eE](\+|-)?{NUMBER}))?$"
}
TEXTS: Final[Schema] = {"type": "object", "additionalProperties": {"type": "string"}}

# Types that the document describes by more than their structure.
REPLACED: Final[dict[str, Schema]] = {
    "io.k8s.apimachinery.pkg.api.resource.Quantity": QUANTITY,
    "io.k8s.apimachinery.pkg.util.intstr.IntOrString": INT_OR_STRING,
    "io.k8s.apimachinery.pkg.runtime.RawExtension": {
        "type": "object",
        "x-kubernetes-preserve-unknown-fields": True,
    },
    # Only templates hold it here, and of those Kubernetes takes nothing but these two.
    "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta": {
        "type": "object",
        "properties": {"annotations": TEXTS, "labels": TEXTS},
    },
}

KEPT: Final = {
    "additionalProperties",
    "default",
    "format",
    "items",
    "properties",
    "required",
    "type",
    "x-kubernetes-list-map-keys",
    "x-kubernetes-list-type",
    "x-kubernetes-map-type",
}
# Grove's CRDs leave these two to the pod's own defaulting.
UNDEFAULTED: Final = {
    ("io.k8s.api.core.v1.AzureDiskVolumeSource", "cachingMode"),
    ("io.k8s.api.core.v1.AzureDiskVolumeSource", "kind"),
}
# A claim's labels and annotations are the operator's: what stands there is dropped.
BARE: Final = {("io.k8s.api.resource.v1.ResourceClaimTemplateSpec", "metadata")}


def read_documents() -> dict[str, Schema]:
    """All schemas of the documents, by name."""
    module = f"k8s.io/kubernetes@{KUBERNETES_VERSION}"
    with tempfile.TemporaryDirectory() as empty:  # a go.mod of ours would be asked for versions
        command = ["go", "mod", "download", "-json", module]
        answer = subprocess.run(command, cwd=empty, check=True, capture_output=True, text=True)
    folder = Path(json.loads(answer.stdout)["Dir"]) / "api" / "openapi-spec" / "v3"
    found: dict[str, Schema] = {}
    for name in DOCUMENTS:
        document = json.loads((folder / f"{name}_openapi.json").read_text())
        found |= document["components"]["schemas"]
    return found


def extract(documents: dict[str, Schema]) -> dict[str, Schema]:
    """The roots and everything that they refer to."""
    result: dict[str, Schema] = {}
    waiting = list(ROOTS)
    while waiting:
        name = waiting.pop()
        if name not in result:
            result[name] = REPLACED.get(name) or _structural(name, documents[name])
            waiting.extend(_references(result[name]))
    return result


def _structural(name: str, schema: Schema) -> Schema:
    """What an API server accepts in a CRD, of what the document says about a type."""
    if "allOf" in schema:  # only ever one reference, wrapped so that a default can stand beside it
        (reference,) = schema["allOf"]
        schema = schema | reference
    if "$ref" in schema:
        return {"$ref": schema["$ref"].rpartition("/")[2]}
    result = {key: value for key, value in schema.items() if key in KEPT}
    for key in ("items", "additionalProperties"):
        if isinstance(result.get(key), dict):
            result[key] = _structural(name, result[key])
    if "properties" in result:
        result["properties"] = {
            field: _field(name, field, value, required=field in result.get("required", ()))
            for field, value in result["properties"].items()
        }
    return result


def _field(name: str, field: str, schema: Schema, *, required: bool) -> Schema:
    """The default of a required field is Go's zero value and would make it optional."""
    if (name, field) in BARE:
        return {"type": "object"}
    result = _structural(name, schema)
    if required or result.get("default") == {} or (name, field) in UNDEFAULTED:
        result.pop("default", None)
    return result


def _references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "$ref":
                yield value
            else:
                yield from _references(value)
    elif isinstance(node, list):
        for value in node:
            yield from _references(value)


def main() -> None:
    definitions = extract(read_documents())
    target = TARGET / file_name()
    text = json.dumps(definitions, sort_keys=True, separators=(",", ":"))
    target.write_text(text.replace('},"io.k8s.', '},\n"io.k8s.') + "\n")
    print(f"{target.name}: {len(definitions)} types, {target.stat().st_size} bytes")


if __name__ == "__main__":
    main()
