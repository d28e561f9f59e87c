"""Whose turn it is in an update of several replicas."""

from typing import Any

import pytest

from grove_operator.observed import ReplicaSummary
from grove_operator.policy.turns import Choice, Turn, choose, holder, turn_of


def running(**fields: Any) -> dict[str, Any]:
    return {"currentGenerationHash": "new", "updateProgress": {"updateStartedAt": "t", **fields}}


HELD = [{"replicaIndex": 1, "updateStartedAt": "t"}]
TURNS: dict[str, tuple[int, dict[str, Any], Turn]] = {
    "a set without a status is new": (0, {}, Turn.FREE),
    "no update was ever needed": (0, {"currentGenerationHash": "new"}, Turn.FREE),
    "an update has yet to be noted": (0, {"currentGenerationHash": "old"}, Turn.HOLD),
    "it is this one's": (1, running(currentlyUpdating=HELD), Turn.MOVE),
    "it is another's": (0, running(currentlyUpdating=HELD), Turn.HOLD),
    "it is nobody's": (1, running(), Turn.HOLD),
    "the update is over": (1, running(updateEndedAt="t"), Turn.FREE),
}


@pytest.mark.parametrize(("replica", "status", "expected"), TURNS.values(), ids=TURNS)
def test_turns(replica: int, status: dict[str, Any], expected: Turn) -> None:
    assert turn_of(replica, "new", status, on_delete=False) is expected
    assert turn_of(replica, "new", status, on_delete=True) is Turn.ON_DELETE


def test_the_last_pass_knows_better_than_the_stored_status() -> None:
    for replica, expected in ((0, Turn.MOVE), (1, Turn.HOLD)):
        status = running(currentlyUpdating=HELD)
        assert turn_of(replica, "new", status, on_delete=False, turn=0) is expected
        early = status | {"currentGenerationHash": "old"}
        assert turn_of(replica, "new", early, on_delete=False, turn=0) is Turn.HOLD


def test_a_turn_that_ended_is_nobodys() -> None:
    assert holder({"currentlyUpdating": [{"replicaIndex": 0, "updateEndedAt": "t"}]}) is None
    assert holder({"currentlyUpdating": HELD}) == 1
    assert holder(None) is None


def summary(state: str, **fields: Any) -> ReplicaSummary:
    """`state`: `new` if all is at the template, in capitals if available."""
    given: dict[str, Any] = {"target": "new", "placed": True, "available": state.isupper()}
    return ReplicaSummary(**(given | {"is_current": state.lower() == "new"} | fields))


CHOICES: dict[str, tuple[list[ReplicaSummary], int | None, Choice]] = {
    "the first by index": ([summary("NEW"), summary("OLD"), summary("OLD")], None, Choice(1)),
    "what is broken goes first": (
        [summary("OLD"), summary("old", breached=True)],
        None,
        Choice(1),
    ),
    "the one in hand keeps its turn until it is whole": (
        [summary("new"), summary("OLD")],
        0,
        Choice(0),
    ),
    "who has something in hand goes before what is broken": (
        [summary("NEW"), summary("old", breached=True), summary("OLD", in_hand=True)],
        0,
        Choice(2),
    ),
    "the one in hand keeps its turn though another has something in hand, too": (
        [summary("OLD"), summary("OLD", in_hand=True)],
        0,
        Choice(0),
    ),
    "then the next has it": ([summary("NEW"), summary("OLD")], 0, Choice(1)),
    "what is not placed has no turn, and is not done": (
        [summary("NEW"), summary("old", placed=False)],
        None,
        Choice(None),
    ),
    "nobody is left": ([summary("NEW"), summary("NEW")], 1, Choice(None, done=True)),
    "a replica at the template that is not whole is not waited for": (
        [summary("NEW"), summary("new", placed=False)],
        0,
        Choice(None, done=True),
    ),
    "one that was judged by another template is not known": (
        [summary("NEW"), summary("OLD", target="other")],
        0,
        Choice(0),
    ),
    "one that was scaled in loses its turn": ([summary("OLD")], 3, Choice(0)),
    "a set without replicas": ([], None, Choice(None, done=True)),
}


@pytest.mark.parametrize(("known", "current", "expected"), CHOICES.values(), ids=CHOICES)
def test_choices(known: list[ReplicaSummary], current: int | None, expected: Choice) -> None:
    assert choose(dict(enumerate(known)), len(known), "new", current) == expected


FRESH: dict[str, tuple[ReplicaSummary, int]] = {
    "it has not begun, as a new change came since": (summary("OLD"), 1),
    "it has begun": (summary("OLD", begun=True), 0),
    "it has something in hand": (summary("OLD", in_hand=True), 0),
}


@pytest.mark.parametrize(("stored", "chosen"), FRESH.values(), ids=FRESH)
def test_a_new_process_finds_the_turn_that_was_not_stored(
    stored: ReplicaSummary, chosen: int
) -> None:
    known = {0: stored, 1: summary("OLD", in_hand=True)}
    assert choose(known, 2, "new", 0, fresh=True) == Choice(chosen)


def test_nothing_is_chosen_before_every_replica_is_known() -> None:
    assert choose({0: summary("OLD")}, 2, "new", None) == Choice()
