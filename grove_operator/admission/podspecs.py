"""Rules about the pods of a clique. Kubernetes checks most of a pod itself when it is created.

Pod specs are opaque bodies here, so each look at one bears with any JSON.
"""

from collections.abc import Iterator
from typing import Final

from grove_operator.admission.fields import FieldError, invalid
from grove_operator.admission.parts import CliquePart, clique_parts, objects_in
from grove_operator.admission.submission import Submission
from grove_operator.admission.syntax import variable_problem

_CONTAINERS: Final = ("containers", "initContainers")


def containers_are_readable(part: CliquePart) -> Iterator[FieldError]:
    """What the CRD's schema sees to, for sets that got past it: variables are written in here."""
    for kind in _CONTAINERS:
        containers = part.spec.pod_spec.get(kind)
        for index, container in _entries(containers):
            path = f"{part.pod_path}.{kind}[{index}]"
            if not isinstance(container, dict):
                yield invalid(path, container, "must be an object")
                continue
            for position, variable in _entries(container.get("env")):
                if not isinstance(variable, dict) or not isinstance(variable.get("name"), str):
                    yield invalid(f"{path}.env[{position}]", variable, "must have a name")
            if not isinstance(container.get("env"), list | None):
                yield invalid(f"{path}.env", container["env"], "must be a list")
        if not isinstance(containers, list | None):
            yield invalid(f"{part.pod_path}.{kind}", containers, "must be a list")


def _entries(value: object) -> Iterator[tuple[int, object]]:
    if isinstance(value, list):
        yield from enumerate(value)


def no_node_name(part: CliquePart) -> Iterator[FieldError]:
    """On create only. A pod that names its node passes by the scheduler, and so by its gang."""
    node = part.spec.pod_spec.get("nodeName")
    if part.submission.is_create and isinstance(node, str) and node.strip():
        yield invalid(f"{part.pod_path}.nodeName", node, "must not be set: the scheduler decides")


def variable_names(part: CliquePart) -> Iterator[FieldError]:
    for kind in _CONTAINERS:
        for index, container in objects_in(part.spec.pod_spec.get(kind)):
            for position, variable in objects_in(container.get("env")):
                name = variable.get("name", "")
                if isinstance(name, str) and (problem := variable_problem(name)):
                    path = f"{part.pod_path}.{kind}[{index}].env[{position}].name"
                    yield invalid(path, name, problem)


def restart_policy_warnings(submission: Submission) -> Iterator[str]:
    """Only where it is not what the defaulter sets."""
    for part in clique_parts(submission):
        policy = part.spec.pod_spec.get("restartPolicy")
        if isinstance(policy, str) and policy not in {"", "Always"}:
            yield (
                f'{part.pod_path}.restartPolicy: with "{policy}" a pod whose containers have '
                "ended keeps its place without working; use Always"
            )
