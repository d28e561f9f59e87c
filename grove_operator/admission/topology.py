"""Topology constraints: what may be asked for, and that it stays as it is.

Owns the inheritance of topology names (set, scaling group, clique), the comparison of domains with
the levels of the ClusterTopologyBinding, and what an update may do to constraints. Refuses to fetch
the binding: `wanted_topologies` says which one the edge has to look up.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from typing_extensions import override

from grove_operator.admission.fields import FieldError, forbidden, internal, invalid, required
from grove_operator.admission.submission import Submission
from grove_operator.api.podcliqueset import PodCliqueSet
from grove_operator.api.topology import TopologyConstraint

_SET: Final = "spec.template.topologyConstraint"
_NAME: Final = f"{_SET}.topologyName"
_OFF: Final = (
    "topology constraints are not allowed when topology-aware scheduling is disabled in the "
    "operator's configuration"
)
_MISSING: Final = "topologyName is required when a topology constraint is given and none is above"
_DIFFER: Final = "all topologyConstraint.topologyName values within a PodCliqueSet must match"
_MIGRATION: Final = (
    "deprecated packDomain migration can only move the domain to pack.required, "
    "topologyName and pack.preferred must stay"
)


@dataclass(frozen=True, slots=True)
class Constraint:
    """A constraint and where it stands. `inherits` is the topology name from above, if any."""

    path: str
    kind: str
    name: str
    given: TopologyConstraint
    inherits: str = ""

    @property
    def topology(self) -> str:
        """The topology that its domains are of; empty if that cannot be found out."""
        return self.given.topology_name or self.inherits

    @property
    def contradicts(self) -> bool:
        own = self.given.topology_name
        return bool(own and self.inherits and own != self.inherits)

    @property
    def is_legacy(self) -> bool:
        """From before topologies had names, and nobody has named one since."""
        return self.given.pack_domain is not None and not self.topology

    @override
    def __str__(self) -> str:
        return f"{self.kind} '{self.name}'"


@dataclass(frozen=True, slots=True)
class _Family:
    """The constraints of a set: keys are names of groups and cliques."""

    whole: Constraint | None
    cliques: dict[str, Constraint]
    groups: dict[str, Constraint]

    @property
    def all(self) -> list[Constraint]:
        own = [] if self.whole is None else [self.whole]
        return [*own, *self.cliques.values(), *self.groups.values()]


def constraints(pcs: PodCliqueSet) -> list[Constraint]:
    """All constraints: the set's own, those of cliques, those of groups."""
    return _family(pcs).all


def _family(pcs: PodCliqueSet) -> _Family:
    template = pcs.spec.template
    whole, above = None, ""
    if template.topology_constraint is not None:
        whole = Constraint(_SET, "PodCliqueSet", pcs.metadata.name, template.topology_constraint)
        above = whole.topology
    groups = {}
    for index, group in enumerate(template.pod_clique_scaling_groups):
        if group.topology_constraint is not None:
            path = f"spec.template.podCliqueScalingGroups[{index}].topologyConstraint"
            groups[group.name] = Constraint(
                path, "PodCliqueScalingGroup", group.name, group.topology_constraint, above
            )
    cliques = {}
    for index, clique in enumerate(template.cliques):
        if clique.topology_constraint is not None:
            path = f"spec.template.cliques[{index}].topologyConstraint"
            config = template.group_of(clique.name)
            between = groups.get(config.name) if config is not None else None
            inherits = above
            if between is not None and not between.contradicts:
                inherits = between.topology
            cliques[clique.name] = Constraint(
                path, "PodClique", clique.name, clique.topology_constraint, inherits
            )
    return _Family(whole, cliques, groups)


def wanted_topologies(submission: Submission) -> frozenset[str]:
    """The ClusterTopologyBinding to look up: one at most, none if the answer changes nothing."""
    found = constraints(submission.new)
    if not submission.policy.topology_enabled or not _is_judged(submission):
        return frozenset()
    if any(True for _ in _name_errors(found)):
        return frozenset()
    return frozenset(constraint.topology for constraint in found)


def _is_judged(submission: Submission) -> bool:
    """Later updates trust the answer at creation, unless there was none: see `_is_legacy`."""
    return submission.old is None or _is_legacy(submission.old)


def _is_legacy(pcs: PodCliqueSet) -> bool:
    return any(constraint.is_legacy for constraint in constraints(pcs))


def topology_on_create(submission: Submission) -> Iterator[FieldError]:
    if submission.old is None:
        yield from _judge(submission)


def _judge(submission: Submission) -> Iterator[FieldError]:
    """Later checks need earlier ones to have passed, so the first with errors ends it."""
    found = constraints(submission.new)
    if not submission.policy.topology_enabled:
        for constraint in found:
            yield invalid(constraint.path, constraint.given.referenced_domains, _OFF)
        return
    for check in (_name_errors(found), _binding_errors(submission), _domains(submission)):
        errors = list(check)
        yield from errors
        if errors:
            return
    yield from _hierarchy(submission)


def _name_errors(found: Sequence[Constraint]) -> Iterator[FieldError]:
    """One topology for the whole set."""
    for constraint in found:
        path = f"{constraint.path}.topologyName"
        if not constraint.topology:
            yield required(path, _MISSING)
        elif constraint.contradicts:
            yield invalid(path, constraint.given.topology_name, _DIFFER)
    resolved = [item for item in found if item.topology and not item.contradicts]
    if len({constraint.topology for constraint in resolved}) > 1:
        for constraint in resolved:
            if constraint.given.topology_name:
                path = f"{constraint.path}.topologyName"
                yield invalid(path, constraint.given.topology_name, _DIFFER)


def _binding_errors(submission: Submission) -> Iterator[FieldError]:
    """Told at the set's own constraint, whoever named the topology."""
    for name in dict.fromkeys(item.topology for item in constraints(submission.new)):
        found = submission.facts.topologies.get(name)
        if found is None:
            continue
        if found.problem:
            yield internal(_NAME, found.problem)
        elif found.value is None:
            yield invalid(_NAME, name, f'ClusterTopologyBinding "{name}" not found')


def _levels(submission: Submission) -> tuple[str, ...]:
    """The domains, broadest first. Empty if they are not known."""
    found = constraints(submission.new)
    answer = submission.facts.topologies.get(found[0].topology) if found else None
    return answer.value or () if answer is not None else ()


def _domains(submission: Submission) -> Iterator[FieldError]:
    levels = _levels(submission)
    if not levels:
        return
    for constraint in constraints(submission.new):
        for field, domain in _given_domains(constraint.given):
            if domain not in levels:
                known = " ".join(levels)
                detail = f"topology domain '{domain}' does not exist in cluster topology [{known}]"
                yield invalid(f"{constraint.path}.{field}", domain, detail)


def _given_domains(given: TopologyConstraint) -> Iterator[tuple[str, str]]:
    if given.pack_domain:
        yield "packDomain", given.pack_domain
    if given.pack is not None and given.pack.required:
        yield "pack.required", given.pack.required
    if given.preferred_domain:
        yield "pack.preferred", given.preferred_domain


def _hierarchy(submission: Submission) -> Iterator[FieldError]:
    """What holds together a whole must not be narrower than what holds together a part of it."""
    levels = _levels(submission)
    for parent, child in _parts(submission.new):
        required_pair = parent.given.required_domain, child.given.required_domain
        preferred_pair = parent.given.preferred_domain, child.given.preferred_domain
        for path, (outer, inner) in (
            (parent.path, required_pair),
            (f"{parent.path}.pack.preferred", preferred_pair),
        ):
            if _is_narrower(outer, inner, levels):
                detail = (
                    f"{parent} topology constraint domain '{outer}' is narrower than "
                    f"{child} topology constraint domain '{inner}'"
                )
                yield invalid(path, outer, detail)


def _parts(pcs: PodCliqueSet) -> Iterator[tuple[Constraint, Constraint]]:
    family = _family(pcs)
    if family.whole is not None:
        for part in (*family.cliques.values(), *family.groups.values()):
            yield family.whole, part
    for name, clique in family.cliques.items():
        group = pcs.spec.template.group_of(name)
        if group is not None and group.name in family.groups:
            yield family.groups[group.name], clique


def _is_narrower(domain: str, other: str, levels: Sequence[str]) -> bool:
    """False if one of them is not given or not known."""
    if domain not in levels or other not in levels:
        return False
    return levels.index(domain) > levels.index(other)


def topology_warnings(submission: Submission) -> Iterator[str]:
    found = constraints(submission.new)
    if submission.old is not None:
        for constraint in found:
            if constraint.given.pack_domain is not None:
                path = constraint.path
                yield f"{path}.packDomain is deprecated, use {path}.pack.required instead"
    elif submission.policy.topology_enabled:
        levels = _levels(submission)
        for constraint in found:
            need, wish = constraint.given.required_domain, constraint.given.preferred_domain
            if _is_narrower(need, wish, levels):
                yield (
                    f"{constraint.path}.pack.preferred is coarser than pack.required and has no "
                    f"effect: what is within one {need} is within one {wish}"
                )


def topology_on_update(submission: Submission) -> Iterator[FieldError]:
    """Constraints stay, but for two ways out of the deprecated spelling.

    `packDomain` may move to `pack.required`. A legacy constraint may be given its topology's name;
    a set that has one is judged like a new set at each update, until it is repaired.
    """
    if submission.old is None:
        return
    before, after = _family(submission.old), _family(submission.new)
    errors = [*_set_changes(before.whole, after.whole)]
    template = submission.new.spec.template
    for index, clique in enumerate(template.cliques):
        path = f"spec.template.cliques[{index}].topologyConstraint"
        if submission.old.spec.template.clique(clique.name) is not None:
            pair = before.cliques.get(clique.name), after.cliques.get(clique.name)
            errors += _changes(path, *pair)
    known = {group.name for group in submission.old.spec.template.pod_clique_scaling_groups}
    for index, group in enumerate(template.pod_clique_scaling_groups):
        path = f"spec.template.podCliqueScalingGroups[{index}].topologyConstraint"
        if group.name in known:
            errors += _changes(path, before.groups.get(group.name), after.groups.get(group.name))
    yield from errors
    if not errors and _is_legacy(submission.old):
        yield from _judge(submission)


def _set_changes(old: Constraint | None, new: Constraint | None) -> Iterator[FieldError]:
    """At the set's level another name hides all else, even that the constraint is new."""
    was = old.given.topology_name if old is not None else ""
    becomes = new.given.topology_name if new is not None else ""
    repaired = old is not None and new is not None and _is_repair(old, new)
    if was != becomes and not repaired:
        yield forbidden(_NAME, f'topologyName cannot be changed from "{was}" to "{becomes}"')
    else:
        yield from _changes(_SET, old, new)


def _changes(path: str, old: Constraint | None, new: Constraint | None) -> Iterator[FieldError]:
    if old is None:
        if new is not None:
            yield forbidden(path, f"{new} topology constraint cannot be added after creation")
    elif new is None:
        yield forbidden(path, f"{old} topology constraint cannot be removed after creation")
    elif not (_is_same(old, new) or _is_migration(old, new) or _is_repair(old, new)):
        if _moves(old.given, new.given):
            yield forbidden(path, _MIGRATION)
        else:
            was, becomes = _in_words(old.given, new.given), _in_words(new.given, old.given)
            detail = f"{old} topology constraint cannot be changed from {was} to {becomes}"
            yield forbidden(path, detail)


def _is_same(old: Constraint, new: Constraint) -> bool:
    return old.given.pack_domain == new.given.pack_domain and _means_the_same(old, new)


def _means_the_same(old: Constraint, new: Constraint) -> bool:
    """In whichever spelling."""
    was, becomes = old.given, new.given
    return (was.topology_name, was.required_domain, was.preferred_domain) == (
        becomes.topology_name,
        becomes.required_domain,
        becomes.preferred_domain,
    )


def _moves(old: TopologyConstraint, new: TopologyConstraint) -> bool:
    moved = old.pack_domain is not None and new.pack_domain is None
    return moved and new.pack is not None and new.pack.required is not None


def _is_migration(old: Constraint, new: Constraint) -> bool:
    return _moves(old.given, new.given) and _means_the_same(old, new)


def _is_repair(old: Constraint, new: Constraint) -> bool:
    named = old.given.replace(topology_name=new.given.topology_name)
    return old.is_legacy and bool(new.given.topology_name) and named == new.given


def _in_words(given: TopologyConstraint, other: TopologyConstraint) -> str:
    """The domains, and whatever else differs from `other`."""
    words = [f'required="{given.required_domain}" preferred="{given.preferred_domain}"']
    if given.topology_name != other.topology_name:
        words.append(f'topologyName="{given.topology_name}"')
    if given.pack_domain != other.pack_domain:
        words.append(f'packDomain="{given.pack_domain or ""}"')
    return " ".join(words)
