"""Plans shared ResourceClaims: made from their templates, labelled, and removed when unused.

A claim's spec can never change, so only its labels are kept. Claims of a set, scaling group or
PodClique that goes away go with it, by garbage collection.
"""

from collections.abc import Iterable, Iterator, Mapping

from grove_operator.desired.blueprint import SetBlueprint
from grove_operator.desired.claims import (
    WantedClaim,
    build_claim,
    claims_of_clique,
    claims_of_group,
    claims_of_replica,
    claims_of_set,
)
from grove_operator.desired.expansion import CliqueSlot
from grove_operator.observed import Child, ClaimTemplates, Kind, Meta, ReplicaSnapshot, SetSnapshot
from grove_operator.plan.actions import Action, Create, Owner, Patch, Rank, missing
from grove_operator.plan.context import ReplicaContext
from grove_operator.plan.removal import remove_unexpected
from grove_operator.policy.placement import pod_index
from grove_operator.scheduling.native import Capabilities


def plan_set_claims(
    blueprint: SetBlueprint, seen: SetSnapshot, capabilities: Capabilities
) -> Iterator[Action]:
    """What all replicas share. Such a claim is never too much: `resourceSharing` cannot change."""
    if capabilities.resource_claims:
        existing = seen.children.get(Kind.RESOURCE_CLAIM, {})
        wanted = claims_of_set(blueprint)
        yield from _keep(blueprint, wanted, existing, seen.claim_templates)


def plan_replica_claims(context: ReplicaContext, seen: ReplicaSnapshot) -> Iterator[Action]:
    wanted = list(wanted_claims(context, seen))
    if context.capabilities.resource_claims:
        yield from _keep(context.blueprint, wanted, seen.claims, seen.claim_templates)
    owners = [context.blueprint.uid, *(group.meta.uid for group in context.groups.values())]
    owners += [
        clique.meta.uid for name, clique in context.cliques.items() if name in context.slots.cliques
    ]
    names = {claim.name for claim in wanted}
    yield from remove_unexpected(Kind.RESOURCE_CLAIM, seen.claims, names, owners)


def wanted_claims(context: ReplicaContext, seen: ReplicaSnapshot) -> Iterator[WantedClaim]:
    """All that this replica needs and that has somebody to belong to."""
    yield from claims_of_replica(context.blueprint, context.index)
    for group in context.slots.groups:
        if group.name in context.groups:
            yield from claims_of_group(group)
    for name, slot in context.slots.cliques.items():
        if slot.blueprint.claims and name in context.cliques:
            yield from claims_of_clique(slot, _indices(context, slot, seen))


def _indices(context: ReplicaContext, slot: CliqueSlot, seen: ReplicaSnapshot) -> list[int]:
    """The first `replicas` ones, and any other that a pod has: its claim must not go before it."""
    wanted = set(range(context.cliques[slot.name].replicas))
    wanted |= {
        index for pod in seen.pods.get(slot.name, ()) if (index := pod_index(pod)) is not None
    }
    return sorted(wanted)


def _keep(
    blueprint: SetBlueprint,
    claims: Iterable[WantedClaim],
    existing: Mapping[str, Child],
    templates: ClaimTemplates | None,
) -> Iterator[Action]:
    for wanted in claims:
        child = existing.get(wanted.name)
        if child is not None:
            yield from _mend(child.meta, wanted.labels(blueprint))
            continue
        shared = wanted.shared
        spec = shared.spec
        if spec is None and templates is not None and shared.source is not None:
            spec = templates.get(shared.source)
        if spec is not None:
            body = build_claim(blueprint, wanted, spec)
            owner = Owner(wanted.owner_kind, wanted.owner)
            yield Create(Rank.FOUNDATION, Kind.RESOURCE_CLAIM, wanted.name, body, owner)


def _mend(meta: Meta, labels: Mapping[str, str]) -> Iterator[Patch]:
    lacking = missing(meta.labels, dict(labels))
    if lacking and not meta.deleting:
        body = {"metadata": {"labels": lacking}}
        why = "metadata.labels"
        yield Patch(Rank.FOUNDATION, Kind.RESOURCE_CLAIM, meta.name, meta.uid, body, why)
