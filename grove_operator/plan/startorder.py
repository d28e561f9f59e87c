"""Plans the order of start in one replica: what each PodClique's pods wait for, and what is told.

Worked out once per look from the counts of the parents. Sets without an order cost nothing.
"""

from collections.abc import Iterator
from typing import Final

from grove_operator.api import conditions as c
from grove_operator.desired.blueprint import SetBlueprint
from grove_operator.desired.startorder import Needs
from grove_operator.observed import Child, Kind, ReplicaSnapshot
from grove_operator.plan.actions import Event
from grove_operator.plan.context import ReplicaContext
from grove_operator.policy.availability import CliqueCounts
from grove_operator.policy.startorder import (
    NO_ORDER,
    Counts,
    StartOrder,
    asks_too_much,
    find_needs,
    lacking,
)
from grove_operator.scheduling.native import Capabilities

IMAGE_CODE: Final = "ERR_INITCONTAINER_ENVIRONMENT_VARIABLE_MISSING"
IMAGE_MESSAGE: Final = (
    "pods that start after others are not made: the operator does not know the image of the init "
    "container that waits; set GROVE_INIT_CONTAINER_IMAGE, or initContainerImage in its "
    "configuration"
)
NO_IMAGE: Final = c.condition(
    c.START_ORDER_UNAVAILABLE,
    status=True,
    reason="InitContainerImageMissing",
    message=IMAGE_MESSAGE,
)
_TOO_MUCH: Final = "it waits for more ready pods than the cliques before it are to have"


def plan_start_order(context: ReplicaContext, seen: ReplicaSnapshot, counts: Counts) -> StartOrder:
    if not context.blueprint.has_order:
        return NO_ORDER
    needs: dict[str, Needs] = {}
    told: dict[str, c.Condition] = {}
    removals: dict[str, str] = {}
    for slot in context.slots.cliques.values():
        if not slot.starts_after:
            continue
        needs[slot.name] = find_needs(slot.starts_after, counts)
        own = counts.get(slot.name)
        if own is None:
            continue
        told[slot.name] = _condition(needs[slot.name], own, counts)
        if own.ready < own.total:
            removals |= {
                pod.meta.uid: _TOO_MUCH
                for pod in seen.pods.get(slot.name, ())
                if asks_too_much(pod, slot.starts_after, counts)
            }
    image = context.capabilities.waiter_image
    blocked = () if image else (name for name, item in needs.items() if item)
    return StartOrder(needs, frozenset(blocked), told, removals)


def image_missing(blueprint: SetBlueprint, capabilities: Capabilities) -> bool:
    return blueprint.has_order and not capabilities.waiter_image


def tell_no_order(
    blueprint: SetBlueprint, record: Child, capabilities: Capabilities
) -> Iterator[Event]:
    """Told once, when the condition is new."""
    known = record.status.get("conditions") or ()
    if image_missing(blueprint, capabilities) and not c.is_true(known, c.START_ORDER_UNAVAILABLE):
        meta, reason = record.meta, NO_IMAGE["reason"]
        yield Event(Kind.SET, meta.name, meta.uid, reason, IMAGE_MESSAGE, warning=True)


def _condition(needs: Needs, own: CliqueCounts, counts: Counts) -> c.Condition:
    """Only the first parent that is not ready is named, and nothing that changes while it starts.

    Each change of a condition is a write, and there may be many PodCliques with many parents.
    """
    missing = lacking(needs, counts)
    if not missing or (own.complete and own.ready == own.total):
        return c.condition(
            c.WAITING_FOR_PARENTS,
            status=False,
            reason="ParentsReady",
            message="the PodCliques that it starts after were ready",
        )
    name, needed = missing[0]
    text = f"waits for {name}, of which {needed} {'pod' if needed == 1 else 'pods'} must be ready"
    if len(missing) > 1:
        text += ", and for others"
    return c.condition(c.WAITING_FOR_PARENTS, status=True, reason="ParentsNotReady", message=text)
