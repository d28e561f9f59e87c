"""In which order waiting keys are taken."""

import pytest

from grove_operator.operator.fairness import Row, owners_of
from grove_operator.operator.queue import WorkQueue
from tests.unit.operator.test_queue import FakeTimers

CASES = {
    "what came first, of one set": (["a/x/0", "a/x/1", "a/x/2"], ["a/x/0", "a/x/1", "a/x/2"]),
    "sets of a namespace take turns": (
        ["a/x/0", "a/x/1", "a/x/2", "a/y/0"],
        ["a/x/0", "a/y/0", "a/x/1", "a/x/2"],
    ),
    "a namespace of many sets is one among others": (
        ["a/v/0", "a/w/0", "a/x/0", "a/y/0", "b/z/0", "b/z/1"],
        ["a/v/0", "b/z/0", "a/w/0", "b/z/1", "a/x/0", "a/y/0"],
    ),
    "whose turn it was goes to the end": (
        ["a/x/0", "a/y/0", "b/z/0", "a/x/1"],
        ["a/x/0", "b/z/0", "a/y/0", "a/x/1"],
    ),
}


@pytest.mark.parametrize(("pushed", "popped"), CASES.values(), ids=CASES)
def test_order(pushed: list[str], popped: list[str]) -> None:
    row: Row[tuple[str, ...]] = Row()
    for text in pushed:
        key = tuple(text.split("/"))
        row.push(key, owners_of(key))
    assert ["/".join(row.pop()) for _ in popped] == popped
    assert not row
    with pytest.raises(KeyError):
        row.pop()


def test_keys_without_owners_are_taken_in_their_order() -> None:
    row: Row[str] = Row()
    for key in "ba":
        row.push(key, owners_of(key))
    assert [row.pop(), row.pop()] == ["b", "a"]


async def test_a_set_of_its_own_namespace_waits_for_one_of_a_crowd() -> None:
    queue: WorkQueue[tuple[str, str, int]] = WorkQueue(timers=FakeTimers())
    for number in range(1500):
        queue.add(("crowd", f"set-{number}", 0))
    queue.add(("alone", "tide", 0))
    assert [queue._pop()[0] for _ in range(3)] == ["crowd", "alone", "crowd"]
