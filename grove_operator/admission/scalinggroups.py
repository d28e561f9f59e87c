"""Rules about scaling groups: names, members, counts and the bounds of their autoscalers."""

from collections.abc import Iterator

from grove_operator.admission.cliques import (
    NAME_BUDGET,
    lower_bound_fits,
    min_available_fits,
    over_budget,
    upper_bound_fits,
)
from grove_operator.admission.fields import FieldError, duplicate, invalid
from grove_operator.admission.parts import (
    GROUPS,
    SET_NAME,
    GroupPart,
    clique_parts,
    repeated,
)
from grove_operator.admission.submission import Submission
from grove_operator.admission.syntax import hostname_label_problem


def group_name(part: GroupPart) -> Iterator[FieldError]:
    if problem := hostname_label_problem(part.group.name):
        yield invalid(f"{part.path}.name", part.group.name, problem)


def group_members_known(part: GroupPart) -> Iterator[FieldError]:
    unknown = dict.fromkeys(name for name in part.group.clique_names if name not in part.cliques)
    if unknown:
        path = f"{part.path}.cliqueNames"
        yield invalid(path, ",".join(unknown), "unidentified PodClique names found")


def member_name_length(part: GroupPart) -> Iterator[FieldError]:
    """Said of all three names, as each of them could be the one to shorten."""
    group, set_name = part.group.name, part.submission.new.metadata.name
    for index, clique in enumerate(part.group.clique_names):
        length = len(set_name) + len(group) + len(clique)
        if length <= NAME_BUDGET:
            continue
        detail = (
            f'{over_budget(length)}: PodCliqueSet "{set_name}", PodCliqueScalingGroup "{group}", '
            f'PodClique "{clique}"'
        )
        yield invalid(f"{part.path}.cliqueNames[{index}].name", clique, detail)
        yield invalid(f"{part.path}.name", group, detail)
        yield invalid(SET_NAME, set_name, detail)


def group_replicas(part: GroupPart) -> Iterator[FieldError]:
    if part.group.replicas <= 0:
        yield invalid(f"{part.path}.replicas", part.group.replicas, "must be greater than 0")


def group_min_available(part: GroupPart) -> Iterator[FieldError]:
    path, group = f"{part.path}.minAvailable", part.group
    yield from min_available_fits(path, group.min_available, group.replicas)


def group_autoscaler_lower_bound(part: GroupPart) -> Iterator[FieldError]:
    config, group = part.group.scale_config, part.group
    if config is not None:
        path = f"{part.path}.scaleConfig"
        yield from lower_bound_fits(path, config, group.replicas, group.min_available)


def group_autoscaler_upper_bound(part: GroupPart) -> Iterator[FieldError]:
    config = part.group.scale_config
    if config is not None:
        yield from upper_bound_fits(f"{part.path}.scaleConfig", config, part.group.replicas)


def group_names_unique(submission: Submission) -> Iterator[FieldError]:
    groups = submission.new.spec.template.pod_clique_scaling_groups
    if twice := repeated(group.name for group in groups):
        yield duplicate(f"{GROUPS}.name", twice)


def clique_in_one_group(submission: Submission) -> Iterator[FieldError]:
    groups = submission.new.spec.template.pod_clique_scaling_groups
    if twice := repeated(name for group in groups for name in group.clique_names):
        yield duplicate(f"{GROUPS}.cliqueNames", twice)


def members_scale_together(submission: Submission) -> Iterator[FieldError]:
    for part in clique_parts(submission):
        if part.group is not None and part.spec.auto_scaling_config is not None:
            detail = (
                "a clique of a scaling group must not have an autoScalingConfig of its own: use "
                f'scaleConfig of "{part.group.name}"'
            )
            yield invalid(GROUPS, part.clique.name, detail)
