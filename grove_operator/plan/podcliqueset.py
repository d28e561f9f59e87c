"""Plans what belongs to a PodCliqueSet as a whole: finalizer, access, Workloads, its own status.

Replicas are planned one by one elsewhere; here only their summaries count, so the cost does not
grow with the number of pods.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from grove_operator.api import conditions as c
from grove_operator.api import labels
from grove_operator.desired.access import build_access, build_token
from grove_operator.desired.blueprint import SetBlueprint
from grove_operator.desired.podmonitor import build_monitor, scraped_cliques
from grove_operator.observed import Child, Kind, SetSnapshot
from grove_operator.plan.actions import Action, Create, Delete, Owner, Patch, Plan, Rank
from grove_operator.plan.blocking import set_blocked
from grove_operator.plan.claims import plan_set_claims
from grove_operator.plan.foundation import keep_children, plan_children
from grove_operator.plan.nativegroups import held_priorities
from grove_operator.plan.obstacles import device_condition, device_events, set_obstacles
from grove_operator.plan.revisions import plan_revisions
from grove_operator.plan.rollout import Rollout, plan_rollout
from grove_operator.plan.startorder import (
    IMAGE_CODE,
    IMAGE_MESSAGE,
    NO_IMAGE,
    image_missing,
    tell_no_order,
)
from grove_operator.plan.status import status_patch
from grove_operator.plan.topology import TOPOLOGY_CONDITIONS, topology_conditions
from grove_operator.scheduling.backends import backend_of
from grove_operator.scheduling.native import Capabilities
from grove_operator.scheduling.workloads import build_workloads

MAX_GANGS_LISTED: Final = 64
"""A set with more gangs lists none: its status would be rewritten for each of thousands."""
MAX_ERRORS: Final = 5

_OWNED = TOPOLOGY_CONDITIONS | {
    c.SPEC_ACCEPTED,
    c.GANG_GUARANTEE,
    c.GANG_PRIORITY_HELD,
    c.POD_MONITORED,
    c.GANG_BLOCKED,
    c.START_ORDER_UNAVAILABLE,
}


@dataclass(frozen=True, slots=True)
class SetFacts:
    """What the set's status is worked out from besides its replicas."""

    capabilities: Capabilities
    now: str
    errors: tuple[tuple[str, str], ...] = ()
    """Code and text of what failed in the set's own last pass."""


def plan_set(blueprint: SetBlueprint, record: Child, seen: SetSnapshot, facts: SetFacts) -> Plan:
    """`record` is the set as stored, whose status is compared."""
    if blueprint.deleting:
        return Plan(actions=tuple(_release(record)))
    facts = replace(facts, capabilities=facts.capabilities.for_set(blueprint))
    obstacles = tuple(set_obstacles(blueprint, seen, facts.capabilities))
    actions = [
        *_claim(record),
        *_plan_access(blueprint, seen),
        *_plan_workloads(seen, blueprint, facts),
        *_plan_monitor(seen, blueprint, facts),
        *plan_revisions(blueprint, record, seen),
        *plan_set_claims(blueprint, seen, facts.capabilities),
    ]
    rollout = plan_rollout(blueprint, record.status, seen, facts.now)
    facts = replace(facts, errors=(*facts.errors, *(item.error for item in obstacles)))
    status = _status(blueprint, record, seen, facts)
    story = device_condition(blueprint, seen, obstacles)
    status["conditions"] = c.merge(
        status["conditions"], story, now=facts.now, owned=frozenset({c.DEVICES_AVAILABLE})
    )
    _tell_rollout(status, rollout, facts.now)
    patch = status_patch(Kind.SET, record, status, exact=False)
    return Plan(
        actions=tuple(sorted(actions, key=lambda action: action.rank)),
        statuses=(patch,) if patch else (),
        events=(
            *tell_no_order(blueprint, record, facts.capabilities),
            *device_events(record, story),
        ),
        settled=bool(seen.blocked) or seen.available == seen.updated == blueprint.replicas,
        urgent=rollout.changed and patch is not None,
        wake=rollout.wake,
        turn=rollout.turn,
    )


def _tell_rollout(status: dict[str, Any], rollout: Rollout, now: str) -> None:
    if rollout.progress is not None:
        status["updateProgress"] = rollout.progress
    ours = [rollout.condition] if rollout.condition else []
    owned = frozenset({c.UPDATING})
    status["conditions"] = c.merge(status["conditions"], ours, now=now, owned=owned)


def rejected_status(record: Child, problems: Iterable[str], now: str) -> Plan:
    """The status of a set whose spec cannot be carried out; everything else stays as it is."""
    condition = c.condition(
        c.SPEC_ACCEPTED, status=False, reason="InvalidSpec", message="; ".join(problems)
    )
    old = record.status
    status = {
        "availableReplicas": 0,
        "updatedReplicas": 0,
        **old,
        "observedGeneration": record.meta.generation,
        "conditions": c.merge(
            old.get("conditions") or (),
            [condition],
            now=now,
            owned=frozenset({c.SPEC_ACCEPTED}),
        ),
    }
    patch = status_patch(Kind.SET, record, status, exact=False)
    return Plan(statuses=(patch,) if patch else ())


def _claim(record: Child) -> Iterator[Patch]:
    if labels.SET_FINALIZER not in record.meta.finalizers:
        yield _finalizers(record, [*record.meta.finalizers, labels.SET_FINALIZER])


def _release(record: Child) -> Iterator[Patch]:
    if labels.SET_FINALIZER in record.meta.finalizers:
        rest = [item for item in record.meta.finalizers if item != labels.SET_FINALIZER]
        yield _finalizers(record, rest)


def _finalizers(record: Child, wanted: list[str]) -> Patch:
    meta = record.meta
    return Patch(
        Rank.REMOVE,
        Kind.SET,
        meta.name,
        meta.uid,
        {"metadata": {"finalizers": wanted or None}},
        "metadata.finalizers",
        meta.version,
    )


def release_set(record: Child) -> Plan:
    """Let a set go whose spec cannot even be read."""
    return Plan(actions=tuple(_release(record)))


def _plan_access(blueprint: SetBlueprint, seen: SetSnapshot) -> Iterator[Action]:
    """Their names follow from the set's, so none is ever too many; they go with the set."""
    owner = Owner(Kind.SET, blueprint.name)
    for body in build_access(blueprint):
        kind = Kind(body["kind"])
        existing = seen.children.get(kind, {})
        yield from keep_children(kind, [body], existing, owner, blueprint.uid)
        account = existing.get(body["metadata"]["name"])
        if kind is Kind.SERVICE_ACCOUNT and account and account.meta.owner_uid == blueprint.uid:
            yield from _plan_token(blueprint, account, owner)


def _plan_token(blueprint: SetBlueprint, account: Child, owner: Owner) -> Iterator[Action]:
    """Make the account's Secret, then note it in the account.

    Secrets cannot be read: who may read one of unknown name may read all. So the account's list
    tells that ours is there, and Kubernetes takes a deleted one off that list.
    """
    body = build_token(blueprint)
    name = body["metadata"]["name"]
    noted = account.body.get("secrets") or []
    if account.meta.deleting or any(item.get("name") == name for item in noted):
        return
    yield Create(Rank.FOUNDATION, Kind.SECRET, name, body, owner, beside=account.meta.uid)
    yield Patch(
        Rank.REFERENCE,
        Kind.SERVICE_ACCOUNT,
        account.meta.name,
        account.meta.uid,
        {"secrets": [*noted, {"name": name}]},
        "secrets",
        account.meta.version,
    )


def _plan_workloads(
    seen: SetSnapshot, blueprint: SetBlueprint, facts: SetFacts
) -> Iterator[Action]:
    """A Workload cannot be changed, so one that differs is made anew."""
    capabilities = facts.capabilities
    existing = seen.children.get(Kind.WORKLOAD, {})
    wanted: list[dict[str, Any]] = []
    if capabilities.workloads and capabilities.gangs_for(blueprint):
        wanted = list(build_workloads(blueprint, capabilities))
    owner = Owner(Kind.SET, blueprint.name)
    for action in plan_children(Kind.WORKLOAD, wanted, existing, owner, blueprint.uid):
        if isinstance(action, Patch) and "spec" in action.body:
            yield Delete(Rank.REMOVE, Kind.WORKLOAD, action.name, action.uid, action.why)
        else:
            yield action


def _plan_monitor(seen: SetSnapshot, blueprint: SetBlueprint, facts: SetFacts) -> Iterator[Action]:
    if facts.capabilities.pod_monitors:
        monitor = build_monitor(blueprint)
        yield from plan_children(
            Kind.POD_MONITOR,
            [monitor] if monitor else [],
            seen.children.get(Kind.POD_MONITOR, {}),
            Owner(Kind.SET, blueprint.name),
            blueprint.uid,
        )


def _status(
    blueprint: SetBlueprint, record: Child, seen: SetSnapshot, facts: SetFacts
) -> dict[str, Any]:
    old = record.status
    status: dict[str, Any] = {
        **old,
        "observedGeneration": blueprint.generation,
        "replicas": blueprint.replicas,
        "availableReplicas": seen.available,
        "updatedReplicas": seen.updated,
        "currentGenerationHash": blueprint.generation_hash,
        "hpaPodSelector": labels.selector(blueprint.pair),
        "conditions": c.merge(
            old.get("conditions") or (),
            [
                *topology_conditions(blueprint, facts.capabilities, seen.outdated),
                *_conditions(blueprint, facts),
                *held_priorities(seen.older_priority),
                *set_blocked(seen),
            ],
            now=facts.now,
            owned=_OWNED,
        ),
    }
    gangs = _gang_statuses(seen)
    if gangs:
        status["podGangStatuses"] = gangs
    else:
        status.pop("podGangStatuses", None)
    if image_missing(blueprint, facts.capabilities):
        facts = replace(facts, errors=(*facts.errors, (IMAGE_CODE, IMAGE_MESSAGE)))
    errors = _last_errors(seen, facts, old.get("lastErrors") or ())
    if errors:
        status["lastErrors"] = errors
    else:
        status.pop("lastErrors", None)
    return status


def _conditions(blueprint: SetBlueprint, facts: SetFacts) -> Iterator[c.Condition]:
    capabilities = facts.capabilities
    if blueprint.monitor is not None:
        yield _monitored(blueprint, capabilities)
    if image_missing(blueprint, capabilities):
        yield NO_IMAGE
    yield backend_of(blueprint, capabilities).promise(blueprint).condition()


def _monitored(blueprint: SetBlueprint, capabilities: Capabilities) -> c.Condition:
    """Whether the PodMonitor that was asked for can be had."""
    scraped = {clique.name for found in scraped_cliques(blueprint).values() for clique in found}
    left_out = sorted(blueprint.by_name.keys() - scraped)
    if not capabilities.pod_monitors:
        reason = "PodMonitorsUnavailable"
        message = "the API server serves no PodMonitors (monitoring.coreos.com/v1), or the operator"
        message += " may not read them"
    elif not scraped:
        reason = "NoMetricsPort"
        message = "no container has a port named metrics or http, or as the annotation "
        message += f"{labels.POD_MONITOR_PORT} says; name a port, or give the annotation"
    else:
        reason = "PodMonitorMade"
        message = "a PodMonitor selects the pods"
        if left_out:
            message += f"; without a port to scrape: {', '.join(left_out)}"
    status = reason == "PodMonitorMade"
    return c.condition(c.POD_MONITORED, status=status, reason=reason, message=message)


def _gang_statuses(seen: SetSnapshot) -> list[dict[str, Any]]:
    if len(seen.replicas) > MAX_GANGS_LISTED:
        return []  # each replica has one at least
    gangs = [gang for summary in seen.replicas.values() for gang in summary.gangs]
    if len(gangs) > MAX_GANGS_LISTED:
        return []
    return [{"name": name, "phase": phase} for name, phase in sorted(gangs)]


def _last_errors(
    seen: SetSnapshot, facts: SetFacts, old: Iterable[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """The first few failures, each with the time when it was first seen."""
    found = dict.fromkeys(facts.errors)
    for _, summary in sorted(seen.troubled.items()):
        found.setdefault((summary.problem_code, summary.problem))
    times = {(item.get("code"), item.get("description")): item.get("observedAt") for item in old}
    return [
        {"code": code, "description": text, "observedAt": times.get((code, text)) or facts.now}
        for code, text in list(found)[:MAX_ERRORS]
    ]
