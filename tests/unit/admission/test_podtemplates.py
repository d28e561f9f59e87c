"""Pods to try against the API server, and its answer in terms of the set."""

from typing import Any

import pytest

from grove_operator.admission.fields import Fault
from grove_operator.admission.podtemplates import (
    Answer,
    Trial,
    fingerprint,
    judge,
    refusals,
    representative_pod,
    trials,
)
from grove_operator.admission.submission import Policy
from tests.unit.admission.submitting import CLIQUES, a_set, clique, group, submit

POD: dict[str, Any] = {"containers": [{"name": "app", "image": "registry.example/app:1"}]}
OTHER: dict[str, Any] = {"containers": [{"name": "app", "image": "registry.example/app:2"}]}


def test_the_pod_is_the_first_one_of_its_clique() -> None:
    pods = {"restartPolicy": "OnFailure", "serviceAccountName": "sailor"}
    template = clique("a", pods, labels={"x": "y"}, annotations={"note": "z"})
    assert representative_pod(a_set(template), 0, Policy()) == {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "generateName": "tide-0-a-",
            "namespace": "sea",
            "labels": {
                "x": "y",
                "app.kubernetes.io/managed-by": "grove-operator",
                "app.kubernetes.io/part-of": "tide",
                "grove.io/podclique": "tide-0-a",
            },
            "annotations": {"note": "z"},
        },
        "spec": POD
        | pods
        | {
            "schedulerName": "default-scheduler",
            "schedulingGates": [{"name": "grove.io/podgang-pending-creation"}],
            "hostname": "tide-0-a-0",
            "subdomain": "tide-0",
        },
    }


def test_the_pod_of_a_group_is_named_after_it() -> None:
    pcs = a_set(clique("b"), podCliqueScalingGroups=[group("g", "b")])
    pod = representative_pod(pcs, 0, Policy())
    assert pod["metadata"]["generateName"] == "tide-0-g-0-b-"
    assert pod["spec"]["hostname"] == "tide-0-g-0-b-0"


def test_what_the_operator_would_overwrite_is_overwritten() -> None:
    own = {"hostname": "x", "subdomain": "y", "schedulingGates": [{"name": "z"}]}
    spec = representative_pod(a_set(clique("a", own)), 0, Policy())["spec"]
    assert (spec["hostname"], spec["subdomain"]) == ("tide-0-a-0", "tide-0")
    assert spec["schedulingGates"] == [{"name": "grove.io/podgang-pending-creation"}]


def test_the_pod_is_gated_and_so_has_no_node() -> None:
    pod = representative_pod(a_set(clique("a", {"nodeName": "n"})), 0, Policy())
    assert "nodeName" not in pod["spec"]


@pytest.mark.parametrize(("given", "expected"), [("lpx", "lpx"), ("", "volcano")])
def test_the_pod_has_the_scheduler_of_its_set(given: str, expected: str) -> None:
    pcs = a_set(clique("a", {"schedulerName": given}))
    pod = representative_pod(pcs, 0, Policy(default_profile="volcano"))
    assert pod["spec"]["schedulerName"] == expected


def test_positions_in_env_are_those_that_the_user_wrote() -> None:
    pods = {"containers": [{"name": "app", "env": [{"name": "A", "value": "1"}]}]}
    pod = representative_pod(a_set(clique("a", pods)), 0, Policy())
    assert pod["spec"]["containers"] == pods["containers"]


def test_the_topology_annotation_stays_with_the_clique() -> None:
    pcs = a_set(clique("a", annotations={"grove.io/topology-name": "dc"}))
    assert "annotations" not in representative_pod(pcs, 0, Policy())["metadata"]


def test_equal_pods_are_tried_once() -> None:
    pcs = a_set(
        clique("a"),
        clique("b", OTHER),
        clique("c", spec_replicas=7, spec_roleName="other"),
        clique("d", labels={"x": "y"}),
        clique("e", annotations={"x": "y"}),
    )
    found = trials(submit(pcs))
    assert [trial.cliques for trial in found] == [(0, 2), (1,), (3,), (4,)]
    assert found[1].pod == representative_pod(pcs, 1, Policy())


def test_on_update_only_changed_pods_are_tried() -> None:
    old = a_set(clique("a"), clique("b"), clique("c"))
    new = a_set(clique("c"), clique("b", OTHER), clique("a", spec_replicas=7))
    assert [trial.cliques for trial in trials(submit(new, old))] == [(1,)]
    assert trials(submit(old, old)) == []


def test_the_order_of_keys_makes_no_other_pod() -> None:
    first = a_set(clique("a", {"hostPID": True, "hostIPC": True})).spec.template.cliques[0]
    second = a_set(clique("a", {"hostIPC": True, "hostPID": True})).spec.template.cliques[0]
    assert fingerprint(first) == fingerprint(second)


AT: dict[str, tuple[str, str]] = {
    "a container": ("spec.containers[0].image", f"{CLIQUES}[2].spec.podSpec.containers[0].image"),
    "a variable": (
        "spec.initContainers[1].env[3].name",
        f"{CLIQUES}[2].spec.podSpec.initContainers[1].env[3].name",
    ),
    "the whole spec": ("spec", f"{CLIQUES}[2].spec.podSpec"),
    "labels": ("metadata.labels", f"{CLIQUES}[2].labels"),
    "an annotation": ("metadata.annotations[x/y]", f"{CLIQUES}[2].annotations[x/y]"),
    "a dotted annotation": ("metadata.annotations.x", f"{CLIQUES}[2].annotations.x"),
    "another part of metadata": ("metadata.generateName", f"{CLIQUES}[2]"),
    "what only begins alike": ("specification", f"{CLIQUES}[2]"),
    "nothing": ("<nil>", f"{CLIQUES}[2]"),
}


@pytest.mark.parametrize(("path", "expected"), AT.values(), ids=AT)
def test_fields_of_the_pod_are_fields_of_the_set(path: str, expected: str) -> None:
    [error] = refusals(2, [(path, "Required value")])
    assert str(error) == f"{expected}: Required value"


WORDS = {
    'Invalid value: "a b": must not have whitespace': Fault.INVALID,
    "Required value": Fault.REQUIRED,
    'Unsupported value: "Now": supported values: "Always", "Never"': Fault.UNSUPPORTED,
    "Forbidden: may not be set": Fault.FORBIDDEN,
    'Duplicate value: "app"': Fault.DUPLICATE,
    'Not found: "data"': Fault.NOT_FOUND,
    "Too long: may not be more than 63 bytes": Fault.TOO_LONG,
    "Too many: 9: must have at most 8 items": Fault.INVALID,
}


@pytest.mark.parametrize(("words", "fault"), WORDS.items(), ids=WORDS)
def test_the_words_of_the_server_are_kept(words: str, fault: Fault) -> None:
    [error] = refusals(0, [("spec.volumes", words)])
    assert (error.fault, error.body) == (fault, words)


PCS = a_set(clique("a"), clique("b"), clique("c", OTHER))
BOTH = Trial((0, 1), {})


def test_an_invalid_pod_refuses_every_clique_that_has_it() -> None:
    causes = [("spec.containers[0].image", "Required value"), ("metadata.labels", "Forbidden: no")]
    judged = judge(PCS, BOTH, Answer(422, "Pod is invalid", causes))
    assert [str(error) for error in judged.errors] == [
        f"{CLIQUES}[0].spec.podSpec.containers[0].image: Required value",
        f"{CLIQUES}[0].labels: Forbidden: no",
        f"{CLIQUES}[1].spec.podSpec.containers[0].image: Required value",
        f"{CLIQUES}[1].labels: Forbidden: no",
    ]
    assert judged.warnings == ()


@pytest.mark.parametrize("code", [200, 201])
def test_an_accepted_pod_is_not_mentioned(code: int) -> None:
    judged = judge(PCS, BOTH, Answer(code))
    assert judged.allowed
    assert judged.warnings == ()


ELSE: dict[str, tuple[Answer, str]] = {
    "a quota": (Answer(403, "exceeded quota"), "would be refused now: exceeded quota"),
    "no such class": (Answer(404, "no x"), "would be refused now: no x"),
    "a bad request": (Answer(400, "bad"), "would be refused now: bad"),
    "a conflict": (Answer(409, "try again"), "would be refused now: try again"),
    "a policy that calls itself invalid": (
        Answer(422, "denied by policy", [("", "denied by policy")]),
        "would be refused now: denied by policy",
    ),
    "an invalid pod without causes": (Answer(422, "no"), "would be refused now: no"),
    "no answer": (Answer(0, "connection refused"), "could not be checked: connection refused"),
    "no rights to ask": (Answer(401, "who"), "could not be checked: who"),
    "a time-out": (Answer(408, "late"), "could not be checked: late"),
    "too many requests": (Answer(429, "slow down"), "could not be checked: slow down"),
    "a failure of the server": (Answer(503, "busy"), "could not be checked: busy"),
    "no words": (Answer(500), "could not be checked: no reason was given"),
    "other causes of a refusal": (
        Answer(403, "no", [("spec.nodeName", "no")]),
        "would be refused now: no",
    ),
}


@pytest.mark.parametrize(("answer", "expected"), ELSE.values(), ids=ELSE)
def test_all_else_is_a_warning(answer: Answer, expected: str) -> None:
    judged = judge(PCS, BOTH, answer)
    assert judged.errors == ()
    assert judged.warnings == (
        f'pods of clique "a" {expected}',
        f'pods of clique "b" {expected}',
    )
