"""Whole numbers as people write them into annotations."""

from typing import Final

_DIGITS: Final = 9
"""Python refuses to read thousands of them; nothing that we count needs more than these."""


def whole_number(text: str) -> int | None:
    """The number; None if the text is none, or one that nobody can mean."""
    sound = text.isascii() and text.isdigit() and len(text) <= _DIGITS
    return int(text) if sound else None
