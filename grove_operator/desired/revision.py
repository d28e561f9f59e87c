"""ControllerRevisions: what a set's template was, for going back to it."""

from typing import Any

from grove_operator.api import labels
from grove_operator.desired.blueprint import SetBlueprint, child_metadata


def revision_name(blueprint: SetBlueprint) -> str:
    return f"{blueprint.name}-{blueprint.generation_hash}"


def build_revision(
    blueprint: SetBlueprint, template: dict[str, Any], number: int
) -> dict[str, Any]:
    """`template` as the user wrote it. The newest one has the highest number."""
    name = revision_name(blueprint)
    return {
        "apiVersion": "apps/v1",
        "kind": "ControllerRevision",
        "metadata": child_metadata(blueprint, name, labels.COMPONENT_REVISION),
        "revision": number,
        "data": {"spec": {"template": template}},
    }
