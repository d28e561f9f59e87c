"""Short ways to say what a test is about: sets, pods, and replicas that have come to rest.

Everything not given gets a plain value. Sets are immutable: each `with_` gives another one.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from dataclasses import replace as changed
from typing import Any

from grove_operator.admission.validation import essential_problems
from grove_operator.api import labels
from grove_operator.api.parsing import parse_podcliqueset
from grove_operator.api.podcliqueset import PodCliqueSet
from grove_operator.desired.blueprint import SetBlueprint, build_blueprint
from grove_operator.desired.expansion import CliqueSlot, ReplicaSlots, expand
from grove_operator.observed import Child, Meta, Pod, ReplicaSnapshot
from grove_operator.plan.actions import Plan
from grove_operator.plan.rehearse import Stage, settle
from grove_operator.plan.replica import plan_replica
from grove_operator.scheduling.native import Capabilities
from grove_operator.scheduling.profiles import EVERYTHING

NOW = "2026-03-01T10:00:00Z"
LATER = "2026-03-01T11:30:00Z"
IMAGE = "registry.example/grove-initc:1"
NATIVE = Capabilities(pod_groups=True, composite_groups=True, workloads=True, waiter_image=IMAGE)
SUMS = Capabilities(pod_groups=True, waiter_image=IMAGE)
PLAIN = Capabilities(waiter_image=IMAGE)
OTHERS = Capabilities(waiter_image=IMAGE, profiles=EVERYTHING)
"""KAI, Volcano and LPX are there, and no gangs on the stock scheduler."""

Body = dict[str, Any]


@dataclass(frozen=True)
class SetBuilder:
    """A PodCliqueSet in the making."""

    name: str = "tide"
    namespace: str = "harbor"
    uid: str = "uid-of-the-set"
    generation: int = 1
    replicas: int = 1
    strategy: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    template: Mapping[str, Any] = field(default_factory=dict)
    cliques: tuple[Body, ...] = ()
    groups: tuple[Body, ...] = ()

    def with_clique(
        self,
        name: str,
        replicas: int = 1,
        *,
        pod_spec: Mapping[str, Any] | None = None,
        labels: Mapping[str, str] | None = None,
        annotations: Mapping[str, str] | None = None,
        **spec: Any,
    ) -> "SetBuilder":
        """Add a clique, or replace the one of this name. `spec` is in the API's own spelling."""
        containers = [{"name": "app", "image": f"registry.example/{name}:1"}]
        body: Body = {
            "name": name,
            "spec": {
                "roleName": name,
                "replicas": replicas,
                "podSpec": {"containers": containers, **(pod_spec or {})},
                **spec,
            },
        }
        if labels:
            body["labels"] = dict(labels)
        if annotations:
            body["annotations"] = dict(annotations)
        return changed(self, cliques=_placed(self.cliques, body))

    def with_group(
        self, name: str, *members: str, replicas: int = 1, min_available: int = 1, **fields: Any
    ) -> "SetBuilder":
        body = {
            "name": name,
            "cliqueNames": list(members),
            "replicas": replicas,
            "minAvailable": min_available,
            **fields,
        }
        return changed(self, groups=_placed(self.groups, body))

    def with_template(self, **fields: Any) -> "SetBuilder":
        return changed(self, template={**self.template, **fields})

    def in_order(self) -> "SetBuilder":
        return self.with_template(cliqueStartupType="CliqueStartupTypeInOrder")

    def explicit(self) -> "SetBuilder":
        return self.with_template(cliqueStartupType="CliqueStartupTypeExplicit")

    def but(self, **fields: Any) -> "SetBuilder":
        """Another name, count, label and so on."""
        return changed(self, **fields)

    def manifest(self) -> Body:
        """What a user would apply."""
        template: Body = {**self.template, "cliques": list(self.cliques)}
        if self.groups:
            template["podCliqueScalingGroups"] = list(self.groups)
        return {
            "apiVersion": labels.GROVE_API,
            "kind": "PodCliqueSet",
            "metadata": {
                "name": self.name,
                "namespace": self.namespace,
                "labels": dict(self.labels),
                "annotations": dict(self.annotations),
            },
            "spec": {"replicas": self.replicas, "template": template}
            | ({"updateStrategy": {"type": self.strategy}} if self.strategy else {}),
        }

    def model(self) -> PodCliqueSet:
        body = self.manifest()
        body["metadata"] |= {"uid": self.uid, "generation": self.generation}
        pcs = parse_podcliqueset(body)
        assert essential_problems(pcs) == []
        return pcs

    def blueprint(self) -> SetBlueprint:
        return build_blueprint(self.model())

    def slots(self, index: int = 0, **live_groups: int) -> ReplicaSlots:
        """Where everything belongs; `live_groups` are counts by the group's name."""
        live = {f"{self.name}-{index}-{name}": count for name, count in live_groups.items()}
        return expand(self.blueprint(), index, live)

    def slot(self, clique: str, index: int = 0) -> CliqueSlot:
        return self.slots(index).cliques[clique]


def _placed(bodies: tuple[Body, ...], body: Body) -> tuple[Body, ...]:
    names = [item["name"] for item in bodies]
    if body["name"] not in names:
        return (*bodies, body)
    at = names.index(body["name"])
    return (*bodies[:at], body, *bodies[at + 1 :])


def a_set(name: str = "tide", **fields: Any) -> SetBuilder:
    return SetBuilder(name=name, **fields)


def the_crew(**fields: Any) -> SetBuilder:
    """A standalone clique and a group of two: base gang, scaled gang, all kinds of PodCliques."""
    return (
        a_set(**fields)
        .with_clique("gate", 2, minAvailable=1)
        .with_clique("lead", 1)
        .with_clique("oar", 2, minAvailable=1)
        .with_group("crew", "lead", "oar", replicas=3, min_available=2)
    )


def a_meta(name: str = "thing", **fields: Any) -> Meta:
    given: Body = {"namespace": "harbor", "uid": f"uid-of-{name}", "version": 1, "generation": 1}
    return Meta(name=name, **(given | fields))


def a_pod(index: int | None = 0, name: str = "", template: str = "new", **fields: Any) -> Pod:
    """A ready pod; metadata's fields may be given along with the pod's."""
    own = {labels.TEMPLATE_HASH: template}
    if index is not None:
        own[labels.POD_INDEX] = str(index)
    meta_fields = {
        key: fields.pop(key) for key in ("uid", "deleting", "created", "owner_uid") if key in fields
    }
    meta = a_meta(name or f"pod-{index}", labels=own, **meta_fields)
    state: Body = {"phase": "Running", "node": "node", "ready": True, "scheduled": True}
    return Pod(meta=meta, **(state | fields))


def a_waiting_pod(index: int = 0, **fields: Any) -> Pod:
    """A pod that nobody has placed."""
    state: Body = {"phase": "Pending", "node": "", "ready": False, "scheduled": False}
    return a_pod(index, **(state | fields))


def a_child(name: str, body: Mapping[str, Any] | None = None, **meta: Any) -> Child:
    return Child(meta=a_meta(name, **meta), body=dict(body or {}))


def a_rest(
    builder: SetBuilder, capabilities: Capabilities = NATIVE, replica: int = 0
) -> tuple[Stage, ReplicaSnapshot]:
    """A replica that has come to rest, on a stage and as a snapshot."""
    stage = Stage(builder.blueprint(), capabilities)
    settle(stage, replica)
    return stage, stage.snapshot(replica)


def look(
    builder: SetBuilder,
    seen: ReplicaSnapshot,
    capabilities: Capabilities = NATIVE,
    replica: int = 0,
    now: str = NOW,
) -> Plan:
    return plan_replica(builder.blueprint(), replica, seen, capabilities, now)
