"""What a plan consists of. Values only; `cluster/applier.py` carries them out.

Actions of one rank may run side by side; the next rank starts when the one before it succeeded.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from grove_operator.observed import Kind, ReplicaSummary
from grove_operator.plan.tally import ReplicaTally


class Rank(IntEnum):
    REMOVE = 0
    FOUNDATION = 1
    """Services, autoscalers, accounts, scaling groups, and PodCliques outside of these."""
    REFERENCE = 2
    """What must not be said before it is true."""
    CLIQUE = 3
    GANG = 4
    POD = 5
    RELEASE = 6
    """Scheduling gates come off."""
    COMPOSITE_GROUP = 7
    POD_GROUP = 8
    """Late: the scheduler lets pods wait for their group, and then sees all of them at once."""
    REPORT = 9
    """What is noted once it has been done."""


@dataclass(frozen=True, slots=True)
class Owner:
    """Who will control a new object. Its UID is looked up when the object is sent."""

    kind: Kind
    name: str


@dataclass(frozen=True, slots=True)
class Create:
    rank: Rank
    kind: Kind
    name: str
    body: dict[str, Any]
    owner: Owner
    beside: str = ""
    """UID of an object that this one goes with, where that is not its owner."""


@dataclass(frozen=True, slots=True)
class Patch:
    """A JSON merge patch. `why` names the first field that differs, for the log.

    `version` makes the patch fail when the object has changed since; None where it cannot matter.
    """

    rank: Rank
    kind: Kind
    name: str
    uid: str
    body: dict[str, Any]
    why: str
    version: int | None = None
    subresource: str | None = None


@dataclass(frozen=True, slots=True)
class Delete:
    """`at_once` is for a pod whose node is silent: nobody is there to end it in good order."""

    rank: Rank
    kind: Kind
    name: str
    uid: str
    why: str
    at_once: bool = False


Action = Create | Patch | Delete


@dataclass(frozen=True, slots=True)
class StatusPatch:
    """A merge patch that makes the object's status what it should be."""

    kind: Kind
    name: str
    uid: str
    body: dict[str, Any]
    version: int | None = None


@dataclass(frozen=True, slots=True)
class Event:
    """Told to users on an object. Warnings are `warning=True`."""

    kind: Kind
    name: str
    uid: str
    reason: str
    message: str
    warning: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """The outcome of one look at one replica, or at the set as a whole."""

    actions: tuple[Action, ...] = ()
    statuses: tuple[StatusPatch, ...] = ()
    later: tuple[Patch, ...] = ()
    """What nobody waits for: it goes out with the statuses, when things are quiet."""
    events: tuple[Event, ...] = ()
    summary: ReplicaSummary | None = None
    tally: ReplicaTally | None = None
    """For the metrics; None for a replica that should not be."""
    settled: bool = True
    """Whether everything is as it should be, so that no more changes are expected."""
    urgent: bool = False
    """Whether the next step waits for these statuses to be stored."""
    prompt: bool = False
    """Whether these statuses should not wait until all is as it should be."""
    moving: bool = False
    """Whether an update is at work, whose end these statuses may wait for a while."""
    recheck_after: float | None = None
    """Seconds after which time alone makes another look worth while."""
    news: tuple[Event, ...] = ()
    """Of pods that are replaced: told when their removal has been carried out."""
    wake: frozenset[int] = frozenset()
    """Replicas to look at once the statuses are stored."""
    turn: int | None = None
    """The replica whose turn in an update it is from now on."""


def merge_patch(current: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any]:
    """The JSON merge patch that turns `current` into `wanted`; empty if they are equal.

    Lists are replaced as a whole, keys that `wanted` lacks are removed.
    """
    patch: dict[str, Any] = {key: None for key in current if key not in wanted}
    for key, value in wanted.items():
        old = current.get(key)
        if old == value and key in current:
            continue
        if isinstance(value, Mapping) and isinstance(old, Mapping):
            patch[key] = merge_patch(old, value)
        else:
            patch[key] = value
    return patch


def missing(current: Any, wanted: Any) -> Any:
    """The part of `wanted` that `current` lacks, as a merge patch; None if it lacks nothing.

    For objects whose server fills in defaults: what only `current` has is left alone. Lists are
    compared item by item and replaced as a whole.
    """
    if current == wanted:
        return None
    if isinstance(wanted, dict):
        if not isinstance(current, dict):
            return wanted
        found = {}
        for key, value in wanted.items():
            lacking = missing(current.get(key), value)
            if lacking is not None:
                found[key] = lacking
        return found or None
    if isinstance(wanted, list):
        same = (
            isinstance(current, list)
            and len(current) == len(wanted)
            and all(missing(old, new) is None for old, new in zip(current, wanted, strict=True))
        )
        return None if same else wanted
    return wanted


def first_difference(patch: Mapping[str, Any], prefix: str = "") -> str:
    """Path of the first field in a merge patch, for people."""
    for key in sorted(patch):
        value = patch[key]
        path = f"{prefix}.{key}" if prefix else key
        return first_difference(value, path) if isinstance(value, Mapping) and value else path
    return prefix
