"""Arithmetic on times as Kubernetes writes them: RFC 3339, UTC, whole seconds."""

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final

_FORM: Final = "%Y-%m-%dT%H:%M:%SZ"


@lru_cache(maxsize=4096)
def _read(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except ValueError:
        return None


def seconds_between(start: str, end: str) -> float | None:
    """Seconds from `start` to `end`, below zero if it comes earlier; None if either is no time."""
    first, last = _read(start), _read(end)
    if first is None or last is None:
        return None
    return (last - first).total_seconds()


def after(start: str, seconds: float) -> str:
    """The time `seconds` later. `start` itself if it is no time."""
    first = _read(start)
    return start if first is None else (first + timedelta(seconds=seconds)).strftime(_FORM)
