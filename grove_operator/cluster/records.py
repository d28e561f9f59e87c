"""Bytes of an API object in, a record of `observed.py` out.

Pods are the many: they are decoded straight into the few fields that matter. Pod specs inside
PodCliques are shared between equal ones, for a set repeats the same one in every replica.
"""

from collections.abc import Callable
from functools import lru_cache
from sys import intern
from typing import Any, Final, NamedTuple

import msgspec

from grove_operator.api.labels import MANAGER
from grove_operator.cluster.troubles import (
    Statement,
    decode_containers,
    end_of,
    started_at,
    trouble_of,
)
from grove_operator.observed import Child, Clique, Kind, Meta, Pod, Record, ScalingGroup

Raw = bytes | msgspec.Raw
_OVER: Final = ("Failed", "Succeeded")


class _OwnerJson(msgspec.Struct):
    uid: str = ""
    name: str = ""
    controller: bool = False


class _ManagerJson(msgspec.Struct):
    manager: str = ""


class _MetaJson(msgspec.Struct, rename="camel"):
    name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = "0"
    generation: int = 0
    creation_timestamp: str = ""
    deletion_timestamp: str | None = None
    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None
    finalizers: list[str] | None = None
    owner_references: list[_OwnerJson] | None = None
    managed_fields: list[_ManagerJson] | None = None


class _ConditionJson(msgspec.Struct, rename="camel"):
    type: str = ""
    status: str = ""
    reason: str = ""
    message: str = ""
    last_transition_time: str | None = None


class _GateJson(msgspec.Struct):
    name: str = ""


class _SchedulingGroupJson(msgspec.Struct, rename="camel"):
    pod_group_name: str = ""


class _PodSpecJson(msgspec.Struct, rename="camel"):
    node_name: str = ""
    scheduling_group: _SchedulingGroupJson | None = None
    scheduling_gates: list[_GateJson] | None = None


class _PodStatusJson(msgspec.Struct, rename="camel"):
    phase: str = ""
    reason: str = ""
    message: str = ""
    conditions: list[_ConditionJson] | None = None
    container_statuses: msgspec.Raw = msgspec.Raw(b"null")  # read only if the pod is not ready
    init_container_statuses: msgspec.Raw = msgspec.Raw(b"null")


class _PodJson(msgspec.Struct):
    metadata: _MetaJson
    spec: _PodSpecJson
    status: _PodStatusJson = msgspec.field(default_factory=_PodStatusJson)


class _CliqueSpecJson(msgspec.Struct, rename="camel"):
    replicas: int = 0
    role_name: str = ""
    min_available: int | None = None
    starts_after: list[str] | None = None
    pod_spec: msgspec.Raw = msgspec.Raw(b"{}")
    auto_scaling_config: msgspec.Raw = msgspec.Raw(b"null")  # Raw | None is refused by msgspec


class _CliqueJson(msgspec.Struct):
    metadata: _MetaJson
    spec: _CliqueSpecJson
    status: dict[str, Any] | None = None


class _GroupSpecJson(msgspec.Struct, rename="camel"):
    replicas: int = 1
    min_available: int = 1
    clique_names: list[str] = []


class _GroupJson(msgspec.Struct):
    metadata: _MetaJson
    spec: _GroupSpecJson
    status: dict[str, Any] | None = None


class _RevisionJson(msgspec.Struct):
    metadata: _MetaJson
    revision: int = 0


class _MetaOnlyJson(msgspec.Struct):
    metadata: _MetaJson


_pod = msgspec.json.Decoder(_PodJson).decode
_clique = msgspec.json.Decoder(_CliqueJson).decode
_group = msgspec.json.Decoder(_GroupJson).decode
_revision = msgspec.json.Decoder(_RevisionJson).decode
_meta_only = msgspec.json.Decoder(_MetaOnlyJson).decode
_any = msgspec.json.Decoder(dict[str, Any]).decode


def _meta(json: _MetaJson) -> Meta:
    owner = next((item for item in json.owner_references or () if item.controller), None)
    return Meta(
        namespace=intern(json.namespace),
        name=json.name,
        uid=json.uid,
        version=int(json.resource_version or 0),
        generation=json.generation,
        deleting=json.deletion_timestamp is not None,
        created=json.creation_timestamp,
        labels=_interned(json.labels),
        annotations=_interned(json.annotations),
        finalizers=tuple(map(intern, json.finalizers or ())),
        owner_uid=intern(owner.uid) if owner else "",
        owner_name=intern(owner.name) if owner else "",
        ours_alone=bool(json.managed_fields)
        and all(entry.manager == MANAGER for entry in json.managed_fields or ()),
    )


def _interned(values: dict[str, str] | None) -> dict[str, str]:
    """Label keys and most values stand in thousands of objects."""
    return {intern(key): intern(value) for key, value in values.items()} if values else {}


def decode_pod(raw: Raw) -> Pod:
    json = _pod(raw)
    ready = scheduled = False
    verdict = since = placed = ""
    for condition in json.status.conditions or ():
        if condition.type == "Ready":
            ready = condition.status == "True" and json.status.phase not in _OVER
            since = condition.last_transition_time or ""
        elif condition.type == "PodScheduled":
            scheduled = condition.status == "True"
            placed = condition.last_transition_time or "" if scheduled else ""
            if not scheduled and condition.reason == "Unschedulable":
                verdict = condition.message
    state = _READY if ready else _state(json.status, since)
    return Pod(
        meta=_meta(json.metadata),
        phase=intern(json.status.phase),
        node=intern(json.spec.node_name),
        ready=ready,
        ready_since=since if ready else "",
        scheduled=scheduled or bool(json.spec.node_name),
        gates=tuple(intern(gate.name) for gate in json.spec.scheduling_gates or ()),
        group=json.spec.scheduling_group.pod_group_name if json.spec.scheduling_group else "",
        failing=state.failing,
        started_unready=state.started_unready,
        running_since=state.running_since,
        trouble=state.trouble,
        ended=state.ended,
        verdict=verdict,
        placed_since=intern(placed),
    )


class _State(NamedTuple):
    """What the containers of a pod that is not ready tell."""

    failing: bool = False
    started_unready: bool = False
    running_since: str = ""
    trouble: str = ""
    ended: str = ""


_READY: Final = _State()


def _state(status: _PodStatusJson, unready_since: str) -> _State:
    main = decode_containers(status.container_statuses) or []
    every = [*(decode_containers(status.init_container_statuses) or ()), *main]
    over = status.phase in _OVER
    if not every and not over and not status.reason:
        return _READY
    return _State(
        failing=any(container.failed for container in every),
        started_unready=any(item.started and not item.ready for item in main),
        running_since=started_at(main),
        trouble=intern(trouble_of(Statement(status.phase, status.reason, status.message), every)),
        ended=(end_of(every) or unready_since) if over else "",
    )


@lru_cache(maxsize=1024)
def _shared(raw: bytes) -> Any:
    """One object for equal texts. Nobody changes what records hold."""
    return msgspec.json.decode(raw)


def decode_clique(raw: Raw) -> Clique:
    json = _clique(raw)
    spec: dict[str, Any] = {
        "roleName": json.spec.role_name,
        "podSpec": _shared(bytes(json.spec.pod_spec)),
    }
    if json.spec.min_available is not None:
        spec["minAvailable"] = json.spec.min_available
    if json.spec.starts_after:
        spec["startsAfter"] = json.spec.starts_after
    scaling = _shared(bytes(json.spec.auto_scaling_config))
    if scaling is not None:
        spec["autoScalingConfig"] = scaling
    return Clique(
        meta=_meta(json.metadata),
        replicas=json.spec.replicas,
        spec=spec,
        status=json.status or {},
    )


def decode_group(raw: Raw) -> ScalingGroup:
    json = _group(raw)
    return ScalingGroup(
        meta=_meta(json.metadata),
        replicas=json.spec.replicas,
        min_available=json.spec.min_available,
        clique_names=tuple(json.spec.clique_names),
        status=json.status or {},
    )


_DROPPED: Final = ("apiVersion", "kind", "metadata", "status")


def decode_child(raw: Raw) -> Child:
    """An object whose body is compared, its status too."""
    body = _any(raw)
    status = body.get("status") or {}
    meta = msgspec.convert(body["metadata"], _MetaJson)
    for key in _DROPPED:
        body.pop(key, None)
    return Child(meta=_meta(meta), body=body, status=status)


def decode_child_without_status(raw: Raw) -> Child:
    """An object whose status changes often and concerns us never."""
    child = decode_child(raw)
    return Child(meta=child.meta, body=child.body)


def decode_revision(raw: Raw) -> Child:
    """Its number only: what the template was is for people, and there may be many."""
    json = _revision(raw)
    return Child(meta=_meta(json.metadata), body={"revision": json.revision})


def decode_identity(raw: Raw) -> Child:
    """An object of which only metadata counts: what is in it can never be changed."""
    return Child(meta=_meta(_meta_only(raw).metadata))


_SAID: Final[tuple[str, ...]] = ("type", "status", "reason", "message", "nodePool")


def decode_scheduler_group(raw: Raw) -> Child:
    """A PodGroup of KAI or Volcano: of its status only what the scheduler says, not when."""
    child = decode_child(raw)
    status: dict[str, Any] = {}
    for field in ("conditions", "schedulingConditions"):
        if found := child.status.get(field):
            status[field] = [_said(condition) for condition in found]
    return Child(meta=child.meta, body=child.body, status=status)


def _said(condition: dict[str, Any]) -> dict[str, Any]:
    said: dict[str, Any] = {key: condition[key] for key in _SAID if key in condition}
    if reasons := condition.get("reasons"):
        said["reasons"] = [
            {key: reason[key] for key in ("reason", "message") if key in reason}
            for reason in reasons
        ]
    return said


DECODERS: Final[dict[Kind, Callable[[Raw], Record]]] = {
    Kind.SET: decode_child,
    Kind.SCALING_GROUP: decode_group,
    Kind.CLIQUE: decode_clique,
    Kind.GANG: decode_child,
    Kind.POD: decode_pod,
    Kind.SERVICE: decode_child_without_status,
    Kind.SERVICE_ACCOUNT: decode_child_without_status,
    Kind.ROLE: decode_child_without_status,
    Kind.ROLE_BINDING: decode_child_without_status,
    Kind.HPA: decode_child_without_status,
    Kind.WORKLOAD: decode_child,
    Kind.POD_GROUP: decode_child,
    Kind.COMPOSITE_POD_GROUP: decode_child_without_status,
    Kind.KAI_POD_GROUP: decode_scheduler_group,
    Kind.VOLCANO_POD_GROUP: decode_scheduler_group,
    Kind.POD_MONITOR: decode_child_without_status,
    Kind.REVISION: decode_revision,
    Kind.RESOURCE_CLAIM: decode_identity,
    Kind.COMPUTE_DOMAIN: decode_identity,
}
"""The kinds that are read. Secrets are only made: see `api/rights.py`."""
