"""The schedulers that the operator is set up for, and which of them the cluster has.

Values only. The composition root fills them from settings and discovery; backends read them.
"""

from dataclasses import dataclass
from enum import Enum
from typing import Final

from grove_operator.admission.schedulers import KAI, LPX, VOLCANO
from grove_operator.api.labels import DEFAULT_SCHEDULER

WITH_GROUPS: Final = (KAI, VOLCANO)
"""Schedulers other than the stock one that read a PodGroup of their own."""


class Presence(Enum):
    """What the cluster has of a scheduler's API."""

    SERVED = "served"
    OUTDATED = "outdated"
    """Served without what gangs need."""
    ABSENT = "absent"


@dataclass(frozen=True, slots=True)
class Profiles:
    """`enabled` are the names of the profiles in the operator's configuration."""

    enabled: frozenset[str] = frozenset()
    served: frozenset[str] = frozenset()
    outdated: frozenset[str] = frozenset()
    pod_grouper: bool = False
    """Whether KAI's own pod grouper makes its PodGroups, from PodGangs."""

    def presence(self, scheduler: str) -> Presence:
        if scheduler in self.served:
            return Presence.SERVED
        return Presence.OUTDATED if scheduler in self.outdated else Presence.ABSENT

    def lacks(self, scheduler: str) -> bool:
        """Whether the scheduler is one that we should serve, and its API is not there."""
        return (
            scheduler in WITH_GROUPS and scheduler in self.enabled and scheduler not in self.served
        )


NO_PROFILES: Final = Profiles()
EVERYTHING: Final = Profiles(
    enabled=frozenset({DEFAULT_SCHEDULER, KAI, VOLCANO, LPX}), served=frozenset(WITH_GROUPS)
)
"""For a made-up cluster: all schedulers, as new as they need to be."""
