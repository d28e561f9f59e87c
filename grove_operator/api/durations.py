"""Go's durations as texts: `90m`, `1h30m`, `1.5ms`.

The API keeps such texts, not numbers. Admission rewrites them into one canonical form, so both
directions follow Go to the letter, its words for errors included. Whole nanoseconds throughout.
"""

import re
from dataclasses import dataclass
from typing import Final

_UNITS: Final = {
    "ns": 1,
    "us": 1_000,
    "\N{MICRO SIGN}s": 1_000,
    "\N{GREEK SMALL LETTER MU}s": 1_000,
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
}
_TERM: Final = re.compile(r"(?P<whole>[0-9]*)(?P<point>\.(?P<part>[0-9]*))?(?P<unit>[^0-9.]*)")
_MAX: Final = 2**63 - 1


@dataclass(frozen=True, order=True)
class Duration:
    """A length of time in nanoseconds; may be negative."""

    nanoseconds: int

    @property
    def seconds(self) -> float:
        return self.nanoseconds / 1_000_000_000


def hours(count: int) -> Duration:
    return Duration(count * _UNITS["h"])


def parse_duration(text: str) -> Duration:
    """Reads a duration as Go does. Raises ValueError with Go's words."""
    negative = text.startswith("-")
    rest = text[1:] if text[:1] in {"-", "+"} else text
    if rest == "0":
        return Duration(0)
    if not rest:
        raise _invalid(text)
    total = 0
    while rest:
        value, rest = _term(text, rest)
        total += value
    # Go's range is not symmetric: one nanosecond more is allowed below zero.
    if total > _MAX + negative:
        raise _invalid(text)
    return Duration(-total if negative else total)


def _term(text: str, rest: str) -> tuple[int, str]:
    """The first `<number><unit>` of `rest` in nanoseconds, and what follows it."""
    match = _TERM.match(rest)
    if match is None or not (match["whole"] or match["part"]):
        raise _invalid(text)
    unit = match["unit"]
    if not unit:
        raise ValueError(f"time: missing unit in duration {_quoted(text)}")
    if unit not in _UNITS:
        raise ValueError(f"time: unknown unit {_quoted(unit)} in duration {_quoted(text)}")
    scale = _UNITS[unit]
    value = int(match["whole"] or 0) * scale
    if match["part"]:
        value += int(match["part"]) * scale // 10 ** len(match["part"])
    return value, rest[match.end() :]


def _invalid(text: str) -> ValueError:
    return ValueError(f"time: invalid duration {_quoted(text)}")


def _quoted(text: str) -> str:
    """As Go's `time` quotes: only quotes and backslashes escaped, other bytes as hex."""
    shown = []
    for char in text:
        if char in '"\\':
            shown.append("\\" + char)
        elif char < " " or char > "~":
            shown.append("".join(f"\\x{byte:02x}" for byte in char.encode()))
        else:
            shown.append(char)
    return '"' + "".join(shown) + '"'


def format_duration(duration: Duration) -> str:
    """Go's canonical form: `4h0m0s`, `1m30s`, `1.5ms`, `0s`."""
    sign = "-" if duration.nanoseconds < 0 else ""
    total = abs(duration.nanoseconds)
    if total == 0:
        return "0s"
    if total < _UNITS["s"]:
        unit = next(name for name in ("ms", "\N{MICRO SIGN}s", "ns") if total >= _UNITS[name])
        return f"{sign}{_decimal(total, _UNITS[unit])}{unit}"
    minutes, nanoseconds = divmod(total, _UNITS["m"])
    text = f"{_decimal(nanoseconds, _UNITS['s'])}s"
    if minutes:
        count, minutes = divmod(minutes, 60)
        text = (f"{count}h" if count else "") + f"{minutes}m" + text
    return sign + text


def _decimal(value: int, scale: int) -> str:
    whole, part = divmod(value, scale)
    digits = f"{part:0{len(str(scale)) - 1}d}".rstrip("0") if part else ""
    return f"{whole}.{digits}" if digits else str(whole)
