"""When a status may be written."""

import pytest

from grove_operator.policy.pacing import CROWD, REST, Changes, Pace, rest, status_delay

PACE = Pace(quiet=0.25, longest=1.0, strained=10.0)
QUICK, SLOW, STUCK = 0.015, 0.0325, 2.0


@pytest.mark.parametrize(
    ("first", "last", "settled", "latency", "expected"),
    [
        pytest.param(100.0, 100.0, True, QUICK, 0.25, id="waits for quiet"),
        pytest.param(99.9, 99.9, True, QUICK, 0.15, id="what is left of the quiet"),
        pytest.param(99.2, 100.0, True, QUICK, 0.2, id="never longer than the limit"),
        pytest.param(90.0, 99.5, True, QUICK, -9.0, id="long due"),
        pytest.param(100.0, 100.0, False, QUICK, 0.25, id="unfinished, quick server: the same"),
        pytest.param(100.0, 100.0, False, SLOW, 5.0, id="unfinished, slow server: patience"),
        pytest.param(100.0, 100.0, True, SLOW, 0.25, id="finished, slow server: at quiet"),
        pytest.param(99.0, 99.0, False, STUCK, 9.0, id="patience has an end"),
    ],
)
def test_a_status_waits(
    first: float, last: float, settled: bool, latency: float, expected: float
) -> None:
    changes = Changes(first, last, now=100.0)
    assert status_delay(changes, PACE, settled=settled, latency=latency) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("latency", "now", "expected"),
    [
        pytest.param(QUICK, 100.1, 0.0, id="at ease: none"),
        pytest.param(SLOW, 100.0, REST, id="slow: a while"),
        pytest.param(SLOW, 100.1, REST - 0.1, id="until the moment that all have"),
    ],
)
def test_news_rest(latency: float, now: float, expected: float) -> None:
    assert rest(latency, now) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("settled", "latency", "expected"),
    [
        pytest.param(False, SLOW, 15.0, id="unfinished, slow server: the longer"),
        pytest.param(False, QUICK, 0.25, id="unfinished, quick server: no longer"),
        pytest.param(True, SLOW, 0.25, id="finished: no longer"),
    ],
)
def test_a_status_of_one_replica_among_many(settled: bool, latency: float, expected: float) -> None:
    changes = Changes(100.0, 100.0, now=100.0)
    delay = status_delay(changes, PACE, settled=settled, latency=latency, crowd=2 * CROWD)
    assert delay == pytest.approx(expected)


@pytest.mark.parametrize(
    ("first", "settled", "latency", "expected"),
    [
        pytest.param(100.0, False, QUICK, 5.0, id="longer than others"),
        pytest.param(96.0, False, QUICK, 1.0, id="from the first change on"),
        pytest.param(100.0, False, STUCK, 10.0, id="a slow server: longer still"),
        pytest.param(100.0, True, QUICK, 0.25, id="not once something must be told"),
    ],
)
def test_a_status_waits_for_the_end_of_an_updates_step(
    first: float, settled: bool, latency: float, expected: float
) -> None:
    changes = Changes(first, 100.0, now=100.0)
    delay = status_delay(changes, PACE, settled=settled, latency=latency, moving=True)
    assert delay == pytest.approx(expected)
