"""The annotation `grove.io/mnnvl-group`: which pods share a multi-node NVLink domain.

Owns its syntax and that it stays as it is. It may stand at the set, at cliques and at scaling
groups; the nearest one counts, and `none` opts out.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Final

from grove_operator.admission.fields import FieldError, forbidden, invalid
from grove_operator.admission.submission import Submission
from grove_operator.api.labels import MNNVL_GROUP
from grove_operator.api.podcliqueset import PodCliqueSet

NO_GROUP: Final = "none"

_LABEL: Final = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_SYNTAX: Final = (
    f'must be "{NO_GROUP}" or a lowercase RFC 1123 label: at most 63 lower case letters, digits '
    "and dashes, and a letter or digit at the start and the end"
)
_OFF: Final = (
    f"MNNVL is not enabled (network.autoMNNVLEnabled in OperatorConfiguration), only "
    f'"{NO_GROUP}" is allowed'
)


def _places(pcs: PodCliqueSet) -> Iterator[tuple[str, tuple[str, str], Mapping[str, str]]]:
    """Path of the annotations, what they belong to, and themselves."""
    template = pcs.spec.template
    yield "metadata.annotations", ("set", ""), pcs.metadata.annotations
    for index, clique in enumerate(template.cliques):
        path = f"spec.template.cliques[{index}].annotations"
        yield path, ("clique", clique.name), clique.annotations
    for index, group in enumerate(template.pod_clique_scaling_groups):
        path = f"spec.template.podCliqueScalingGroups[{index}].annotations"
        yield path, ("group", group.name), group.annotations


def mnnvl_on_create(submission: Submission) -> Iterator[FieldError]:
    if submission.old is not None:
        return
    for annotations_path, _, annotations in _places(submission.new):
        group = annotations.get(MNNVL_GROUP)
        if group is None or group == NO_GROUP:
            continue
        path = f"{annotations_path}.{MNNVL_GROUP}"
        if not _LABEL.fullmatch(group):
            yield invalid(path, group, _SYNTAX)
        if not submission.policy.mnnvl_enabled:
            yield invalid(path, group, _OFF)


def mnnvl_on_update(submission: Submission) -> Iterator[FieldError]:
    """Value and feature were checked at creation. What has no counterpart is another rule's."""
    if submission.old is None:
        return
    before = {owner: annotations for _, owner, annotations in _places(submission.old)}
    for annotations_path, owner, annotations in _places(submission.new):
        if owner not in before:
            continue
        path, what = f"{annotations_path}.{MNNVL_GROUP}", f"annotation {MNNVL_GROUP}"
        old, new = before[owner].get(MNNVL_GROUP), annotations.get(MNNVL_GROUP)
        if old is None and new is not None:
            yield forbidden(path, f"{what} cannot be added after creation")
        elif old is not None and new is None:
            yield forbidden(path, f"{what} cannot be removed after creation")
        elif old != new:
            yield invalid(path, new, f'{what} is immutable and cannot be changed from "{old}"')
