"""Rules about pods: what passes, what does not, on create and on update."""

from typing import Any

import pytest

from tests.unit.admission.manifest import CLIQUES, a_set, clique, errors, pods, warnings

PODS = f"{CLIQUES}[0].spec.podSpec.spec"
WORDS = (
    "a variable name must consist of letters, digits, '-', '_' or '.', and not start with a digit "
    "or '..'"
)


def with_pods(**pod_spec: Any) -> dict[str, Any]:
    return a_set(clique(**pods(**pod_spec)))


def with_variables(*names: Any, kind: str = "containers") -> dict[str, Any]:
    env = [{"name": name, "value": "1"} for name in names]
    return with_pods(**{kind: [{"name": "x"}, {"name": "y", "env": env}]})


def refused(*names: str, kind: str = "containers") -> list[str]:
    return [
        f'{PODS}.{kind}[1].env[{index}].name: Invalid value: "{name}": {WORDS}'
        for index, name in enumerate(names)
    ]


CASES: dict[str, tuple[dict[str, Any], list[str]]] = {
    "spread constraints": (with_pods(topologySpreadConstraints=[{"maxSkew": 1}]), []),
    "a node": (
        with_pods(nodeName="n1"),
        [f'{PODS}.nodeName: Invalid value: "n1": must not be set: the scheduler decides'],
    ),
    "a node of blanks": (with_pods(nodeName="  "), []),
    "variables of all sorts": (with_variables("A", "a.b-c", "_1", "-", ".a", "GROVE_PCS_NAME"), []),
    "variables that are none": (
        with_variables("1A", "", "a b", ".", "..", "..a", "é", "a="),
        refused("1A", "", "a b", ".", "..", "..a", "é", "a="),
    ),
    "a variable of an init container": (
        with_variables("1A", kind="initContainers"),
        refused("1A", kind="initContainers"),
    ),
    "a variable of an ephemeral container": (with_variables("1A", kind="ephemeralContainers"), []),
    "no containers": (with_pods(containers=[], initContainers=None), []),
    "containers that are none": (
        with_pods(initContainers=[None, {"env": "x"}, {"env": [3, {"name": 3}, {}]}], containers=1),
        [
            f"{PODS}.containers: Invalid value: 1: must be a list",
            f"{PODS}.initContainers[0]: Invalid value: null: must be an object",
            f'{PODS}.initContainers[1].env: Invalid value: "x": must be a list',
            f"{PODS}.initContainers[2].env[0]: Invalid value: 3: must have a name",
            f'{PODS}.initContainers[2].env[1]: Invalid value: {{"name":3}}: must have a name',
            f"{PODS}.initContainers[2].env[2]: Invalid value: {{}}: must have a name",
            f'{PODS}.initContainers[2].env[2].name: Invalid value: "": {WORDS}',
        ],
    ),
}


@pytest.mark.parametrize(("body", "expected"), CASES.values(), ids=CASES)
def test_pods(body: dict[str, Any], expected: list[str]) -> None:
    assert errors(body) == expected


def test_an_update_may_name_a_node() -> None:
    assert errors(with_pods(nodeName="n1")) != []
    assert errors(with_pods(nodeName="n1"), old=with_pods()) == []


def test_an_update_may_not_spoil_a_variable() -> None:
    assert errors(with_variables("1A"), old=with_variables("A")) == refused("1A")


def about_restarts(body: dict[str, Any]) -> list[str]:
    return [text for text in warnings(body) if "restartPolicy" in text]


def test_a_pod_that_does_not_restart_is_worth_a_warning() -> None:
    assert about_restarts(with_pods(restartPolicy="Never")) == [
        (
            f'{PODS}.restartPolicy: with "Never" a pod whose containers have ended keeps its place '
            "without working; use Always"
        )
    ]


@pytest.mark.parametrize("pod_spec", [{}, {"restartPolicy": "Always"}, {"restartPolicy": ""}])
def test_a_pod_that_restarts_is_not(pod_spec: dict[str, Any]) -> None:
    assert about_restarts(with_pods(**pod_spec)) == []
