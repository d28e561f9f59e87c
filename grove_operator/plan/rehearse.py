"""Plays a PodCliqueSet through on a made-up cluster that does whatever it is asked.

For `grove-operator plan`, for tests and for the benchmark's floor: the same planners as in the
operator, so what is shown is what would be made. Pure; UIDs are made up from names, and pods are
placed and ready as soon as nothing holds them back.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from msgspec.structs import replace

from grove_operator.api import labels
from grove_operator.api.names import replica_of
from grove_operator.desired.blueprint import SetBlueprint, owner_reference
from grove_operator.observed import (
    Child,
    ClaimTemplates,
    Clique,
    Kind,
    Meta,
    Pod,
    Record,
    ReplicaSnapshot,
    ScalingGroup,
    SetSnapshot,
)
from grove_operator.plan.actions import Action, Create, Delete, Patch, StatusPatch
from grove_operator.plan.podcliqueset import SetFacts, plan_set
from grove_operator.plan.replica import plan_replica
from grove_operator.scheduling.native import Capabilities

EPOCH = "2026-01-01T00:00:00Z"
_LOOKS = 64
"""Far more than any plan has needed."""
_API_VERSIONS = {
    Kind.SET: labels.GROVE_API,
    Kind.SCALING_GROUP: labels.GROVE_API,
    Kind.CLIQUE: labels.GROVE_API,
    Kind.GANG: labels.SCHEDULER_API,
}


@dataclass(slots=True)
class Stage:
    """The made-up cluster: objects by kind and name, and every body in order of creation."""

    blueprint: SetBlueprint
    capabilities: Capabilities
    records: dict[Kind, dict[str, Record]] = field(default_factory=dict)
    bodies: list[dict[str, Any]] = field(default_factory=list)

    @property
    def templates(self) -> ClaimTemplates:
        """All that are named exist; what they ask for is not known."""
        return {source: {} for source in self.blueprint.claim_sources}

    def kind(self, kind: Kind) -> dict[str, Record]:
        return self.records.setdefault(kind, {})

    def carry_out(self, action: Action | StatusPatch) -> None:
        if isinstance(action, Create):
            self._create(action)
        elif isinstance(action, Delete):
            self.kind(action.kind).pop(action.name, None)
        else:
            self._patch(action)

    def _create(self, action: Create) -> None:
        owner_uid = (
            self.blueprint.uid
            if action.owner.kind is Kind.SET
            else self.kind(action.owner.kind)[action.owner.name].meta.uid
        )
        api = _API_VERSIONS[action.owner.kind]
        reference = owner_reference(api, str(action.owner.kind), action.owner.name, owner_uid)
        metadata = action.body["metadata"] | {
            "uid": made_up_uid(action.kind, action.name),
            "ownerReferences": [reference],
        }
        body = action.body | {"metadata": metadata}
        self.bodies.append(body)
        self.kind(action.kind)[action.name] = read(action.kind, body)

    def _patch(self, action: Patch | StatusPatch) -> None:
        record = self.kind(action.kind).get(action.name)
        if record is None:
            return
        if isinstance(action, StatusPatch) and not isinstance(record, Pod):
            status = apply_merge_patch(record.status, action.body["status"])
            self.kind(action.kind)[action.name] = replace(record, status=status)
        elif isinstance(record, Pod) and "spec" in action.body:
            gates = tuple(gate["name"] for gate in action.body["spec"]["schedulingGates"] or ())
            self.kind(action.kind)[action.name] = placed(replace(record, gates=gates))
        elif isinstance(action, Patch) and action.kind is Kind.SERVICE_ACCOUNT:
            self._note(action)

    def _note(self, action: Patch) -> None:
        """Put a reference into an object that was made earlier."""
        for index, body in enumerate(self.bodies):
            if (body["kind"], body["metadata"]["name"]) == (action.kind, action.name):
                self.bodies[index] = apply_merge_patch(body, action.body)
                self.kind(action.kind)[action.name] = read(action.kind, self.bodies[index])

    def snapshot(self, replica: int) -> ReplicaSnapshot:
        mine: dict[Kind, dict[str, Any]] = {}
        for kind, found in self.records.items():
            mine[kind] = {
                name: record
                for name, record in found.items()
                if _replica(self.blueprint, kind, record) == replica
            }
        pods: dict[str, list[Pod]] = {}
        for pod in mine.get(Kind.POD, {}).values():
            pods.setdefault(pod.meta.owner_name, []).append(pod)
        return ReplicaSnapshot(
            cliques=mine.get(Kind.CLIQUE, {}),
            groups=mine.get(Kind.SCALING_GROUP, {}),
            pods={name: tuple(found) for name, found in pods.items()},
            gangs=mine.get(Kind.GANG, {}),
            services=mine.get(Kind.SERVICE, {}),
            hpas=mine.get(Kind.HPA, {}),
            pod_groups=mine.get(Kind.POD_GROUP, {}),
            composite_groups=mine.get(Kind.COMPOSITE_POD_GROUP, {}),
            claims=mine.get(Kind.RESOURCE_CLAIM, {}),
            compute_domains=mine.get(Kind.COMPUTE_DOMAIN, {}),
            claim_templates=self.templates,
            kai_groups=mine.get(Kind.KAI_POD_GROUP, {}),
            volcano_groups=mine.get(Kind.VOLCANO_POD_GROUP, {}),
        )


def rehearse(
    blueprint: SetBlueprint, capabilities: Capabilities, now: str = EPOCH
) -> list[dict[str, Any]]:
    """Every object that the set becomes, in an order in which each can be created.

    The history of its templates is not part of it: it would only repeat the set.
    """
    bodies: list[dict[str, Any]] = []
    stage = Stage(blueprint, capabilities)
    settle_set(stage, now)
    bodies += stage.bodies
    for replica in range(blueprint.replicas):
        stage = Stage(blueprint, capabilities)
        settle(stage, replica, now)
        bodies += stage.bodies
    return bodies


def settle_set(stage: Stage, now: str = EPOCH) -> None:
    """Play through what belongs to the set as a whole; one that is being deleted has no more."""
    blueprint = stage.blueprint
    record = Child(meta=_meta({"name": blueprint.name, "finalizers": [labels.SET_FINALIZER]}))
    facts = SetFacts(stage.capabilities, now)
    for _ in range(_LOOKS):
        children: dict[Kind, dict[str, Any]] = {
            k: dict(found) for k, found in stage.records.items()
        }
        seen = SetSnapshot(children, {}, claim_templates=stage.templates)
        plan = plan_set(blueprint, record, seen, facts)
        actions = [action for action in plan.actions if action.kind is not Kind.SET]
        if not actions:
            return
        for action in actions:
            stage.carry_out(action)
    raise RuntimeError(f"set {blueprint.name} does not settle")


def settle(
    stage: Stage, replica: int, now: str = EPOCH, watch: Callable[[Action], None] | None = None
) -> int:
    """Plan and carry out until nothing is left to do; gives the number of looks that it took.

    Raises RuntimeError when the planner goes in circles.
    """
    for look in range(1, _LOOKS):
        seen = stage.snapshot(replica)
        plan = plan_replica(stage.blueprint, replica, seen, stage.capabilities, now)
        if not plan.actions and not plan.statuses:
            return look
        for action in plan.actions:
            if watch is not None:
                watch(action)
            stage.carry_out(action)
        for status in plan.statuses:
            stage.carry_out(status)
    raise RuntimeError(f"replica {replica} does not settle")


def made_up_uid(kind: Kind, name: str) -> str:
    return f"uid-of-{kind.lower()}-{name}"


def placed(pod: Pod) -> Pod:
    """What becomes of a pod that nothing holds back."""
    if pod.gates:
        return pod
    return replace(pod, phase="Running", node="node", scheduled=True, ready=True)


def read(kind: Kind, body: Mapping[str, Any]) -> Record:
    """A record of a body that we made ourselves, as the cluster would show it."""
    meta, spec = _meta(body["metadata"]), body.get("spec", {})
    if kind is Kind.POD:
        gates = tuple(gate["name"] for gate in spec.get("schedulingGates") or ())
        group = (spec.get("schedulingGroup") or {}).get("podGroupName", "")
        return placed(Pod(meta=meta, phase="Pending", gates=gates, group=group))
    if kind is Kind.CLIQUE:
        rest = {key: value for key, value in spec.items() if key != "replicas"}
        return Clique(meta=meta, replicas=spec["replicas"], spec=rest)
    if kind is Kind.SCALING_GROUP:
        return ScalingGroup(
            meta=meta,
            replicas=spec["replicas"],
            min_available=spec["minAvailable"],
            clique_names=tuple(spec["cliqueNames"]),
        )
    rest = {
        key: value for key, value in body.items() if key not in ("apiVersion", "kind", "metadata")
    }
    return Child(meta=meta, body=rest)


def apply_merge_patch(current: Any, patch: Any) -> Any:
    """RFC 7386."""
    if not isinstance(patch, Mapping):
        return patch
    result = dict(current) if isinstance(current, Mapping) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = apply_merge_patch(result.get(key), value)
    return result


def _meta(metadata: Mapping[str, Any]) -> Meta:
    owners = metadata.get("ownerReferences") or [{}]
    return Meta(
        namespace=metadata.get("namespace", ""),
        name=metadata["name"],
        uid=metadata.get("uid", ""),
        version=1,
        generation=1,
        created=EPOCH,
        labels=dict(metadata.get("labels") or {}),
        annotations=dict(metadata.get("annotations") or {}),
        finalizers=tuple(metadata.get("finalizers") or ()),
        owner_uid=owners[0].get("uid", ""),
        owner_name=owners[0].get("name", ""),
    )


def _replica(blueprint: SetBlueprint, kind: Kind, record: Record) -> int | None:
    named = (Kind.GANG, Kind.HPA, Kind.RESOURCE_CLAIM, Kind.KAI_POD_GROUP, Kind.VOLCANO_POD_GROUP)
    if kind in named:
        return replica_of(blueprint.name, record.meta.name)
    text = record.meta.labels.get(labels.REPLICA_INDEX)
    return int(text) if text is not None else None
