"""Gangs on the stock scheduler: Workload, CompositePodGroup and PodGroup (scheduling.k8s.io).

One PodGroup per PodClique holds the clique's minimum; a CompositePodGroup ties the cliques of a
gang together, so that all of them are placed or none. A gang of one clique needs no composite.
Where only PodGroup is served, one PodGroup spans the gang and can promise no more than the sum of
the minimums. The Workload only describes: it is not read when pods are placed.

Limits of the API: a list of templates holds at most eight, groups keep their policy for life
(only a PodGroup's minCount can be changed).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from grove_operator.api import labels
from grove_operator.desired.blueprint import SetBlueprint, replica_label
from grove_operator.desired.claims import claim_entries, claims_of_pod_group
from grove_operator.desired.expansion import CliqueSlot, GangSlot
from grove_operator.desired.packing import NO_TOPOLOGY, TopologyOffer
from grove_operator.scheduling.profiles import NO_PROFILES, Profiles
from grove_operator.scheduling.templates import (
    has_composites,
    member_template,
    template_of,
    workload_of,
)
from grove_operator.scheduling.tree import Branch, Leaf, Tree

GROUP: Final = "scheduling.k8s.io"
POD_GROUP_API: Final = f"{GROUP}/v1beta1"
COMPOSITE_API: Final = f"{GROUP}/v1alpha3"

MAX_CLAIMS: Final = 4
"""Claims that a PodGroup can hold."""
SCHEDULED_CONDITION: Final = "PodGroupInitiallyScheduled"


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What there is for a set: in the cluster, found by discovery, and on our side."""

    pod_groups: bool = False
    composite_groups: bool = False
    workloads: bool = False
    priority_classes: frozenset[str] | None = None
    """Names of the classes that exist; None when not known."""
    default_priority: str = ""
    """The class of what names none; empty if there is none."""
    pod_monitors: bool = False
    """Whether PodMonitors are served and may be read."""
    waiter_image: str = ""
    """Image of the init container by which pods wait for others; empty if not configured."""
    resource_claims: bool = False
    """Whether ResourceClaims (resource.k8s.io/v1) are served and known."""
    older_claims: bool = False
    """Whether they are served in an older version only: then pods keep the claims of users."""
    compute_domains: bool = False
    """The same of ComputeDomains (resource.nvidia.com/v1beta1)."""
    mnnvl: bool = False
    """Whether ComputeDomains may be made, by the operator's settings."""
    topology: TopologyOffer = NO_TOPOLOGY
    profiles: Profiles = NO_PROFILES
    """The other schedulers."""

    def for_set(self, blueprint: SetBlueprint) -> "Capabilities":
        """What there is for this set: all of it, unless its PodCliques share resource claims.

        The scheduler allocates a claim to the pods of one PodGroup together, but to PodGroups one
        after the other, so a composite of groups that share one could never be placed.
        """
        if self.composite_groups and blueprint.shares_between_cliques:
            return replace(self, composite_groups=False)
        return self

    def gangs_for(self, blueprint: SetBlueprint) -> bool:
        """Whether the set's own scheduler places its gangs all-or-nothing."""
        return self.pod_groups and blueprint.scheduler == labels.DEFAULT_SCHEDULER


@dataclass(frozen=True, slots=True)
class NativeGang:
    """The objects of one gang, composites first and parents before children."""

    composites: tuple[dict[str, Any], ...]
    pod_groups: tuple[dict[str, Any], ...]


def gang_minimum(slot: CliqueSlot, replicas: int, outside: int = 0) -> int:
    """Pods of the clique that must be placed together.

    A clique scaled below its minimum lowers it, and so does a pod that was placed `outside` the
    group, before the cluster had such groups: nothing could ever be placed otherwise.
    """
    members = replicas - outside
    return max(1, min(slot.blueprint.min_available, replicas) - outside) if members > 0 else 0


def gang_priority(blueprint: SetBlueprint, capabilities: Capabilities) -> str:
    """The PriorityClass of groups and of their pods; empty for none.

    The scheduler places no group with pods of another priority: the set's class counts, else the
    first that a clique's pods name, else the cluster's default, which the API server would fill in.
    One that does not exist would be refused.
    """
    known = capabilities.priority_classes
    named = (
        str(clique.spec["podSpec"].get("priorityClassName") or "")
        for clique in blueprint.by_name.values()
    )
    asked = (name for name in (blueprint.priority_class, *named) if name)
    found = (name for name in asked if known is None or name in known)
    return next(found, capabilities.default_priority)


def pod_group_of(slot: CliqueSlot, capabilities: Capabilities) -> str:
    """Name of the PodGroup that the clique's pods join."""
    return slot.name if capabilities.composite_groups else slot.gang


def build_native_gang(
    blueprint: SetBlueprint,
    tree: Tree,
    minimums: Mapping[str, int],
    capabilities: Capabilities,
    replica: int,
    priority: str,
) -> NativeGang:
    """The groups of a gang.

    `minimums` are by PodClique (see `gang_minimum`), `priority` is the PriorityClass of all. A
    clique at zero has no group and does not count.
    """
    present = [leaf for leaf in tree.leaves if minimums.get(leaf.slot.name, 0) > 0]
    if not present:
        return NativeGang((), ())
    builder = _Builder(blueprint, tree, priority, replica, capabilities.resource_claims)
    if not capabilities.composite_groups:
        total = sum(minimums[leaf.slot.name] for leaf in present)
        return NativeGang((), (builder.whole_gang(total),))
    members = tree.children(leaf.slot.name for leaf in present)
    return NativeGang(
        tuple(builder.composite(it, members[it.name]) for it in tree.branches if members[it.name]),
        tuple(builder.pod_group(leaf, minimums[leaf.slot.name]) for leaf in present),
    )


@dataclass(frozen=True, slots=True)
class _Builder:
    blueprint: SetBlueprint
    tree: Tree
    priority: str
    replica: int
    has_claims: bool
    """Whether there are ResourceClaims."""

    @property
    def gang(self) -> GangSlot:
        return self.tree.gang

    def composite(self, branch: Branch, minimum: int) -> dict[str, Any]:
        spec: dict[str, Any] = {
            "workloadRef": self._reference(branch.template),
            "schedulingPolicy": {"gang": {"minGroupCount": minimum}},
        }
        if branch.parent:
            spec["parentCompositePodGroupName"] = branch.parent
        return self._body(COMPOSITE_API, "CompositePodGroup", branch.name, {}, keyed(spec, branch))

    def pod_group(self, leaf: Leaf, minimum: int) -> dict[str, Any]:
        slot = leaf.slot
        spec: dict[str, Any] = {"schedulingPolicy": {"gang": {"minCount": minimum}}}
        if leaf.parent:
            spec["parentCompositePodGroupName"] = leaf.parent
            spec["workloadRef"] = self._reference(member_template(self.gang, slot))
        elif not has_composites(self.blueprint):
            spec["workloadRef"] = self._reference(template_of(self.gang))
        spec |= self._claims([slot])
        clique = {labels.PODCLIQUE: slot.name}
        return self._body(POD_GROUP_API, "PodGroup", slot.name, clique, keyed(spec, leaf))

    def whole_gang(self, minimum: int) -> dict[str, Any]:
        """Where the feature gate for topology is off, the server drops the key."""
        spec: dict[str, Any] = {
            "workloadRef": self._reference(template_of(self.gang)),
            "schedulingPolicy": {"gang": {"minCount": minimum}},
        }
        spec |= self._claims(self.gang.cliques)
        root = Branch(self.gang.name, template_of(self.gang), self.tree.root_key)
        return self._body(POD_GROUP_API, "PodGroup", self.gang.name, {}, keyed(spec, root))

    def _claims(self, slots: Iterable[CliqueSlot]) -> dict[str, Any]:
        """Claims that only its pods share are reserved for the group: else 256 pods could use one.

        Where the feature gate DRAWorkloadResourceClaims is off, the server drops the field, and
        each pod counts. Claims beyond four are reserved for pods anyway.
        """
        if not self.has_claims:
            return {}
        every = map(claims_of_pod_group, slots)
        claims = list(dict.fromkeys(name for found in every for name in found))[:MAX_CLAIMS]
        return {"resourceClaims": claim_entries(claims)} if claims else {}

    def _reference(self, template: str) -> dict[str, str]:
        workload = workload_of(self.blueprint, template_of(self.gang))
        return {"workloadName": workload, "templateName": template}

    def _body(
        self, api: str, kind: str, name: str, extra: Mapping[str, str], spec: dict[str, Any]
    ) -> dict[str, Any]:
        if self.priority:
            spec["priorityClassName"] = self.priority
        return {
            "apiVersion": api,
            "kind": kind,
            "metadata": {
                "name": name,
                "namespace": self.blueprint.namespace,
                "labels": self.blueprint.pair
                | replica_label(self.replica)
                | {labels.NAME: name, labels.PODGANG: self.gang.name}
                | dict(extra),
            },
            "spec": spec,
        }


def keyed(spec: dict[str, Any], group: Branch | Leaf) -> dict[str, Any]:
    if group.key:
        spec["schedulingConstraints"] = {"topology": [{"key": group.key}]}
    return spec


def failed_attempt(pod_group_status: Mapping[str, Any]) -> tuple[str, str]:
    """Since when the scheduler itself fails at the group, and its words; empty if it does not."""
    for condition in pod_group_status.get("conditions") or ():
        if (
            condition.get("type") == SCHEDULED_CONDITION
            and condition.get("status") == "False"
            and condition.get("reason") == "SchedulerError"
        ):
            since = condition.get("lastTransitionTime")
            return str(since or ""), str(condition.get("message") or "")
    return "", ""


def verdict(pod_group_status: Mapping[str, Any]) -> str:
    """Why the scheduler has not placed the group, in its own words; empty if it has, or is silent.

    Words of a failed attempt inside the scheduler are left out: it tries again by itself.
    """
    for condition in pod_group_status.get("conditions") or ():
        if (
            condition.get("type") == SCHEDULED_CONDITION
            and condition.get("status") == "False"
            and condition.get("reason") != "SchedulerError"
        ):
            return str(condition.get("message") or "")
    return ""
