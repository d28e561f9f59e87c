"""Counts and the verdicts that follow from them."""

import pytest

from grove_operator.api import labels
from grove_operator.observed import Pod
from grove_operator.policy.availability import CliqueCounts, Newest, count_gang, count_pods
from tests.support.builders import a_pod, a_waiting_pod

FAILING = a_pod(0, ready=False, failing=True)
STARTED = a_pod(1, ready=False, started_unready=True)
STARTING = a_pod(2, ready=False)
GONE = a_pod(3, deleting=True)


def count(*pods: Pod, wanted: int = 3, minimum: int = 2) -> CliqueCounts:
    return count_pods(pods, wanted, minimum, Newest("new"))


def test_every_pod_is_counted_for_what_it_is() -> None:
    found = count(
        a_pod(0), a_pod(1, template="old"), STARTING, GONE, a_waiting_pod(4, gates=(labels.GATE,))
    )
    assert (found.total, found.scheduled, found.ready) == (4, 3, 2)
    assert (found.updated, found.gated) == (3, 1)


HEALTH: dict[str, tuple[list[Pod], int]] = {
    "ready": ([a_pod(0)], 1),
    "starting": ([STARTING], 1),
    "failing": ([FAILING], 0),
    "started but not ready": ([STARTED], 0),
    "ready in spite of an earlier failure": ([a_pod(0, failing=True)], 1),
    "not placed": ([a_waiting_pod(0)], 0),
    "being deleted": ([GONE], 0),
}


@pytest.mark.parametrize(("pods", "healthy"), HEALTH.values(), ids=HEALTH)
def test_health(pods: list[Pod], healthy: int) -> None:
    assert count(*pods).healthy == healthy


@pytest.mark.parametrize(
    ("pods", "wanted", "enough"),
    [(2, 3, True), (1, 3, False), (1, 1, True), (0, 0, True), (0, 1, False)],
    ids=[
        "at the minimum",
        "below the minimum",
        "scaled below the minimum on purpose",
        "scaled to zero",
        "scaled to one, and none is there",
    ],
)
def test_what_is_enough(pods: int, wanted: int, *, enough: bool) -> None:
    found = count(*map(a_pod, range(pods)), wanted=wanted)
    assert (found.enough_scheduled, found.enough_ready) == (enough, enough)


def test_the_first_verdict_counts() -> None:
    found = count(
        a_waiting_pod(0), a_waiting_pod(1, verdict="no cpu"), a_waiting_pod(2, verdict="b")
    )
    assert found.verdict == "no cpu"


def test_a_gang_by_its_cliques() -> None:
    full, short = count(*map(a_pod, range(3))), count(a_pod(0))
    unready = count(*(a_pod(index, ready=False) for index in range(3)))
    found = count_gang([("a", full), ("b", short), ("c", unready), ("d", None)])
    assert (found.cliques, found.scheduled, found.ready) == (4, 2, 1)
    assert (found.short, found.unready) == (("b", "d"), ("b", "c", "d"))
    assert not found.initialized
    assert count_gang([("a", full)]).is_ready
    assert count_gang([("c", unready)]).is_scheduled
    assert not count_gang([("c", unready)]).is_ready
