"""What exists: small frozen records of the objects that make up one PodCliqueSet.

Types only, no fetching. `cluster/` decodes API objects into these records and takes snapshots;
planning reads them. A record holds what some rule needs and nothing else, for there may be ten
thousand pods; and Python's collector passes them by, for none leads back to itself.
"""

from collections.abc import Collection, Container, Mapping, MutableMapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple

import msgspec


class Kind(StrEnum):
    """The kinds that a PodCliqueSet consists of; values are the API's names where these differ."""

    SET = "PodCliqueSet"
    SCALING_GROUP = "PodCliqueScalingGroup"
    CLIQUE = "PodClique"
    GANG = "PodGang"
    POD = "Pod"
    SERVICE = "Service"
    SERVICE_ACCOUNT = "ServiceAccount"
    ROLE = "Role"
    ROLE_BINDING = "RoleBinding"
    SECRET = "Secret"  # noqa: S105 - a kind, not a secret
    HPA = "HorizontalPodAutoscaler"
    WORKLOAD = "Workload"
    POD_GROUP = "PodGroup"
    COMPOSITE_POD_GROUP = "CompositePodGroup"
    KAI_POD_GROUP = "KaiPodGroup"
    """The PodGroup of KAI (scheduling.run.ai). Three API groups have a kind of that name."""
    VOLCANO_POD_GROUP = "VolcanoPodGroup"
    """The PodGroup of Volcano (scheduling.volcano.sh)."""
    POD_MONITOR = "PodMonitor"
    REVISION = "ControllerRevision"
    RESOURCE_CLAIM = "ResourceClaim"
    COMPUTE_DOMAIN = "ComputeDomain"
    TOPOLOGY_BINDING = "ClusterTopologyBinding"
    """Not part of any set: only events speak of it in this way."""


class Meta(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Metadata of any object. `version` is the resource version as a number, to compare by age."""

    namespace: str
    name: str
    uid: str
    version: int
    generation: int = 0
    deleting: bool = False
    created: str = ""
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    finalizers: tuple[str, ...] = ()
    owner_uid: str = ""
    owner_name: str = ""
    ours_alone: bool = False
    """Whether its managedFields name us and nobody else."""


class Pod(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One pod. `gates` are its scheduling gates, `verdict` why the scheduler cannot place it."""

    meta: Meta
    phase: str = ""
    node: str = ""
    ready: bool = False
    scheduled: bool = False
    gates: tuple[str, ...] = ()
    group: str = ""
    """The PodGroup that it belongs to."""
    failing: bool = False
    """Not ready, and a container of it ended with an error the last time that it ran."""
    started_unready: bool = False
    """Not ready, though a container has started."""
    running_since: str = ""
    """Not ready, though all its main containers have been running since this time."""
    ready_since: str = ""
    trouble: str = ""
    """Why it is not ready, if it is not merely starting: a reason, then what it is about."""
    ended: str = ""
    """When it failed or succeeded as a whole."""
    placed_since: str = ""
    """When it was placed, if that is told."""
    verdict: str = ""


class Departed(NamedTuple):
    """A pod that is gone."""

    uid: str
    name: str


class Taint(NamedTuple):
    key: str
    value: str
    effect: str


class Node(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One node, so far as it counts: two records are equal if nothing that matters changed.

    `allocatable` is in whole units, CPUs in thousandths. `taints` are those that keep pods away.
    """

    name: str
    labels: dict[str, str] = {}
    allocatable: dict[str, int] = {}
    unschedulable: bool = False
    taints: tuple[Taint, ...] = ()
    ready: bool = True
    unreachable_since: str = ""
    """When its kubelet was last known to be there, if it is not now."""


class Clique(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    meta: Meta
    replicas: int
    spec: dict[str, Any]
    """The spec without `replicas`; equal specs share one object."""
    status: dict[str, Any] = {}


class ScalingGroup(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    meta: Meta
    replicas: int
    min_available: int
    clique_names: tuple[str, ...]
    status: dict[str, Any] = {}


class Child(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Any other object. `body` is all of it but apiVersion, kind, metadata and status."""

    meta: Meta
    body: dict[str, Any] = {}
    status: dict[str, Any] = {}


Record = Pod | Clique | ScalingGroup | Child

ClaimTemplates = Mapping[tuple[str, str], Mapping[str, Any]]
"""Claim specs of ResourceClaimTemplate objects, by namespace and name.

In snapshots None while it is not known which exist.
"""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a replica depends on and has no part in."""

    nodes: Mapping[str, Node] = field(default_factory=dict)
    free: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """By node: what pods of PodCliqueSets leave of it. Pods of others are not known."""
    unreachable: Mapping[str, str] = field(default_factory=dict)
    """By node, only for such nodes: since when nothing is heard of it."""
    active: str = ""
    """When the set's scheduler was last seen to place a pod, of this set or another."""
    refused: str = ""
    """What the API server would not take when the replica was last worked on."""
    claims: Container[tuple[str, str]] | None = None
    """All ResourceClaims by namespace and name; None while it is not known which exist."""
    set_claims: Collection[str] = ()
    """Names of the ResourceClaims that belong to the set as a whole."""
    answers: MutableMapping[Any, Any] = field(default_factory=dict)
    """What was worked out from `nodes` and `free`; empty again when these have changed."""


@dataclass(frozen=True, slots=True)
class ReplicaSnapshot:
    """The family of one PodCliqueSet replica, each kind by object name; pods by PodClique."""

    cliques: Mapping[str, Clique] = field(default_factory=dict)
    groups: Mapping[str, ScalingGroup] = field(default_factory=dict)
    pods: Mapping[str, tuple[Pod, ...]] = field(default_factory=dict)
    gangs: Mapping[str, Child] = field(default_factory=dict)
    services: Mapping[str, Child] = field(default_factory=dict)
    hpas: Mapping[str, Child] = field(default_factory=dict)
    pod_groups: Mapping[str, Child] = field(default_factory=dict)
    composite_groups: Mapping[str, Child] = field(default_factory=dict)
    claims: Mapping[str, Child] = field(default_factory=dict)
    compute_domains: Mapping[str, Child] = field(default_factory=dict)
    claim_templates: ClaimTemplates | None = None
    kai_groups: Mapping[str, Child] = field(default_factory=dict)
    volcano_groups: Mapping[str, Child] = field(default_factory=dict)
    set_status: Mapping[str, Any] = field(default_factory=dict)
    """The stored status of the set: whose turn it is in an update."""
    turn: int | None = None
    """Whose turn it is by now, where the set's pass knows better than the stored status."""
    departed: Mapping[str, Mapping[int, Departed]] = field(default_factory=dict)
    """By PodClique and pod index: the last pod that held the index and is gone."""
    surroundings: Surroundings = field(default_factory=Surroundings)

    def children(self, kind: Kind) -> Mapping[str, Clique | ScalingGroup | Child]:
        """One kind but pods, by name."""
        by_kind: dict[Kind, Mapping[str, Clique | ScalingGroup | Child]] = {
            Kind.CLIQUE: self.cliques,
            Kind.SCALING_GROUP: self.groups,
            Kind.GANG: self.gangs,
            Kind.SERVICE: self.services,
            Kind.HPA: self.hpas,
            Kind.POD_GROUP: self.pod_groups,
            Kind.COMPOSITE_POD_GROUP: self.composite_groups,
            Kind.RESOURCE_CLAIM: self.claims,
            Kind.COMPUTE_DOMAIN: self.compute_domains,
            Kind.KAI_POD_GROUP: self.kai_groups,
            Kind.VOLCANO_POD_GROUP: self.volcano_groups,
        }
        return by_kind[kind]


class Blocked(NamedTuple):
    """A gang that cannot go on by itself. `rank` is lower for what has to be put right first."""

    rank: int
    gang: str
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class ReplicaSummary:
    """What the set's own status needs to know of one replica."""

    available: bool = False
    updated: bool = False
    gangs: tuple[tuple[str, str], ...] = ()
    """Name and phase of each PodGang."""
    target: str = ""
    """Generation hash of the template that this summary was made for."""
    is_current: bool = False
    """Whether everything is made from that template, and no replacement is under way."""
    stale: bool = False
    """Whether pods of an older template exist."""
    placed: bool = False
    """Whether any pod has a node."""
    breached: bool = False
    in_hand: bool = False
    """Whether an update took something of it that is not ready again."""
    begun: bool = False
    """Whether the update to that template has taken something of it, and is not through."""
    updated_cliques: int = 0
    """PodCliques outside scaling groups that are at the template and have what they need."""
    updated_groups: int = 0
    outdated: int = 0
    """Gangs that run, and therefore keep an older topology constraint."""
    older_priority: int = 0
    """Gangs that run, and therefore keep an older priority class."""
    waiting: str = ""
    """What the update of this replica waits for, if anything is in its way."""
    problem: str = ""
    """Why the last pass over the replica failed, or what is in the way of the next one."""
    problem_code: str = ""
    blocked: Blocked | None = None
    """The worst of its blocked gangs."""
    blocked_gangs: int = 0


@dataclass(frozen=True, slots=True)
class SetSnapshot:
    """What belongs to the PodCliqueSet as a whole, and a summary of each replica that exists."""

    children: Mapping[Kind, Mapping[str, Child]]
    replicas: Mapping[int, ReplicaSummary]
    available: int = 0
    updated: int = 0
    updated_cliques: int = 0
    updated_groups: int = 0
    stale: int = 0
    """Replicas with pods of an older template."""
    outdated: int = 0
    """Gangs with an older topology constraint."""
    older_priority: int = 0
    """Gangs with an older priority class."""
    troubled: Mapping[int, ReplicaSummary] = field(default_factory=dict)
    """The replicas that are in trouble, or whose last pass failed."""
    blocked: Mapping[int, ReplicaSummary] = field(default_factory=dict)
    """The replicas with blocked gangs."""
    claim_templates: ClaimTemplates | None = None
    turn: int | None = None
    """Whose turn it was in this process' last look."""
