"""Rules about one clique: its name, labels, counts and the bounds of its autoscaler.

What its pods may be is in `podspecs.py`, after whom it starts in `startup.py`.
"""

from collections.abc import Iterator, Mapping
from typing import Final

from grove_operator.admission.fields import FieldError, invalid, required, too_long
from grove_operator.admission.parts import SET_NAME, CliquePart
from grove_operator.admission.syntax import (
    hostname_label_problem,
    key_problem,
    label_value_problem,
)

NAME_BUDGET: Final = 45
"""Characters for the names of set, group and clique together; what is added are indices."""
_MAX_ANNOTATIONS: Final = 256 * 1024


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
    path = f"{part.path}.labels"
    for key, value in part.clique.labels.items():
        if problem := key_problem(key):
            yield invalid(path, key, problem)
        if problem := label_value_problem(value):
            yield invalid(path, value, problem)


def clique_annotations(part: CliquePart) -> Iterator[FieldError]:
    path = f"{part.path}.annotations"
    for key in part.clique.annotations:
        if problem := key_problem(key.lower()):
            yield invalid(path, key, problem)
    if _size(part.clique.annotations) > _MAX_ANNOTATIONS:
        yield too_long(path, f"may not be more than {_MAX_ANNOTATIONS} bytes")


def _size(annotations: Mapping[str, str]) -> int:
    texts = (text for pair in annotations.items() for text in pair)
    return sum(len(text.encode(errors="surrogatepass")) for text in texts)


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
    """Below minAvailable an autoscaler would starve the gang."""
    config, least = part.spec.auto_scaling_config, part.spec.effective_min_available
    if config is None:
        return
    lower = config.effective_min_replicas(part.spec.effective_replicas)
    if lower < least:
        path = f"{part.path}.spec.autoScalingConfig.minReplicas"
        yield invalid(path, lower, f"must not be less than minAvailable, which is {least}")


def autoscaler_upper_bound(part: CliquePart) -> Iterator[FieldError]:
    config = part.spec.auto_scaling_config
    if config is None:
        return
    lower = config.effective_min_replicas(part.spec.effective_replicas)
    if config.max_replicas < lower:
        path = f"{part.path}.spec.autoScalingConfig.maxReplicas"
        yield invalid(
            path, config.max_replicas, f"must not be less than minReplicas, which is {lower}"
        )


def autoscaler_reaches_replicas(part: CliquePart) -> Iterator[FieldError]:
    config, replicas = part.spec.auto_scaling_config, part.spec.effective_replicas
    if config is not None and config.max_replicas < replicas:
        path = f"{part.path}.spec.autoScalingConfig.maxReplicas"
        yield invalid(
            path, config.max_replicas, f"must not be less than replicas, which is {replicas}"
        )
