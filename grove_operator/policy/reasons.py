"""Why a gang does not run: from what is known of it to a ranked list of causes.

Ranked by what has to be put right first: a pod that was never made cannot be placed, one that has
no place cannot start, and one that does not start keeps those that wait for it from starting. A
gang that is merely starting has no cause. Refuses to look anything up: `plan/blocking.py` gathers.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, NamedTuple

from grove_operator.api import labels
from grove_operator.api.times import seconds_between
from grove_operator.observed import Pod
from grove_operator.policy.availability import CliqueCounts
from grove_operator.policy.room import Shortage

PROBES: Final = 300.0
"""Seconds that containers may run before it is odd that they are not ready."""
SILENCE: Final = 300.0
"""Seconds that a scheduler may take before its silence is odd."""
FAILURE: Final = 3.0
"""Seconds that a scheduler may fail at pods that name claims. It tries again by itself.

As long may a claim be missing: what makes it may come with the set, or be about to make it.
"""
LONGEST: Final = 400
"""Characters of what others say; schedulers enumerate."""


class Rank(IntEnum):
    """The order in which causes are told."""

    CREATION = 0
    BASE_GANG = 1
    GATE = 2
    CLAIM = 3
    PLACE = 4
    NODE = 5
    POD = 6
    PROBE = 7
    ORDER = 8


class Cause(NamedTuple):
    """One thing that is wrong. `reason` is a word for machines, `message` a sentence."""

    rank: Rank
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class CliqueView:
    """One PodClique of a gang. `verdict` is what the scheduler says of its pods or their group."""

    name: str
    counts: CliqueCounts | None
    pods: Sequence[Pod] = ()
    verdict: str = ""
    parents: tuple[str, ...] = ()
    """The cliques of the same gang that must be ready before it starts, by `name`."""
    failure: tuple[str, str] = ("", "")
    """Since when the scheduler itself fails at it, and its words."""
    claims: tuple[str, ...] = ()
    """Claims that its pods name; asked for only while the scheduler fails."""
    unmade: tuple[str, str] = ("", "")
    """Reason and text, when its pods are not even made by our own decision."""
    missing: str = ""
    """Which claims its pods name that do not exist: no scheduler says a word of such pods."""
    unsure: bool = False
    """Whether it is not known if their claims exist."""


@dataclass(frozen=True, slots=True)
class GangView:
    """One gang. `base` is its base gang while it waits for that, `shown` since when it does not.

    A scheduler that is busy with others is not silent: `shown` is then when it last placed one.
    """

    cliques: tuple[CliqueView, ...]
    base: str = ""
    base_causes: tuple[Cause, ...] = ()
    refused: str = ""
    shown: str = ""
    shortage: Shortage | None = None
    unreachable: Mapping[str, str] | None = None
    untold: tuple[str, str] | None = None
    """Reason and text, when its scheduler cannot be told of it at all."""

    @property
    def complete(self) -> bool:
        return all(view.counts is not None and view.counts.complete for view in self.cliques)


@dataclass(frozen=True, slots=True)
class Explanation:
    """Causes, the first one first, and in how many seconds there may be another."""

    causes: tuple[Cause, ...] = ()
    wait: float | None = None


def explain(gang: GangView, now: str) -> Explanation:
    """The causes of a gang that is not ready."""
    waits: list[float] = []
    found = [*_held(gang), *_unplaced(gang, now, waits)]
    lacking = [view for view in gang.cliques if view.counts and not view.counts.enough_ready]
    for view in lacking:
        found += _troubled(view, gang.unreachable or {})
        found += _unready(view, now, waits)
    if found:
        found += _ordered(gang.cliques)
    causes = tuple(sorted(dict.fromkeys(found), key=lambda cause: cause.rank))
    return Explanation(causes, min(waits, default=None))


def _held(gang: GangView) -> Iterator[Cause]:
    """What keeps pods from being made, or from the scheduler."""
    if gang.refused and (not gang.complete or any(view.missing for view in gang.cliques)):
        yield Cause(Rank.CREATION, "CreationRefused", f"the API server refuses {gang.refused}")
    if gang.untold is not None:
        yield Cause(Rank.CREATION, *gang.untold)
    for view in gang.cliques:
        reason, text = view.unmade
        if reason:
            yield Cause(Rank.CREATION, reason, f"{view.name}: {text}")
    if gang.base and gang.base_causes:
        first = gang.base_causes[0]
        yield Cause(
            Rank.BASE_GANG,
            "BaseGangBlocked",
            f"waits until base gang {gang.base} is placed: {first.message}",
        )
    for view in gang.cliques:
        gates = [gate for pod in _waiting(view) for gate in pod.gates if gate != labels.GATE]
        for gate, number in Counter(gates).items() if gates else ():
            text = f"{view.name}: {number} of {_wanted(view)} pods are held by the gate {gate}"
            yield Cause(Rank.GATE, "HeldByGate", text)


def _unplaced(gang: GangView, now: str, waits: list[float]) -> Iterator[Cause]:
    told = False
    for view in gang.cliques:
        counts = view.counts
        if counts is None or counts.enough_scheduled:
            continue
        if view.verdict:
            claim = _is_claim(view.verdict)
            if not claim and gang.shortage is not None:
                yield Cause(Rank.PLACE, *gang.shortage)
            else:
                yield _refused_place(view, counts, claim=claim or _no_devices(view.verdict))
            told = True
    missing = [view for view in gang.cliques if view.missing]
    unsure = any(view.unsure for view in gang.cliques)
    for view in missing:
        yield from _missing(view, now, waits)
    if told or missing or gang.base or gang.untold:
        return
    for view in gang.cliques:
        if view.counts is not None and not view.counts.enough_scheduled:
            if view.failure[0]:
                yield from _failed(view, now, waits)
            elif gang.complete and not unsure:  # else it may well be held back, without a word
                yield from _silent(view, gang.shown, now, waits)


def _refused_place(view: CliqueView, counts: CliqueCounts, *, claim: bool) -> Cause:
    number = counts.needed - counts.scheduled
    short = f"{view.name} short of {'1 pod' if number == 1 else f'{number} pods'}"
    text = f"{short}; the scheduler says: {cut(view.verdict)}"
    if claim:
        return Cause(Rank.CLAIM, "ClaimUnavailable", text)
    return Cause(Rank.PLACE, "Unschedulable", text)


def _is_claim(verdict: str) -> bool:
    words = verdict.lower()
    return any(
        word in words for word in ("persistentvolumeclaim", "resourceclaim", "resource claim")
    )


def _no_devices(verdict: str) -> bool:
    """Claims are there, and their devices are not: only the scheduler can count those."""
    return "cannot allocate all claims" in verdict.lower()


def _missing(view: CliqueView, now: str, waits: list[float]) -> Iterator[Cause]:
    since = min((pod.meta.created for pod in _waiting(view)), default="")
    left = FAILURE - (seconds_between(since, now) or 0.0) if since else 0.0
    if left > 0:
        waits.append(left + 1)
    elif since:
        yield Cause(Rank.CLAIM, "ClaimUnavailable", f"{view.name}: {view.missing}")


def _silent(view: CliqueView, shown: str, now: str, waits: list[float]) -> Iterator[Cause]:
    """Pods that nothing holds back, and of which no scheduler says anything."""
    waiting = [pod for pod in _waiting(view) if not pod.gates]
    if not waiting:
        return
    since = max(min(pod.meta.created for pod in waiting), shown)
    left = SILENCE - (seconds_between(since, now) or 0.0)
    if left > 0:
        waits.append(left + 1)
        return
    text = f"{view.name}: no scheduler has said anything of {len(waiting)} pods since {since}"
    yield Cause(Rank.PLACE, "SchedulerSilent", f"{text}; does the one that they name run?")


def _failed(view: CliqueView, now: str, waits: list[float]) -> Iterator[Cause]:
    """A scheduler that cannot even judge: a lost claim shows in this way, and stays."""
    since, words = view.failure
    left = (FAILURE if view.claims else SILENCE) - (seconds_between(since, now) or 0.0)
    if left > 0:
        waits.append(left + 1)
        return
    text = f"{view.name}: the scheduler fails since {since}: {cut(words)}"
    if view.claims:
        text += f"; its pods use the claims {', '.join(view.claims)}: do they exist?"
        yield Cause(Rank.CLAIM, "ClaimUnavailable", text)
    else:
        yield Cause(Rank.PLACE, "SchedulerFails", text)


def _waiting(view: CliqueView) -> list[Pod]:
    return [pod for pod in view.pods if not pod.scheduled and not pod.meta.deleting]


def _wanted(view: CliqueView) -> int:
    return view.counts.wanted if view.counts else 0


# --- placed, not ready -----------------------------------------------------------------------


def _troubled(view: CliqueView, unreachable: Mapping[str, str]) -> Iterator[Cause]:
    found: Counter[Cause] = Counter()
    for pod in view.pods:
        if pod.ready or pod.meta.deleting:
            continue
        if pod.node in unreachable or pod.trouble.startswith("NodeLost"):
            since = f" since {unreachable[pod.node]}" if pod.node in unreachable else ""
            text = f"their node {pod.node} is unreachable{since}"
            found[Cause(Rank.NODE, "NodeUnreachable", text)] += 1
        elif pod.trouble:
            found[Cause(Rank.POD, _sort(pod), pod.trouble)] += 1
    for cause, number in found.most_common(_SORTS):
        yield cause._replace(
            message=f"{view.name}: {number} of {_wanted(view)} pods: {cause.message}"
        )


_SORTS: Final = 3
"""Different troubles of one clique that are told."""
_IMAGE: Final = frozenset(
    {
        "ImagePullBackOff",
        "InvalidImageName",
        "ErrImageNeverPull",
        "ImageInspectError",
        "RegistryUnavailable",
        "SignatureValidationFailed",
    }
)


def _sort(pod: Pod) -> str:
    """The sort of a trouble, by the word that it starts with."""
    if pod.phase == "Failed":
        return "PodFailed"
    word = pod.trouble.partition(":")[0]
    if word in _IMAGE:
        return "ImageUnavailable"
    if word in ("CrashLoopBackOff", "ContainerFailed"):
        return "OutOfMemory" if "(OOMKilled)" in pod.trouble else "ContainerCrashes"
    return "ContainerCannotStart"


def _unready(view: CliqueView, now: str, waits: list[float]) -> Iterator[Cause]:
    """Containers that run and run, and their readiness probe does not succeed."""
    late = 0
    for pod in view.pods:
        if not pod.started_unready or not pod.running_since or pod.trouble or pod.meta.deleting:
            continue
        left = PROBES - (seconds_between(pod.running_since, now) or 0.0)
        if left > 0:
            waits.append(left + 1)
        else:
            late += 1
    if late:
        text = f"{view.name}: {late} of {_wanted(view)} pods have been running for over "
        text += f"{PROBES / 60:g} minutes and are not ready; see their readiness probes"
        yield Cause(Rank.PROBE, "NotBecomingReady", text)


def _ordered(cliques: Sequence[CliqueView]) -> Iterator[Cause]:
    """Who waits for whom. Never the first cause: it is told what keeps the parent from being ready.

    A parent that was scaled below its minimum is waited for as far as it can come.
    """
    by_name = {view.name: view for view in cliques}
    for view in cliques:
        if view.counts is None or view.counts.enough_ready or not view.counts.scheduled:
            continue
        for name in view.parents:
            parent = by_name[name].counts if name in by_name else None
            if parent is not None and not parent.enough_ready:
                text = f"{view.name} starts after {name}, which has {parent.ready} of "
                text += f"{parent.needed} pods ready"
                yield Cause(Rank.ORDER, "WaitsForStartupOrder", text)


def cut(text: str, longest: int = LONGEST) -> str:
    """One line of at most so many characters."""
    line = " ".join(text.split())
    return line if len(line) <= longest else f"{line[: longest - 1]}…"


def tell(causes: Sequence[Cause], others: int = 2) -> tuple[str, str]:
    """Reason and message of a condition: the first cause, and briefly the next."""
    first, *rest = causes
    told = [first.message, *(f"also {item.reason}: {item.message}" for item in rest[:others])]
    if len(rest) > others:
        told.append(f"and {len(rest) - others} more")
    return first.reason, cut("; ".join(told), 3 * LONGEST)
