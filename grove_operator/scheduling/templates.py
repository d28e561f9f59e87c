"""Names of Workload templates, by which groups say what they are instances of."""

from typing import Final

from grove_operator.desired.blueprint import SetBlueprint
from grove_operator.desired.expansion import CliqueSlot, GangSlot

MAX_TEMPLATES: Final = 8
_BASE_GANG: Final = "gang-base"


def _scaled_gang(group: str) -> str:
    return f"gang-of-{group}"


def template_of(gang: GangSlot) -> str:
    """Name of the Workload template that describes the gang. Names are unique in a Workload."""
    group = gang.cliques[0].group if gang.base_gang is not None else None
    return _scaled_gang(group.blueprint.name) if group else _BASE_GANG


def bundle_template(group: str) -> str:
    """Of one replica of a scaling group inside the base gang."""
    return f"replica-of-{group}"


def member_template(gang: GangSlot, slot: CliqueSlot) -> str:
    return f"{'scaled' if gang.base_gang else 'base'}-{slot.blueprint.name}"


def wrapper_template(gang: GangSlot, slot: CliqueSlot) -> str:
    """Of a composite around the group of one clique."""
    return f"all-of-{member_template(gang, slot)}"


def workload_of(blueprint: SetBlueprint, gang_template: str) -> str:
    """Name of the Workload that describes the gang; eight fit in each."""
    templates = [_BASE_GANG, *(_scaled_gang(group.name) for group in blueprint.groups)]
    position = templates.index(gang_template) // MAX_TEMPLATES
    return blueprint.name if position == 0 else f"{blueprint.name}.{position}"


def has_composites(blueprint: SetBlueprint) -> bool:
    """Whether any gang of the set has more than one clique."""
    base = len(blueprint.standalone) + sum(
        group.min_available * len(group.cliques) for group in blueprint.groups
    )
    return base > 1 or any(len(group.cliques) > 1 for group in blueprint.groups)
