"""The one sentence that `kubectl grove why` gives."""

import pytest

from grove_operator.cli.answers import TROUBLES, State, answer
from grove_operator.cli.picture import Body, Found

SET = "llm"
ROOM = ("InsufficientCapacity", "dworker short of 1 pod")


def thing(kind: str, name: str, **labels: str) -> Body:
    own = {f"grove.io/{key}": value for key, value in labels.items()}
    return {
        "kind": kind,
        "metadata": {
            "name": name,
            "namespace": "harbor",
            "labels": {"app.kubernetes.io/part-of": SET} | own,
        },
    }


def told(body: Body, **conditions: tuple[str, str]) -> Body:
    """Conditions that are true, each with reason and message."""
    entries = [
        {"type": type_, "status": "True", "reason": reason, "message": message}
        for type_, (reason, message) in conditions.items()
    ]
    return body | {"status": body.get("status", {}) | {"conditions": entries}}


def a_set(generation: int = 1, observed: int = 1, **conditions: tuple[str, str]) -> Body:
    body = thing("PodCliqueSet", SET)
    body["metadata"]["generation"] = generation
    body["status"] = {"observedGeneration": observed}
    return told(body, **conditions)


def a_gang(name: str, *cliques: str, **conditions: tuple[str, str]) -> Body:
    body = thing("PodGang", name)
    body["spec"] = {"podgroups": [{"name": clique} for clique in cliques]}
    return told(body, **conditions)


def a_clique(name: str, replicas: int, **labels: str) -> Body:
    return thing("PodClique", name, **labels) | {"spec": {"replicas": replicas}}


def a_pod(clique: str, number: int, node: str = "n1", *, ready: bool = True) -> Body:
    body = thing("Pod", f"{clique}-{number}", podclique=clique, podgang="llm-0")
    body["spec"] = {"nodeName": node} if node else {}
    status = "True" if ready else "False"
    return body | {"status": {"conditions": [{"type": "Ready", "status": status}]}}


CLIQUES = (a_clique("llm-0-web", 2), a_clique("llm-0-x-0-w", 1, podcliquescalinggroup="llm-0-x"))
READY = (a_pod("llm-0-web", 0), a_pod("llm-0-web", 1), a_pod("llm-0-x-0-w", 0))
UNPLACED = a_pod("llm-0-x-0-w", 0, "", ready=False)
HALF = (a_pod("llm-0-web", 0), a_pod("llm-0-web", 1, ready=False), UNPLACED)
MEMBERS = ("llm-0-web", "llm-0-x-0-w")
FREE = (a_gang("llm-0", *MEMBERS),)
STUCK = (a_gang("llm-0", *MEMBERS, GangBlocked=ROOM), a_gang("llm-0-x-0", GangBlocked=ROOM))


def of_set(found: Found) -> tuple[State, str]:
    given = answer(found.podcliqueset, found)
    return given.state, given.message


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        pytest.param(
            Found(a_set(), FREE, CLIQUES, READY), (State.RUNS, "3 of 3 pods ready"), id="runs"
        ),
        pytest.param(
            Found(a_set(), FREE, CLIQUES, HALF[:2]),
            (State.WAITS, "1 of 3 pods ready, 1 starting, 1 not made"),
            id="starts",
        ),
        pytest.param(Found(a_set()), (State.IDLE, ""), id="nothing wanted"),
        pytest.param(
            Found(a_set(generation=3), FREE, CLIQUES, READY),
            (State.UNSEEN, "generation 3 is new; if this lasts, see whether the operator runs"),
            id="operator away",
        ),
        pytest.param(
            Found(a_set(GangBlocked=("InsufficientCapacity", "llm-0: no room")), STUCK, CLIQUES),
            (State.BLOCKED, "llm-0: no room"),
            id="blocked, in its own words",
        ),
        pytest.param(
            Found(a_set(Updating=("Progressing", "one at a time")), FREE, CLIQUES, READY),
            (State.UPDATES, "one at a time"),
            id="update",
        ),
        pytest.param(
            Found(
                a_set(Updating=("Waiting", "x"), GangBlocked=("NoNodeMatches", "llm-0: no node")),
                STUCK[:1],
                CLIQUES,
            ),
            (State.BLOCKED, "llm-0: no node"),
            id="a blocked gang counts more than an update",
        ),
    ],
)
def test_a_set(found: Found, expected: tuple[State, str]) -> None:
    assert of_set(found) == expected


def test_a_set_that_cannot_be_carried_out() -> None:
    body = a_set()
    refused = {"type": "SpecAccepted", "status": "False", "reason": "InvalidSpec", "message": "x"}
    body["status"]["conditions"] = [refused]
    given = answer(body, Found(body))
    assert given.sentence == "PodCliqueSet llm cannot be carried out (InvalidSpec): x"
    assert given.state in TROUBLES


def test_a_set_that_goes() -> None:
    body = a_set()
    body["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    assert of_set(Found(body, (), CLIQUES, READY)) == (State.ENDS, "3 pods left")


@pytest.mark.parametrize(
    ("subject", "pods", "sentence"),
    [
        pytest.param(
            STUCK[0],
            HALF,
            "PodGang llm-0 is blocked (InsufficientCapacity): dworker short of 1 pod",
            id="a gang in its own words",
        ),
        pytest.param(
            CLIQUES[1],
            HALF,
            "PodClique llm-0-x-0-w is blocked (InsufficientCapacity): llm-0: dworker short of 1 "
            "pod",
            id="a clique by its gang",
        ),
        pytest.param(
            CLIQUES[0],
            READY,
            "PodClique llm-0-web runs: 2 of 2 pods ready",
            id="what is complete is not blocked",
        ),
        pytest.param(
            thing("PodCliqueScalingGroup", "llm-0-x"),
            HALF,
            "PodCliqueScalingGroup llm-0-x is blocked (InsufficientCapacity): llm-0: dworker short "
            "of 1 pod",
            id="a group by its cliques",
        ),
        pytest.param(HALF[0], HALF, "Pod llm-0-web-0 runs: node n1", id="a pod that runs"),
        pytest.param(
            HALF[2],
            HALF,
            "Pod llm-0-x-0-w-0 is blocked (InsufficientCapacity): llm-0: dworker short of 1 pod",
            id="a pod by its gang",
        ),
    ],
)
def test_a_part_of_a_set(subject: Body, pods: tuple[Body, ...], sentence: str) -> None:
    found = Found(a_set(), STUCK[:1], CLIQUES, pods)
    assert answer(subject, found).sentence == sentence


def test_a_pod_without_a_node_says_so() -> None:
    found = Found(a_set(), FREE, CLIQUES, HALF)
    assert answer(HALF[2], found).message == "0 of 1 pod ready, 1 without a node"
