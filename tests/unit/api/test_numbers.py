"""Whole numbers in annotations."""

import pytest

from grove_operator.api.numbers import whole_number

TEXTS: dict[str, tuple[str, int | None]] = {
    "a number": ("12", 12),
    "nothing": ("", None),
    "with a sign": ("-1", None),
    "digits of another script": ("\u0663", None),
    "as many digits as anybody needs": ("9" * 9, 999_999_999),
    "more digits than Python reads": ("9" * 5000, None),
}


@pytest.mark.parametrize(("text", "number"), TEXTS.values(), ids=TEXTS)
def test_whole_numbers(text: str, number: int | None) -> None:
    assert whole_number(text) == number
