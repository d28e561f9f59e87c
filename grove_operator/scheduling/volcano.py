"""Volcano: one PodGroup (scheduling.volcano.sh) for each PodGang, with a policy for each clique.

Needs a Volcano whose PodGroups know `subGroupPolicy` (1.14); an older API server would drop the
field without a word, and with it the minimum of each clique.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from grove_operator.admission.schedulers import VOLCANO, VOLCANO_DEFAULT, volcano_annotation
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

API: Final = "scheduling.volcano.sh/v1beta1"
_GROUP_NAMES: Final = ("scheduling.volcano.sh/group-name", "scheduling.k8s.io/group-name")
_SPEC: Final = ("minMember", "queue", "priorityClassName", "subGroupPolicy")


@dataclass(frozen=True, slots=True)
class Volcano:
    """`volcano`."""

    profiles: Profiles
    group_kind = Kind.VOLCANO_POD_GROUP

    def prepare_pod(self, slot: CliqueSlot) -> Preparation:
        return Preparation(annotations=dict.fromkeys(_GROUP_NAMES, slot.gang))

    def prepare_gang(self, blueprint: SetBlueprint) -> Preparation:
        del blueprint
        return NOTHING

    def group(self, gang: Gang) -> Body | None:
        minimums = gang.minimums()
        if not minimums or self.problem(gang):
            return None
        return {
            "apiVersion": API,
            "kind": "PodGroup",
            "metadata": {
                "name": gang.name,
                "namespace": gang.blueprint.namespace,
                "labels": dict(gang.labels),
            },
            "spec": _spec(gang, minimums),
        }

    def mend(self, existing: Child, body: Body) -> Body:
        spec = lacking_fields(existing.body.get("spec", {}), body["spec"], _SPEC)
        own = lacking_entries(existing.meta.labels, body["metadata"]["labels"])
        patch = {"spec": spec, "metadata": {"labels": own} if own else {}}
        return {key: value for key, value in patch.items() if value}

    def problem(self, gang: Gang) -> Problem | None:
        promise = self.promise(gang.blueprint)
        return None if promise.holds else promise.as_problem()

    def group_of(self, slot: CliqueSlot) -> str:
        return slot.gang

    def refusals(self, seen: ReplicaSnapshot) -> dict[str, str]:
        found = {
            name: said(group.status.get("conditions"), "Unschedulable")
            for name, group in seen.volcano_groups.items()
        }
        return {name: text for name, text in found.items() if text}

    def promise(self, blueprint: SetBlueprint) -> Promise:
        presence = self.profiles.presence(VOLCANO)
        if presence is not Presence.SERVED:
            return _ABSENT if presence is Presence.ABSENT else _OUTDATED
        _, problem = resolve_queue(blueprint)
        return Promise(False, "QueueUnresolved", problem) if problem else _HELD


_ABSENT: Final = Promise(
    False,
    UNAVAILABLE,
    f"the API server serves no PodGroups of Volcano ({API}), so these pods wait; install Volcano "
    "1.14 or newer, or name another scheduler",
)
_OUTDATED: Final = Promise(
    False,
    UNAVAILABLE,
    "the PodGroups of Volcano have no field subGroupPolicy, or the operator may not read their "
    "definition, so these pods wait; upgrade Volcano, CRDs included, to 1.14 or newer",
)
_HELD: Final = Promise(
    True, "VolcanoGangScheduling", "volcano places each gang all-or-nothing, by its PodGroup"
)


def resolve_queue(blueprint: SetBlueprint) -> tuple[str, str]:
    """The queue of a set, or why there is none. One that only cliques name counts as well."""
    own = volcano_annotation(blueprint.mirrored_annotations)
    above = own or VOLCANO_DEFAULT
    found = {
        volcano_annotation(clique.annotations) or above for clique in blueprint.by_name.values()
    }
    if len(found) > 1:
        names = ", ".join(sorted(found))
        return "", f"all cliques must resolve to the same queue of volcano, not to {names}"
    return next(iter(found), above), ""


def _spec(gang: Gang, minimums: Mapping[str, int]) -> Body:
    queue, _ = resolve_queue(gang.blueprint)
    spec: Body = {
        "minMember": sum(minimums.values()),
        "queue": queue,
        "subGroupPolicy": [_policy(name, least) for name, least in minimums.items()],
    }
    if priority := gang.spec.get("priorityClassName"):
        spec["priorityClassName"] = priority
    return spec


def _policy(clique: str, least: int) -> Body:
    return {
        "name": clique,
        "labelSelector": {"matchLabels": {labels.PODCLIQUE: clique}},
        "matchLabelKeys": [labels.PODCLIQUE],
        "subGroupSize": least,
        "minSubGroups": 1,
    }
