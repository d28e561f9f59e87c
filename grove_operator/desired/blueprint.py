"""A PodCliqueSet made ready for planning: what is the same for all its replicas, worked out once.

Made anew when the set's generation, labels or annotations change, then shared by the passes over
all replicas. Everything downstream reads this instead of the models.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from grove_operator.api import labels
from grove_operator.api.numbers import whole_number
from grove_operator.api.podclique import AutoScalingConfig
from grove_operator.api.podcliqueset import (
    CliqueTemplate,
    PodCliqueSet,
    ScalingGroupConfig,
    StartupType,
    UpdateStrategyType,
)
from grove_operator.desired.environment import group_environment, with_environment
from grove_operator.desired.fingerprint import generation_hash, instance_hash, pod_template_hash
from grove_operator.desired.packing import Packing, read_packing
from grove_operator.desired.sharing import (
    SharedClaim,
    TemplateRef,
    claims_named,
    clique_claims,
    group_claims,
    mnnvl_group,
    set_claims,
)
from grove_operator.desired.spreading import Spread, read_spread

_REVISION_LIMIT: Final = 10
_MIRROR_NOT = frozenset({"kubectl.kubernetes.io/last-applied-configuration"})


@dataclass(frozen=True, slots=True)
class CliqueBlueprint:
    """One clique template. `spec` is a PodClique's spec without `replicas` and `startsAfter`."""

    name: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    spec: Mapping[str, Any]
    replicas: int
    min_available: int
    pod_hash: str
    scheduler: str
    group: str | None
    starts_after: tuple[str, ...]
    """Names of the cliques that it starts after, by the rule of the set's startup type."""
    scaling: AutoScalingConfig | None
    claims: tuple[SharedClaim, ...] = ()
    mnnvl_group: str = ""
    """The ComputeDomain group of those of its containers that have GPUs; empty for none."""


@dataclass(frozen=True, slots=True)
class GroupBlueprint:
    """One scaling group of the template, with its cliques in the order that the user gave."""

    name: str
    annotations: Mapping[str, str]
    replicas: int
    min_available: int
    cliques: tuple[CliqueBlueprint, ...]
    scaling: AutoScalingConfig | None
    instance: str
    """Hash of the templates of all its cliques: a group replica is replaced as a whole."""
    claims: tuple[SharedClaim, ...] = ()


@dataclass(frozen=True, slots=True)
class MonitorRequest:
    """What the set's annotations ask of a PodMonitor; empty is the usual."""

    port: str
    path: str
    interval: str


@dataclass(frozen=True, slots=True)
class SetBlueprint:
    """The whole set. `mirrored_*` are the set's own labels and annotations that its gangs carry."""

    namespace: str
    name: str
    uid: str
    generation: int
    replicas: int
    deleting: bool
    priority_class: str
    publish_not_ready: bool
    generation_hash: str
    on_delete: bool
    """Whether pods get a new template only when somebody deletes them."""
    termination_delay: float
    """Seconds that a gang may stay below its minimum before it is restarted."""
    packing: Packing | None
    """The topology constraints; None if there are none."""
    spread: Spread | None
    """How replicas are kept apart; None if that is not asked for."""
    mirrored_labels: Mapping[str, str]
    mirrored_annotations: Mapping[str, str]
    standalone: tuple[CliqueBlueprint, ...]
    groups: tuple[GroupBlueprint, ...]
    by_name: Mapping[str, CliqueBlueprint]
    monitor: MonitorRequest | None
    """None if no PodMonitor is asked for."""
    keep_unreachable: bool
    """Whether pods on silent nodes are left to whoever repairs the node."""
    has_order: bool
    """Whether any clique starts after another."""
    revision_limit: int
    """How many old templates are kept."""
    claims: tuple[SharedClaim, ...] = ()
    claiming: frozenset[str] = frozenset()
    """Names of the cliques whose pods use shared claims."""
    claim_sources: frozenset[TemplateRef] = frozenset()
    """The ResourceClaimTemplate objects that are needed."""
    shares_between_cliques: bool = False
    """Whether PodCliques of one gang share a claim."""
    default_scheduler: str = labels.DEFAULT_SCHEDULER
    """The scheduler of cliques that name none."""

    @property
    def pair(self) -> dict[str, str]:
        return labels.default_pair(self.name)

    @property
    def scheduler(self) -> str:
        """The one scheduler of all cliques: the first that is named, else the default one."""
        return next(
            (clique.scheduler for clique in self.by_name.values() if clique.scheduler),
            self.default_scheduler,
        )

    def group(self, name: str) -> GroupBlueprint:
        return next(group for group in self.groups if group.name == name)


def build_blueprint(
    pcs: PodCliqueSet, default_scheduler: str = labels.DEFAULT_SCHEDULER
) -> SetBlueprint:
    """Prepare a set that `admission` has found sound."""
    template, meta = pcs.spec.template, pcs.metadata
    cliques = {
        clique.name: _clique(pcs, index, clique) for index, clique in enumerate(template.cliques)
    }
    groups = tuple(_group(pcs, config, cliques) for config in template.pod_clique_scaling_groups)
    return SetBlueprint(
        namespace=meta.namespace,
        name=meta.name,
        uid=meta.uid,
        generation=meta.generation,
        replicas=pcs.spec.replicas,
        deleting=meta.deletion_timestamp is not None,
        priority_class=template.priority_class_name,
        publish_not_ready=template.headless_service_config.publish_not_ready_addresses,
        generation_hash=generation_hash(clique.pod_hash for clique in cliques.values()),
        on_delete=pcs.spec.update_strategy.type is UpdateStrategyType.ON_DELETE,
        termination_delay=template.effective_termination_delay.seconds,
        packing=read_packing(template),
        spread=read_spread(meta.annotations),
        mirrored_labels=_mirrored(meta.labels),
        mirrored_annotations=_mirrored(meta.annotations),
        standalone=tuple(clique for clique in cliques.values() if clique.group is None),
        groups=groups,
        by_name=cliques,
        monitor=_monitor(meta.annotations),
        keep_unreachable=meta.annotations.get(labels.KEEP_UNREACHABLE) == "true",
        has_order=any(clique.starts_after for clique in cliques.values()),
        revision_limit=_revision_limit(meta.annotations),
        **_sharing(pcs, [*cliques.values(), *groups]),
        default_scheduler=default_scheduler,
    )


def _sharing(
    pcs: PodCliqueSet, parts: Iterable[CliqueBlueprint | GroupBlueprint]
) -> dict[str, Any]:
    own = set_claims(pcs)
    every = [*own, *(claim for part in parts for claim in part.claims)]
    return {
        "claims": own,
        "claiming": frozenset(name for claim in every for name in claim.cliques),
        "claim_sources": frozenset(claim.source for claim in every if claim.source),
        "shares_between_cliques": _shares_between_cliques(pcs, own, parts),
    }


def _shares_between_cliques(
    pcs: PodCliqueSet,
    own: Iterable[SharedClaim],
    parts: Iterable[CliqueBlueprint | GroupBlueprint],
) -> bool:
    """A clique of a group stands in a gang as many times as the group's minAvailable says."""
    times = {
        name: group.min_available
        for group in pcs.spec.template.pod_clique_scaling_groups
        for name in group.clique_names
    }
    groups = [part for part in parts if isinstance(part, GroupBlueprint)]
    once = [claim for group in groups for claim in group.claims if claim.per_copy]
    often = [claim for group in groups for claim in group.claims if not claim.per_copy]
    return (
        any(len(claim.cliques) > 1 for claim in once)
        or any(sum(times.get(name, 1) for name in claim.cliques) > 1 for claim in (*own, *often))
        or any(uses > 1 for uses in _uses_of_claims(pcs, times).values())
    )


def _uses_of_claims(pcs: PodCliqueSet, times: Mapping[str, int]) -> Counter[str]:
    """In how many PodCliques of a gang each ResourceClaim stands that pod specs name themselves."""
    uses: Counter[str] = Counter()
    for clique in pcs.spec.template.cliques:
        claims, _ = claims_named(clique.spec.pod_spec)
        for name in set(claims):
            uses[name] += times.get(clique.name, 1)
    return uses


def _revision_limit(annotations: Mapping[str, str]) -> int:
    """What is not a number counts as not said."""
    number = whole_number(annotations.get(labels.REVISION_LIMIT, ""))
    return _REVISION_LIMIT if number is None else number


def _monitor(annotations: Mapping[str, str]) -> MonitorRequest | None:
    if annotations.get(labels.POD_MONITOR) != "true":
        return None
    return MonitorRequest(
        port=annotations.get(labels.POD_MONITOR_PORT, ""),
        path=annotations.get(labels.POD_MONITOR_PATH) or "/metrics",
        interval=annotations.get(labels.POD_MONITOR_INTERVAL, ""),
    )


def _mirrored(values: Mapping[str, str]) -> dict[str, str]:
    """All but `grove.io/` keys, and but the applied manifest, which would double every gang."""
    return {
        key: value
        for key, value in values.items()
        if not key.startswith(f"{labels.GROVE_GROUP}/") and key not in _MIRROR_NOT
    }


def _clique(pcs: PodCliqueSet, index: int, clique: CliqueTemplate) -> CliqueBlueprint:
    template, spec = pcs.spec.template, clique.spec
    group = template.group_of(clique.name)
    annotations = {
        key: value for key, value in clique.annotations.items() if key != labels.TOPOLOGY_NAME
    }
    pod_spec = spec.pod_spec
    if group is not None:
        pod_spec = with_environment(pod_spec, group_environment(_group_pods(pcs, group)))
    body: dict[str, Any] = {
        "roleName": spec.role_name,
        "minAvailable": spec.effective_min_available,
        "podSpec": pod_spec,
    }
    if spec.auto_scaling_config is not None:
        body["autoScalingConfig"] = spec.auto_scaling_config.as_dict()
    return CliqueBlueprint(
        name=clique.name,
        labels=clique.labels,
        annotations=annotations,
        spec=body,
        replicas=spec.effective_replicas,
        min_available=spec.effective_min_available,
        pod_hash=pod_template_hash(
            clique.labels, clique.annotations, spec.pod_spec, template.priority_class_name
        ),
        scheduler=str(spec.pod_spec.get("schedulerName") or ""),
        group=group.name if group else None,
        starts_after=_starts_after(pcs, index, clique),
        scaling=spec.auto_scaling_config,
        claims=clique_claims(pcs, clique),
        mnnvl_group=mnnvl_group(pcs, clique),
    )


def _group_pods(pcs: PodCliqueSet, group: ScalingGroupConfig) -> int:
    """Pods of one group replica by the template, which engines read as their world size."""
    members = (pcs.spec.template.clique(name) for name in group.clique_names)
    return sum(member.spec.effective_replicas for member in members if member)


def _starts_after(pcs: PodCliqueSet, index: int, clique: CliqueTemplate) -> tuple[str, ...]:
    match pcs.spec.template.clique_startup_type:
        case StartupType.ANY_ORDER:
            return ()
        case StartupType.IN_ORDER:
            return (pcs.spec.template.cliques[index - 1].name,) if index else ()
        case StartupType.EXPLICIT:
            return tuple(clique.spec.starts_after)


def _group(
    pcs: PodCliqueSet, config: ScalingGroupConfig, cliques: Mapping[str, CliqueBlueprint]
) -> GroupBlueprint:
    annotations = dict(config.annotations)
    inherited = pcs.metadata.annotations.get(labels.MNNVL_GROUP)
    if inherited is not None:
        annotations.setdefault(labels.MNNVL_GROUP, inherited)
    members = tuple(cliques[name] for name in config.clique_names)
    return GroupBlueprint(
        name=config.name,
        annotations=annotations,
        replicas=config.replicas,
        min_available=config.min_available,
        cliques=members,
        scaling=config.scale_config,
        instance=instance_hash(clique.pod_hash for clique in members),
        claims=group_claims(pcs, config),
    )


def owner_reference(api_version: str, kind: str, name: str, uid: str) -> dict[str, Any]:
    """A controlling owner reference, as on everything that we make."""
    return {
        "apiVersion": api_version,
        "kind": kind,
        "name": name,
        "uid": uid,
        "controller": True,
        "blockOwnerDeletion": True,
    }


def child_metadata(
    blueprint: SetBlueprint, name: str, component: str, extra: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Name, namespace and the labels that every child carries, `extra` ones on top."""
    return {
        "name": name,
        "namespace": blueprint.namespace,
        "labels": blueprint.pair
        | {labels.NAME: name.replace(":", "-"), labels.COMPONENT: component}
        | dict(extra or {}),
    }


def replica_label(replica: int) -> dict[str, str]:
    return {labels.REPLICA_INDEX: str(replica)}
