"""What a set's conditions say of topology: whether its levels exist, and who sees to them."""

from collections.abc import Iterator
from typing import Final

from grove_operator.api import conditions as c
from grove_operator.api import labels
from grove_operator.desired.blueprint import SetBlueprint
from grove_operator.desired.packing import Packing, TopologyOffer
from grove_operator.scheduling.native import Capabilities

TOPOLOGY_CONDITIONS: Final = frozenset(
    {c.TOPOLOGY_LEVELS_UNAVAILABLE, c.TOPOLOGY_GUARANTEE, c.REPLICAS_SPREAD}
)


def topology_conditions(
    blueprint: SetBlueprint, capabilities: Capabilities, outdated: int
) -> Iterator[c.Condition]:
    """`outdated` is how many gangs run under a constraint that is no longer asked for."""
    packing, offer = blueprint.packing, capabilities.topology
    if packing is not None or offer.enabled:
        levels = _levels(packing, offer)
        yield levels | {"observedGeneration": blueprint.generation}
        if packing is not None and levels["status"] == "False" and _is_native(blueprint):
            yield _guarantee(packing, capabilities, outdated)
    if blueprint.spread is not None:
        yield _spread(blueprint, capabilities)


def _is_native(blueprint: SetBlueprint) -> bool:
    return blueprint.scheduler == labels.DEFAULT_SCHEDULER


def _levels(packing: Packing | None, offer: TopologyOffer) -> c.Condition:
    status: bool | None = None
    missing = _missing(packing, offer) if packing is not None and offer.enabled else []
    if not offer.enabled:
        reason = "TopologyAwareSchedulingDisabled"
        message = "topology-aware scheduling is off in the operator's configuration, so the "
        message += "topology constraints of this set have no effect"
    elif packing is None:
        status, reason = False, "AllClusterTopologyLevelsAvailable"
        message = "the set has no topology constraint"
    elif not packing.topology:
        reason = "TopologyNameMissing"
        message = "no topology constraint names its ClusterTopologyBinding (topologyName)"
    elif packing.topology not in offer.bindings:
        reason = "ClusterTopologyNotFound"
        message = f"ClusterTopologyBinding {packing.topology} does not exist, so the topology "
        message += "constraints of this set have no effect until it does"
    elif missing:
        status, reason = True, "ClusterTopologyLevelsUnavailable"
        message = f"ClusterTopologyBinding {packing.topology} has no level "
        message += f"{', '.join(missing)}; what asks for it has no effect"
    else:
        status, reason = False, "AllClusterTopologyLevelsAvailable"
        message = f"ClusterTopologyBinding {packing.topology} has all levels that are asked for"
    return c.condition(c.TOPOLOGY_LEVELS_UNAVAILABLE, status=status, reason=reason, message=message)


def _missing(packing: Packing, offer: TopologyOffer) -> list[str]:
    levels = offer.levels(packing)
    return [domain for domain in packing.domains if domain not in levels]


def _guarantee(packing: Packing, capabilities: Capabilities, outdated: int) -> c.Condition:
    """The weakest promise that holds for any gang of the set."""
    status, reason, said = True, "RequiredLevelsHeld", "the scheduler holds every required level"
    instead = capabilities.topology.affinity
    if packing.requires and not capabilities.pod_groups:
        status, reason = False, "NotHeld"
        said = "the API server serves no PodGroups (scheduling.k8s.io), so no required level is "
        said += f"held for whole gangs; {_STAND_IN if instead else _NO_STAND_IN}"
    elif packing.requires and not capabilities.composite_groups:
        status, reason = False, "HeldForWholeGangs"
        said = "each gang is one PodGroup (see GangGuarantee), so at most the level that a whole "
        said += "gang requires is held, and that only with the feature gate "
        said += "TopologyAwareWorkloadScheduling; for the levels of scaling groups and cliques, "
        said += _STAND_IN if instead else _NO_STAND_IN
    elif not packing.requires:
        reason, said = "OnlyPreferences", "no level is required"
    if packing.prefers:
        wish = f"preferred levels: {_STAND_IN if instead else _NO_STAND_IN}"
        said = f"{said}; {wish}"
    if outdated and capabilities.composite_groups:
        status, reason = False, "OlderConstraintInUse"
        said = f"{outdated} running gang{'s keep' if outdated > 1 else ' keeps'} the topology "
        said += "constraint that it was placed by, which differs from what is asked for now; a "
        said += f"gang gets the new one when all of its pods are replaced. Otherwise: {said}"
    return c.condition(c.TOPOLOGY_GUARANTEE, status=status, reason=reason, message=said)


_STAND_IN: Final = "pod affinity stands in, which draws pods together and promises nothing"
_NO_STAND_IN: Final = (
    "nothing stands in, as topologyAwareScheduling.affinity is off in the operator's configuration"
)


def _spread(blueprint: SetBlueprint, capabilities: Capabilities) -> c.Condition:
    spread, offer = blueprint.spread, capabilities.topology
    assert spread is not None
    status: bool | None = True
    key = spread.key(blueprint.packing, offer)
    if not key:
        status, reason = False, "LevelUnknown"
        message = f"{labels.SPREAD_REPLICAS}: {spread.level} is no level of "
        message += "the set's topology, or of the only one that has it; name a node label instead"
    elif spread.required:
        reason = "KeptApart"
        message = f"no two replicas share a value of node label {key}; a replica for which there "
        message += "is none left waits"
    elif _is_overruled(blueprint, capabilities):
        status, reason = None, "PreferenceMayNotCount"
        message = f"replicas avoid sharing a value of node label {key}, but where a level is "
        message += "required the scheduler chooses among its domains by room alone; "
        message += f"{labels.SPREAD_POLICY}: Required does count"
    else:
        reason, message = "DrawnApart", f"replicas avoid sharing a value of node label {key}"
    return c.condition(c.REPLICAS_SPREAD, status=status, reason=reason, message=message)


def _is_overruled(blueprint: SetBlueprint, capabilities: Capabilities) -> bool:
    """Whether the stock scheduler chooses a domain for groups before it looks at affinity."""
    packing = blueprint.packing
    if packing is None or not capabilities.gangs_for(blueprint):
        return False
    levels = capabilities.topology.levels(packing)
    return any(levels.get(part.required) for part in packing.parts)
