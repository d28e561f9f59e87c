"""In which order an update replaces pods of a PodClique, or replicas of a group, as it is stored.

Older operators kept it in statuses; what they have begun goes on.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import takewhile
from typing import Any, Final

from grove_operator.api import labels
from grove_operator.desired.updateorder import UpdateOrder, read_order
from grove_operator.observed import Clique, Pod, ScalingGroup
from grove_operator.plan.motion import began, is_updating
from grove_operator.policy.rolling import WATCHED, GroupReplica

TEMPLATE: Final = "podTemplateHash"
GENERATION: Final = "podCliqueSetGenerationHash"
PODS: Final = "readyPodsSelectedToUpdate"
REPLICAS: Final = "readyReplicaIndicesSelectedToUpdate"


def stored_order(clique: Clique) -> UpdateOrder:
    order = read_order(clique.meta.annotations.get(labels.UPDATE_ORDER))
    progress = clique.status.get("updateProgress")
    if order.pods or not is_updating(progress):
        return order
    template, since = _target(progress, TEMPLATE)
    return UpdateOrder(template, since, pods=_selection(progress, PODS))


def stored_group_order(group: ScalingGroup) -> UpdateOrder:
    """Nothing once this update is over, or a later one: what happens then is nobody's step."""
    order = read_order(group.meta.annotations.get(labels.UPDATE_ORDER))
    progress = group.status.get("updateProgress")
    if not is_updating(progress):
        later = began(progress) > order.since
        return UpdateOrder() if later or is_told(order, progress, GENERATION) else order
    if order.replicas:
        return order
    template, since = _target(progress, GENERATION)
    return UpdateOrder(template, since, replicas=_selection(progress, REPLICAS))


def is_told(order: UpdateOrder, progress: Mapping[str, Any] | None, key: str) -> bool:
    """Whether the stored status tells that this update has ended; `key` names its hash there.

    A template may return, and the status comes late, so its hash alone tells nothing.
    """
    if not progress or is_updating(progress):
        return False
    return progress.get(key) == order.template and began(progress) >= order.since


def _target(progress: Mapping[str, Any] | None, key: str) -> tuple[str, str]:
    return (progress or {}).get(key) or "", began(progress)


def _selection(progress: Mapping[str, Any] | None, selected: str) -> tuple[Any, ...]:
    """What was taken, the last one last."""
    found = (progress or {}).get(selected) or {}
    taken = (*(found.get("completed") or ()), found.get("current"))
    return tuple(item for item in taken if item is not None)


def carried(order: UpdateOrder, clique: Clique, pods: Sequence[Pod]) -> tuple[str, ...]:
    """What an update to another template has taken, if there is no ready successor yet."""
    if is_told(order, clique.status.get("updateProgress"), TEMPLATE):
        return ()
    there = {pod.meta.name for pod in pods if pod.ready}
    replaced = {pod.meta.annotations.get(labels.REPLACES) for pod in pods if pod.ready}
    gone = takewhile(lambda name: name not in there, order.pods)
    return tuple(name for name in list(gone)[-WATCHED:] if name not in replaced)


def carried_replicas(
    order: UpdateOrder, group: ScalingGroup, replicas: Iterable[GroupReplica]
) -> tuple[int, ...]:
    """What an update to another template has taken of a group, if it is not available again.

    The status knows, but may be late. The last that is missing may also have fallen ill.
    """
    missing = {item.index for item in replicas if not item.available}
    gone = [index for index in order.replicas if index in missing]
    told = _selection(group.status.get("updateProgress"), REPLICAS)[-1:]
    return tuple(index for index in told if index in gone) or tuple(gone[-1:])
