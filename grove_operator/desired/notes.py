"""Annotations that hold our own notes as compact JSON."""

from functools import lru_cache
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")


def read_note(text: str | None, kind: type[T]) -> T:
    """Read one as a `kind`, whose values nobody can change; one that is broken counts as absent."""
    key: Any = kind  # mypy does not take the type of a T for hashable
    note: T = _read(text, key) if text else kind()
    return note


@lru_cache(maxsize=4096)
def _read(text: str, kind: Any) -> Any:
    """Each plan asks again, and replicas of a set carry the same texts."""
    try:
        return msgspec.json.decode(text, type=kind)
    except msgspec.MsgspecError:
        return kind()
