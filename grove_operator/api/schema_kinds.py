"""The five kinds as the API server knows them: names, scope, scaling, printer columns.

What the models cannot say. `schema.py` makes one CRD of each entry.
"""

from dataclasses import dataclass
from typing import Final

from pydantic import BaseModel

from grove_operator.api.labels import GROVE_GROUP, SCHEDULER_GROUP
from grove_operator.api.podclique import PodClique
from grove_operator.api.podcliqueset import PodCliqueSet
from grove_operator.api.podgang import PodGang
from grove_operator.api.scalinggroup import PodCliqueScalingGroup
from grove_operator.api.topology import ClusterTopologyBinding


@dataclass(frozen=True)
class Column:
    """A column of `kubectl get`; priority 1 is shown with `-o wide` only."""

    name: str
    path: str
    type: str = "integer"
    priority: int = 0


@dataclass(frozen=True)
class Kind:
    """One CRD. `scale_selector` is where the scale subresource finds its selector, if it exists."""

    model: type[BaseModel]
    short: str
    columns: tuple[Column, ...]
    scale_selector: str = ""
    group: str = GROVE_GROUP
    scope: str = "Namespaced"

    @property
    def name(self) -> str:
        return self.model.__name__

    @property
    def singular(self) -> str:
        return self.name.lower()

    @property
    def plural(self) -> str:
        return f"{self.singular}s"


_AGE: Final = Column("Age", ".metadata.creationTimestamp", "date")
_MIN_AVAILABLE: Final = Column("MinAvail", ".spec.minAvailable")
_REPLICAS: Final = Column("Replicas", ".spec.replicas")
_AVAILABLE: Final = Column("Available", ".status.availableReplicas")
_SCHEDULED: Final = Column("Scheduled", ".status.scheduledReplicas")
_UPDATED: Final = Column("Updated", ".status.updatedReplicas")
_CLIQUES_UPDATED: Final = Column("PCLQs-Updated", ".status.updateProgress.updatedPodCliquesCount")
_CLIQUES_TOTAL: Final = Column("PCLQs-Total", ".status.updateProgress.totalPodCliquesCount")
_BREACHED: Final = Column(
    "MinBreached",
    '.status.conditions[?(@.type=="MinAvailableBreached")].status',
    "string",
    priority=1,
)

KINDS: Final = (
    Kind(
        PodCliqueSet,
        "pcs",
        (
            _REPLICAS,
            _AVAILABLE,
            _UPDATED,
            _CLIQUES_UPDATED,
            _CLIQUES_TOTAL,
            Column("PCSGs-Updated", ".status.updateProgress.updatedPodCliqueScalingGroupsCount"),
            Column("PCSGs-Total", ".status.updateProgress.totalPodCliqueScalingGroupsCount"),
            _AGE,
        ),
        scale_selector=".status.hpaPodSelector",
    ),
    Kind(
        PodCliqueScalingGroup,
        "pcsg",
        (
            _MIN_AVAILABLE,
            _REPLICAS,
            _AVAILABLE,
            _SCHEDULED,
            _UPDATED,
            _CLIQUES_UPDATED,
            _CLIQUES_TOTAL,
            _BREACHED,
            _AGE,
        ),
        scale_selector=".status.selector",
    ),
    Kind(
        PodClique,
        "pclq",
        (
            _MIN_AVAILABLE,
            _REPLICAS,
            Column("Ready", ".status.readyReplicas"),
            _SCHEDULED,
            _UPDATED,
            Column("Gated", ".status.scheduleGatedReplicas", priority=1),
            _BREACHED,
            _AGE,
        ),
        scale_selector=".status.hpaPodSelector",
    ),
    Kind(
        ClusterTopologyBinding,
        "ct",
        (Column("Domains", ".spec.levels[*].domain", "string"), _AGE),
        scope="Cluster",
    ),
    Kind(
        PodGang,
        "pg",
        (Column("Phase", ".status.phase", "string"), _AGE),
        group=SCHEDULER_GROUP,
    ),
)
