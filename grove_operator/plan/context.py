"""What every planner is told besides what exists."""

from dataclasses import dataclass

from grove_operator.desired.blueprint import SetBlueprint
from grove_operator.desired.expansion import ReplicaSlots, expand
from grove_operator.observed import Clique, ReplicaSnapshot, ScalingGroup
from grove_operator.plan.motion import AT_REST, NO_RECOVERY, Movement, Recovery
from grove_operator.policy.startorder import NO_ORDER, StartOrder
from grove_operator.scheduling.backend import Backend
from grove_operator.scheduling.backends import backend_of
from grove_operator.scheduling.native import Capabilities


@dataclass(frozen=True, slots=True)
class ReplicaContext:
    """One replica of one set at one moment. `now` is an RFC 3339 time."""

    blueprint: SetBlueprint
    index: int
    capabilities: Capabilities
    now: str
    slots: ReplicaSlots
    groups: dict[str, ScalingGroup]
    """The live scaling groups that are ours."""
    cliques: dict[str, Clique]
    """The live PodCliques that are ours."""
    backend: Backend
    """The set's scheduler. Asked for each PodClique and pod, so it is made once."""
    movement: Movement = AT_REST
    recovery: Recovery = NO_RECOVERY
    order: StartOrder = NO_ORDER

    @property
    def native(self) -> bool:
        return self.capabilities.gangs_for(self.blueprint)


def replica_context(
    blueprint: SetBlueprint,
    index: int,
    seen: ReplicaSnapshot,
    capabilities: Capabilities,
    now: str,
) -> ReplicaContext:
    """Lay the replica out by the counts of the scaling groups that are there."""
    groups = {
        name: group
        for name, group in seen.groups.items()
        if group.meta.owner_uid == blueprint.uid and not group.meta.deleting
    }
    owners = {blueprint.uid} | {group.meta.uid for group in groups.values()}
    cliques = {
        name: clique
        for name, clique in seen.cliques.items()
        if clique.meta.owner_uid in owners and not clique.meta.deleting
    }
    slots = expand(blueprint, index, {name: group.replicas for name, group in groups.items()})
    backend = backend_of(blueprint, capabilities)
    return ReplicaContext(blueprint, index, capabilities, now, slots, groups, cliques, backend)
