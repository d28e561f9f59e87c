"""What an update must leave as it is, apart from topology and MNNVL, which have their own modules.

Owns the comparison of cliques and groups by name. Absent, null and empty are the same. Paths are
those that clients know, which name no clique: the detail does, with what to write instead.
"""

import json
from collections.abc import Iterator
from typing import Any, Final

from pydantic import BaseModel

from grove_operator.admission.fields import IMMUTABLE, FieldError, forbidden, immutable, invalid
from grove_operator.admission.submission import Submission
from grove_operator.api.base import KubeModel
from grove_operator.api.podcliqueset import (
    CliqueTemplate,
    PodCliqueSetTemplate,
    ScalingGroupConfig,
    StartupType,
)

_TEMPLATE: Final = "spec.template"
_CLIQUES: Final = f"{_TEMPLATE}.cliques"
_GROUPS: Final = f"{_TEMPLATE}.podCliqueScalingGroups"


def immutable_fields(submission: Submission) -> Iterator[FieldError]:
    if submission.old is None:
        return
    old, new = submission.old.spec.template, submission.new.spec.template
    yield from _clique_composition(old, new)
    for index, clique in enumerate(new.cliques):
        before = old.clique(clique.name)
        if before is not None:
            yield from _clique(before, clique, f"{_CLIQUES}[{index}]")
    if old.clique_startup_type != new.clique_startup_type:
        yield immutable(f"{_TEMPLATE}.cliqueStartupType", new.clique_startup_type)
    yield from _groups(old, new)
    yield from _lists(old, new)


def _clique_composition(
    old: PodCliqueSetTemplate, new: PodCliqueSetTemplate
) -> Iterator[FieldError]:
    was, becomes = [item.name for item in old.cliques], [item.name for item in new.cliques]
    if len(was) != len(becomes):
        yield forbidden(_CLIQUES, f"not allowed to change clique composition, it is {_json(was)}")
    for name in becomes:
        if name not in was:
            detail = f'not allowed to change clique composition, "{name}" is new'
            yield forbidden(f"{_CLIQUES}.name", detail)
    # A missing or added clique moves all others, which is not what the user has to put right.
    if sorted(was) == sorted(becomes) and new.clique_startup_type != StartupType.ANY_ORDER:
        for index, name in enumerate(becomes):
            if was[index] != name:
                detail = f"clique order cannot be changed, it is {_json(was)}"
                yield invalid(_CLIQUES, name, detail)


def _clique(old: CliqueTemplate, new: CliqueTemplate, path: str) -> Iterator[FieldError]:
    who = f'clique "{new.name}"'
    was, becomes = old.spec, new.spec
    if was.role_name != becomes.role_name:
        yield _stays("roleName", who, was.role_name, becomes.role_name)
    if was.effective_min_available != becomes.effective_min_available:
        yield _kept_minimum(was.effective_min_available, becomes.effective_min_available, who)
    if was.starts_after != becomes.starts_after:
        yield _stays("startsAfter", who, was.starts_after, becomes.starts_after)
    scheduler, other = (str(item.pod_spec.get("schedulerName") or "") for item in (was, becomes))
    if scheduler != other:
        yield _stays("podSpec.schedulerName", who, scheduler, other)
    if _differ(old.resource_sharing, new.resource_sharing):
        yield immutable(f"{path}.resourceSharing", _plain(new.resource_sharing))


def _stays(field: str, who: str, was: Any, becomes: Any) -> FieldError:
    detail = f"{IMMUTABLE}, {who} was created with {_json(was)}"
    return invalid(f"{_CLIQUES}.spec.{field}", becomes, detail)


def _kept_minimum(was: int, becomes: int, who: str) -> FieldError:
    """Often nobody wrote it: left out, it becomes the number of replicas."""
    detail = (
        f"{IMMUTABLE}, {who} was created with {was}: write minAvailable: {was}, because without "
        "it minAvailable becomes equal to replicas"
    )
    return invalid(f"{_CLIQUES}.spec.minAvailable", becomes, detail)


def _groups(old: PodCliqueSetTemplate, new: PodCliqueSetTemplate) -> Iterator[FieldError]:
    before = {group.name: group for group in old.pod_clique_scaling_groups}
    if len(old.pod_clique_scaling_groups) != len(new.pod_clique_scaling_groups):
        detail = f"not allowed to change scaling group composition, it is {_json(list(before))}"
        yield forbidden(_GROUPS, detail)
        return
    for group in new.pod_clique_scaling_groups:
        if group.name in before:
            yield from _group(before[group.name], group)
        else:
            detail = f'not allowed to change scaling group composition, "{group.name}" is new'
            yield forbidden(f"{_GROUPS}.name", detail)


def _group(old: ScalingGroupConfig, new: ScalingGroupConfig) -> Iterator[FieldError]:
    who = f'{IMMUTABLE}, scaling group "{new.name}" was created with'
    if old.clique_names != new.clique_names:
        detail = f"{who} {_json(old.clique_names)}"
        yield invalid(f"{_GROUPS}.cliqueNames", new.clique_names, detail)
    if old.min_available != new.min_available:
        detail = f"{who} {old.min_available}"
        yield invalid(f"{_GROUPS}.minAvailable", new.min_available, detail)
    if _differ(old.resource_sharing, new.resource_sharing):
        detail = f"{who} {_json(_plain(old.resource_sharing))}"
        yield invalid(f"{_GROUPS}.resourceSharing", _plain(new.resource_sharing), detail)


def _lists(old: PodCliqueSetTemplate, new: PodCliqueSetTemplate) -> Iterator[FieldError]:
    for field, was, becomes in (
        ("resourceClaimTemplates", old.resource_claim_templates, new.resource_claim_templates),
        ("resourceSharing", old.resource_sharing, new.resource_sharing),
    ):
        if _differ(was, becomes):
            yield immutable(f"{_TEMPLATE}.{field}", _plain(becomes))


def _plain(value: Any) -> Any:
    """The JSON form of models, for messages."""
    if isinstance(value, KubeModel):
        return value.as_dict()
    return [_plain(item) for item in value] if isinstance(value, list) else value


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _differ(old: Any, new: Any) -> bool:
    return bool(_bare(old) != _bare(new))


def _bare(value: Any) -> Any:
    """Without fields that are empty, which JSON may as well leave out."""
    if isinstance(value, BaseModel):
        return _bare(value.model_dump(mode="json"))
    if isinstance(value, dict):
        bare = {key: _bare(item) for key, item in value.items()}
        return {key: item for key, item in bare.items() if item not in (None, "", [], {})}
    if isinstance(value, list):
        return [_bare(item) for item in value]
    return value
