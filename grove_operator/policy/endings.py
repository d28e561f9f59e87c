"""When pods that have ended, failed or not, are replaced: soon at first, later each time.

The number of tries is written on the replacement, so no memory is needed: 10 s, doubled each time,
up to five minutes. It is taken off a pod that has been ready for ten minutes. Only pods that have
ended count: those that replace others of the same incident, and run, lengthen nobody's wait.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, NamedTuple

from grove_operator.api import labels
from grove_operator.api.numbers import whole_number
from grove_operator.api.times import after, seconds_between
from grove_operator.observed import Pod
from grove_operator.policy.availability import ENDED

FIRST_DELAY: Final = 10.0
LONGEST_DELAY: Final = 300.0
HEALTHY_AFTER: Final = 600.0


@dataclass(frozen=True, slots=True)
class Endings:
    """Pods to replace now, the number of tries to note on their successors, and who must wait."""

    replace: tuple[Pod, ...] = ()
    tries: int = 0
    notice: str = ""
    recheck_after: float | None = None


NOTHING_ENDED: Final = Endings()


class Healed(NamedTuple):
    """Pods whose tries are forgotten now, and in how many seconds to look again."""

    pods: tuple[Pod, ...] = ()
    wait: float | None = None


def healed_pods(pods: Iterable[Pod], now: str) -> Healed:
    """Replacements that have been ready for so long that they count as healthy."""
    healed: list[Pod] = []
    waits: list[float] = []
    for pod in pods:
        if not pod.ready or pod.meta.deleting or labels.TRIES not in pod.meta.annotations:
            continue
        lasted = seconds_between(pod.ready_since, now)
        if lasted is None:
            continue
        if lasted >= HEALTHY_AFTER:
            healed.append(pod)
        else:
            waits.append(HEALTHY_AFTER - lasted)
    return Healed(tuple(healed), min(waits, default=None))


def replace_ended(pods: Iterable[Pod], now: str) -> Endings:
    """Judge the pods of one clique, those being deleted left out."""
    ended = [pod for pod in pods if not pod.meta.deleting and pod.phase in ENDED]
    if not ended:
        return NOTHING_ENDED
    tries = max(_tries(pod) for pod in ended)
    delay = min(LONGEST_DELAY, FIRST_DELAY * 2.0 ** min(tries, 16))
    ready: list[Pod] = []
    waits: list[tuple[float, Pod]] = []
    for pod in ended:
        since = seconds_between(pod.ended or pod.meta.created, now)
        left = 0.0 if since is None else delay - since
        if left <= 0:
            ready.append(pod)
        else:
            waits.append((left, pod))
    notice, soonest = "", None
    if waits:
        soonest, first = min(waits, key=lambda item: (item[0], item[1].meta.name))
        trouble = f" ({first.trouble})" if first.trouble else ""
        notice = (
            f"pod {first.meta.name} has ended{trouble}; it is replaced at {after(now, soonest)}, "
            f"as try {tries + 1}"
        )
    return Endings(tuple(ready), tries + 1, notice, soonest)


def _tries(pod: Pod) -> int:
    """Tries before this pod, none of which was healthy for long."""
    return min(whole_number(pod.meta.annotations.get(labels.TRIES, "")) or 0, 99)
