"""Schedulers: which one a set uses, and what that one needs of the set.

Owns the rules of each scheduler backend. Refuses to ask the cluster: `wanted_queues` says which
Volcano queue the edge has to look up. Errors of a backend are told at `spec`, as clients know it,
with the one value that matters.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from grove_operator.admission.fields import FieldError, internal, invalid
from grove_operator.admission.submission import Policy, Submission
from grove_operator.admission.syntax import MAX_SUBDOMAIN, is_subdomain
from grove_operator.admission.topology import constraints
from grove_operator.api.labels import DEFAULT_SCHEDULER
from grove_operator.api.podcliqueset import PodCliqueSet

_PATH: Final = "spec.template.cliques.spec.podSpec.schedulerName"
_SPEC: Final = "spec"

KAI: Final = "kai-scheduler"
KAI_QUEUE: Final = "kai.scheduler/queue"
VOLCANO: Final = "volcano"
VOLCANO_QUEUE: Final = "scheduling.grove.io/volcano-queue"
LPX: Final = "lpx-scheduler"

VOLCANO_DEFAULT: Final = "default"
_OPEN: Final = "Open"


def _named(pcs: PodCliqueSet, policy: Policy) -> list[str]:
    """The scheduler of each clique."""
    cliques = pcs.spec.template.cliques
    given = (clique.spec.pod_spec.get("schedulerName") for clique in cliques)
    return [str(name or policy.default_profile) for name in given]


def _enabled(policy: Policy) -> list[str]:
    return list(dict.fromkeys((DEFAULT_SCHEDULER, *policy.profiles)))


def scheduler_names(submission: Submission) -> Iterator[FieldError]:
    """The pods of a set are placed together, so one scheduler places them all."""
    named = list(dict.fromkeys(_named(submission.new, submission.policy)))
    if len(named) > 1:
        detail = "the schedulerName must be the same in all cliques"
        yield invalid(_PATH, ", ".join(named), detail)
    if named and named[0] not in _enabled(submission.policy):
        yield invalid(_PATH, named[0], _not_enabled(submission.policy))


def _not_enabled(policy: Policy) -> str:
    known = ", ".join(_enabled(policy))
    return f"the scheduler is not enabled in OperatorConfiguration, enabled are: {known}"


def scheduler_backend(submission: Submission) -> Iterator[FieldError]:
    name = next(iter(_named(submission.new, submission.policy)), None)
    if name is None:
        return
    if name not in _enabled(submission.policy):
        yield invalid(_SPEC, name, _not_enabled(submission.policy))
    elif name in _BACKENDS:
        yield from _BACKENDS[name](submission)


def _kai(submission: Submission) -> Iterator[FieldError]:
    """A queue must be found, and only one."""
    pcs = submission.new
    own = kai_queue(pcs.metadata.labels, pcs.metadata.annotations)
    found = {
        clique.name: queue
        for clique in pcs.spec.template.cliques
        if (queue := kai_queue(clique.labels, clique.annotations))
    }
    if own:
        where = f"{pcs.metadata.namespace}/{pcs.metadata.name}"
        for clique, queue in found.items():
            if queue != own:
                yield invalid(
                    _SPEC,
                    queue,
                    f'KAI queue on PodCliqueSet {where} is "{own}" but PodClique template '
                    f'"{clique}" resolves to "{queue}"',
                )
    elif not found:
        detail = f"no KAI queue is configured, set the label {KAI_QUEUE} of the PodCliqueSet"
        yield invalid(_SPEC, KAI, detail)
    elif len(set(found.values())) > 1:
        yield invalid(_SPEC, found, "conflicting KAI queues, all cliques must have the same")


def kai_queue(labels: Mapping[str, str], annotations: Mapping[str, str]) -> str:
    return labels.get(KAI_QUEUE) or annotations.get(KAI_QUEUE) or ""


def _volcano(submission: Submission) -> Iterator[FieldError]:
    pcs = submission.new
    if constraints(pcs):
        detail = "volcano scheduler backend does not support topologyConstraint"
        yield invalid(_SPEC, VOLCANO, detail)
    errors = list(_volcano_annotations(pcs))
    yield from errors
    if not errors:
        yield from _volcano_queue(submission, _volcano_queues(pcs)[0])


def _volcano_annotations(pcs: PodCliqueSet) -> Iterator[FieldError]:
    own = volcano_annotation(pcs.metadata.annotations)
    cliques = pcs.spec.template.cliques
    found = {clique.name: volcano_annotation(clique.annotations) for clique in cliques}
    for name in dict.fromkeys(filter(None, (own, *found.values()))):
        if len(name) > MAX_SUBDOMAIN or not is_subdomain(name):
            detail = f"the annotation {VOLCANO_QUEUE} must be a lowercase RFC 1123 subdomain"
            yield invalid(_SPEC, name, detail)
    for clique, name in found.items():
        if own and name and name != own:
            yield invalid(
                _SPEC,
                name,
                f'conflicting volcano queue annotations: the PodCliqueSet has "{own}" but '
                f'PodClique template "{clique}" has "{name}"',
            )
    if not own and len(set(_volcano_queues(pcs))) > 1:
        resolved = dict(zip(found, _volcano_queues(pcs), strict=True))
        yield invalid(_SPEC, resolved, "all cliques must resolve to the same queue of volcano")


def volcano_annotation(annotations: Mapping[str, str]) -> str:
    return annotations.get(VOLCANO_QUEUE, "").strip()


def _volcano_queues(pcs: PodCliqueSet) -> list[str]:
    """The queue of each clique."""
    above = volcano_annotation(pcs.metadata.annotations) or VOLCANO_DEFAULT
    cliques = pcs.spec.template.cliques
    return [volcano_annotation(clique.annotations) or above for clique in cliques]


def _volcano_queue(submission: Submission, queue: str) -> Iterator[FieldError]:
    found = submission.facts.volcano_queues.get(queue)
    if found is None:
        return
    if found.problem:
        yield internal(_SPEC, found.problem)
    elif found.value is None:
        yield invalid(_SPEC, queue, f'volcano queue "{queue}" does not exist')
    elif found.value != (_OPEN,):
        state = " ".join(found.value) or "unknown"
        yield invalid(_SPEC, queue, f'volcano queue "{queue}" is not Open, its state is {state}')


def wanted_queues(submission: Submission) -> frozenset[str]:
    """The Volcano queue to look up: one at most, none if the answer changes nothing."""
    first = next(iter(_named(submission.new, submission.policy)), None)
    if first != VOLCANO or VOLCANO not in _enabled(submission.policy):
        return frozenset()
    if any(True for _ in _volcano_annotations(submission.new)):
        return frozenset()
    return frozenset(_volcano_queues(submission.new))


def _lpx(submission: Submission) -> Iterator[FieldError]:
    if constraints(submission.new):
        detail = "lpx-scheduler does not support Grove topology constraints"
        yield invalid(_SPEC, LPX, detail)


_BACKENDS: Final[Mapping[str, Callable[[Submission], Iterator[FieldError]]]] = {
    KAI: _kai,
    VOLCANO: _volcano,
    LPX: _lpx,
}
"""Schedulers that need something of a set; the default one takes any."""
