"""KAI: one PodGroup (scheduling.run.ai) for each PodGang, with a tree of subgroups.

Two contracts. As a rule the operator makes the PodGroup, named like the PodGang, and marks pods so
that KAI's pod grouper leaves them alone; that needs KAI 0.15. For older ones the pod grouper makes
it of the PodGang, and pods carry nothing of ours. Queue, markUnschedulable, schedulingBackoff and
the labels of queue and node pool belong to KAI once the PodGroup exists.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from grove_operator.admission.schedulers import KAI, KAI_QUEUE, kai_queue
from grove_operator.api import labels
from grove_operator.desired.blueprint import SetBlueprint
from grove_operator.desired.expansion import CliqueSlot
from grove_operator.observed import Child, Kind, ReplicaSnapshot
from grove_operator.scheduling.backend import (
    NOTHING,
    UNAVAILABLE,
    Body,
    Gang,
    Preparation,
    Problem,
    Promise,
    said,
)
from grove_operator.scheduling.comparing import lacking_entries, lacking_fields
from grove_operator.scheduling.profiles import Presence, Profiles

API: Final = "scheduling.run.ai/v2alpha2"
SKIP_GROUPER: Final = "kai.scheduler/skip-podgrouper"
GROUP_NAME: Final = "pod-group-name"
SUBGROUP: Final = "kai.scheduler/subgroup-name"
TOPOLOGY: Final = "kai.scheduler/topology"
MAPPING_FAILED: Final = "KAIBackendMappingFailed"
_NODE_POOL: Final = "kai.scheduler/node-pool"
_UNSCHEDULABLE: Final = "UnschedulableOnNodePool"
_SPEC: Final = ("minMember", "priorityClassName", "topologyConstraint", "subGroups")
"""What we go on to own; the queue is given once."""


@dataclass(frozen=True, slots=True)
class Kai:
    """`kai-scheduler`."""

    profiles: Profiles

    @property
    def group_kind(self) -> Kind | None:
        return None if self.profiles.pod_grouper else Kind.KAI_POD_GROUP

    def prepare_pod(self, slot: CliqueSlot) -> Preparation:
        if self.profiles.pod_grouper:
            return NOTHING
        return Preparation(
            labels={SUBGROUP: slot.name},
            annotations={SKIP_GROUPER: "true", GROUP_NAME: slot.gang},
        )

    def prepare_gang(self, blueprint: SetBlueprint) -> Preparation:
        """The pod grouper knows a queue by the PodGang's label, wherever the user has put it."""
        if not self.profiles.pod_grouper:
            return Preparation(annotations={SKIP_GROUPER: "true"})
        queue, _ = resolve_queue(blueprint)
        return Preparation(labels={KAI_QUEUE: queue}) if queue else NOTHING

    def group(self, gang: Gang) -> Body | None:
        minimums = gang.minimums()
        if not minimums or self.profiles.pod_grouper or self.problem(gang):
            return None
        metadata: Body = {
            "name": gang.name,
            "namespace": gang.blueprint.namespace,
            "labels": dict(gang.labels),
        }
        if gang.annotations:
            metadata["annotations"] = dict(gang.annotations)
        return {
            "apiVersion": API,
            "kind": "PodGroup",
            "metadata": metadata,
            "spec": _spec(gang, minimums),
        }

    def mend(self, existing: Child, body: Body) -> Body:
        spec = lacking_fields(existing.body.get("spec", {}), body["spec"], _SPEC)
        kept = (KAI_QUEUE, _NODE_POOL)
        own = lacking_entries(existing.meta.labels, body["metadata"]["labels"], kept)
        notes = lacking_entries(existing.meta.annotations, body["metadata"].get("annotations", {}))
        metadata = {"labels": own, "annotations": notes}
        patch = {"spec": spec, "metadata": {key: value for key, value in metadata.items() if value}}
        return {key: value for key, value in patch.items() if value}

    def problem(self, gang: Gang) -> Problem | None:
        if self.profiles.pod_grouper:
            return None
        if self.profiles.presence(KAI) is not Presence.SERVED:
            return _ABSENT.as_problem()
        _, text = resolve_queue(gang.blueprint)
        if not text and _is_constrained(gang.spec) and not _topology(gang):
            text = f"its topology constraint names no topology ({labels.TOPOLOGY_NAME})"
        return Problem(MAPPING_FAILED, text) if text else None

    def group_of(self, slot: CliqueSlot) -> str:
        return slot.gang

    def refusals(self, seen: ReplicaSnapshot) -> dict[str, str]:
        """Of groups of either contract, by PodGang."""
        grouped = {f"pg-{name}-{gang.meta.uid}": name for name, gang in seen.gangs.items()}
        found = {
            grouped.get(name, name): said(group.status.get("schedulingConditions"), _UNSCHEDULABLE)
            for name, group in seen.kai_groups.items()
        }
        return {name: text for name, text in found.items() if text}

    def promise(self, blueprint: SetBlueprint) -> Promise:
        if self.profiles.presence(KAI) is not Presence.SERVED:
            return _ABSENT
        _, problem = resolve_queue(blueprint)
        if problem:
            return Promise(False, "QueueUnresolved", problem)
        return _BY_GROUPER if self.profiles.pod_grouper else _HELD


_ABSENT: Final = Promise(
    False,
    UNAVAILABLE,
    f"the API server serves no PodGroups of KAI ({API}), so these pods wait; install KAI 0.15 or "
    "newer, or name another scheduler",
)
_HELD: Final = Promise(
    True, "KaiGangScheduling", "kai-scheduler places each gang all-or-nothing, by its PodGroup"
)
_BY_GROUPER: Final = Promise(
    True,
    "KaiPodGrouper",
    "kai-scheduler places each gang all-or-nothing; its pod grouper makes the PodGroups",
)


def resolve_queue(blueprint: SetBlueprint) -> tuple[str, str]:
    """The queue of a set, or why there is none. The set's own label or annotation wins."""
    own = kai_queue(blueprint.mirrored_labels, blueprint.mirrored_annotations)
    found = {
        clique.name: queue
        for clique in blueprint.by_name.values()
        if (queue := kai_queue(clique.labels, clique.annotations))
    }
    different = sorted({*found.values(), own} - {""})
    if not different:
        return "", f"no KAI queue is configured, set the label {KAI_QUEUE} of the PodCliqueSet"
    if len(different) > 1:
        return "", f"conflicting KAI queues, one is needed for all: {', '.join(different)}"
    return different[0], ""


def _spec(gang: Gang, minimums: Mapping[str, int]) -> Body:
    queue, _ = resolve_queue(gang.blueprint)
    spec: Body = {
        "minMember": sum(minimums.values()),
        "queue": queue,
        "subGroups": list(_subgroups(gang, minimums)),
    }
    if priority := gang.spec.get("priorityClassName"):
        spec["priorityClassName"] = priority
    return spec | _constraint(gang, gang.spec)


def _subgroups(gang: Gang, minimums: Mapping[str, int]) -> Iterator[Body]:
    """Parents first. A parent needs all its children, a leaf its minimum of pods."""
    parents: dict[str, str] = {}
    for config in gang.spec.get("topologyConstraintGroupConfigs") or ():
        members = [name for name in config["podGroupNames"] if name in minimums]
        if members:
            parents |= dict.fromkeys(members, config["name"])
            size = {"name": config["name"], "minSubGroup": len(members)}
            yield size | _constraint(gang, config)
    for group in gang.spec["podgroups"]:
        name = group["name"]
        if name in minimums:
            leaf = {"name": name, "minMember": minimums[name]}
            parent = {"parent": parents[name]} if name in parents else {}
            yield leaf | parent | _constraint(gang, group)


def _constraint(gang: Gang, holder: Mapping[str, Any]) -> Body:
    """The field `topologyConstraint`, if what holds it is constrained."""
    pack = _pack(holder)
    if not pack:
        return {}
    levels = {
        ours: pack[theirs]
        for theirs, ours in (
            ("required", "requiredTopologyLevel"),
            ("preferred", "preferredTopologyLevel"),
        )
        if pack.get(theirs)
    }
    return {"topologyConstraint": {"topology": _topology(gang), **levels}}


def _pack(holder: Mapping[str, Any]) -> Mapping[str, Any]:
    found: Mapping[str, Any] = (holder.get("topologyConstraint") or {}).get("packConstraint") or {}
    return found


def _is_constrained(spec: Mapping[str, Any]) -> bool:
    holders = (
        spec,
        *(spec.get("topologyConstraintGroupConfigs") or ()),
        *(spec.get("podgroups") or ()),
    )
    return any(map(_pack, holders))


def _topology(gang: Gang) -> str:
    return gang.annotations.get(labels.TOPOLOGY_NAME) or gang.annotations.get(TOPOLOGY) or ""
