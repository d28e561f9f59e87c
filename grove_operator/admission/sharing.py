"""Rules about resource claims: the set's own templates, and who shares claims at each level."""

from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any, Final, TypeVar

from grove_operator.admission.fields import (
    FieldError,
    duplicate,
    invalid,
    not_found,
    required,
)
from grove_operator.admission.parts import TEMPLATE, CliquePart, GroupPart, claim_names
from grove_operator.admission.submission import Submission
from grove_operator.api.sharing import GroupResourceSharing, ResourceSharing, SetResourceSharing

Entry = TypeVar("Entry", bound=ResourceSharing)

_TEMPLATES: Final = f"{TEMPLATE}.resourceClaimTemplates"


def claim_templates(submission: Submission) -> Iterator[FieldError]:
    seen: set[str] = set()
    for index, template in enumerate(submission.new.spec.template.resource_claim_templates):
        path = f"{_TEMPLATES}[{index}]"
        yield from _name(f"{path}.name", template.name, seen)
        if not _device_requests(template.template_spec):
            requests = f"{path}.templateSpec.spec.devices.requests"
            yield required(requests, "a claim requests at least one device")


def _device_requests(template_spec: dict[str, Any]) -> Any:
    value: Any = template_spec
    for key in ("spec", "devices", "requests"):
        value = value.get(key) if isinstance(value, dict) else None
    return value


def set_sharing(submission: Submission) -> Iterator[FieldError]:
    template = submission.new.spec.template
    cliques = {clique.name for clique in template.cliques}
    groups = {group.name for group in template.pod_clique_scaling_groups}

    def narrowed(path: str, entry: SetResourceSharing) -> Iterator[FieldError]:
        if entry.filter is None:
            return
        if not entry.filter.child_clique_names and not entry.filter.child_scaling_group_names:
            yield required(path, "a filter names a clique or a scaling group at least")
        members = f"{path}.childCliqueNames"
        yield from _known(members, entry.filter.child_clique_names, cliques)
        groups_path = f"{path}.childScalingGroupNames"
        yield from _known(groups_path, entry.filter.child_scaling_group_names, groups)

    path = f"{TEMPLATE}.resourceSharing"
    yield from _entries(path, template.resource_sharing, claim_names(submission.new), narrowed)


def group_sharing(part: GroupPart) -> Iterator[FieldError]:
    cliques = set(part.group.clique_names)

    def narrowed(path: str, entry: GroupResourceSharing) -> Iterator[FieldError]:
        if entry.filter is None:
            return
        if not entry.filter.child_clique_names:
            yield required(path, "a filter names a clique of the group at least")
        members = f"{path}.childCliqueNames"
        yield from _known(members, entry.filter.child_clique_names, cliques)

    path = f"{part.path}.resourceSharing"
    yield from _entries(path, part.group.resource_sharing, part.claims, narrowed)


def clique_sharing(part: CliquePart) -> Iterator[FieldError]:
    path = f"{part.path}.resourceSharing"
    yield from _entries(path, part.clique.resource_sharing, part.claims, _no_filter)


def _no_filter(_path: str, _entry: ResourceSharing) -> Iterator[FieldError]:
    return iter(())


def _entries(
    path: str,
    entries: Sequence[Entry],
    claims: frozenset[str],
    narrowed: Callable[[str, Entry], Iterator[FieldError]],
) -> Iterator[FieldError]:
    """What holds at every level. `narrowed` checks an entry's filter."""
    seen: set[str] = set()
    for index, entry in enumerate(entries):
        at = f"{path}[{index}]"
        yield from _name(f"{at}.name", entry.name, seen)
        if entry.namespace and entry.name in claims:
            yield invalid(
                f"{at}.namespace",
                entry.namespace,
                "must be empty for a template of resourceClaimTemplates",
            )
        yield from narrowed(f"{at}.filter", entry)


def _name(path: str, name: str, seen: set[str]) -> Iterator[FieldError]:
    if not name:
        yield required(path, "a name is required")
    elif name in seen:
        yield duplicate(path, name)
    seen.add(name)


def _known(path: str, names: Sequence[str], known: Collection[str]) -> Iterator[FieldError]:
    for index, name in enumerate(names):
        if name not in known:
            yield not_found(f"{path}[{index}]", name)
