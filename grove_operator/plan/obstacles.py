"""What is in the way of the devices that a set asks for, and how its users are told.

A condition on the set, an event when it changes, and an entry of lastErrors in Grove's form.
"""

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from grove_operator.api import conditions as c
from grove_operator.desired.blueprint import CliqueBlueprint, SetBlueprint
from grove_operator.desired.claims import WantedClaim, claims_of_set
from grove_operator.desired.computedomain import domain_group
from grove_operator.observed import Child, ClaimTemplates, Kind, SetSnapshot
from grove_operator.plan.actions import Event
from grove_operator.scheduling.native import Capabilities

DEVICE_CODES: Final = {
    (Kind.RESOURCE_CLAIM, Kind.SET): "ERR_SYNC_PCS_RESOURCE_CLAIM",
    (Kind.RESOURCE_CLAIM, Kind.SCALING_GROUP): "ERR_SYNC_PCSG_RESOURCE_CLAIM",
    (Kind.RESOURCE_CLAIM, Kind.CLIQUE): "ERR_SYNC_PCLQ_RESOURCE_CLAIM",
    (Kind.COMPUTE_DOMAIN, Kind.SET): "ERR_SYNC_COMPUTEDOMAIN",
}
"""Code of a failure by kind and owner, as Grove has them."""

CLAIMS_UNSERVED: Final = (
    "ResourceClaimsUnavailable",
    "the API server serves no ResourceClaims (resource.k8s.io/v1), so pods that claim devices "
    "are not made",
)
"""Reason and text."""
DOMAINS_OFF: Final = (
    "MNNVL is off in the operator's configuration (network.autoMNNVLEnabled), so no ComputeDomains "
    "are made, and new pods of their groups wait"
)
DOMAINS_UNSERVED: Final = (
    "the API server serves no ComputeDomains (resource.nvidia.com/v1beta1), so pods of MNNVL "
    "groups wait; install NVIDIA's DRA driver"
)
_CLAIMS_MISSING: Final = "ResourceClaimsMissing"
_DOMAINS_REFUSED: Final = "ComputeDomainsRefused"
_NOTHING: Final = (
    "nothing is in the way of the ResourceClaims and ComputeDomains that this set asks for"
)


class Obstacle(NamedTuple):
    """`reason` is the condition's."""

    code: str
    reason: str
    text: str

    @property
    def error(self) -> tuple[str, str]:
        """Code and text for lastErrors."""
        return self.code, f"[Operation: Sync, Code: {self.code}] message: {self.text}"


def asks_for_domains(blueprint: SetBlueprint) -> bool:
    return any(map(domain_group, blueprint.by_name.values()))


def drops_claims(
    capabilities: Capabilities, blueprint: SetBlueprint, clique: CliqueBlueprint
) -> bool:
    """Whether the API server would drop what the clique's pods claim.

    They would run without their devices. Claims of the user's own are good in any version.
    """
    if capabilities.resource_claims:
        return False
    if clique.name in blueprint.claiming or domain_group(clique):
        return True
    return bool(clique.spec["podSpec"].get("resourceClaims")) and not capabilities.older_claims


def missing_template(wanted: WantedClaim, templates: ClaimTemplates | None) -> Obstacle | None:
    """None also while it is not known which templates exist."""
    source = wanted.shared.source
    if source is None or templates is None or source in templates:
        return None
    text = f"ResourceClaim {wanted.name} cannot be made: there is no ResourceClaimTemplate "
    text += f"{source[1]} in namespace {source[0]}"
    code = DEVICE_CODES[Kind.RESOURCE_CLAIM, wanted.owner_kind]
    return Obstacle(code, _CLAIMS_MISSING, text)


def set_obstacles(
    blueprint: SetBlueprint, seen: SetSnapshot, capabilities: Capabilities
) -> Iterator[Obstacle]:
    """What concerns all replicas."""
    domains = asks_for_domains(blueprint)
    if any(drops_claims(capabilities, blueprint, clique) for clique in blueprint.by_name.values()):
        yield Obstacle(DEVICE_CODES[Kind.RESOURCE_CLAIM, Kind.SET], *CLAIMS_UNSERVED)
        return
    if domains and not (capabilities.mnnvl and capabilities.compute_domains):
        code = DEVICE_CODES[Kind.COMPUTE_DOMAIN, Kind.SET]
        if capabilities.mnnvl:
            yield Obstacle(code, "ComputeDomainsUnavailable", DOMAINS_UNSERVED)
        else:
            yield Obstacle(code, "ComputeDomainsDisabled", DOMAINS_OFF)
    existing = seen.children.get(Kind.RESOURCE_CLAIM, {})
    for wanted in claims_of_set(blueprint):
        if wanted.name not in existing:
            obstacle = missing_template(wanted, seen.claim_templates)
            if obstacle is not None:
                yield obstacle


def device_condition(
    blueprint: SetBlueprint, seen: SetSnapshot, obstacles: Sequence[Obstacle]
) -> list[c.Condition]:
    """Whether the devices can be had; nothing for a set that asks for none.

    Of claims of the user's own there is only something to say when the cluster has none at all.
    """
    if not blueprint.claiming and not asks_for_domains(blueprint) and not obstacles:
        return []
    status, reason, message = True, "NothingInTheWay", _NOTHING
    if obstacles:
        status, (_, reason, message) = False, obstacles[0]
    else:
        for _, summary in sorted(seen.troubled.items()):
            if summary.problem_code in _CODES:
                refused = summary.problem_code == _DOMAIN_CODE
                status, reason = False, _DOMAINS_REFUSED if refused else _CLAIMS_MISSING
                message = summary.problem.partition("message: ")[2]
                break
    return [c.condition(c.DEVICES_AVAILABLE, status=status, reason=reason, message=message)]


_CODES: Final = frozenset(DEVICE_CODES.values())
_DOMAIN_CODE: Final = DEVICE_CODES[Kind.COMPUTE_DOMAIN, Kind.SET]


def device_events(record: Child, story: Sequence[c.Condition]) -> Iterator[Event]:
    """What is not yet in the set's status is news."""
    known = c.find(record.status.get("conditions") or (), c.DEVICES_AVAILABLE)
    for condition in story:
        told = known is not None and known.get("message") == condition["message"]
        if condition["status"] == "False" and not told:
            meta = record.meta
            reason, text = condition["reason"], condition["message"]
            yield Event(Kind.SET, meta.name, meta.uid, reason, text, warning=True)
