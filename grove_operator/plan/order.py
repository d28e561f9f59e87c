"""In which order an update replaces the pods of a PodClique, as far as that is stored."""

from collections.abc import Mapping, Sequence
from itertools import takewhile
from typing import Any, Final

from grove_operator.api import labels
from grove_operator.desired.updateorder import UpdateOrder, read_order
from grove_operator.observed import Clique, Pod
from grove_operator.plan.motion import is_updating
from grove_operator.policy.rolling import WATCHED

TEMPLATE: Final = "podTemplateHash"
PODS: Final = "readyPodsSelectedToUpdate"


def stored_order(clique: Clique) -> UpdateOrder:
    """The order by the annotation; by the status where that is of a time without the annotation."""
    order = read_order(clique.meta.annotations.get(labels.UPDATE_ORDER))
    progress = clique.status.get("updateProgress")
    if order.pods or not is_updating(progress):
        return order
    selected = selection(progress, PODS)
    pods = (*(selected.get("completed") or ()), selected.get("current"))
    template = (progress or {}).get(TEMPLATE) or ""
    since = (progress or {}).get("updateStartedAt") or ""
    return UpdateOrder(template, since, tuple(name for name in pods if name))


def carried(order: UpdateOrder, clique: Clique, pods: Sequence[Pod]) -> tuple[str, ...]:
    """What an update to another template has taken, if there is no ready successor yet."""
    progress = clique.status.get("updateProgress") or {}
    if progress.get(TEMPLATE) == order.template and not is_updating(progress):
        return ()
    there = {pod.meta.name for pod in pods if pod.ready}
    replaced = {pod.meta.annotations.get(labels.REPLACES) for pod in pods if pod.ready}
    gone = takewhile(lambda name: name not in there, order.pods)
    return tuple(name for name in list(gone)[-WATCHED:] if name not in replaced)


def selection(progress: Mapping[str, Any] | None, selected: str) -> Mapping[str, Any]:
    """The pod or replica that was taken last, and those before it, while the update goes on."""
    if progress is None or not is_updating(progress):
        return {}
    return progress.get(selected) or {}
