"""The cliques and groups of a submission, each with its path, as the rules go through them.

Owns the paths and which clique is in which group. Refuses to know any rule.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from grove_operator.admission.fields import FieldError
from grove_operator.admission.submission import Submission
from grove_operator.api.podclique import PodCliqueSpec
from grove_operator.api.podcliqueset import CliqueTemplate, PodCliqueSet, ScalingGroupConfig

TEMPLATE: Final = "spec.template"
CLIQUES: Final = f"{TEMPLATE}.cliques"
GROUPS: Final = f"{TEMPLATE}.podCliqueScalingGroups"
SET_NAME: Final = "metadata.name"


@dataclass(frozen=True, slots=True)
class CliquePart:
    """One clique of the template. `group` is the first one that lists it.

    `claims` are the names of the set's own resource claim templates.
    """

    path: str
    clique: CliqueTemplate
    group: ScalingGroupConfig | None
    claims: frozenset[str]
    submission: Submission

    @property
    def spec(self) -> PodCliqueSpec:
        return self.clique.spec

    @property
    def pod_path(self) -> str:
        """Where rules about pods point; the last segment is one that clients of Grove know."""
        return f"{self.path}.spec.podSpec.spec"


@dataclass(frozen=True, slots=True)
class GroupPart:
    """One scaling group of the template. `cliques` are the names of all cliques of the set."""

    path: str
    group: ScalingGroupConfig
    cliques: frozenset[str]
    claims: frozenset[str]
    submission: Submission


Part = TypeVar("Part")
Rule = Callable[[Submission], Iterator[FieldError]]
CliqueRule = Callable[[CliquePart], Iterator[FieldError]]
GroupRule = Callable[[GroupPart], Iterator[FieldError]]


def in_turn(
    parts: Callable[[Submission], Iterator[Part]],
    rules: Iterable[Callable[[Part], Iterator[FieldError]]],
) -> Rule:
    """One rule out of many: all of them on the first part, then on the next."""
    listed = tuple(rules)

    def each(submission: Submission) -> Iterator[FieldError]:
        for part in parts(submission):
            for rule in listed:
                yield from rule(part)

    return each


def clique_parts(submission: Submission) -> Iterator[CliquePart]:
    owners, claims = owning_groups(submission.new), claim_names(submission.new)
    for index, clique in enumerate(submission.new.spec.template.cliques):
        owner = owners.get(clique.name)
        yield CliquePart(f"{CLIQUES}[{index}]", clique, owner, claims, submission)


def group_parts(submission: Submission) -> Iterator[GroupPart]:
    template = submission.new.spec.template
    cliques = frozenset(clique.name for clique in template.cliques)
    claims = claim_names(submission.new)
    for index, group in enumerate(template.pod_clique_scaling_groups):
        yield GroupPart(f"{GROUPS}[{index}]", group, cliques, claims, submission)


def owning_groups(pcs: PodCliqueSet) -> dict[str, ScalingGroupConfig]:
    """The group of each clique that is in one; the first, where a clique is in several."""
    groups = reversed(pcs.spec.template.pod_clique_scaling_groups)
    return {name: group for group in groups for name in group.clique_names}


def claim_names(pcs: PodCliqueSet) -> frozenset[str]:
    return frozenset(claim.name for claim in pcs.spec.template.resource_claim_templates)


def repeated(values: Iterable[str]) -> list[str]:
    """What occurs more than once, in order of its second occurrence."""
    seen: set[str] = set()
    twice: dict[str, None] = {}
    for value in values:
        if value in seen:
            twice[value] = None
        seen.add(value)
    return list(twice)


def objects_in(value: Any) -> Iterator[tuple[int, dict[str, Any]]]:
    """The JSON objects of a list in an opaque body, with their indices."""
    if isinstance(value, list):
        for index, item in enumerate(value):
            if isinstance(item, dict):
                yield index, item
