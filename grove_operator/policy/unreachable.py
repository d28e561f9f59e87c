"""Which pods are let go of because nobody can end them: their node has been silent for too long.

A pod that is being deleted stays until its kubelet says that its containers have ended. A kubelet
that is not there never does, and the pod keeps its hostname and its claims from its successor.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from grove_operator.api.times import seconds_between
from grove_operator.observed import Pod


class Lost(NamedTuple):
    """Pods to be deleted without waiting, and in how many seconds to look again."""

    pods: tuple[Pod, ...] = ()
    wait: float | None = None


def lost_pods(
    pods: Iterable[Pod], unreachable: Mapping[str, str], delay: float | None, now: str
) -> Lost:
    """`unreachable` gives since when, by node. A delay of None means that all pods are kept.

    A pod with finalizers waits for somebody else as well, so nothing would be won.
    """
    if delay is None or not unreachable:
        return Lost()
    lost: list[Pod] = []
    waits: list[float] = []
    for pod in pods:
        since = unreachable.get(pod.node) if pod.meta.deleting else None
        if since is None or pod.meta.finalizers:
            continue
        left = delay - (seconds_between(since, now) or 0.0)
        if left <= 0:
            lost.append(pod)
        else:
            waits.append(left)
    return Lost(tuple(lost), min(waits, default=None))
