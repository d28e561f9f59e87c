"""Who shares which resource claim: the entries of `resourceSharing`, with names looked up.

Owns what a name means (a template of the set, or else a ResourceClaimTemplate object) and what the
filters let through. Refuses to know what exists.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from grove_operator.api import labels
from grove_operator.api.podcliqueset import CliqueTemplate, PodCliqueSet, ScalingGroupConfig
from grove_operator.api.quantities import amount
from grove_operator.api.sharing import ResourceSharing, SetSharingFilter, SharingScope

NO_GROUP: Final = "none"
GPU: Final = "nvidia.com/gpu"

TemplateRef = tuple[str, str]
"""Namespace and name of a ResourceClaimTemplate object."""


@dataclass(frozen=True, slots=True)
class SharedClaim:
    """One entry. Either `spec` is given, or `source` names the object that has it."""

    template: str
    per_copy: bool
    """One claim for each copy of the level; otherwise one for all of them."""
    cliques: frozenset[str]
    """Names of the cliques whose pods use it."""
    spec: Mapping[str, Any] | None = None
    source: TemplateRef | None = None


def set_claims(pcs: PodCliqueSet) -> tuple[SharedClaim, ...]:
    template = pcs.spec.template
    every = {clique.name for clique in template.cliques}

    def covered(only: SetSharingFilter | None) -> Iterator[str]:
        for name in every:
            group = template.group_of(name)
            if (
                only is None
                or name in only.child_clique_names
                or (group is not None and group.name in only.child_scaling_group_names)
            ):
                yield name

    return _claims(pcs, ((entry, covered(entry.filter)) for entry in template.resource_sharing))


def group_claims(pcs: PodCliqueSet, group: ScalingGroupConfig) -> tuple[SharedClaim, ...]:
    return _claims(
        pcs,
        (
            (entry, group.clique_names if entry.filter is None else entry.filter.child_clique_names)
            for entry in group.resource_sharing
        ),
    )


def clique_claims(pcs: PodCliqueSet, clique: CliqueTemplate) -> tuple[SharedClaim, ...]:
    return _claims(pcs, ((entry, (clique.name,)) for entry in clique.resource_sharing))


def _claims(
    pcs: PodCliqueSet, entries: Iterable[tuple[ResourceSharing, Iterable[str]]]
) -> tuple[SharedClaim, ...]:
    """Those for all copies first: that is their order in pods."""
    own = {item.name: item.template_spec for item in pcs.spec.template.resource_claim_templates}
    found = [_claim(pcs, own, entry, frozenset(cliques)) for entry, cliques in entries]
    return tuple(sorted(found, key=lambda claim: claim.per_copy))


def _claim(
    pcs: PodCliqueSet,
    own: Mapping[str, Mapping[str, Any]],
    entry: ResourceSharing,
    cliques: frozenset[str],
) -> SharedClaim:
    per_copy = entry.scope is SharingScope.PER_REPLICA
    if not entry.namespace and entry.name in own:
        spec = own[entry.name].get("spec") or {}
        return SharedClaim(entry.name, per_copy, cliques, spec=spec)
    source = (entry.namespace or pcs.metadata.namespace, entry.name)
    return SharedClaim(entry.name, per_copy, cliques, source=source)


def mnnvl_group(pcs: PodCliqueSet, clique: CliqueTemplate) -> str:
    """The NVLink group that the clique asks for: the nearest annotation counts. Empty for none."""
    group = pcs.spec.template.group_of(clique.name)
    layers = [clique.annotations, group.annotations if group else {}, pcs.metadata.annotations]
    for annotations in layers:
        value = annotations.get(labels.MNNVL_GROUP)
        if value is not None:
            return "" if value == NO_GROUP else value
    return ""


def claims_named(pod_spec: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """The ResourceClaims, and the ResourceClaimTemplates, that a pod spec names itself."""
    entries = pod_spec.get("resourceClaims") or ()
    claims = (entry.get("resourceClaimName") for entry in entries)
    templates = (entry.get("resourceClaimTemplateName") for entry in entries)
    return [str(name) for name in claims if name], [str(name) for name in templates if name]


def wants_gpus(container: Mapping[str, Any]) -> bool:
    """Whether a container asks for whole GPUs, as a limit or a request."""
    resources = container.get("resources") or {}
    return any(
        amount(GPU, (resources.get(field) or {}).get(GPU) or 0) > 0
        for field in ("limits", "requests")
    )
