"""Warnings about sets that are sound and yet rarely what their authors want.

Each is one sentence: the path, what will happen, what to do. A hint about a field that cannot be
changed later is given on create only. Refuses to repeat what is an error.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from grove_operator.admission.delays import read_delay
from grove_operator.admission.parts import (
    CLIQUES,
    GROUPS,
    clique_parts,
    group_parts,
    objects_in,
)
from grove_operator.admission.submission import Submission
from grove_operator.admission.wholeset import DELAY
from grove_operator.api.podclique import AutoScalingConfig
from grove_operator.api.podcliqueset import CliqueTemplate, StartupType

_LISTED: Final = 50
"""Characters of names in one warning: the API server may cut what is longer than 256 in all."""
_SHORT_DELAY: Final = 300
_HPA_DEFAULT: Final = "cpu"
_MEASURED: Final = ("cpu", "memory")
"""What Kubernetes measures of a container; nothing else has a utilization."""


def hints(submission: Submission) -> Iterator[str]:
    if submission.is_create:
        yield from _no_spare_replica(submission)
        yield from _unused_dependencies(submission)
    yield from _autoscaled_without_requests(submission)
    yield from _group_above_its_bound(submission)
    yield from _hasty_termination(submission)


def _no_spare_replica(submission: Submission) -> Iterator[str]:
    """Pods of a group's clique usually need each other, so that their minimum is all of them."""
    cliques = [
        part.clique.name
        for part in clique_parts(submission)
        if part.group is None
        and part.spec.effective_min_available == part.spec.effective_replicas > 1
    ]
    groups = [
        part.group.name
        for part in group_parts(submission)
        if part.group.min_available == part.group.replicas > 1
    ]
    for path, names in ((CLIQUES, cliques), (GROUPS, groups)):
        if names:
            yield (
                f"{path}: minAvailable equals replicas in {_listed(names)}, so updates "
                "go below it, one at a time, and any loss breaks it; lower it now, as it cannot be "
                "changed later"
            )


def _unused_dependencies(submission: Submission) -> Iterator[str]:
    template = submission.new.spec.template
    names = [clique.name for clique in template.cliques if clique.spec.starts_after]
    if names and template.clique_startup_type != StartupType.EXPLICIT:
        yield (
            f"{CLIQUES}: startsAfter of {_listed(names)} is ignored with cliqueStartupType "
            f"{template.clique_startup_type.value}; for it to count, say "
            f"{StartupType.EXPLICIT.value}"
        )


def _autoscaled_without_requests(submission: Submission) -> Iterator[str]:
    """Utilization is a share of what is requested; without requests the autoscaler stands still."""
    members: defaultdict[str, list[CliqueTemplate]] = defaultdict(list)
    for part in clique_parts(submission):
        if part.group is not None:
            members[part.group.name].append(part.clique)
        elif part.spec.auto_scaling_config is not None:
            path = f"{part.path}.spec.autoScalingConfig"
            yield from _missing_requests(path, part.spec.auto_scaling_config, [part.clique])
    for group_part in group_parts(submission):
        # Popped, for a group of the same name is an error and would only repeat this.
        own = members.pop(group_part.group.name, [])
        if group_part.group.scale_config is not None:
            path = f"{group_part.path}.scaleConfig"
            yield from _missing_requests(path, group_part.group.scale_config, own)


def _missing_requests(
    path: str, config: AutoScalingConfig, cliques: Sequence[CliqueTemplate]
) -> Iterator[str]:
    for resource in dict.fromkeys(_shares_watched(config.metrics)):
        found = [
            f"{clique.name}/{container.get('name', '')}"
            for clique in cliques
            for container in _containers_without(resource, clique.spec.pod_spec)
        ]
        if found:
            why = "" if config.metrics else " (the default)"
            yield (
                f"{path}: watches the utilization of {resource}{why}, but {_listed(found)} "
                "requests none, so it cannot scale; add requests or other metrics"
            )


def _shares_watched(metrics: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Resources whose use is compared with what all containers of a pod request."""
    if not metrics:
        yield _HPA_DEFAULT
    for _, metric in objects_in(metrics):
        source = metric.get("resource")
        if metric.get("type") == "Resource" and isinstance(source, dict):
            target, name = source.get("target"), source.get("name")
            is_share = isinstance(target, dict) and target.get("type") == "Utilization"
            if is_share and name in _MEASURED:
                yield name


def _containers_without(resource: str, pod_spec: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    if _requests(resource, pod_spec):
        return  # for the pod as a whole
    for _, container in objects_in(pod_spec.get("containers")):
        if not _requests(resource, container):
            yield container


def _requests(resource: str, holder: Mapping[str, Any]) -> bool:
    """A limit counts: Kubernetes makes it the request where there is none."""
    resources = holder.get("resources")
    if not isinstance(resources, dict):
        return False
    amounts = (resources.get("requests"), resources.get("limits"))
    return any(isinstance(amount, dict) and resource in amount for amount in amounts)


def _group_above_its_bound(submission: Submission) -> Iterator[str]:
    for part in group_parts(submission):
        config = part.group.scale_config
        if config is not None and config.max_replicas < part.group.replicas:
            yield (
                f"{part.path}.scaleConfig.maxReplicas: is below replicas, so the autoscaler will "
                "remove copies at once; raise it or lower replicas"
            )


def _hasty_termination(submission: Submission) -> Iterator[str]:
    text = submission.new.spec.template.termination_delay
    try:
        delay = None if text is None else read_delay(text)
    except ValueError:
        return
    if delay is not None and 0 < delay.seconds < _SHORT_DELAY:
        yield (
            f"{DELAY}: {text} is less than many models take to load, so a gang may be deleted "
            "while a lost pod is being replaced; consider 5m or more"
        )


def _listed(names: Sequence[str]) -> str:
    """As many as there is room for, one at least."""
    fitting = 1
    while fitting < len(names) and len(", ".join(names[: fitting + 1])) <= _LISTED:
        fitting += 1
    text = ", ".join(names[:fitting])
    return text if fitting == len(names) else f"{text} and {len(names) - fitting} more"
