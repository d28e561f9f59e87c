"""Rules about one clique: its name, labels, counts and the bounds of its autoscaler.

What its pods may be is in `podspecs.py`, after whom it starts in `startup.py`.
"""

from collections.abc import Iterator
from typing import Final

from grove_operator.admission.fields import FieldError, invalid, required
from grove_operator.admission.labelling import annotation_errors, label_errors
from grove_operator.admission.parts import SET_NAME, CliquePart
from grove_operator.admission.syntax import hostname_label_problem
from grove_operator.api.podclique import AutoScalingConfig

NAME_BUDGET: Final = 45
"""Characters for the names of set, group and clique together; what is added are indices."""


def clique_name(part: CliquePart) -> Iterator[FieldError]:
    name = part.clique.name
    if not name.strip():
        yield required(f"{part.path}.name", "a clique needs a name")
    elif problem := hostname_label_problem(name):
        yield invalid(f"{part.path}.name", name, problem)


def standalone_name_length(part: CliquePart) -> Iterator[FieldError]:
    """Members of a group are looked at with their group, whose name counts, too."""
    name, set_name = part.clique.name, part.submission.new.metadata.name
    length = len(set_name) + len(name)
    if part.group is not None or length <= NAME_BUDGET or not name.strip():
        return
    detail = f'{over_budget(length)}: PodCliqueSet "{set_name}", PodClique "{name}"'
    yield invalid(f"{part.path}.name", name, detail)
    yield invalid(SET_NAME, set_name, detail)


def over_budget(length: int) -> str:
    return f"combined resource name length {length} exceeds {NAME_BUDGET}-character limit"


def clique_labels(part: CliquePart) -> Iterator[FieldError]:
    yield from label_errors(f"{part.path}.labels", part.clique.labels)


def clique_annotations(part: CliquePart) -> Iterator[FieldError]:
    yield from annotation_errors(f"{part.path}.annotations", part.clique.annotations)


def clique_replicas(part: CliquePart) -> Iterator[FieldError]:
    replicas = part.spec.effective_replicas
    if replicas < 0:
        yield invalid(f"{part.path}.spec.replicas", replicas, "must be greater than 0")


def clique_min_available(part: CliquePart) -> Iterator[FieldError]:
    path, least = f"{part.path}.spec.minAvailable", part.spec.effective_min_available
    yield from min_available_fits(path, least, part.spec.effective_replicas)


def min_available_fits(path: str, least: int, replicas: int) -> Iterator[FieldError]:
    if least <= 0:
        yield invalid(path, least, "must be greater than 0")
    if least > replicas:
        yield invalid(path, least, "minAvailable must not be greater than replicas")


def autoscaler_lower_bound(part: CliquePart) -> Iterator[FieldError]:
    config, spec = part.spec.auto_scaling_config, part.spec
    if config is not None:
        least, path = spec.effective_min_available, f"{part.path}.spec.autoScalingConfig"
        yield from lower_bound_fits(path, config, spec.effective_replicas, least)


def lower_bound_fits(
    path: str, config: AutoScalingConfig, replicas: int, least: int
) -> Iterator[FieldError]:
    """Below minAvailable an autoscaler would starve the gang."""
    lower = config.effective_min_replicas(replicas)
    if lower < least:
        detail = f"must not be less than minAvailable, which is {least}"
        yield invalid(f"{path}.minReplicas", lower, detail)


def autoscaler_upper_bound(part: CliquePart) -> Iterator[FieldError]:
    config = part.spec.auto_scaling_config
    if config is not None:
        path = f"{part.path}.spec.autoScalingConfig"
        yield from upper_bound_fits(path, config, part.spec.effective_replicas)


def upper_bound_fits(path: str, config: AutoScalingConfig, replicas: int) -> Iterator[FieldError]:
    """Kubernetes would refuse the autoscaler later, where nobody looks."""
    lower = config.effective_min_replicas(replicas)
    if config.max_replicas < lower:
        detail = f"must not be less than minReplicas, which is {lower}"
        yield invalid(f"{path}.maxReplicas", config.max_replicas, detail)


def autoscaler_reaches_replicas(part: CliquePart) -> Iterator[FieldError]:
    config, replicas = part.spec.auto_scaling_config, part.spec.effective_replicas
    if config is not None and config.max_replicas < replicas:
        path = f"{part.path}.spec.autoScalingConfig.maxReplicas"
        yield invalid(
            path, config.max_replicas, f"must not be less than replicas, which is {replicas}"
        )
