"""One step of an update: which pods and which group replicas make way now."""

from dataclasses import dataclass
from typing import Any

import pytest
from msgspec.structs import replace

from grove_operator.api import labels
from grove_operator.observed import Pod
from grove_operator.policy.rolling import (
    REMEMBERED,
    Floor,
    GroupReplica,
    roll_group,
    roll_pods,
)
from tests.support.builders import a_pod, a_waiting_pod


def old(index: int, **fields: Any) -> Pod:
    return a_pod(index, f"old-{index}", template="old", **fields)


def new(index: int, replaces: str = "", **fields: Any) -> Pod:
    pod = a_pod(index, f"new-{index}", **fields)
    notes = {labels.REPLACES: replaces} if replaces else {}
    return replace(pod, meta=replace(pod.meta, annotations=notes))


def names(pods: tuple[Pod, ...]) -> list[str]:
    return [pod.meta.name for pod in pods]


ALL = ["old-0", "old-1", "old-2", "old-3"]
STEPS: dict[str, tuple[list[Pod], int, int, list[str], list[str], str | None]] = {
    "what was noted goes": ([old(0), old(1)], 2, 1, ALL, ["old-0"], "old-0"),
    "what is not ready goes at once": (
        [old(0), old(1, ready=False), old(2, ready=False)],
        3,
        1,
        ["old-0"],
        ["old-1", "old-2"],
        "old-0",
    ),
    "the next waits while the successor starts": (
        [new(0, "old-0", ready=False), old(1), old(2)],
        3,
        1,
        ALL,
        [],
        "old-0",
    ),
    "the next waits while the successor is still to be made": (
        [old(1), old(2)],
        3,
        1,
        ALL,
        [],
        "old-0",
    ),
    "a ready successor lets the next go": (
        [new(0, "old-0"), old(1), old(2)],
        3,
        2,
        ALL,
        ["old-1"],
        "old-1",
    ),
    "others that are not ready do not hold the next up": (
        [new(0, "old-0"), new(1, ready=False), old(2), old(3)],
        4,
        2,
        ["old-0", "old-2", "old-3"],
        ["old-2"],
        "old-2",
    ),
    "at the floor for another reason nothing goes": (
        [new(0, "old-0"), new(1, ready=False), old(2)],
        3,
        2,
        ["old-0", "old-2"],
        [],
        "old-2",
    ),
    "with no pod to spare one goes when all are ready": (
        [old(0), old(1)],
        2,
        2,
        ALL,
        ["old-0"],
        "old-0",
    ),
    "with no pod to spare none goes while one is missing": (
        [new(0, ready=False), old(1)],
        2,
        2,
        ["old-1"],
        [],
        "old-1",
    ),
    "without a known successor all must be ready": (
        [new(0), new(2, ready=False), old(1)],
        3,
        1,
        ["gone", "old-1"],
        [],
        "gone",
    ),
    "without a known successor and with all ready it goes on": (
        [new(0), new(1), old(2)],
        3,
        1,
        ["gone", "old-2"],
        ["old-2"],
        "old-2",
    ),
    "nor is the successor of one that ended itself known": (
        [new(0, "new-9", ready=False), new(1, "old-1"), old(2)],
        3,
        1,
        ["old-0", "old-1", "old-2"],
        [],
        "old-1",
    ),
    "two are waited for, as the last one ended before its turn": (
        [new(0, "old-0", ready=False), new(2, "old-2"), old(1)],
        3,
        1,
        ["old-0", "old-2", "old-1"],
        [],
        "old-2",
    ),
    "an earlier one is not": (
        [new(0, "old-0", ready=False), new(2, "old-2"), new(3, "old-3"), old(1)],
        4,
        1,
        ["old-0", "old-2", "old-3", "old-1"],
        ["old-1"],
        "old-1",
    ),
    "an earlier failure of a ready pod's container does not matter": (
        [old(0, failing=True), old(1, failing=True)],
        2,
        1,
        ALL,
        ["old-0"],
        "old-0",
    ),
    "a clique at zero has nothing to do": ([], 0, 1, [], [], None),
}


@pytest.mark.parametrize(
    ("pods", "wanted", "minimum", "order", "removed", "taken"), STEPS.values(), ids=STEPS
)
def test_a_step_for_pods(
    pods: list[Pod],
    wanted: int,
    minimum: int,
    order: list[str],
    removed: list[str],
    taken: str | None,
) -> None:
    roll = roll_pods(pods, Floor(wanted, minimum), "new", order)
    assert (names(roll.remove), roll.taken, list(roll.order)) == (removed, taken, order)


ORDERS: dict[str, tuple[list[Pod], list[str], list[str], list[str]]] = {
    "the oldest goes first": (
        [old(0, created="2026-01-02"), old(1, created="2026-01-01"), old(2, created="2026-01-03")],
        [],
        ["old-1", "old-0", "old-2"],
        [],
    ),
    "what fell ill is struck off before it goes": (
        [old(0), old(1, ready=False), old(2), old(3, ready=False)],
        ["old-0", "old-1", "old-2"],
        ["old-0", "old-2"],
        ["old-3"],
    ),
    "what became ready late follows the others": (
        [new(0, "old-0"), new(1, "old-1"), new(2, "old-2"), old(3)],
        ["old-0", "old-1", "old-2"],
        ["old-1", "old-2", "old-3"],
        [],
    ),
    "what another template's update has taken stays in front": (
        [old(1), old(2)],
        ["old-0"],
        ["old-0", "old-1", "old-2"],
        [],
    ),
}


@pytest.mark.parametrize(("pods", "before", "after", "removed"), ORDERS.values(), ids=ORDERS)
def test_the_order_is_stored_before_anything_ready_goes(
    pods: list[Pod], before: list[str], after: list[str], removed: list[str]
) -> None:
    roll = roll_pods(pods, Floor(len(pods), 1), "new", before)
    assert (list(roll.order), names(roll.remove)) == (after, removed)


def test_a_clique_of_thousands_has_no_order_of_thousands() -> None:
    pods = [old(index) for index in range(200)]
    roll = roll_pods(pods, Floor(200, 1), "new", ["gone-0", "gone-1", "gone-2"])
    assert len(roll.order) == 2 + REMEMBERED


def test_it_is_over_when_nothing_old_is_left_and_the_last_successor_is_ready() -> None:
    floor, order = Floor(2, 1), ["old-1"]
    assert roll_pods([new(0), new(1, "old-1")], floor, "new", order).done
    assert not roll_pods([new(0), new(1, "old-1", ready=False)], floor, "new", order).done
    assert not roll_pods([new(0)], floor, "new", order).done
    assert not roll_pods([new(0), old(1, ready=False)], floor, "new").done
    assert roll_pods([new(0), new(1, ready=False)], floor, "new").done


def test_the_pod_that_is_waited_for_is_named() -> None:
    waiting = a_waiting_pod(1, name="new-1")
    order = ["old-0", "old-2"]
    roll = roll_pods([new(0, "old-0"), waiting, old(2)], Floor(3, 2), "new", order)
    assert roll.blocker == waiting
    assert roll.short == "2 of 3 pods are ready and 2 must stay so"


def replica(index: int, state: str) -> GroupReplica:
    """`state` is old or new, in capitals if it is available, and gone if pods of it are."""
    return GroupReplica(
        index, state.lower() in ("old", "gone"), state.isupper(), removed=state == "gone"
    )


@dataclass
class GroupCase:
    """By index: states of the replicas; then what is stored, and what comes of it."""

    states: list[str]
    minimum: int
    order: list[int]
    moves: set[int]
    taken: int | None
    kept: list[int]


GROUPS = {
    "the order is stored before anything goes": GroupCase(
        ["OLD", "OLD", "OLD"], 1, [], set(), 0, [0, 1, 2]
    ),
    "the first of it goes": GroupCase(["OLD", "OLD"], 1, [0, 1], {0}, 0, [0, 1]),
    "what is not available goes at once": GroupCase(["OLD", "old", "old"], 1, [], {1, 2}, 0, [0]),
    "what went and has yet to be replaced is waited for": GroupCase(
        ["NEW", "gone", "OLD"], 1, [0, 1, 2], {1}, 1, [0, 1, 2]
    ),
    "what fell ill when it was next was not taken": GroupCase(
        ["NEW", "old", "OLD", "OLD"], 1, [0, 1, 2, 3], set(), 2, [0, 2, 3]
    ),
    "what lost pods before its turn was not taken": GroupCase(
        ["new", "gone", "OLD"], 1, [0, 1, 2], set(), 0, [0, 2]
    ),
    "the first may have been taken by an earlier update": GroupCase(
        ["old", "OLD"], 1, [0, 1], {0}, 0, [0, 1]
    ),
    "the next waits for the one in hand": GroupCase(["new", "OLD"], 1, [0, 1], set(), 0, [0, 1]),
    "it goes when that is available": GroupCase(
        ["NEW", "OLD", "OLD"], 1, [0, 1, 2], {1}, 1, [0, 1, 2]
    ),
    "at the minimum for another reason nothing is taken": GroupCase(
        ["new", "NEW", "OLD"], 2, [1, 2], set(), 2, [1, 2]
    ),
    "with none to spare one goes when all are available": GroupCase(
        ["NEW", "OLD"], 2, [0, 1], {1}, 1, [0, 1]
    ),
    "one that was scaled away is not waited for": GroupCase(["OLD"], 1, [5, 0], {0}, 0, [0]),
    "one that has appeared comes last": GroupCase(
        ["NEW", "NEW", "OLD"], 1, [0, 1], set(), 2, [0, 1, 2]
    ),
    "the next waits when others fell ill since": GroupCase(["OLD", "new"], 2, [0], set(), 0, [0]),
    "what falls ill before its turn is struck off first": GroupCase(
        ["new", "old", "OLD"], 1, [0, 1, 2], set(), 0, [0, 2]
    ),
    "and then goes at once, waited for by nobody": GroupCase(
        ["NEW", "old", "OLD"], 1, [0, 2], {1, 2}, 2, [0, 2]
    ),
    "one that is ill already when the one before it serves": GroupCase(
        ["OLD", "old"], 1, [0, 1], set(), 0, [0]
    ),
    "one of long ago that falls ill again holds up nobody": GroupCase(
        ["new", "NEW", "NEW", "OLD"], 1, [0, 1, 2, 3], {3}, 3, [0, 1, 2, 3]
    ),
    "one of the last two does": GroupCase(["new", "NEW", "OLD"], 1, [0, 1, 2], set(), 1, [0, 1, 2]),
}


@pytest.mark.parametrize("case", GROUPS.values(), ids=GROUPS)
def test_a_step_for_a_group(case: GroupCase) -> None:
    replicas = [replica(index, state) for index, state in enumerate(case.states)]
    roll = roll_group(replicas, Floor(len(replicas), case.minimum), case.order)
    assert (set(roll.move), roll.taken, list(roll.order)) == (case.moves, case.taken, case.kept)
    assert not roll.done


@pytest.mark.parametrize("order", [[], [0, 1]])
def test_a_group_is_through_when_nothing_of_it_is_old_or_in_hand(order: list[int]) -> None:
    whole = [replica(0, "NEW"), replica(1, "NEW")]
    assert roll_group(whole, Floor(2, 1), order).done
    assert not roll_group([replica(0, "NEW"), replica(1, "new")], Floor(2, 1), [0, 1]).done
