"""Which pods are let go of because their node has been silent for too long.

A pod that is being deleted stays until its kubelet says that its containers have ended. A kubelet
that is not there never does, and the pod keeps its hostname and its claims from its successor. One
that tolerates such nodes is not even deleted by Kubernetes, and looks as it did when its kubelet
was last heard of.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from msgspec.structs import replace

from grove_operator.api.times import seconds_between
from grove_operator.observed import Pod
from grove_operator.policy.availability import ENDED


class Lost(NamedTuple):
    """Pods to be let go of, and in how many seconds to look again."""

    dying: tuple[Pod, ...] = ()
    """Being deleted: to be deleted without waiting."""
    left: tuple[Pod, ...] = ()
    """Not being deleted, and of no use to anybody: to be replaced."""
    wait: float | None = None


def lost_pods(
    pods: Iterable[Pod], unreachable: Mapping[str, str], delay: float | None, now: str
) -> Lost:
    """`unreachable` gives since when, by node. A delay of None means that all pods are kept.

    A dying pod with finalizers waits for somebody else as well, so nothing would be won. A pod that
    was placed on a node that had fallen silent before, as one that tolerates everything may be, has
    the whole delay from then on: else its successors would be made and deleted without end.
    """
    if delay is None or not unreachable:
        return Lost()
    dying: list[Pod] = []
    left: list[Pod] = []
    waits: list[float] = []
    for pod in pods:
        since = unreachable.get(pod.node)
        if since is None or (pod.meta.finalizers if pod.meta.deleting else not _is_useless(pod)):
            continue
        if not pod.meta.deleting:
            since = max(since, pod.placed_since or pod.meta.created)
        wait = delay - (seconds_between(since, now) or 0.0)
        if wait > 0:
            waits.append(wait)
        elif pod.meta.deleting:
            dying.append(pod)
        else:
            left.append(pod)
    return Lost(tuple(dying), tuple(left), min(waits, default=None))


def as_they_are(pods: Iterable[Pod], unreachable: Mapping[str, str]) -> Iterator[Pod]:
    """The pods, but none as still starting of which nothing is heard any more."""
    for pod in pods:
        silent = pod.node in unreachable and _is_useless(pod)
        yield replace(pod, started_unready=True) if silent else pod


def _is_useless(pod: Pod) -> bool:
    """Those that have ended are replaced anyway."""
    return not pod.ready and pod.phase not in ENDED
