"""Plans the devices of one replica, shared claims and ComputeDomains, and what they hold back.

A set that asks for none costs nothing here.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from grove_operator.api import labels
from grove_operator.desired.computedomain import build_compute_domain, domain_group
from grove_operator.desired.expansion import CliqueSlot
from grove_operator.observed import Kind, ReplicaSnapshot, ReplicaSummary
from grove_operator.plan.actions import Action, Create, Owner, Rank
from grove_operator.plan.claims import plan_replica_claims, wanted_claims
from grove_operator.plan.context import ReplicaContext
from grove_operator.plan.obstacles import drops_claims, missing_template
from grove_operator.plan.removal import remove_unexpected


def plan_devices(context: ReplicaContext, seen: ReplicaSnapshot) -> Iterator[Action]:
    if context.blueprint.claiming or seen.claims:
        yield from plan_replica_claims(context, seen)
    groups = _domain_groups(context)
    if groups or seen.compute_domains:
        yield from _plan_domains(context, seen, groups)


def _domain_groups(context: ReplicaContext) -> list[str]:
    """By the templates from which the PodCliques are made now, so that none loses its domain."""
    found = {domain_group(slot.blueprint) for slot in context.slots.cliques.values()}
    return sorted(found - {""})


def _plan_domains(
    context: ReplicaContext, seen: ReplicaSnapshot, groups: Sequence[str]
) -> Iterator[Action]:
    """One that exists is left as it is: NVIDIA's driver takes no changes."""
    blueprint, offered = context.blueprint, context.capabilities
    bodies = [build_compute_domain(blueprint, context.index, group) for group in groups]
    names = [body["metadata"]["name"] for body in bodies]
    if offered.compute_domains and offered.mnnvl:
        owner = Owner(Kind.SET, blueprint.name)
        for name, body in zip(names, bodies, strict=True):
            if name not in seen.compute_domains:
                yield Create(Rank.FOUNDATION, Kind.COMPUTE_DOMAIN, name, body, owner)
    existing = seen.compute_domains
    yield from remove_unexpected(Kind.COMPUTE_DOMAIN, existing, names, [blueprint.uid])


def hold_pods(context: ReplicaContext, actions: list[Action]) -> list[Action]:
    """Without the pods whose claims the API server would drop: they would run without devices."""
    if context.capabilities.resource_claims:
        return actions
    return [
        action
        for action in actions
        if not (
            isinstance(action, Create)
            and action.kind is Kind.POD
            and holds_pods(context, _slot(context, action))
        )
    ]


def holds_pods(context: ReplicaContext, slot: CliqueSlot) -> bool:
    return drops_claims(context.capabilities, context.blueprint, slot.blueprint)


def _slot(context: ReplicaContext, pod: Create) -> CliqueSlot:
    return context.slots.cliques[pod.body["metadata"]["labels"][labels.PODCLIQUE]]


def tell_obstacle(
    summary: ReplicaSummary, context: ReplicaContext, seen: ReplicaSnapshot
) -> ReplicaSummary:
    """The summary with the first claim that cannot be made, if there is one."""
    if not context.blueprint.claim_sources or not context.capabilities.resource_claims:
        return summary
    for wanted in wanted_claims(context, seen):
        if wanted.name not in seen.claims:
            obstacle = missing_template(wanted, seen.claim_templates)
            if obstacle is not None:
                code, text = obstacle.error
                return replace(summary, problem=text, problem_code=code)
    return summary
