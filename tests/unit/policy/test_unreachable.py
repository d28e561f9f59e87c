"""Pods on silent nodes: when they are let go of, and what they count as meanwhile."""

from typing import Any

import pytest

from grove_operator.observed import Pod
from grove_operator.policy.unreachable import as_they_are, lost_pods
from tests.support.builders import a_meta, a_pod

SILENT = {"far": "2026-03-01T09:00:00Z"}
TEN, ELEVEN = "2026-03-01T10:00:00Z", "2026-03-01T11:00:00Z"


def a_dying_pod(node: str = "far", **meta: Any) -> Pod:
    return Pod(meta=a_meta("p", deleting=True, **meta), node=node, scheduled=True)


ADRIFT = a_pod(node="far", ready=False)
CASES: dict[str, tuple[Pod, float | None, str, bool, float | None]] = {
    "its node is silent for longer than the delay": (a_dying_pod(), 3600, TEN, True, None),
    "the delay is not over": (a_dying_pod(), 5400, TEN, False, 1800),
    "the delay is over in the meantime": (a_dying_pod(), 5400, ELEVEN, True, None),
    "its node is there": (a_dying_pod("near"), 3600, ELEVEN, False, None),
    "nobody deletes it, and it is ready": (a_pod(node="far"), 3600, ELEVEN, False, None),
    "nobody deletes it, and it is not ready": (ADRIFT, 3600, ELEVEN, True, None),
    "nobody deletes it, and the delay is not over": (ADRIFT, 5400, TEN, False, 1800),
    "it came when its node was silent already": (
        a_pod(node="far", ready=False, placed_since="2026-03-01T10:30:00Z"),
        3600,
        ELEVEN,
        False,
        1800,
    ),
    "nobody deletes it, and it has a finalizer": (
        Pod(meta=a_meta("p", finalizers=("example.org/a",)), node="far", scheduled=True),
        3600,
        ELEVEN,
        True,
        None,
    ),
    "nobody deletes it, but it has ended": (
        a_pod(node="far", ready=False, phase="Failed"),
        3600,
        ELEVEN,
        False,
        None,
    ),
    "nobody deletes it, and the set keeps such pods": (ADRIFT, None, ELEVEN, False, None),
    "somebody's finalizer holds it anyway": (
        a_dying_pod(finalizers=("example.org/a",)),
        3600,
        ELEVEN,
        False,
        None,
    ),
    "the set keeps such pods": (a_dying_pod(), None, ELEVEN, False, None),
    "the node's time cannot be read": (a_dying_pod(), 3600, "yesterday", False, 3600),
}


@pytest.mark.parametrize(("pod", "delay", "now", "lost", "wait"), CASES.values(), ids=CASES)
def test_a_pod_on_a_node(
    pod: Pod, delay: float | None, now: str, lost: bool, wait: float | None
) -> None:
    verdict = lost_pods([pod], SILENT, delay, now)
    gone = verdict.dying if pod.meta.deleting else verdict.left
    assert (bool(gone), verdict.wait) == (lost, wait)
    assert len(verdict.dying) + len(verdict.left) == int(lost)


def test_the_earliest_end_of_a_delay_is_waited_for() -> None:
    silent = {"far": "2026-03-01T09:30:00Z", "farther": "2026-03-01T09:00:00Z"}
    verdict = lost_pods([a_dying_pod(), a_dying_pod("farther")], silent, 5400, TEN)
    assert verdict == ((), (), 1800)


STATES: dict[str, tuple[Pod, bool]] = {
    "not ready on a silent node": (ADRIFT, True),
    "ready until told otherwise": (a_pod(node="far"), False),
    "starting on a node that is there": (a_pod(node="near", ready=False), False),
}


@pytest.mark.parametrize(("pod", "unready"), STATES.values(), ids=STATES)
def test_a_pod_on_a_silent_node_is_not_starting(pod: Pod, unready: bool) -> None:
    [found] = as_they_are([pod], SILENT)
    assert found.started_unready is unready
