"""Shared claims and ComputeDomains: made, mended, removed, and what users are told."""

from dataclasses import replace
from typing import Any

import pytest
from msgspec.structs import replace as changed

from grove_operator.api import conditions as c
from grove_operator.api import labels
from grove_operator.observed import (
    Child,
    ClaimTemplates,
    Kind,
    ReplicaSnapshot,
    ReplicaSummary,
    SetSnapshot,
)
from grove_operator.plan.actions import Create, Delete, Patch, Plan
from grove_operator.plan.podcliqueset import SetFacts, plan_set
from grove_operator.scheduling.native import Capabilities
from tests.support.builders import NATIVE, NOW, SetBuilder, a_meta, a_pod, a_rest, a_set, look

SERVED = replace(NATIVE, resource_claims=True, compute_domains=True, mnnvl=True)
OWN = [{"name": "nic", "templateSpec": {"spec": {"devices": {"requests": [{"name": "r"}]}}}}]
BOTH = [{"name": "nic", "scope": "PerReplica"}, {"name": "disk", "scope": "AllReplicas"}]
LENT = ("harbor", "disk")
GPUS = {
    "containers": [{"name": "app", "image": "i", "resources": {"limits": {"nvidia.com/gpu": 1}}}]
}


def reef() -> SetBuilder:
    """`disk` is a template beside the set."""
    body = a_set(template={"resourceClaimTemplates": OWN, "resourceSharing": BOTH}, replicas=2)
    body = body.with_clique("oar").with_clique("gate", 2)
    body = body.with_group("crew", "oar", replicas=2, resourceSharing=BOTH)
    oar, gate = body.cliques
    return replace(body, cliques=(oar, gate | {"resourceSharing": BOTH}))


CLAIMS = {
    "tide-0-nic",
    "tide-0-crew-all-disk",
    "tide-0-crew-0-nic",
    "tide-0-crew-1-nic",
    "tide-0-gate-all-disk",
    "tide-0-gate-0-nic",
    "tide-0-gate-1-nic",
}


def names(found: Plan, sort: type, kind: Kind = Kind.RESOURCE_CLAIM) -> set[str]:
    return {
        action.name for action in found.actions if isinstance(action, sort) and action.kind is kind
    }


def without(seen: ReplicaSnapshot, *gone: str) -> ReplicaSnapshot:
    left = {name: claim for name, claim in seen.claims.items() if name not in gone}
    return replace(seen, claims=left)


def test_a_replica_has_its_claims_and_is_at_rest() -> None:
    _, seen = a_rest(reef(), SERVED)
    assert set(seen.claims) == CLAIMS
    assert look(reef(), seen, SERVED).actions == ()


@pytest.mark.parametrize("name", sorted(CLAIMS))
def test_a_claim_that_is_gone_is_made_again(name: str) -> None:
    _, seen = a_rest(reef(), SERVED)
    assert names(look(reef(), without(seen, name), SERVED), Create) == {name}


def test_a_claim_that_is_going_is_left_alone() -> None:
    _, seen = a_rest(reef(), SERVED)
    claim = seen.claims["tide-0-nic"]
    going = changed(claim, meta=changed(claim.meta, deleting=True, labels={}))
    seen = replace(seen, claims={**seen.claims, "tide-0-nic": going})
    assert look(reef(), seen, SERVED).actions == ()


def test_lost_labels_come_back_and_a_users_stay() -> None:
    _, seen = a_rest(reef(), SERVED)
    claim = seen.claims["tide-0-gate-1-nic"]
    kept = {**claim.meta.labels, "team": "sea"}
    del kept[labels.POD_INDEX]
    mine = changed(claim, meta=changed(claim.meta, labels=kept))
    plan = look(reef(), replace(seen, claims={**seen.claims, claim.meta.name: mine}), SERVED)
    [patch] = plan.actions
    assert isinstance(patch, Patch)
    assert patch.body == {"metadata": {"labels": {labels.POD_INDEX: "1"}}}


def test_scaled_in_cliques_and_groups_lose_claims_but_not_those_of_pods_that_stay() -> None:
    """Of two pods the second stays: its claim does, too."""
    _, seen = a_rest(reef(), SERVED)
    gate, crew = seen.cliques["tide-0-gate"], seen.groups["tide-0-crew"]
    seen = replace(
        seen,
        cliques={**seen.cliques, "tide-0-gate": changed(gate, replicas=1)},
        groups={"tide-0-crew": changed(crew, replicas=1)},
        pods={**seen.pods, "tide-0-gate": (a_pod(1, owner_uid=gate.meta.uid),)},
    )
    assert names(look(reef(), seen, SERVED), Delete) == {"tide-0-crew-1-nic"}
    seen = replace(seen, pods={})
    assert names(look(reef(), seen, SERVED), Delete) == {"tide-0-crew-1-nic", "tide-0-gate-1-nic"}


def test_a_replica_that_goes_takes_claims_of_the_set_and_its_domains_along() -> None:
    """The rest belongs to its PodCliques and groups."""
    sharing = {"resourceClaimTemplates": OWN, "resourceSharing": BOTH[:1]}
    builder = linked(2).but(template=sharing)
    _, seen = a_rest(builder, SERVED, 1)
    plan = look(builder.but(replicas=1), seen, SERVED, replica=1)
    assert names(plan, Delete) == {"tide-1-nic"}
    assert names(plan, Delete, Kind.COMPUTE_DOMAIN) == {"tide-1-fabric"}


def test_a_replica_that_goes_takes_the_group_of_its_gang_along() -> None:
    """It holds all PodCliques that share, so it is the set's."""
    _, seen = a_rest(reef(), SERVED, 1)
    plan = look(reef().but(replicas=1), seen, SERVED, replica=1)
    assert names(plan, Delete, Kind.POD_GROUP) == {"tide-1", "tide-1-crew-0"}


def lent(seen: ReplicaSnapshot, templates: ClaimTemplates | None) -> ReplicaSnapshot:
    return replace(seen, claim_templates=templates)


def test_a_template_that_is_missing_is_told_and_the_rest_goes_on() -> None:
    _, seen = a_rest(reef(), SERVED)
    seen = lent(without(seen, "tide-0-nic", "tide-0-gate-all-disk"), {})
    plan = look(reef(), seen, SERVED)
    assert names(plan, Create) == {"tide-0-nic"}
    assert plan.summary is not None
    assert plan.summary.problem_code == "ERR_SYNC_PCLQ_RESOURCE_CLAIM"
    assert "no ResourceClaimTemplate disk in namespace harbor" in plan.summary.problem


def test_while_templates_are_not_known_nothing_is_said_of_them() -> None:
    _, seen = a_rest(reef(), SERVED)
    plan = look(reef(), lent(without(seen, "tide-0-gate-all-disk"), None), SERVED)
    assert plan.actions == ()
    assert plan.summary is not None
    assert plan.summary.problem == ""


def test_a_template_that_goes_is_no_matter_once_its_claims_are_made() -> None:
    _, seen = a_rest(reef(), SERVED)
    plan = look(reef(), lent(seen, {}), SERVED)
    assert plan.actions == ()
    assert plan.summary is not None
    assert plan.summary.problem == ""


def test_without_the_api_no_pod_is_made_that_would_lose_its_claims() -> None:
    builder = reef().with_clique("plain")
    builder = builder.but(template={"resourceClaimTemplates": OWN})
    stage, seen = a_rest(builder, NATIVE)
    del stage
    assert not seen.claims
    assert {len(seen.pods.get(name, ())) for name in ("tide-0-gate", "tide-0-crew-0-oar")} == {0}
    assert len(seen.pods["tide-0-plain"]) == 1


# --- ComputeDomains ------------------------------------------------------------------------------


def linked(replicas: int = 1) -> SetBuilder:
    builder = a_set(annotations={labels.MNNVL_GROUP: "fabric"}, replicas=replicas)
    return builder.with_clique("w", pod_spec=GPUS).with_clique("cpu")


def test_a_domain_is_made_and_mentioned_in_the_podclique() -> None:
    _, seen = a_rest(linked(), SERVED)
    assert set(seen.compute_domains) == {"tide-0-fabric"}
    [claim] = seen.cliques["tide-0-w"].spec["podSpec"]["resourceClaims"]
    assert claim["resourceClaimTemplateName"] == "tide-0-fabric"
    assert "resourceClaims" not in seen.cliques["tide-0-cpu"].spec["podSpec"]
    assert look(linked(), seen, SERVED).actions == ()


def claiming() -> SetBuilder:
    own = {"resourceClaims": [{"name": "nic", "resourceClaimName": "mine"}]}
    return a_set().with_clique("w", pod_spec=own)


UNSERVED, OFF = replace(SERVED, compute_domains=False), replace(SERVED, mnnvl=False)


@pytest.mark.parametrize("offered", [UNSERVED, OFF], ids=["unserved", "off"])
def test_no_domain_is_made_that_cannot_be_or_may_not(offered: Capabilities) -> None:
    _, seen = a_rest(linked(), offered)
    assert not seen.compute_domains
    assert len(seen.pods["tide-0-w"]) == 1


def test_a_domain_without_users_goes() -> None:
    _, seen = a_rest(linked(), SERVED)
    plan = look(linked().with_clique("w"), replace(seen, cliques={}, pods={}), SERVED)
    assert names(plan, Delete, Kind.COMPUTE_DOMAIN) == {"tide-0-fabric"}


def test_a_domain_that_goes_is_let_go_and_other_finalizers_stay() -> None:
    _, seen = a_rest(linked(), SERVED)
    domain = seen.compute_domains["tide-0-fabric"]
    theirs = (labels.COMPUTE_DOMAIN_FINALIZER, "resource.nvidia.com/computeDomain")
    meta = changed(domain.meta, deleting=True, finalizers=theirs)
    seen = replace(seen, compute_domains={"tide-0-fabric": changed(domain, meta=meta)})
    [patch] = look(linked(), seen, SERVED).actions
    assert isinstance(patch, Patch)
    assert patch.body == {"metadata": {"finalizers": ["resource.nvidia.com/computeDomain"]}}


# --- the set as a whole --------------------------------------------------------------------------


def plan_whole(
    builder: SetBuilder,
    offered: Capabilities = SERVED,
    templates: ClaimTemplates | None = None,
    claims: tuple[str, ...] = (),
    status: dict[str, Any] | None = None,
    **replicas: ReplicaSummary,
) -> Plan:
    record = Child(meta=a_meta("tide", finalizers=(labels.SET_FINALIZER,)), status=status or {})
    known = {int(name.removeprefix("r")): item for name, item in replicas.items()}
    own = labels.default_pair("tide") | {labels.COMPONENT: labels.COMPONENT_CLAIM}
    existing = {
        name: Child(meta=a_meta(name, labels=own, owner_uid=builder.uid)) for name in claims
    }
    seen = SetSnapshot(
        {Kind.RESOURCE_CLAIM: existing}, known, troubled=known, claim_templates=templates
    )
    return plan_set(builder.blueprint(), record, seen, SetFacts(offered, NOW))


def told(found: Plan) -> tuple[str, str]:
    [patch] = found.statuses
    condition = c.find(patch.body["status"]["conditions"], c.DEVICES_AVAILABLE)
    return (condition["status"], condition["reason"]) if condition else ("", "")


def codes(found: Plan) -> list[str]:
    [patch] = found.statuses
    return [item["code"] for item in patch.body["status"].get("lastErrors", ())]


TROUBLE = ReplicaSummary(
    problem="[Operation: Sync, Code: x] message: the reason",
    problem_code="ERR_SYNC_PCSG_RESOURCE_CLAIM",
)
REFUSED = ReplicaSummary(
    problem="[Operation: Sync, Code: x] message: ComputeDomain tide-0-fabric: no",
    problem_code="ERR_SYNC_COMPUTEDOMAIN",
)
OTHER = ReplicaSummary(problem="no", problem_code="ERR_CREATE_POD")
KNOWN: ClaimTemplates = {LENT: {}}
FINE = ("True", "NothingInTheWay")
STORIES: dict[str, tuple[SetBuilder, dict[str, Any], tuple[str, str], list[str]]] = {
    "a set that asks for nothing": (a_set().with_clique("w"), {}, ("", ""), []),
    "all is there": (reef(), {"templates": KNOWN}, FINE, []),
    "the template is missing": (
        reef(),
        {"templates": {}},
        ("False", "ResourceClaimsMissing"),
        ["ERR_SYNC_PCS_RESOURCE_CLAIM"],
    ),
    "the template is not needed any more": (
        reef(),
        {"templates": {}, "claims": ("tide-all-disk",)},
        FINE,
        [],
    ),
    "a replica lacks one": (
        reef(),
        {"templates": KNOWN, "r1": TROUBLE},
        ("False", "ResourceClaimsMissing"),
        ["ERR_SYNC_PCSG_RESOURCE_CLAIM"],
    ),
    "another trouble": (reef(), {"templates": KNOWN, "r1": OTHER}, FINE, ["ERR_CREATE_POD"]),
    "the API server refuses a ComputeDomain": (
        linked(),
        {"r0": REFUSED},
        ("False", "ComputeDomainsRefused"),
        ["ERR_SYNC_COMPUTEDOMAIN"],
    ),
    "a set with claims of its user's own": (claiming(), {}, ("", ""), []),
    "a set with claims of its user's own, and the API is not served": (
        claiming(),
        {"offered": NATIVE},
        ("False", "ResourceClaimsUnavailable"),
        ["ERR_SYNC_PCS_RESOURCE_CLAIM"],
    ),
    "the API is not served": (
        reef(),
        {"offered": NATIVE},
        ("False", "ResourceClaimsUnavailable"),
        ["ERR_SYNC_PCS_RESOURCE_CLAIM"],
    ),
    "domains are there": (linked(), {}, FINE, []),
    "domains are not served": (
        linked(),
        {"offered": UNSERVED},
        ("False", "ComputeDomainsUnavailable"),
        ["ERR_SYNC_COMPUTEDOMAIN"],
    ),
    "domains are off": (
        linked(),
        {"offered": OFF},
        ("False", "ComputeDomainsDisabled"),
        ["ERR_SYNC_COMPUTEDOMAIN"],
    ),
}


@pytest.mark.parametrize(("builder", "world", "condition", "errors"), STORIES.values(), ids=STORIES)
def test_what_users_are_told(
    builder: SetBuilder, world: dict[str, Any], condition: tuple[str, str], errors: list[str]
) -> None:
    found = plan_whole(builder, **world)
    assert told(found) == condition
    assert codes(found) == errors
    warnings = [event.reason for event in found.events]
    assert warnings == ([condition[1]] if condition[0] == "False" else [])
    [patch] = found.statuses
    again = plan_whole(builder, status=patch.body["status"], **world)
    assert (again.events, again.statuses) == ((), ())


def test_what_all_replicas_share_is_made_once() -> None:
    assert names(plan_whole(reef(), templates=KNOWN), Create) == {"tide-all-disk"}
    assert names(plan_whole(reef(), templates={}), Create) == set()
    there = ("tide-all-disk",)
    assert names(plan_whole(reef(), templates=KNOWN, claims=there), Create) == set()
