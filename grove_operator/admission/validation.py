"""All rules on a PodCliqueSet, in the order in which users read them, and what follows.

Owns which rules apply when. Refuses to hold a rule. The reconciler, for sets that no webhook has
seen, asks the same rules, though only those without which a set cannot be carried out: what is
admitted is never called impossible later.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from grove_operator.admission import (
    clashes,
    cliques,
    podspecs,
    scalinggroups,
    sharing,
    startup,
    wholeset,
)
from grove_operator.admission.fields import FieldError, Verdict, verdict
from grove_operator.admission.hints import hints
from grove_operator.admission.immutability import immutable_fields
from grove_operator.admission.mnnvl import mnnvl_on_create, mnnvl_on_update
from grove_operator.admission.parts import (
    CliqueRule,
    GroupRule,
    Rule,
    clique_parts,
    group_parts,
    in_turn,
)
from grove_operator.admission.schedulers import (
    scheduler_backend,
    scheduler_names,
    wanted_queues,
)
from grove_operator.admission.submission import Submission
from grove_operator.admission.topology import (
    topology_on_create,
    topology_on_update,
    topology_warnings,
    wanted_topologies,
)
from grove_operator.api.podcliqueset import PodCliqueSet


@dataclass(frozen=True, slots=True)
class Checklist:
    """Structural rules. Cliques, and then groups, are gone through one after the other."""

    before: tuple[Rule, ...]
    clique: tuple[CliqueRule, ...]
    between: tuple[Rule, ...]
    group: tuple[GroupRule, ...]
    after: tuple[Rule, ...]

    @property
    def rules(self) -> tuple[Rule, ...]:
        cliques_in_turn = in_turn(clique_parts, self.clique)
        groups_in_turn = in_turn(group_parts, self.group)
        return (*self.before, cliques_in_turn, *self.between, groups_in_turn, *self.after)

    def only(self, kept: frozenset[object]) -> "Checklist":
        """The same checklist without the rules that are not in `kept`."""
        return Checklist(
            tuple(rule for rule in self.before if rule in kept),
            tuple(rule for rule in self.clique if rule in kept),
            tuple(rule for rule in self.between if rule in kept),
            tuple(rule for rule in self.group if rule in kept),
            tuple(rule for rule in self.after if rule in kept),
        )


STRUCTURE: Final = Checklist(
    before=(
        wholeset.set_name,
        wholeset.set_replicas,
        wholeset.pods_bounded,
        sharing.claim_templates,
        sharing.set_sharing,
        wholeset.cliques_exist,
        wholeset.clique_names_unique,
    ),
    clique=(
        cliques.clique_name,
        cliques.standalone_name_length,
        clashes.hostnames_fit,
        cliques.clique_labels,
        cliques.clique_annotations,
        sharing.clique_sharing,
        cliques.clique_replicas,
        cliques.clique_min_available,
        startup.dependencies_named,
        startup.not_after_itself,
        startup.dependencies_unique,
        cliques.autoscaler_lower_bound,
        cliques.autoscaler_upper_bound,
        cliques.autoscaler_reaches_replicas,
        podspecs.containers_are_readable,
        podspecs.no_node_name,
        podspecs.variable_names,
    ),
    between=(
        wholeset.role_names_unique,
        scheduler_names,
        startup.dependencies_known,
        startup.dependencies_end,
    ),
    group=(
        scalinggroups.group_name,
        scalinggroups.group_members_known,
        scalinggroups.member_name_length,
        scalinggroups.group_replicas,
        scalinggroups.group_min_available,
        scalinggroups.group_autoscaler_lower_bound,
        scalinggroups.group_autoscaler_upper_bound,
        sharing.group_sharing,
    ),
    after=(
        scalinggroups.group_names_unique,
        scalinggroups.clique_in_one_group,
        scalinggroups.members_scale_together,
        clashes.autoscaler_names_differ,
        clashes.standalone_names_differ,
        clashes.member_names_differ,
        wholeset.termination_delay,
        wholeset.spread_of_replicas,
    ),
)

ESSENTIAL: Final[frozenset[object]] = frozenset(
    {
        wholeset.set_name,
        wholeset.set_replicas,
        wholeset.pods_bounded,
        wholeset.cliques_exist,
        wholeset.clique_names_unique,
        wholeset.termination_delay,
        cliques.clique_name,
        cliques.clique_replicas,
        cliques.clique_min_available,
        cliques.autoscaler_lower_bound,
        cliques.autoscaler_upper_bound,
        podspecs.containers_are_readable,
        startup.not_after_itself,
        startup.dependencies_known,
        startup.dependencies_end,
        scalinggroups.group_name,
        scalinggroups.group_members_known,
        scalinggroups.group_replicas,
        scalinggroups.group_min_available,
        scalinggroups.group_autoscaler_lower_bound,
        scalinggroups.group_autoscaler_upper_bound,
        scalinggroups.group_names_unique,
        scalinggroups.clique_in_one_group,
        scalinggroups.members_scale_together,
        clashes.hostnames_fit,
        clashes.autoscaler_names_differ,
        clashes.standalone_names_differ,
        clashes.member_names_differ,
    }
)
"""Without these a set cannot be carried out at all."""

RULES_ON_CREATE: Final[tuple[Rule, ...]] = (
    topology_on_create,
    *STRUCTURE.rules,
    mnnvl_on_create,
    scheduler_backend,
)
RULES_ON_UPDATE: Final[tuple[Rule, ...]] = (*STRUCTURE.rules, mnnvl_on_update, scheduler_backend)
RULES_OF_CHANGE: Final[tuple[Rule, ...]] = (immutable_fields, topology_on_update)
"""Asked only about an update that is sound by itself."""
ESSENTIAL_RULES: Final[tuple[Rule, ...]] = STRUCTURE.only(ESSENTIAL).rules


@dataclass(frozen=True, slots=True)
class WantedFacts:
    """What to look up in the cluster, by name."""

    topologies: frozenset[str]
    volcano_queues: frozenset[str]


def wanted_facts(submission: Submission) -> WantedFacts:
    return WantedFacts(wanted_topologies(submission), wanted_queues(submission))


def validate_podcliqueset(submission: Submission) -> Verdict:
    if is_exempt(submission):
        return Verdict()
    errors = list(_errors(_rules(submission), submission))
    if not errors and not submission.is_create:
        errors = list(_errors(RULES_OF_CHANGE, submission))
    return verdict(errors, _warnings(submission))


def is_exempt(submission: Submission) -> bool:
    """A set that goes, and an update that leaves alone whatever there are rules for.

    What became wrong through a changed configuration or cluster must not keep controllers from
    taking off a finalizer.
    """
    new, old = submission.new, submission.old
    if new.metadata.deletion_timestamp is not None:
        return True
    return (
        old is not None
        and new.metadata.labels == old.metadata.labels
        and new.metadata.annotations == old.metadata.annotations
        and new.spec == old.spec
    )


def essential_problems(pcs: PodCliqueSet) -> list[str]:
    """What makes the set impossible to carry out, path first; empty if nothing."""
    errors = verdict(_errors(ESSENTIAL_RULES, Submission(pcs))).errors
    return [str(error) for error in errors]


def _rules(submission: Submission) -> tuple[Rule, ...]:
    return RULES_ON_CREATE if submission.is_create else RULES_ON_UPDATE


def _errors(rules: Iterable[Rule], submission: Submission) -> Iterator[FieldError]:
    for rule in rules:
        yield from rule(submission)


def _warnings(submission: Submission) -> Iterator[str]:
    yield from topology_warnings(submission)
    yield from podspecs.restart_policy_warnings(submission)
    yield from hints(submission)
