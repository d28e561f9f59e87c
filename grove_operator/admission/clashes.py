"""Rules about the names that are made out of names: they must fit and must not meet.

Clients compute these names themselves, so none can be shortened or hashed. Each rule looks up what
a name could be taken for instead of comparing all pairs: a set may have thousands of names.
"""

import re
from collections.abc import Iterator
from typing import Final

from grove_operator.admission.fields import FieldError, invalid
from grove_operator.admission.parts import CliquePart, GroupPart, clique_parts, group_parts
from grove_operator.admission.submission import Submission
from grove_operator.admission.syntax import MAX_LABEL
from grove_operator.api import names
from grove_operator.api.podclique import AutoScalingConfig

_INDEX: Final = re.compile(r"-(?:0|[1-9][0-9]*)(?=-|\Z)")
"""An index within a name, with the dash before it. Neighbours are all found."""


def hostnames_fit(part: CliquePart) -> Iterator[FieldError]:
    """The longest hostname of the clique, up to the bounds of its autoscalers."""
    pcs, clique, group = part.submission.new, part.clique, part.group
    last = max(pcs.spec.replicas, 1) - 1
    if group is None:
        fqn = names.clique_name(pcs.metadata.name, last, clique.name)
    else:
        group_fqn = names.group_name(pcs.metadata.name, last, group.name)
        copy = _most(group.replicas, group.scale_config) - 1
        fqn = names.group_clique_name(group_fqn, copy, clique.name)
    pods = _most(clique.spec.replicas, clique.spec.auto_scaling_config)
    hostname = names.hostname(fqn, pods - 1)
    if len(hostname) > MAX_LABEL:
        detail = (
            f'hostname "{hostname}" would have {len(hostname)} characters, at most {MAX_LABEL} '
            "are possible"
        )
        yield invalid(f"{part.path}.name", clique.name, detail)


def _most(replicas: int, config: AutoScalingConfig | None) -> int:
    return max(replicas, config.max_replicas if config is not None else 1, 1)


def autoscaler_names_differ(submission: Submission) -> Iterator[FieldError]:
    """An autoscaler is named after its target, whichever kind that is."""
    scaled = {
        part.clique.name
        for part in clique_parts(submission)
        if part.spec.auto_scaling_config is not None and part.group is None
    }
    for part in group_parts(submission):
        name = part.group.name
        if part.group.scale_config is not None and name in scaled:
            detail = f'clique "{name}" has the same name, so that two autoscalers would be one'
            yield invalid(f"{part.path}.name", name, detail)


def standalone_names_differ(submission: Submission) -> Iterator[FieldError]:
    """A clique's own name must not read like `<group>-<index>-<clique>` of a member."""
    members = {
        (part.group.name, name)
        for part in group_parts(submission)
        for name in part.group.clique_names
    }
    if not members:
        return
    for part in clique_parts(submission):
        for group, rest in _readings(part.clique.name if part.group is None else ""):
            if (group, rest.removeprefix("-")) in members and rest:
                detail = (
                    f'would be the name of clique "{rest.removeprefix("-")}" in group "{group}", '
                    "too"
                )
                yield invalid(f"{part.path}.name", part.clique.name, detail)


def member_names_differ(submission: Submission) -> Iterator[FieldError]:
    """Members of two groups, such as `1-b` of `g` and `b` of `g-0`, must not share a name.

    The group with the longer name begins like a PodClique of the other group; what the name of that
    PodClique's clique begins with, and which clique it ends in, tells whether they can be equal.
    """
    found: dict[tuple[str, str, str], GroupPart] = {}
    parts = list(group_parts(submission))
    outer_names = {part.group.name for part in parts}
    for part in parts:
        for outer, rest in _readings(part.group.name):
            if outer in outer_names:
                for member in part.group.clique_names:
                    found.setdefault((outer, rest, member), part)
    if not found:
        return
    for part in parts:
        for clique in part.group.clique_names:
            for begin, member in _readings(f"-{clique}"):
                inner = found.get((part.group.name, begin, member.removeprefix("-")))
                if inner is not None and member:
                    detail = (
                        f'clique "{member.removeprefix("-")}" in it could have the same PodClique '
                        f'as clique "{clique}" of group "{part.group.name}"'
                    )
                    yield invalid(f"{inner.path}.name", inner.group.name, detail)


def _readings(name: str) -> Iterator[tuple[str, str]]:
    """Each way to see an index in a name: what is before it, and what follows, dash included.

    A longer name fits into no hostname, which is an error already.
    """
    if len(name) <= MAX_LABEL:
        for match in _INDEX.finditer(name):
            yield name[: match.start()], name[match.end() :]
