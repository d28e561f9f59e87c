"""Why a gang does not run: one case for each cause, and the order in which they are told."""

from typing import Any

import pytest

from grove_operator.api import labels
from grove_operator.observed import Pod
from grove_operator.policy.availability import Newest, count_pods
from grove_operator.policy.reasons import (
    Cause,
    CliqueView,
    GangView,
    Rank,
    explain,
    tell,
)
from grove_operator.policy.room import Shortage
from tests.support.builders import NOW, a_pod, a_waiting_pod

LATELY, LONG_AGO = "2026-03-01T09:59:00Z", "2026-03-01T09:00:00Z"
JUST_NOW = "2026-03-01T09:59:59Z"
SHORTAGE = Shortage("InsufficientCapacity", "no room")


def view(*pods: Pod, name: str = "w", minimum: int | None = None, **fields: Any) -> CliqueView:
    wanted = fields.pop("wanted", len(pods))
    floor = wanted if minimum is None else minimum
    counts = count_pods(pods, wanted, floor, Newest("new", ""))
    return CliqueView(name, counts, pods, **fields)


def unready(index: int = 0, trouble: str = "", **fields: Any) -> Pod:
    return a_pod(index, ready=False, trouble=trouble, **fields)


def running(since: str) -> Pod:
    return unready(started_unready=True, running_since=since)


CRASH = "CrashLoopBackOff: container app ended with exit code 3"
IMAGE = "ImagePullBackOff: container app: not found"
DEVICES = "0/9 nodes are available: 9 cannot allocate all claims."
PVC = 'persistentvolumeclaim "a" not found'
BASE = Cause(Rank.PLACE, "InsufficientCapacity", "no room")


def waiting(created: str = LATELY, **fields: Any) -> Pod:
    return a_waiting_pod(created=created, **fields)


CASES: dict[str, tuple[GangView, list[tuple[str, str]]]] = {
    "it merely starts": (GangView((view(unready()),)), []),
    "its PodClique is not made yet": (GangView((CliqueView("w", None),)), []),
    "it waits for the scheduler": (GangView((view(waiting()),)), []),
    "its base gang merely starts": (GangView((view(waiting(gates=(labels.GATE,))),), base="b"), []),
    "pods are refused": (
        GangView((view(unready(), wanted=2),), refused="Pod w: exceeded quota"),
        [("CreationRefused", "the API server refuses Pod w: exceeded quota")],
    ),
    "something was refused, but all pods are there": (
        GangView((view(unready()),), refused="Service a: no"),
        [],
    ),
    "its base gang is blocked": (
        GangView((view(waiting(gates=(labels.GATE,))),), base="b", base_causes=(BASE,)),
        [("BaseGangBlocked", "waits until base gang b is placed: no room")],
    ),
    "somebody else's gate": (
        GangView((view(waiting(gates=("example.org/queue",))),)),
        [("HeldByGate", "w: 1 of 1 pods are held by the gate example.org/queue")],
    ),
    "a claim is missing": (
        GangView((view(waiting(), verdict=PVC),), shortage=SHORTAGE),
        [("ClaimUnavailable", f"w short of 1 pod; the scheduler says: {PVC}")],
    ),
    "a claim is missing that may be about to come": (
        GangView((view(waiting(JUST_NOW), missing="no a"), view(waiting(LONG_AGO), name="b"))),
        [],
    ),
    "a claim has been missing for a while": (
        GangView((view(waiting(LONG_AGO), missing="no a"), view(waiting(LONG_AGO), name="b"))),
        [("ClaimUnavailable", "w: no a")],
    ),
    "a claim is missing, and the API server refuses to make it": (
        GangView((view(waiting(LONG_AGO), missing="no a"),), refused="ResourceClaim a: no"),
        [
            ("CreationRefused", "the API server refuses ResourceClaim a: no"),
            ("ClaimUnavailable", "w: no a"),
        ],
    ),
    "pods are not all there, and the scheduler waits for the rest": (
        GangView((view(waiting(LONG_AGO), wanted=2), view(waiting(LONG_AGO), name="b"))),
        [],
    ),
    "pods that would lose their claims": (
        GangView((view(name="b", wanted=1, unmade=("ResourceClaimsUnavailable", "no API")),)),
        [("ResourceClaimsUnavailable", "b: no API")],
    ),
    "devices are short": (
        GangView((view(waiting(), verdict=DEVICES),)),
        [("ClaimUnavailable", f"w short of 1 pod; the scheduler says: {DEVICES}")],
    ),
    "devices are short, and so is what can be counted": (
        GangView((view(waiting(), verdict=DEVICES),), shortage=SHORTAGE),
        [("InsufficientCapacity", "no room")],
    ),
    "there is no room": (
        GangView((view(waiting(), verdict="no"),), shortage=SHORTAGE),
        [("InsufficientCapacity", "no room")],
    ),
    "the scheduler says no, though by our count there is room": (
        GangView((view(waiting(), waiting(index=1), verdict="0/9 nodes"),)),
        [("Unschedulable", "w short of 2 pods; the scheduler says: 0/9 nodes")],
    ),
    "no scheduler says anything": (
        GangView((view(waiting(LONG_AGO)),)),
        [
            (
                "SchedulerSilent",
                f"w: no scheduler has said anything of 1 pods since {LONG_AGO}; does the one that "
                "they name run?",
            )
        ],
    ),
    "the scheduler fails, and there are claims": (
        GangView((view(waiting(), failure=(LATELY, "not found"), claims=("a",)),)),
        [
            (
                "ClaimUnavailable",
                f"w: the scheduler fails since {LATELY}: not found; its pods use the claims a: do "
                "they exist?",
            )
        ],
    ),
    "the scheduler fails for a moment": (
        GangView((view(waiting(), failure=(LATELY, "not found")),)),
        [],
    ),
    "the scheduler fails and fails": (
        GangView((view(waiting(), failure=(LONG_AGO, "not found")),)),
        [("SchedulerFails", f"w: the scheduler fails since {LONG_AGO}: not found")],
    ),
    "old pods that were held back until now": (
        GangView((view(waiting(LONG_AGO)),), shown=LATELY),
        [],
    ),
    "a silent node": (
        GangView((view(unready(node="far")),), unreachable={"far": LATELY}),
        [("NodeUnreachable", f"w: 1 of 1 pods: their node far is unreachable since {LATELY}")],
    ),
    "a silent node, as the pod says": (
        GangView((view(unready(trouble="NodeLost: gone")),)),
        [("NodeUnreachable", "w: 1 of 1 pods: their node node is unreachable")],
    ),
    "images": (
        GangView((view(unready(0, IMAGE), unready(1, IMAGE), unready(2)),)),
        [("ImageUnavailable", f"w: 2 of 3 pods: {IMAGE}")],
    ),
    "crashes": (
        GangView((view(unready(0, CRASH)),)),
        [("ContainerCrashes", f"w: 1 of 1 pods: {CRASH}")],
    ),
    "a first crash": (
        GangView((view(unready(0, "ContainerFailed: a")),)),
        [("ContainerCrashes", "w: 1 of 1 pods: ContainerFailed: a")],
    ),
    "memory": (
        GangView((view(unready(0, f"{CRASH} (OOMKilled)")),)),
        [("OutOfMemory", f"w: 1 of 1 pods: {CRASH} (OOMKilled)")],
    ),
    "configuration": (
        GangView((view(unready(0, "CreateContainerConfigError: a")),)),
        [("ContainerCannotStart", "w: 1 of 1 pods: CreateContainerConfigError: a")],
    ),
    "evicted": (
        GangView((view(unready(0, "Evicted: disk", phase="Failed")),)),
        [("PodFailed", "w: 1 of 1 pods: Evicted: disk")],
    ),
    "the commonest of several troubles first": (
        GangView((view(unready(0, CRASH), unready(1, IMAGE), unready(2, IMAGE)),)),
        [
            ("ImageUnavailable", f"w: 2 of 3 pods: {IMAGE}"),
            ("ContainerCrashes", f"w: 1 of 3 pods: {CRASH}"),
        ],
    ),
    "a trouble that the minimum does not need": (
        GangView((view(a_pod(0), unready(1, CRASH), minimum=1),)),
        [],
    ),
    "a pod that goes anyway": (GangView((view(unready(0, CRASH, deleting=True), wanted=1),)), []),
    "running for a while": (GangView((view(running(LATELY)),)), []),
    "running for ages": (
        GangView((view(running(LONG_AGO)),)),
        [
            (
                "NotBecomingReady",
                "w: 1 of 1 pods have been running for over 5 minutes and are not ready; see their "
                "readiness probes",
            )
        ],
    ),
    "its parent merely starts": (
        GangView((view(unready(), name="a"), view(unready(), name="b", parents=("a",)))),
        [],
    ),
    "its parent is scaled to zero": (
        GangView((view(name="a", minimum=1), view(unready(), name="b", parents=("a",)))),
        [],
    ),
    "nobody knows the image of what would wait": (
        GangView(
            (
                view(unready(), name="a"),
                view(name="b", wanted=1, unmade=("StartOrderUnavailable", "no image")),
            )
        ),
        [("StartOrderUnavailable", "b: no image")],
    ),
    "its parent crashes": (
        GangView((view(unready(), name="b", parents=("a",)), view(unready(0, CRASH), name="a"))),
        [
            ("ContainerCrashes", f"a: 1 of 1 pods: {CRASH}"),
            ("WaitsForStartupOrder", "b starts after a, which has 0 of 1 pods ready"),
        ],
    ),
    "what must come first is told first": (
        GangView(
            (
                view(unready(0, CRASH), name="a", wanted=2),
                view(waiting(), name="b", verdict="no"),
            ),
            refused="Pod a: no",
            shortage=SHORTAGE,
        ),
        [
            ("CreationRefused", "the API server refuses Pod a: no"),
            ("InsufficientCapacity", "no room"),
            ("ContainerCrashes", f"a: 1 of 2 pods: {CRASH}"),
        ],
    ),
}


@pytest.mark.parametrize(("gang", "expected"), CASES.values(), ids=CASES)
def test_a_gang_of_which(gang: GangView, expected: list[tuple[str, str]]) -> None:
    found = explain(gang, NOW).causes
    assert [(cause.reason, cause.message) for cause in found] == expected


WAITS: dict[str, tuple[GangView, float | None]] = {
    "containers run": (GangView((view(running(LATELY)),)), 241.0),
    "the scheduler is silent": (GangView((view(waiting()),)), 241.0),
    "a claim may be about to be made": (
        GangView((view(waiting(JUST_NOW), missing="no a"),)),
        3.0,
    ),
    "containers are made": (GangView((view(unready()),)), None),
    "the base gang starts": (GangView((view(waiting(gates=(labels.GATE,))),), base="b"), None),
}


@pytest.mark.parametrize(("gang", "wait"), WAITS.values(), ids=WAITS)
def test_when_time_alone_may_make_a_cause(gang: GangView, wait: float | None) -> None:
    assert explain(gang, NOW).wait == wait


def test_a_condition_tells_the_first_cause_and_the_next_in_brief() -> None:
    causes = [replace_message(BASE, text) for text in "abcd"]
    assert tell(causes[:1]) == ("InsufficientCapacity", "a")
    assert tell(causes) == (
        "InsufficientCapacity",
        "a; also InsufficientCapacity: b; also InsufficientCapacity: c; and 1 more",
    )


def replace_message(cause: Cause, message: str) -> Cause:
    return cause._replace(message=message)


def test_what_schedulers_enumerate_is_cut() -> None:
    gang = GangView((view(waiting(), verdict="x " * 1000),))
    [cause] = explain(gang, NOW).causes
    assert len(cause.message) < 500
