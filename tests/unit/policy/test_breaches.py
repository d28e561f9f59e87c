"""When broken gangs are restarted, and by whom."""

from typing import Any

import pytest

from grove_operator.api.times import after
from grove_operator.policy.breaches import (
    Breach,
    GroupVerdict,
    breach_of,
    first,
    judge_group,
    reached_since,
)
from tests.support.builders import NOW


def breached(status: str, ago: float) -> list[dict[str, Any]]:
    return [
        {
            "type": "MinAvailableBreached",
            "status": status,
            "lastTransitionTime": after(NOW, -ago),
        }
    ]


YEARS = 10**8
CLOCKS: dict[str, tuple[list[dict[str, Any]], float, Breach]] = {
    "a breach that is not stored begins now": ([], YEARS, Breach("a", 30, is_new=True)),
    "one after health begins now": (breached("False", 99), YEARS, Breach("a", 30, is_new=True)),
    "one after an update begins now": (
        breached("Unknown", 99),
        YEARS,
        Breach("a", 30, is_new=True),
    ),
    "a stored one goes on": (breached("True", 20), YEARS, Breach("a", 10)),
    "and is over in time": (breached("True", 31), YEARS, Breach("a", -1)),
    "one that is older than all pods counts from the first of these": (
        breached("True", 3600),
        12,
        Breach("a", 18),
    ),
    "a clock that is ahead gives no more than the delay": (
        breached("True", -50),
        YEARS,
        Breach("a", 30),
    ),
}


@pytest.mark.parametrize(("conditions", "age", "expected"), CLOCKS.values(), ids=CLOCKS)
def test_the_stored_condition_is_the_clock(
    conditions: list[Any], age: float, expected: Breach
) -> None:
    assert breach_of("a", conditions, 30, after(NOW, -age), NOW) == expected


def reached(ago: float) -> list[dict[str, Any]]:
    when = after(NOW, -ago)
    return [{"type": "MinAvailableReached", "status": "True", "lastTransitionTime": when}]


REACHED: dict[str, tuple[list[dict[str, Any]], float | None, bool, float | None]] = {
    "enough is placed for the first time": ([], 5, True, 0),
    "not enough was ever placed": ([], 5, False, None),
    "enough was placed once, less is left": (reached(60), 90, False, 60),
    "enough was and is placed": (reached(60), 90, True, 60),
    "noted of pods that are gone": (reached(60), 5, False, None),
    "noted of pods that are gone, and these are enough again": (reached(60), 5, True, 0),
    "nothing is placed any more": (reached(60), None, False, None),
    "a clock that is behind the scheduler's": ([], -3, True, -3),
}


@pytest.mark.parametrize(("conditions", "age", "enough", "expected"), REACHED.values(), ids=REACHED)
def test_what_had_its_minimum_since_it_was_started(
    conditions: list[Any], age: float | None, enough: bool, expected: float | None
) -> None:
    start = None if age is None else after(NOW, -age)
    since = None if expected is None else after(NOW, -expected)
    assert reached_since(conditions, start, NOW, enough=enough) == since


GROUPS: dict[str, tuple[list[tuple[int, float]], int, int, GroupVerdict]] = {
    "nothing is broken": ([], 3, 1, GroupVerdict()),
    "a broken one is restarted when its time is over": ([(1, 0)], 3, 1, GroupVerdict((1,))),
    "before that it is looked at again": ([(1, 7)], 3, 1, GroupVerdict((), 7)),
    "each has its own time": ([(0, 5), (2, -1)], 4, 2, GroupVerdict((2,), 5)),
    "the worst of its cliques counts": ([(1, 9), (1, -2)], 3, 1, GroupVerdict((1,))),
    "without enough others it is the set's business": ([(1, -1)], 2, 2, GroupVerdict()),
    "those that wait count as broken, too": ([(0, 5), (1, -1)], 3, 2, GroupVerdict()),
}


@pytest.mark.parametrize(("broken", "replicas", "needed", "expected"), GROUPS.values(), ids=GROUPS)
def test_groups(
    broken: list[tuple[int, float]], replicas: int, needed: int, expected: GroupVerdict
) -> None:
    breaches = [(index, Breach("x", left)) for index, left in broken]
    assert judge_group(breaches, replicas, needed) == expected


def test_the_first_to_be_over_comes_first() -> None:
    assert first([Breach("b", 3), Breach("a", 3), Breach("c", 9)]) == Breach("a", 3)
    assert first([]) is None
