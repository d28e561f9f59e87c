"""Replicas of a set that are kept apart, so that one rack that is lost takes one replica along.

An annotation on the set asks for it. Each pod then repels the pods of all other replicas from its
domain, which every scheduler that knows pod anti-affinity understands.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from grove_operator.api import labels
from grove_operator.desired.packing import Packing, TopologyOffer

PREFERRED: Final = "Preferred"
REQUIRED: Final = "Required"
_WEIGHT: Final = 100


@dataclass(frozen=True, slots=True)
class Spread:
    """What is asked: `level` is a domain of a ClusterTopologyBinding, or a node label key."""

    level: str
    required: bool

    @property
    def is_key(self) -> bool:
        """Domains have neither dots nor slashes, and the labels that mark topology do."""
        return "/" in self.level or "." in self.level

    def key(self, packing: Packing | None, offer: TopologyOffer) -> str:
        """The node label; empty if it cannot be told which one is meant.

        A domain is one of the set's own topology; a set that names none gets the one meaning that
        the word has in this cluster.
        """
        if self.is_key:
            return self.level
        if packing is not None and packing.topology:
            return offer.levels(packing).get(self.level, "")
        meanings = {levels.get(self.level, "") for levels in offer.bindings.values()} - {""}
        return meanings.pop() if len(meanings) == 1 else ""


def read_spread(annotations: Mapping[str, str]) -> Spread | None:
    level = annotations.get(labels.SPREAD_REPLICAS, "").strip()
    if not level:
        return None
    return Spread(level, annotations.get(labels.SPREAD_POLICY) != PREFERRED)


def repel_other_replicas(set_name: str, replica: int, key: str, *, required: bool) -> Any:
    """Pod anti-affinity against the pods of the set's other replicas."""
    term = {
        "labelSelector": {
            "matchLabels": {labels.PART_OF: set_name, labels.MANAGED_BY: labels.MANAGER},
            "matchExpressions": [
                {"key": labels.REPLICA_INDEX, "operator": "NotIn", "values": [str(replica)]}
            ],
        },
        "topologyKey": key,
    }
    if required:
        return {"requiredDuringSchedulingIgnoredDuringExecution": [term]}
    preference = {"weight": _WEIGHT, "podAffinityTerm": term}
    return {"preferredDuringSchedulingIgnoredDuringExecution": [preference]}
