"""What a rule may look at: the object as submitted, the one before, and facts of the cluster.

Owns the values that the edge hands to the rules. Refuses to fetch anything. Rules about names and
numbers need only the object itself, so a submission without facts serves `lint`, the reconciler
and tests.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from grove_operator.api.labels import DEFAULT_SCHEDULER
from grove_operator.api.podcliqueset import PodCliqueSet


@dataclass(frozen=True, slots=True)
class Policy:
    """The parts of the operator's configuration that admission depends on."""

    profiles: tuple[str, ...] = (DEFAULT_SCHEDULER,)
    default_profile: str = DEFAULT_SCHEDULER
    topology_enabled: bool = False
    mnnvl_enabled: bool = False


@dataclass(frozen=True, slots=True)
class Found:
    """The answer to a look-up.

    `problem` says why there is no answer; without one, None means that there is no such object.
    """

    value: tuple[str, ...] | None = None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Facts:
    """What was looked up for this submission.

    A name that is absent was not looked up at all: rules that need it say nothing (`lint` lists
    them as skipped).
    """

    topologies: Mapping[str, Found] = field(default_factory=dict)
    """By ClusterTopologyBinding: the domains, broadest first."""
    volcano_queues: Mapping[str, Found] = field(default_factory=dict)
    """By Queue: one entry, its status.state."""


@dataclass(frozen=True, slots=True)
class Submission:
    """`old` is None on create. Both were defaulted before."""

    new: PodCliqueSet
    old: PodCliqueSet | None = None
    policy: Policy = Policy()
    facts: Facts = Facts()

    @property
    def is_create(self) -> bool:
        return self.old is None
