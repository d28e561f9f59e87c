"""How Kubernetes' OpenAPI document becomes structural schemas, on a small document."""

from typing import Any

from grove_operator.api.schema_kubernetes import definitions
from tools.openapi import INT_OR_STRING, QUANTITY, ROOTS, extract

QUANTITY_NAME = "io.k8s.apimachinery.pkg.api.resource.Quantity"
PREFIX = "#/components/schemas/"


def extracted(**fields: Any) -> dict[str, Any]:
    """The pod spec that comes out for a document in which it has these fields."""
    documents: dict[str, Any] = {root: {"type": "object"} for root in ROOTS}
    documents |= {"Part": {"type": "object", "description": "text"}, QUANTITY_NAME: {"oneOf": []}}
    documents["io.k8s.api.core.v1.PodSpec"] = {
        "type": "object",
        "description": "text",
        "required": ["needed"],
        "properties": fields,
        "x-kubernetes-unions": [],
    }
    return extract(documents)


def pod_field(**field: Any) -> Any:
    return extracted(field=field)["io.k8s.api.core.v1.PodSpec"]["properties"]["field"]


def test_texts_and_foreign_extensions_are_left_out() -> None:
    assert extracted()["io.k8s.api.core.v1.PodSpec"] == {
        "type": "object",
        "required": ["needed"],
        "properties": {},
    }


def test_how_lists_merge_is_kept() -> None:
    field = {
        "type": "array",
        "items": {"type": "string", "description": "text"},
        "x-kubernetes-list-type": "set",
    }
    wanted = {"type": "array", "items": {"type": "string"}, "x-kubernetes-list-type": "set"}
    assert pod_field(**field, **{"x-kubernetes-patch-strategy": "merge"}) == wanted


def test_a_wrapped_reference_is_followed() -> None:
    found = extracted(field={"allOf": [{"$ref": f"{PREFIX}Part"}], "default": {}})
    assert found["io.k8s.api.core.v1.PodSpec"]["properties"]["field"] == {"$ref": "Part"}
    assert found["Part"] == {"type": "object"}


def test_a_quantity_is_a_number_or_a_text() -> None:
    found = extracted(field={"additionalProperties": {"$ref": f"{PREFIX}{QUANTITY_NAME}"}})
    assert found[QUANTITY_NAME] == QUANTITY
    assert found[QUANTITY_NAME].items() >= INT_OR_STRING.items()


def test_a_default_is_kept_where_the_field_may_be_absent() -> None:
    assert pod_field(type="string", default="TCP") == {"type": "string", "default": "TCP"}


def test_the_zero_of_a_required_field_is_no_default() -> None:
    found = extracted(needed={"type": "string", "default": ""})
    assert found["io.k8s.api.core.v1.PodSpec"]["properties"]["needed"] == {"type": "string"}


def test_the_committed_document_has_what_we_embed() -> None:
    assert set(ROOTS) <= set(definitions())
