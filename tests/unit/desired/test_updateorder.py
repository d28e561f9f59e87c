"""The annotation with the order in which an update replaces pods."""

import pytest

from grove_operator.desired.updateorder import UpdateOrder, read_order


def test_it_is_read_as_it_was_written() -> None:
    order = UpdateOrder("h-new", "2026-01-01T00:00:00Z", ("a", "b"))
    assert read_order(order.as_text()) == order


@pytest.mark.parametrize("text", [None, "", "a,b", "[]", '{"pods": "a"}', '{"pods": [1]}'])
def test_what_somebody_broke_is_no_order(text: str | None) -> None:
    assert read_order(text) == UpdateOrder()
