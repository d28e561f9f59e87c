"""Which claims the pods of a gang name and do not have.

Kubernetes keeps such a pod, and with it its whole gang, from the scheduler, and says so nowhere:
no condition, no event. So it has to be found out here.
"""

from collections.abc import Iterator
from functools import cached_property

from grove_operator.api import names
from grove_operator.desired.claims import WantedClaim, claims_of_pod, claims_of_set
from grove_operator.desired.expansion import CliqueSlot
from grove_operator.desired.sharing import claims_named
from grove_operator.observed import ReplicaSnapshot
from grove_operator.plan.claims import wanted_claims
from grove_operator.plan.context import ReplicaContext
from grove_operator.plan.obstacles import DOMAINS_OFF, DOMAINS_UNSERVED, missing_template
from grove_operator.policy.placement import pod_index


class MissingClaims:
    """One look at one replica."""

    def __init__(self, context: ReplicaContext, seen: ReplicaSnapshot) -> None:
        self._context = context
        self._seen = seen

    def of(self, slot: CliqueSlot) -> str:
        """What pods of the PodClique lack; empty if nothing is known to be missing."""
        return "; ".join(dict.fromkeys((*self._named(slot), *self._shared(slot))))

    def is_unsure(self, slot: CliqueSlot) -> bool:
        """Whether its pods name what is not known to exist or not, as when an operator starts."""
        claims, templates = claims_named(self._context.cliques[slot.name].spec["podSpec"])
        return bool(claims and self._seen.surroundings.claims is None) or bool(
            templates and self._seen.claim_templates is None
        )

    def _named(self, slot: CliqueSlot) -> Iterator[str]:
        """What the pod spec itself names, by its user or by us."""
        context, seen = self._context, self._seen
        spec, namespace = context.cliques[slot.name].spec["podSpec"], context.blueprint.namespace
        existing, templates = seen.surroundings.claims, seen.claim_templates
        for item in spec.get("resourceClaims") or ():
            claim, template = item.get("resourceClaimName"), item.get("resourceClaimTemplateName")
            if claim and existing is not None and (namespace, claim) not in existing:
                yield f"there is no ResourceClaim {claim}"
            if template and templates is not None and (namespace, template) not in templates:
                yield f"there is no ResourceClaimTemplate {template}{self._maker(slot, template)}"

    def _maker(self, slot: CliqueSlot, template: str) -> str:
        """Who would make it."""
        context, group = self._context, slot.blueprint.mnnvl_group
        base = slot.base_gang or slot.gang
        if not group or template != names.compute_domain_name(base, group):
            return ""
        if not context.capabilities.mnnvl:
            return f": {DOMAINS_OFF}"
        if not context.capabilities.compute_domains:
            return f": {DOMAINS_UNSERVED}"
        return ", which NVIDIA's DRA driver makes for the ComputeDomain of that name"

    def _shared(self, slot: CliqueSlot) -> Iterator[str]:
        """Claims that are ours to make. One pod is looked at: the others lack as much."""
        context, seen = self._context, self._seen
        if slot.blueprint.name not in context.blueprint.claiming:
            return
        waiting = (pod for pod in seen.pods.get(slot.name, ()) if not pod.scheduled)
        index = next((index for pod in waiting if (index := pod_index(pod)) is not None), 0)
        for name in claims_of_pod(context.blueprint, slot, context.index, index):
            if name in seen.claims or name in seen.surroundings.set_claims:
                continue
            wanted = self._wanted.get(name)
            obstacle = missing_template(wanted, seen.claim_templates) if wanted else None
            yield obstacle.text if obstacle else f"there is no ResourceClaim {name}"

    @cached_property
    def _wanted(self) -> dict[str, WantedClaim]:
        every = (*claims_of_set(self._context.blueprint), *wanted_claims(self._context, self._seen))
        return {claim.name: claim for claim in every}
