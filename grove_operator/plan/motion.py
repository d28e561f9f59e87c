"""What moves in a replica by our own decision: by an update, or to recover. Values only."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from grove_operator.desired.updateorder import UpdateOrder
from grove_operator.observed import Kind
from grove_operator.plan.actions import Action, Event
from grove_operator.policy.turns import Turn


@dataclass(frozen=True, slots=True)
class Movement:
    """An update's step in one replica. Keys are names of PodCliques and scaling groups."""

    turn: Turn = Turn.FREE
    held: frozenset[str] = frozenset()
    """PodCliques that stay at the template that runs."""
    removals: Mapping[str, str] = field(default_factory=dict)
    """UIDs of pods that make way for new ones, and why."""
    taken: frozenset[str] = frozenset()
    """Names of the ready ones among those of PodCliques outside scaling groups."""
    cliques: Mapping[str, dict[str, Any]] = field(default_factory=dict)
    """The `updateProgress` of each PodClique that has one."""
    groups: Mapping[str, dict[str, Any]] = field(default_factory=dict)
    orders: Mapping[tuple[Kind, str], UpdateOrder] = field(default_factory=dict)
    """By kind and name: the order in which parts of it go, where another one is stored, or none."""
    complete: bool = True
    """Whether no step is left to do or to wait for."""
    waiting: str = ""
    in_hand: bool = False
    """Whether something that an update took is not ready again, whoever has the turn now."""
    begun: bool = False
    """Whether the update to the newest template has taken something."""
    recheck_after: float | None = None
    news: tuple[Event, ...] = ()


AT_REST: Final = Movement()


@dataclass(frozen=True, slots=True)
class Recovery:
    """What a replica needs because pods ended, or because a gang fell below its minimum."""

    reached: Mapping[str, str] = field(default_factory=dict)
    """PodCliques and scaling groups that had what they need since they were last started, with the
    time at which that was noted."""
    removals: Mapping[str, str] = field(default_factory=dict)
    tries: Mapping[str, int] = field(default_factory=dict)
    """By PodClique: what to note on the successors of ended pods."""
    notices: Mapping[str, str] = field(default_factory=dict)
    """By PodClique: which ended pod is replaced later, and when."""
    actions: tuple[Action, ...] = ()
    alarm: bool = False
    """Whether a breach has to be stored soon, because its clock starts with that."""
    recheck_after: float | None = None
    news: tuple[Event, ...] = ()


NO_RECOVERY: Final = Recovery()


def is_updating(progress: Mapping[str, Any] | None) -> bool:
    return bool(progress) and not (progress or {}).get("updateEndedAt")


def began(progress: Mapping[str, Any] | None) -> str:
    """When an update began, by the stored status; empty if that is not told."""
    found: str = (progress or {}).get("updateStartedAt") or ""
    return found


def soonest(*seconds: float | None) -> float | None:
    """The first of several times to look again; None if there is none."""
    return min((item for item in seconds if item is not None), default=None)
