"""ResourceClaims that pods share: their names and bodies, and how pods refer to them.

A claim belongs to the level at which its entry stands: set, scaling group or PodClique.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from grove_operator.api import labels, names
from grove_operator.desired.blueprint import SetBlueprint, replica_label
from grove_operator.desired.computedomain import claiming, domain_group
from grove_operator.desired.expansion import CliqueSlot, GroupSlot
from grove_operator.desired.sharing import SharedClaim, TemplateRef, claims_named
from grove_operator.observed import Kind

API: Final = "resource.k8s.io/v1"
_LABEL: Final = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


@dataclass(frozen=True, slots=True)
class WantedClaim:
    """A ResourceClaim that should exist. `owner` controls it."""

    name: str
    owner_kind: Kind
    owner: str
    own_labels: Mapping[str, str]
    shared: SharedClaim

    def labels(self, blueprint: SetBlueprint) -> dict[str, str]:
        return {
            **blueprint.pair,
            labels.COMPONENT: labels.COMPONENT_CLAIM,
            **self.own_labels,
        }


def claims_of_set(blueprint: SetBlueprint) -> Iterator[WantedClaim]:
    """What all replicas of the set share."""
    for shared in blueprint.claims:
        if not shared.per_copy:
            name = names.shared_claim_name(blueprint.name, shared.template)
            yield WantedClaim(name, Kind.SET, blueprint.name, {}, shared)


def claims_of_replica(blueprint: SetBlueprint, replica: int) -> Iterator[WantedClaim]:
    """What one replica of the set shares."""
    for shared in blueprint.claims:
        if shared.per_copy:
            name = names.copy_claim_name(blueprint.name, replica, shared.template)
            yield WantedClaim(name, Kind.SET, blueprint.name, replica_label(replica), shared)


def claims_of_group(slot: GroupSlot) -> Iterator[WantedClaim]:
    own = {labels.SCALING_GROUP: slot.name}
    for shared in slot.blueprint.claims:
        if not shared.per_copy:
            name = names.shared_claim_name(slot.name, shared.template)
            yield WantedClaim(name, Kind.SCALING_GROUP, slot.name, own, shared)
            continue
        for index in range(slot.replicas):
            name = names.copy_claim_name(slot.name, index, shared.template)
            labelled = own | {labels.GROUP_REPLICA_INDEX: str(index)}
            yield WantedClaim(name, Kind.SCALING_GROUP, slot.name, labelled, shared)


def claims_of_clique(slot: CliqueSlot, indices: Iterable[int]) -> Iterator[WantedClaim]:
    """`indices` are those of its pods."""
    own = {labels.PODCLIQUE: slot.name}
    for shared in slot.blueprint.claims:
        if not shared.per_copy:
            name = names.shared_claim_name(slot.name, shared.template)
            yield WantedClaim(name, Kind.CLIQUE, slot.name, own, shared)
            continue
        for index in indices:
            name = names.copy_claim_name(slot.name, index, shared.template)
            labelled = own | {labels.POD_INDEX: str(index)}
            yield WantedClaim(name, Kind.CLIQUE, slot.name, labelled, shared)


def named_by_pods(blueprint: SetBlueprint) -> tuple[set[TemplateRef], set[TemplateRef]]:
    """The claims, and the templates of claims, that the set's pod specs name."""
    claims: set[TemplateRef] = set()
    templates: set[TemplateRef] = set()
    for clique in blueprint.by_name.values():
        own, made = claims_named(clique.spec["podSpec"])
        claims |= {(blueprint.namespace, name) for name in own}
        templates |= {(blueprint.namespace, name) for name in made}
    return claims, templates


def domain_templates(blueprint: SetBlueprint) -> Iterator[tuple[TemplateRef, int]]:
    """Those that NVIDIA's driver makes for the set's ComputeDomains, with the replica of each."""
    groups = set(map(domain_group, blueprint.by_name.values())) - {""}
    for replica in range(blueprint.replicas if groups else 0):
        for group in groups:
            name = names.compute_domain_name(names.replica_name(blueprint.name, replica), group)
            yield (blueprint.namespace, name), replica


def build_claim(
    blueprint: SetBlueprint, wanted: WantedClaim, spec: Mapping[str, Any]
) -> dict[str, Any]:
    """Only the template's spec counts, not its metadata."""
    return {
        "apiVersion": API,
        "kind": "ResourceClaim",
        "metadata": {
            "name": wanted.name,
            "namespace": blueprint.namespace,
            "labels": wanted.labels(blueprint),
        },
        "spec": dict(spec),
    }


_Level = tuple[str, int, Sequence[SharedClaim]]
"""Whose claims, which copy of it, and the claims."""


def claims_of_pod(
    blueprint: SetBlueprint, slot: CliqueSlot, replica: int, pod_index: int
) -> list[str]:
    """Names of the claims that one pod uses: the set's, the group's, then its clique's."""
    own = (slot.name, pod_index, slot.blueprint.claims)
    return list(_names([*_levels_above(blueprint, slot, replica), own], slot))


def claims_of_pod_group(slot: CliqueSlot) -> list[str]:
    """Names of the claims that pods of the PodClique share, and with no pod of another gang."""
    levels: list[_Level] = []
    if slot.group is not None:
        copies = [claim for claim in slot.group.blueprint.claims if claim.per_copy]
        levels.append((slot.group.name, slot.group_replica, copies))
    levels.append((slot.name, 0, [claim for claim in slot.blueprint.claims if not claim.per_copy]))
    return list(_names(levels, slot))


def _levels_above(blueprint: SetBlueprint, slot: CliqueSlot, replica: int) -> Iterator[_Level]:
    yield blueprint.name, replica, blueprint.claims
    if slot.group is not None:
        yield slot.group.name, slot.group_replica, slot.group.blueprint.claims


def _names(levels: Iterable[_Level], slot: CliqueSlot) -> Iterator[str]:
    for owner, index, claims in levels:
        for shared in claims:
            if slot.blueprint.name not in shared.cliques:
                continue
            if shared.per_copy:
                yield names.copy_claim_name(owner, index, shared.template)
            else:
                yield names.shared_claim_name(owner, shared.template)


def claim_entries(claims: Iterable[str]) -> list[dict[str, str]]:
    """As they stand in pods and in PodGroups, where they must be the same."""
    return [{"name": _local_name(claim), "resourceClaimName": claim} for claim in claims]


def with_claims(pod_spec: dict[str, Any], claims: Sequence[str]) -> dict[str, Any]:
    """The pod spec with the claims in it and used by all containers; itself if there are none."""
    if not claims:
        return pod_spec
    local = [_local_name(claim) for claim in claims]
    result = dict(pod_spec)
    for field in ("initContainers", "containers"):
        if field in pod_spec:
            result[field] = [claiming(container, local) for container in pod_spec[field]]
    result["resourceClaims"] = [
        *(pod_spec.get("resourceClaims") or ()),
        *claim_entries(claims),
    ]
    return result


def _local_name(claim: str) -> str:
    """The claim's name inside a pod: its own, unless that is too long there or has dots."""
    if _LABEL.fullmatch(claim):
        return claim
    return f"claim-{hashlib.sha256(claim.encode()).hexdigest()[:16]}"
