"""When pods that have ended, failed or not, are replaced: soon at first, later each time.

The number of tries is written on the replacement, so no memory is needed: 10 s, doubled each time,
up to five minutes. What has run for ten minutes starts anew.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from grove_operator.api import labels
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


def replace_ended(pods: Iterable[Pod], now: str) -> Endings:
    """Judge the pods of one clique, those being deleted left out."""
    living = [pod for pod in pods if not pod.meta.deleting]
    ended = [pod for pod in living if pod.phase in ENDED]
    if not ended:
        return NOTHING_ENDED
    tries = max(_tries(pod, now) for pod in living)
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


def _tries(pod: Pod, now: str) -> int:
    """Tries before this pod; none if it has run for long enough to count as healthy."""
    end = pod.ended if pod.phase in ENDED and pod.ended else now
    lived = seconds_between(pod.meta.created, end)
    text = pod.meta.annotations.get(labels.TRIES, "")
    if not text.isascii() or not text.isdigit() or (lived is not None and lived >= HEALTHY_AFTER):
        return 0
    return min(int(text), 99)
