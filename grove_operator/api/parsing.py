"""From a JSON body to a model, and whether the model can be carried out.

This is the operator's safety net for sets that no webhook has seen. It refuses only what could
not work; each rule is one function over the whole set. Every problem starts with a field's path.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from itertools import permutations
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ValidationError

from grove_operator.api import names
from grove_operator.api.podclique import AutoScalingConfig
from grove_operator.api.podcliqueset import PodCliqueSet, ScalingGroupConfig, StartupType
from grove_operator.errors import SpecError

Model = TypeVar("Model", bound=BaseModel)

_CLIQUES: Final = "spec.template.cliques"
_GROUPS: Final = "spec.template.podCliqueScalingGroups"
_DELAY: Final = "spec.template.terminationDelay"

_LABEL: Final = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_MAX_LABEL: Final = 63
_INDEX: Final = "(0|[1-9][0-9]*)"


def parse_podcliqueset(body: dict[str, Any]) -> PodCliqueSet:
    """Reads a PodCliqueSet. Raises SpecError with all problems of its shape."""
    return parse(PodCliqueSet, body)


def parse(model: type[Model], body: dict[str, Any]) -> Model:
    """Reads any model. Raises SpecError with all problems of its shape."""
    try:
        return model.model_validate(body)
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=False)
        raise SpecError([f"{_path(item['loc'])}: {_in_words(item)}" for item in details]) from error


def _path(location: Sequence[int | str]) -> str:
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location)
    return path.removeprefix(".") or "object"


_WORDS: Final = {
    "missing": "is required",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "string_type": "must be a text",
    "bool_type": "must be true or false",
    "list_type": "must be a list",
    "dict_type": "must be an object",
    "model_type": "must be an object",
    "model_attributes_type": "must be an object",
    "enum": "must be {expected}",
    "literal_error": "must be {expected}",
    "string_too_short": "must not be empty",
    "string_too_long": "must have at most {max_length} characters",
    "string_pattern_mismatch": "must match {pattern}",
    "too_short": "must have at least {min_length} entries",
}


def _in_words(error: Mapping[str, Any]) -> str:
    words: str = _WORDS.get(error["type"], error["msg"])
    return words.format(**error["ctx"]) if "ctx" in error else words


def check_podcliqueset(pcs: PodCliqueSet) -> list[str]:
    """What makes the set impossible to carry out, in the order of the rules; empty if nothing."""
    return [problem for rule in RULES for problem in rule(pcs)]


def set_replicas(pcs: PodCliqueSet) -> Iterator[str]:
    if pcs.spec.replicas < 0:
        yield f"spec.replicas: must not be negative, is {pcs.spec.replicas}"


def cliques_exist(pcs: PodCliqueSet) -> Iterator[str]:
    if not pcs.spec.template.cliques:
        yield f"{_CLIQUES}: must have at least one clique"


def clique_names_unique(pcs: PodCliqueSet) -> Iterator[str]:
    yield from _repeated(_CLIQUES, [clique.name for clique in pcs.spec.template.cliques])


def group_names_unique(pcs: PodCliqueSet) -> Iterator[str]:
    groups = pcs.spec.template.pod_clique_scaling_groups
    yield from _repeated(_GROUPS, [group.name for group in groups])


def _repeated(path: str, found: list[str]) -> Iterator[str]:
    for index, name in enumerate(found):
        if name in found[:index]:
            yield f'{path}[{index}].name: "{name}" is used twice'


def group_members_known(pcs: PodCliqueSet) -> Iterator[str]:
    for path, group in _groups(pcs):
        for index, name in enumerate(group.clique_names):
            if pcs.spec.template.clique(name) is None:
                yield f'{path}.cliqueNames[{index}]: there is no clique "{name}"'


def clique_in_one_group(pcs: PodCliqueSet) -> Iterator[str]:
    owner: dict[str, str] = {}
    for path, group in _groups(pcs):
        for index, name in enumerate(group.clique_names):
            if name in owner:
                yield f'{path}.cliqueNames[{index}]: "{name}" is already in group "{owner[name]}"'
            owner.setdefault(name, group.name)


def clique_counts(pcs: PodCliqueSet) -> Iterator[str]:
    for index, clique in enumerate(pcs.spec.template.cliques):
        path, spec = f"{_CLIQUES}[{index}].spec", clique.spec
        if spec.replicas < 0:
            yield f"{path}.replicas: must not be negative, is {spec.replicas}"
            continue
        yield from _min_available(path, spec.effective_min_available, spec.effective_replicas)
        if spec.auto_scaling_config is not None:
            least, config = spec.effective_min_available, spec.auto_scaling_config
            yield from _bounds(f"{path}.autoScalingConfig", config, spec.effective_replicas, least)


def group_counts(pcs: PodCliqueSet) -> Iterator[str]:
    for path, group in _groups(pcs):
        if group.replicas < 1:
            yield f"{path}.replicas: must be at least 1, is {group.replicas}"
            continue
        yield from _min_available(path, group.min_available, group.replicas)
        if group.scale_config is not None:
            least, config = group.min_available, group.scale_config
            yield from _bounds(f"{path}.scaleConfig", config, group.replicas, least)


def _min_available(path: str, min_available: int, replicas: int) -> Iterator[str]:
    if min_available < 1:
        yield f"{path}.minAvailable: must be at least 1, is {min_available}"
    elif min_available > replicas:
        yield (
            f"{path}.minAvailable: must not be greater than replicas, "
            f"is {min_available} of {replicas}"
        )


def _bounds(
    path: str, config: AutoScalingConfig, replicas: int, min_available: int
) -> Iterator[str]:
    """An autoscaler refuses such bounds, or would starve the gang with them."""
    lower, upper = config.effective_min_replicas(replicas), config.max_replicas
    if lower < 1:
        yield f"{path}.minReplicas: must be at least 1, is {lower}"
    elif lower < min_available:
        yield f"{path}.minReplicas: must not be below minAvailable, is {lower} of {min_available}"
    if upper < max(lower, 1):
        yield f"{path}.maxReplicas: must be at least {max(lower, 1)}, is {upper}"


def members_scale_together(pcs: PodCliqueSet) -> Iterator[str]:
    template = pcs.spec.template
    for index, clique in enumerate(template.cliques):
        group = template.group_of(clique.name)
        if group is not None and clique.spec.auto_scaling_config is not None:
            yield (
                f"{_CLIQUES}[{index}].spec.autoScalingConfig: the clique scales with its group, "
                f'so put it into scaleConfig of "{group.name}"'
            )


def dependencies_known(pcs: PodCliqueSet) -> Iterator[str]:
    if pcs.spec.template.clique_startup_type != StartupType.EXPLICIT:
        return
    for index, clique in enumerate(pcs.spec.template.cliques):
        for position, name in enumerate(clique.spec.starts_after):
            path = f"{_CLIQUES}[{index}].spec.startsAfter[{position}]"
            if name == clique.name:
                yield f"{path}: a clique cannot start after itself"
            elif pcs.spec.template.clique(name) is None:
                yield f'{path}: there is no clique "{name}"'


def dependencies_end(pcs: PodCliqueSet) -> Iterator[str]:
    template = pcs.spec.template
    if template.clique_startup_type != StartupType.EXPLICIT:
        return
    graph = {
        clique.name: [name for name in clique.spec.starts_after if name != clique.name]
        for clique in template.cliques
    }
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        circle = " before ".join(error.args[1])
        yield f"{_CLIQUES}: startsAfter goes in a circle: {circle}"


def termination_delay(pcs: PodCliqueSet) -> Iterator[str]:
    try:
        delay = pcs.spec.template.effective_termination_delay
    except ValueError as error:
        yield f"{_DELAY}: {error}"
        return
    if delay.nanoseconds <= 0:
        yield f"{_DELAY}: must be greater than 0"


def names_are_labels(pcs: PodCliqueSet) -> Iterator[str]:
    """Names go into hostnames, where there are no dots and no capitals."""
    given = [("metadata.name", pcs.metadata.name)]
    for index, clique in enumerate(pcs.spec.template.cliques):
        given.append((f"{_CLIQUES}[{index}].name", clique.name))
    given.extend((f"{path}.name", group.name) for path, group in _groups(pcs))
    for path, name in given:
        if not _LABEL.fullmatch(name):
            yield (
                f'{path}: "{name}" must consist of lower case letters, digits and dashes, '
                "and start and end with a letter or digit"
            )


def hostnames_fit(pcs: PodCliqueSet) -> Iterator[str]:
    """The longest hostname of each clique, up to the bounds of its autoscalers."""
    template = pcs.spec.template
    last = max(pcs.spec.replicas, 1) - 1
    for index, clique in enumerate(template.cliques):
        group = template.group_of(clique.name)
        if group is None:
            fqn = names.clique_name(pcs.metadata.name, last, clique.name)
        else:
            group_fqn = names.group_name(pcs.metadata.name, last, group.name)
            copy = _most(group.replicas, group.scale_config) - 1
            fqn = names.group_clique_name(group_fqn, copy, clique.name)
        pods = _most(clique.spec.replicas, clique.spec.auto_scaling_config)
        hostname = names.hostname(fqn, pods - 1)
        if len(hostname) > _MAX_LABEL:
            yield (
                f'{_CLIQUES}[{index}].name: hostname "{hostname}" would have {len(hostname)} '
                f"characters, at most {_MAX_LABEL} are possible"
            )


def _most(replicas: int, config: AutoScalingConfig | None) -> int:
    return max(replicas, config.max_replicas if config is not None else 1, 1)


def autoscaler_names_differ(pcs: PodCliqueSet) -> Iterator[str]:
    """An autoscaler is named after its target, whichever kind that is."""
    template = pcs.spec.template
    scaled = {clique.name for clique in template.cliques if clique.spec.auto_scaling_config}
    for path, group in _groups(pcs):
        alone = template.group_of(group.name) is None
        if group.scale_config is not None and group.name in scaled and alone:
            yield (
                f'{path}.name: clique "{group.name}" has the same name, so that their two '
                "autoscalers would be one"
            )


def standalone_names_differ(pcs: PodCliqueSet) -> Iterator[str]:
    """A clique's own name must not read like `<group>-<index>-<clique>` of a member."""
    template = pcs.spec.template
    for index, clique in enumerate(template.cliques):
        if template.group_of(clique.name) is not None:
            continue
        for _, group, member in _members(pcs):
            if _may_be_named(clique.name, group, member):
                yield (
                    f'{_CLIQUES}[{index}].name: "{clique.name}" would be the name of clique '
                    f'"{member}" in group "{group}", too'
                )


def member_names_differ(pcs: PodCliqueSet) -> Iterator[str]:
    """Members of two groups, such as `1-b` of `g` and `b` of `g-0`, must not share a name."""
    for (_, outer, first), (path, inner, second) in permutations(_members(pcs), 2):
        name = _named_within(outer, first, inner)
        if name is not None and _may_be_named(name, inner, second):
            yield f'{path}.name: "{name}" would be a PodClique of group "{outer}", too'


def _members(pcs: PodCliqueSet) -> Iterator[tuple[str, str, str]]:
    """Path of the group, its name, name of the clique."""
    for path, group in _groups(pcs):
        for clique in group.clique_names:
            yield path, group.name, clique


def _may_be_named(name: str, group: str, clique: str) -> bool:
    return bool(re.fullmatch(f"{re.escape(group)}-{_INDEX}-{re.escape(clique)}", name))


def _named_within(outer: str, clique: str, inner: str) -> str | None:
    """The one PodClique of group `outer` whose name could begin with the longer name `inner`."""
    match = re.match(f"{re.escape(outer)}-{_INDEX}(-|$)", inner)
    return None if match is None else f"{outer}-{match[1]}-{clique}"


def _groups(pcs: PodCliqueSet) -> Iterator[tuple[str, ScalingGroupConfig]]:
    for index, group in enumerate(pcs.spec.template.pod_clique_scaling_groups):
        yield f"{_GROUPS}[{index}]", group


Rule = Callable[[PodCliqueSet], Iterator[str]]

RULES: Final[tuple[Rule, ...]] = (
    set_replicas,
    cliques_exist,
    clique_names_unique,
    group_names_unique,
    group_members_known,
    clique_in_one_group,
    clique_counts,
    group_counts,
    members_scale_together,
    dependencies_known,
    dependencies_end,
    termination_delay,
    names_are_labels,
    hostnames_fit,
    autoscaler_names_differ,
    standalone_names_differ,
    member_names_differ,
)
