"""Whether somebody has scaled a replica beyond what can be carried out.

The scale subresource asks no webhook, so its counts are judged here, before anything is laid out
by them.
"""

from typing import Final

from grove_operator.api.limits import MOST_PODS
from grove_operator.observed import Kind, ReplicaSnapshot

TOO_MANY: Final = "ERR_TOO_MANY_PODS"
_Count = tuple[int, Kind, str]
"""Pods that an object asks for."""


def excess(seen: ReplicaSnapshot) -> str:
    """What must be scaled in, in words for its user; empty if all is within the limit."""
    groups: list[_Count] = [
        # Each PodClique of each replica has at least one pod, or may get one.
        (group.replicas * len(group.clique_names), Kind.SCALING_GROUP, name)
        for name, group in seen.groups.items()
    ]
    cliques: list[_Count] = [
        (clique.replicas, Kind.CLIQUE, name) for name, clique in seen.cliques.items()
    ]
    for counts in (groups, cliques):
        if sum(pods for pods, _, _ in counts) > MOST_PODS:
            pods, kind, name = max(counts)
            return (
                f"{kind} {name} is scaled to {pods} pods, and a PodCliqueSet may have at most "
                f"{MOST_PODS}; nothing of this replica changes until it is scaled in"
            )
    return ""
