"""When pods that have ended are replaced."""

import pytest
from msgspec.structs import replace

from grove_operator.api import labels
from grove_operator.api.times import after
from grove_operator.observed import Pod
from grove_operator.policy.endings import healed_pods, replace_ended
from tests.support.builders import NOW, a_pod


def ended(index: int, ago: float, tries: int = 0, lived: float = 60) -> Pod:
    pod = a_pod(
        index,
        phase="Failed",
        ready=False,
        ended=after(NOW, -ago),
        created=after(NOW, -ago - lived),
    )
    notes = {labels.TRIES: str(tries)} if tries else {}
    return replace(pod, meta=replace(pod.meta, annotations=notes))


def successor(index: int, age: float, tries: int, ready: float | None = None) -> Pod:
    """One that runs, and may have been ready for some time."""
    pod = a_pod(index, ready=ready is not None, created=after(NOW, -age))
    since = "" if ready is None else after(NOW, -ready)
    meta = replace(pod.meta, annotations={labels.TRIES: str(tries)})
    return replace(pod, meta=meta, ready_since=since)


def noted(tries: str) -> Pod:
    pod = ended(0, ago=10)
    return replace(pod, meta=replace(pod.meta, annotations={labels.TRIES: tries}))


WAITS: dict[str, tuple[list[Pod], int, float | None]] = {
    "a pod that runs is left alone": ([a_pod(0)], 0, None),
    "the first time after ten seconds": ([ended(0, ago=10)], 1, None),
    "and not before": ([ended(0, ago=4)], 0, 6),
    "the second time after twenty": ([ended(0, ago=15, tries=1)], 0, 5),
    "the fourth time after eighty": ([ended(0, ago=80, tries=3)], 1, None),
    "never later than five minutes": ([ended(0, ago=299, tries=20)], 0, 1),
    "what lived for ten minutes was not ready for ten": (
        [ended(0, ago=10, tries=9, lived=661)],
        0,
        290,
    ),
    "others of its incident that were replaced before do not lengthen its wait": (
        [ended(0, ago=10), successor(1, age=9, tries=1), successor(2, age=2, tries=2)],
        1,
        None,
    ),
    "the clique waits by its worst pod": ([ended(0, ago=15), ended(1, ago=15, tries=2)], 0, 25),
    "one whose end is not told counts from its creation": (
        [a_pod(0, phase="Succeeded", ready=False, created=after(NOW, -11))],
        1,
        None,
    ),
    "one that goes already is nobody's business": (
        [a_pod(0, phase="Failed", ready=False, deleting=True)],
        0,
        None,
    ),
    "a spoilt number counts as none": ([noted("x")], 1, None),
    "so does one that is too long": ([noted("9" * 5000)], 1, None),
}


@pytest.mark.parametrize(("pods", "replaced", "recheck"), WAITS.values(), ids=WAITS)
def test_waits(pods: list[Pod], replaced: int, recheck: float | None) -> None:
    found = replace_ended(pods, NOW)
    assert (len(found.replace), found.recheck_after) == (replaced, recheck)


HEALED: dict[str, tuple[Pod, bool, float | None]] = {
    "ready for ten minutes": (successor(0, age=900, tries=3, ready=600), True, None),
    "old, but not ready for long": (successor(0, age=9000, tries=3, ready=540), False, 60),
    "old, and never ready": (successor(0, age=9000, tries=3), False, None),
    "no replacement": (a_pod(0, ready_since=after(NOW, -900)), False, None),
}


@pytest.mark.parametrize(("pod", "healed", "wait"), HEALED.values(), ids=HEALED)
def test_whose_tries_are_forgotten(pod: Pod, healed: bool, wait: float | None) -> None:
    assert healed_pods([pod], NOW) == ((pod,) if healed else (), wait)


def test_the_successor_carries_the_count_and_a_notice_tells_of_it() -> None:
    found = replace_ended([ended(0, ago=30, tries=1), ended(1, ago=5, tries=1)], NOW)
    assert found.tries == 2
    assert found.notice == (f"pod pod-1 has ended; it is replaced at {after(NOW, 15)}, as try 2")
