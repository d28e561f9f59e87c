"""Schedulers: one for the whole set, an enabled one, and what each of them needs."""

from typing import Any

import pytest

from grove_operator.admission.schedulers import scheduler_backend, scheduler_names, wanted_queues
from grove_operator.admission.submission import Facts, Found, Submission
from grove_operator.api.podcliqueset import PodCliqueSet
from tests.unit.admission.submitting import a_set, clique, group, packed, submit

PATH = "spec.template.cliques.spec.podSpec.schedulerName"
ALL = ("kai-scheduler", "volcano", "lpx-scheduler", "default-scheduler")
KAI, VOLCANO = "kai.scheduler/queue", "scheduling.grove.io/volcano-queue"
ENABLED = "the scheduler is not enabled in OperatorConfiguration, enabled are: "
SAME = "the schedulerName must be the same in all cliques"


def by(scheduler: str | None, name: str = "a", **fields: Any) -> dict[str, Any]:
    return clique(name, {} if scheduler is None else {"schedulerName": scheduler}, **fields)


def judged(pcs: PodCliqueSet, *queues: tuple[str, Found], **policy: Any) -> list[str]:
    facts = Facts(volcano_queues=dict(queues))
    submission = submit(pcs, None, facts, **{"profiles": ALL} | policy)
    return [str(error) for error in scheduler_backend(submission)]


NAMES: dict[str, tuple[Submission, list[str]]] = {
    "none is named": (submit(a_set(by(None), by("", "b"))), []),
    "the default one by name": (submit(a_set(by(None), by("default-scheduler", "b"))), []),
    "an enabled one": (submit(a_set(by("volcano")), profiles=("volcano",)), []),
    "the default one is always enabled": (
        submit(a_set(by("default-scheduler")), profiles=("volcano",)),
        [],
    ),
    "none is named, and another is the default": (
        submit(a_set(by(None), by("volcano", "b")), profiles=ALL, default_profile="volcano"),
        [],
    ),
    "no cliques": (submit(a_set()), []),
    "two": (
        submit(a_set(by(None), by("nope", "b"), by("nope", "c"))),
        [f'{PATH}: Invalid value: "default-scheduler, nope": {SAME}'],
    ),
    "one that is not enabled": (
        submit(a_set(by("nope"))),
        [f'{PATH}: Invalid value: "nope": {ENABLED}default-scheduler'],
    ),
    "two, and the first is not enabled": (
        submit(a_set(by("nope"), by("volcano", "b")), profiles=("volcano",)),
        [
            f'{PATH}: Invalid value: "nope, volcano": {SAME}',
            f'{PATH}: Invalid value: "nope": {ENABLED}default-scheduler, volcano',
        ],
    ),
}


@pytest.mark.parametrize(("submission", "expected"), NAMES.values(), ids=NAMES)
def test_one_enabled_scheduler_places_the_set(submission: Submission, expected: list[str]) -> None:
    assert [str(error) for error in scheduler_names(submission)] == expected


def test_a_backend_that_is_not_enabled_is_told_at_the_spec() -> None:
    expected = [f'spec: Invalid value: "nope": {ENABLED}default-scheduler']
    assert judged(a_set(by("nope")), profiles=()) == expected


def test_the_default_scheduler_needs_nothing() -> None:
    constrained = a_set(by(None), topologyConstraint=packed("rack", name="dc"))
    assert judged(constrained) == []
    assert judged(a_set()) == []


def kai(
    own: dict[str, Any] | None = None, a: dict[str, Any] | None = None, **b: Any
) -> PodCliqueSet:
    first, second = by("kai-scheduler", **(a or {})), by("kai-scheduler", "b", **b)
    return a_set(first, second, metadata=own)


def queue(name: str) -> dict[str, Any]:
    return {"labels": {KAI: name}}


NO_QUEUE = (
    'spec: Invalid value: "kai-scheduler": no KAI queue is configured, '
    "set the label kai.scheduler/queue of the PodCliqueSet"
)
KAI_CASES: dict[str, tuple[PodCliqueSet, list[str]]] = {
    "a label of the set": (kai(queue("q")), []),
    "an annotation of the set": (kai({"annotations": {KAI: "q"}}), []),
    "a label of one clique": (kai(None, queue("q")), []),
    "an annotation of one clique": (kai(None, annotations={KAI: "q"}), []),
    "set and clique agree": (kai(queue("q"), queue("q")), []),
    "cliques agree": (kai(None, queue("q"), **queue("q")), []),
    "the label counts before the annotation": (
        kai({"labels": {KAI: "q"}, "annotations": {KAI: "z"}}, queue("q")),
        [],
    ),
    "an empty label leaves it to the annotation": (
        kai({"labels": {KAI: ""}, "annotations": {KAI: "q"}}, queue("q")),
        [],
    ),
    "blanks are a name": (kai(queue(" ")), []),
    "none": (kai(), [NO_QUEUE]),
    "empty ones": (kai({"annotations": {KAI: ""}}, queue("")), [NO_QUEUE]),
    "cliques differ": (
        kai(None, queue("x"), **queue("y")),
        [
            'spec: Invalid value: {"a":"x","b":"y"}: conflicting KAI queues, '
            "all cliques must have the same"
        ],
    ),
    "a clique differs from the set": (
        kai(queue("q"), queue("q"), **queue("z")),
        [
            'spec: Invalid value: "z": KAI queue on PodCliqueSet sea/tide is "q" but PodClique '
            'template "b" resolves to "z"'
        ],
    ),
}


@pytest.mark.parametrize(("pcs", "expected"), KAI_CASES.values(), ids=KAI_CASES)
def test_kai_needs_one_queue(pcs: PodCliqueSet, expected: list[str]) -> None:
    assert judged(pcs) == expected


def test_annotations_of_groups_name_no_queue() -> None:
    groups = [group("g", "a", annotations={KAI: "q"})]
    assert judged(a_set(by("kai-scheduler"), podCliqueScalingGroups=groups)) == [NO_QUEUE]


def test_kai_is_asked_when_it_is_the_default_profile() -> None:
    assert judged(a_set(by(None)), default_profile="kai-scheduler") == [NO_QUEUE]


def volcano(own: str | None = None, a: str | None = None, b: str | None = None) -> PodCliqueSet:
    def noted(name: str | None) -> dict[str, Any]:
        return {} if name is None else {"annotations": {VOLCANO: name}}

    cliques = (by("volcano", **noted(a)), by("volcano", "b", **noted(b)))
    return a_set(*cliques, metadata=noted(own))


OPEN = Found(("Open",))
SYNTAX = f"the annotation {VOLCANO} must be a lowercase RFC 1123 subdomain"
CONFLICT = 'conflicting volcano queue annotations: the PodCliqueSet has "q" but PodClique template'
VOLCANO_CASES: dict[str, tuple[PodCliqueSet, str, list[str]]] = {
    "no annotation": (volcano(), "default", []),
    "the set": (volcano("q"), "q", []),
    "the set and a clique": (volcano("q", "q"), "q", []),
    "all cliques": (volcano(None, "q", "q"), "q", []),
    "blanks around are not part of the name": (volcano(" q ", "q"), "q", []),
    "blanks alone are no name": (volcano(" "), "default", []),
    "the default by name and by omission": (volcano(None, "default"), "default", []),
    "names with dots": (volcano("team.a-1"), "team.a-1", []),
    "a wrong name": (volcano("Q_1"), "", [f'spec: Invalid value: "Q_1": {SYNTAX}']),
    "a name that is too long": (
        volcano("q" * 254),
        "",
        [f'spec: Invalid value: "{"q" * 254}": {SYNTAX}'],
    ),
    "a clique differs from the set": (
        volcano("q", "z", "q"),
        "",
        [f'spec: Invalid value: "z": {CONFLICT} "a" has "z"'],
    ),
    "one clique is named": (
        volcano(None, "q"),
        "",
        [
            'spec: Invalid value: {"a":"q","b":"default"}: '
            "all cliques must resolve to the same queue of volcano"
        ],
    ),
}


@pytest.mark.parametrize(("pcs", "name", "expected"), VOLCANO_CASES.values(), ids=VOLCANO_CASES)
def test_volcano_needs_one_queue(pcs: PodCliqueSet, name: str, expected: list[str]) -> None:
    assert judged(pcs, (name, OPEN)) == expected
    wanted = wanted_queues(submit(pcs, profiles=ALL))
    assert wanted == ({name} if name else frozenset())


QUEUES: dict[str, tuple[Found, list[str]]] = {
    "open": (OPEN, []),
    "closed": (
        Found(("Closed",)),
        ['spec: Invalid value: "q": volcano queue "q" is not Open, its state is Closed'],
    ),
    "new": (
        Found(("",)),
        ['spec: Invalid value: "q": volcano queue "q" is not Open, its state is unknown'],
    ),
    "missing": (Found(), ['spec: Invalid value: "q": volcano queue "q" does not exist']),
    "unreadable": (Found(problem="503 busy"), ["spec: Internal error: 503 busy"]),
}


@pytest.mark.parametrize(("found", "expected"), QUEUES.values(), ids=QUEUES)
def test_the_queue_of_volcano_must_be_open(found: Found, expected: list[str]) -> None:
    assert judged(volcano("q"), ("q", found)) == expected


def test_a_queue_that_was_not_looked_up_is_not_judged() -> None:
    assert judged(volcano("q")) == []


def test_the_queue_is_asked_for_at_each_update() -> None:
    pcs = volcano("q")
    submission = submit(pcs, pcs, Facts(volcano_queues={"q": Found()}), profiles=ALL)
    assert wanted_queues(submission) == {"q"}
    assert len(list(scheduler_backend(submission))) == 1


def test_no_queue_is_wanted_for_other_schedulers() -> None:
    annotated = a_set(by(None), metadata={"annotations": {VOLCANO: "q"}})
    assert wanted_queues(submit(annotated, profiles=ALL)) == frozenset()
    assert wanted_queues(submit(volcano("q"))) == frozenset()


RACK = packed("rack", name="dc")
WITHOUT_TOPOLOGY = {
    "volcano": "volcano scheduler backend does not support topologyConstraint",
    "lpx-scheduler": "lpx-scheduler does not support Grove topology constraints",
}


@pytest.mark.parametrize(("scheduler", "detail"), WITHOUT_TOPOLOGY.items(), ids=WITHOUT_TOPOLOGY)
def test_some_schedulers_know_no_topology(scheduler: str, detail: str) -> None:
    plain = by(scheduler)
    expected = [f'spec: Invalid value: "{scheduler}": {detail}']
    assert judged(a_set(plain)) == []
    assert judged(a_set(plain, topologyConstraint=RACK)) == expected
    assert judged(a_set(by(scheduler, topologyConstraint=RACK))) == expected
    groups = [group("g", "a", topologyConstraint=RACK)]
    assert judged(a_set(plain, podCliqueScalingGroups=groups)) == expected
