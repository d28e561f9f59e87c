"""Where a set wants its pods together, and what the cluster's levels are.

Users name domains, a ClusterTopologyBinding says which node label each is. A domain that it lacks
asks for nothing; the condition `TopologyLevelsUnavailable` tells of that.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from grove_operator.api.podcliqueset import PodCliqueSetTemplate
from grove_operator.api.topology import TopologyConstraint

Levels = Mapping[str, str]
"""Domain to node label key, broadest first."""


@dataclass(frozen=True, slots=True)
class Together:
    """Must, or should, be in one domain; empty where nothing is asked. Of users: names of domains.

    Translated: node label keys.
    """

    required: str = ""
    preferred: str = ""

    def translated(self, levels: Levels) -> "Together | None":
        found = Together(levels.get(self.required, ""), levels.get(self.preferred, ""))
        return found if found.required or found.preferred else None


@dataclass(frozen=True, slots=True)
class Packing:
    """All constraints of a set. `topology` names the binding; empty if no constraint does."""

    topology: str
    whole: Together | None
    groups: Mapping[str, Together]
    cliques: Mapping[str, Together]

    @property
    def parts(self) -> list[Together]:
        own = [] if self.whole is None else [self.whole]
        return [*own, *self.groups.values(), *self.cliques.values()]

    @property
    def domains(self) -> list[str]:
        """Those that are asked for, each once."""
        asked = (name for part in self.parts for name in (part.required, part.preferred))
        return list(dict.fromkeys(filter(None, asked)))

    @property
    def prefers(self) -> bool:
        return any(part.preferred for part in self.parts)

    @property
    def requires(self) -> bool:
        return any(part.required for part in self.parts)


@dataclass(frozen=True, slots=True)
class TopologyOffer:
    """What the cluster's administrator offers to sets that ask for topology."""

    enabled: bool = False
    affinity: bool = True
    """Whether pod affinity stands in for what the stock scheduler cannot hold."""
    bindings: Mapping[str, Levels] = field(default_factory=dict)
    """Levels of each ClusterTopologyBinding."""

    def levels(self, packing: Packing) -> Levels:
        """The levels that a set means; empty if they are not known."""
        return self.bindings.get(packing.topology, {})


NO_TOPOLOGY: Final = TopologyOffer()


def read_packing(template: PodCliqueSetTemplate) -> Packing | None:
    """The constraints of a template; None if it asks for no domain."""
    groups = {item.name: item.topology_constraint for item in template.pod_clique_scaling_groups}
    cliques = {item.name: item.topology_constraint for item in template.cliques}
    found = (template.topology_constraint, *groups.values(), *cliques.values())
    named = (item.topology_name for item in found if item is not None and item.topology_name)
    packing = Packing(
        topology=next(named, ""),
        whole=_together(template.topology_constraint),
        groups=dict(_asked(groups)),
        cliques=dict(_asked(cliques)),
    )
    return packing if packing.parts else None


def _asked(given: Mapping[str, TopologyConstraint | None]) -> Iterator[tuple[str, Together]]:
    for name, constraint in given.items():
        together = _together(constraint)
        if together is not None:
            yield name, together


def _together(constraint: TopologyConstraint | None) -> Together | None:
    if constraint is None or not constraint.referenced_domains:
        return None
    return Together(constraint.required_domain, constraint.preferred_domain)
