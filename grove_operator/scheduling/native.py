"""Gangs on the stock scheduler: Workload, CompositePodGroup and PodGroup (scheduling.k8s.io).

One PodGroup per PodClique holds the clique's minimum; a CompositePodGroup ties the cliques of a
gang together, so that all of them are placed or none. A gang of one clique needs no composite.
Where only PodGroup is served, one PodGroup spans the gang and can promise no more than the sum of
the minimums. The Workload only describes: it is not read when pods are placed.

Limits of the API: a list of templates holds at most eight, groups keep their policy for life
(only a PodGroup's minCount can be changed).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from grove_operator.api import labels
from grove_operator.desired.blueprint import SetBlueprint, replica_label
from grove_operator.desired.expansion import CliqueSlot, GangSlot, expand

GROUP: Final = "scheduling.k8s.io"
POD_GROUP_API: Final = f"{GROUP}/v1beta1"
COMPOSITE_API: Final = f"{GROUP}/v1alpha3"
MAX_TEMPLATES: Final = 8

SCHEDULED_CONDITION: Final = "PodGroupInitiallyScheduled"


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What there is for a set: in the cluster, found by discovery, and on our side."""

    pod_groups: bool = False
    composite_groups: bool = False
    workloads: bool = False
    priority_classes: frozenset[str] | None = None
    """Names of the classes that exist; None when not known."""
    pod_monitors: bool = False
    """Whether PodMonitors are served and may be read."""
    waiter_image: str = ""
    """Image of the init container by which pods wait for others; empty if not configured."""
    resource_claims: bool = False
    """Whether ResourceClaims (resource.k8s.io/v1) are served and known."""
    compute_domains: bool = False
    """The same of ComputeDomains (resource.nvidia.com/v1beta1)."""
    mnnvl: bool = False
    """Whether ComputeDomains may be made, by the operator's settings."""

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
    """The objects of one gang, composite first."""

    composite: dict[str, Any] | None
    pod_groups: tuple[dict[str, Any], ...]


def gang_minimum(slot: CliqueSlot, replicas: int, outside: int = 0) -> int:
    """Pods of the clique that must be placed together.

    A clique scaled below its minimum lowers it, and so does a pod that was placed `outside` the
    group, before the cluster had groups: nothing could ever be placed otherwise.
    """
    members = replicas - outside
    return max(1, min(slot.blueprint.min_available, replicas) - outside) if members > 0 else 0


def pod_group_of(slot: CliqueSlot, capabilities: Capabilities) -> str:
    """Name of the PodGroup that the clique's pods join."""
    return slot.name if capabilities.composite_groups else slot.gang


def build_native_gang(
    blueprint: SetBlueprint,
    gang: GangSlot,
    replicas: Mapping[str, int],
    capabilities: Capabilities,
    replica: int,
    outside: Mapping[str, int] | None = None,
) -> NativeGang:
    """The groups of a gang.

    `replicas` are the live counts of its PodCliques, `outside` how many
    pods of each were placed before there were groups.

    A clique at zero has no group and does not count.
    """
    placed_before = outside or {}
    counts = {
        slot.name: gang_minimum(slot, replicas.get(slot.name, 0), placed_before.get(slot.name, 0))
        for slot in gang.cliques
    }
    present = [slot for slot in gang.cliques if counts[slot.name] > 0]
    if not present:
        return NativeGang(None, ())
    builder = _Builder(blueprint, gang, capabilities, replica)
    if not capabilities.composite_groups:
        return NativeGang(None, (builder.whole_gang(sum(counts.values())),))
    parent = len(gang.cliques) > 1
    groups = tuple(builder.pod_group(slot, counts[slot.name], parent=parent) for slot in present)
    return NativeGang(builder.composite(len(present)) if parent else None, groups)


@dataclass(frozen=True, slots=True)
class _Builder:
    blueprint: SetBlueprint
    gang: GangSlot
    capabilities: Capabilities
    replica: int

    def composite(self, minimum: int) -> dict[str, Any]:
        spec = {
            "workloadRef": self._reference(_template_of(self.gang)),
            "schedulingPolicy": {"gang": {"minGroupCount": minimum}},
        }
        return self._body(COMPOSITE_API, "CompositePodGroup", self.gang.name, {}, spec)

    def pod_group(self, slot: CliqueSlot, minimum: int, *, parent: bool) -> dict[str, Any]:
        spec: dict[str, Any] = {"schedulingPolicy": {"gang": {"minCount": minimum}}}
        if parent:
            spec["parentCompositePodGroupName"] = self.gang.name
            spec["workloadRef"] = self._reference(_member_template(self.gang, slot))
        elif not _has_composites(self.blueprint):
            spec["workloadRef"] = self._reference(_template_of(self.gang))
        clique = {labels.PODCLIQUE: slot.name}
        return self._body(POD_GROUP_API, "PodGroup", slot.name, clique, spec)

    def whole_gang(self, minimum: int) -> dict[str, Any]:
        spec = {
            "workloadRef": self._reference(_template_of(self.gang)),
            "schedulingPolicy": {"gang": {"minCount": minimum}},
        }
        return self._body(POD_GROUP_API, "PodGroup", self.gang.name, {}, spec)

    def _reference(self, template: str) -> dict[str, str]:
        workload = _workload_of(self.blueprint, _template_of(self.gang))
        return {"workloadName": workload, "templateName": template}

    def _body(
        self, api: str, kind: str, name: str, extra: Mapping[str, str], spec: dict[str, Any]
    ) -> dict[str, Any]:
        priority = self.blueprint.priority_class
        known = self.capabilities.priority_classes
        if priority and (known is None or priority in known):
            spec["priorityClassName"] = priority
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


_BASE_GANG: Final = "gang-base"


def _scaled_gang(group: str) -> str:
    return f"gang-of-{group}"


def _template_of(gang: GangSlot) -> str:
    """Name of the Workload template that describes the gang. Names are unique in a Workload."""
    group = gang.cliques[0].group if gang.base_gang is not None else None
    return _scaled_gang(group.blueprint.name) if group else _BASE_GANG


def _member_template(gang: GangSlot, slot: CliqueSlot) -> str:
    return f"{'scaled' if gang.base_gang else 'base'}-{slot.blueprint.name}"


def _workload_of(blueprint: SetBlueprint, gang_template: str) -> str:
    """Name of the Workload that describes the gang; eight fit in each."""
    templates = [_BASE_GANG, *(_scaled_gang(group.name) for group in blueprint.groups)]
    position = templates.index(gang_template) // MAX_TEMPLATES
    return blueprint.name if position == 0 else f"{blueprint.name}.{position}"


def _has_composites(blueprint: SetBlueprint) -> bool:
    """Whether any gang of the set has more than one clique."""
    base = len(blueprint.standalone) + sum(
        group.min_available * len(group.cliques) for group in blueprint.groups
    )
    return base > 1 or any(len(group.cliques) > 1 for group in blueprint.groups)


def build_workloads(
    blueprint: SetBlueprint, capabilities: Capabilities
) -> Iterator[dict[str, Any]]:
    """Describe the set's gangs, by composites or by single groups: a Workload holds one sort.

    A gang with more than eight cliques is described by its first eight: the list holds no more.
    """
    composites = capabilities.composite_groups and _has_composites(blueprint)
    field = "compositePodGroupTemplates" if composites else "podGroupTemplates"
    by_workload: dict[str, dict[str, dict[str, Any]]] = {}
    for gang in expand(_with_one_scaled_replica(blueprint), 0, {}).gangs:
        if not gang.cliques or (composites and len(gang.cliques) == 1):
            continue
        name = _template_of(gang)
        body = _composite_template(gang) if composites else _group_template(gang)
        by_workload.setdefault(_workload_of(blueprint, name), {}).setdefault(name, body)
    for workload, templates in by_workload.items():
        yield {
            "apiVersion": POD_GROUP_API,
            "kind": "Workload",
            "metadata": {
                "name": workload,
                "namespace": blueprint.namespace,
                "labels": blueprint.pair | {labels.NAME: workload},
            },
            "spec": {field: list(templates.values())},
        }


def _with_one_scaled_replica(blueprint: SetBlueprint) -> SetBlueprint:
    """The set as if each group had one replica beyond its minimum: that shows all its gangs."""
    groups = tuple(replace(group, replicas=group.min_available + 1) for group in blueprint.groups)
    return replace(blueprint, groups=groups)


def _group_template(gang: GangSlot) -> dict[str, Any]:
    minimum = sum(slot.blueprint.min_available for slot in gang.cliques)
    return {"name": _template_of(gang), "schedulingPolicy": {"gang": {"minCount": minimum}}}


def _composite_template(gang: GangSlot) -> dict[str, Any]:
    members: dict[str, int] = {}
    for slot in gang.cliques:
        members.setdefault(_member_template(gang, slot), slot.blueprint.min_available)
    return {
        "name": _template_of(gang),
        "schedulingPolicy": {"gang": {"minGroupCount": len(gang.cliques)}},
        "podGroupTemplates": [
            {"name": name, "schedulingPolicy": {"gang": {"minCount": minimum}}}
            for name, minimum in list(members.items())[:MAX_TEMPLATES]
        ],
    }


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
