"""Rules about the set as a whole: its name, its counts, what must be unique, its delay."""

from collections.abc import Iterator
from typing import Final

from grove_operator.admission.delays import read_delay
from grove_operator.admission.fields import FieldError, duplicate, invalid, required
from grove_operator.admission.parts import CLIQUES, GROUPS, SET_NAME, TEMPLATE, repeated
from grove_operator.admission.submission import Submission
from grove_operator.admission.syntax import hostname_label_problem, key_problem
from grove_operator.api import labels
from grove_operator.api.durations import format_duration
from grove_operator.api.limits import MOST_PODS
from grove_operator.api.podcliqueset import PodCliqueSetSpec

DELAY: Final = f"{TEMPLATE}.terminationDelay"
_SPREAD_POLICIES: Final = ("Required", "Preferred")


def set_name(submission: Submission) -> Iterator[FieldError]:
    name = submission.new.metadata.name
    if problem := hostname_label_problem(name):
        yield invalid(SET_NAME, name, problem)


def set_replicas(submission: Submission) -> Iterator[FieldError]:
    replicas = submission.new.spec.replicas
    if replicas < 0:
        yield invalid("spec.replicas", replicas, "must not be negative")


def pods_bounded(submission: Submission) -> Iterator[FieldError]:
    """Ours alone: what one user asks for must not take all memory from everybody else's."""
    spec = submission.new.spec
    counts = {"spec.replicas": spec.replicas}
    for index, clique in enumerate(spec.template.cliques):
        counts[f"{CLIQUES}[{index}].spec.replicas"] = clique.spec.replicas
    for index, group in enumerate(spec.template.pod_clique_scaling_groups):
        counts[f"{GROUPS}[{index}].replicas"] = group.replicas
    excessive = {path: count for path, count in counts.items() if count > MOST_PODS}
    for path, count in excessive.items():
        yield invalid(path, count, f"must not be more than {MOST_PODS}")
    pods = pods_of(spec)
    if not excessive and pods > MOST_PODS:
        yield invalid(
            "spec.replicas", spec.replicas, f"makes {pods} pods, and a set may have {MOST_PODS}"
        )


def pods_of(spec: PodCliqueSetSpec) -> int:
    """How many a set becomes."""
    copies = {
        name: group.replicas
        for group in spec.template.pod_clique_scaling_groups
        for name in group.clique_names
    }
    return spec.replicas * sum(
        clique.spec.effective_replicas * copies.get(clique.name, 1)
        for clique in spec.template.cliques
    )


def cliques_exist(submission: Submission) -> Iterator[FieldError]:
    if not submission.new.spec.template.cliques:
        yield required(CLIQUES, "a set has at least one clique")


def clique_names_unique(submission: Submission) -> Iterator[FieldError]:
    """In the API server's words, which knows the list as a map and sees this first."""
    seen: set[str] = set()
    for index, clique in enumerate(submission.new.spec.template.cliques):
        if clique.name in seen:
            yield duplicate(f"{CLIQUES}[{index}]", {"name": clique.name})
        seen.add(clique.name)


def role_names_unique(submission: Submission) -> Iterator[FieldError]:
    """Two cliques without a role have the same one."""
    roles = (clique.spec.role_name for clique in submission.new.spec.template.cliques)
    if twice := repeated(roles):
        yield duplicate(f"{CLIQUES}.roleName", twice)


def termination_delay(submission: Submission) -> Iterator[FieldError]:
    text = submission.new.spec.template.termination_delay
    if text is None:
        return
    try:
        delay = read_delay(text)
    except ValueError as error:
        yield invalid(DELAY, text, str(error))
        return
    if delay.nanoseconds <= 0:
        yield invalid(DELAY, format_duration(delay), "terminationDelay must be greater than 0")


def spread_of_replicas(submission: Submission) -> Iterator[FieldError]:
    """The annotations that keep replicas apart. Whether the level exists is told in a condition."""
    annotations = submission.new.metadata.annotations
    level = annotations.get(labels.SPREAD_REPLICAS)
    if level is not None and (problem := key_problem(level.strip())):
        path = f"metadata.annotations.{labels.SPREAD_REPLICAS}"
        yield invalid(path, level, f"must be a topology domain or a node label: {problem}")
    policy = annotations.get(labels.SPREAD_POLICY)
    if policy is not None and policy not in _SPREAD_POLICIES:
        path = f"metadata.annotations.{labels.SPREAD_POLICY}"
        yield invalid(path, policy, f"must be {' or '.join(_SPREAD_POLICIES)}")
