"""Go's duration texts, both ways."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grove_operator.api.durations import Duration, format_duration, hours, parse_duration

SECOND = 1_000_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE

READ = {
    "zero needs no unit": ("0", 0),
    "zero with a unit": ("0s", 0),
    "a sign before zero": ("-0", 0),
    "hours": ("4h", 4 * HOUR),
    "a sum of units": ("1h30m", 90 * MINUTE),
    "units may repeat and come in any order": ("1s1h1s", HOUR + 2 * SECOND),
    "a unit may overflow into the next": ("1m60s", 2 * MINUTE),
    "fractions": ("1.5h", 90 * MINUTE),
    "no digits before the point": (".5s", SECOND // 2),
    "no digits after the point": ("1.s", SECOND),
    "below a nanosecond is cut off": ("1.9ns", 1),
    "microseconds in ASCII": ("1500us", 1_500_000),
    "microseconds with the micro sign": ("1\N{MICRO SIGN}s", 1_000),
    "microseconds with the Greek letter": ("1\N{GREEK SMALL LETTER MU}s", 1_000),
    "milliseconds": ("20ms", 20_000_000),
    "negative": ("-90s", -90 * SECOND),
    "a plus sign": ("+5m", 5 * MINUTE),
    "many hours": ("100000h", 100_000 * HOUR),
    "the greatest": ("9223372036854775807ns", 2**63 - 1),
    "the least": ("-9223372036854775808ns", -(2**63)),
}


@pytest.mark.parametrize(("text", "expected"), READ.values(), ids=READ)
def test_is_read(text: str, expected: int) -> None:
    assert parse_duration(text) == Duration(expected)


REFUSED = {
    "a word": ("soon", 'time: invalid duration "soon"'),
    "nothing": ("", 'time: invalid duration ""'),
    "a sign alone": ("-", 'time: invalid duration "-"'),
    "a point alone": (".s", 'time: invalid duration ".s"'),
    "a number alone": ("5", 'time: missing unit in duration "5"'),
    "a last number without unit": ("1h30", 'time: missing unit in duration "1h30"'),
    "days": ("1d", 'time: unknown unit "d" in duration "1d"'),
    "a capital unit": ("1H", 'time: unknown unit "H" in duration "1H"'),
    "a space before": (" 1h", 'time: invalid duration " 1h"'),
    "a space within": ("1h 30m", 'time: unknown unit "h " in duration "1h 30m"'),
    "two points": ("1.2.3s", 'time: missing unit in duration "1.2.3s"'),
    "too long for 64 bits": ("3000000h", 'time: invalid duration "3000000h"'),
    "a quote": ('"', 'time: invalid duration "\\""'),
    "a letter of another script": ("1\N{LATIN SMALL LETTER E WITH ACUTE}", r"\xc3\xa9"),
}


@pytest.mark.parametrize(("text", "words"), REFUSED.values(), ids=REFUSED)
def test_is_refused_with_the_words_of_go(text: str, words: str) -> None:
    with pytest.raises(ValueError, match="time: ") as caught:
        parse_duration(text)
    assert words in str(caught.value)


WRITTEN = {
    "zero": (0, "0s"),
    "one nanosecond": (1, "1ns"),
    "microseconds": (1_100, "1.1\N{MICRO SIGN}s"),
    "milliseconds": (1_500_000, "1.5ms"),
    "a second": (SECOND, "1s"),
    "parts of a second": (2_200_000_000, "2.2s"),
    "minutes show their seconds": (90 * SECOND, "1m30s"),
    "hours show minutes and seconds": (4 * HOUR, "4h0m0s"),
    "hours without end": (100_000 * HOUR, "100000h0m0s"),
    "negative": (-90 * MINUTE, "-1h30m0s"),
    "the smallest part": (HOUR + 1, "1h0m0.000000001s"),
}


@pytest.mark.parametrize(("nanoseconds", "expected"), WRITTEN.values(), ids=WRITTEN)
def test_is_written(nanoseconds: int, expected: str) -> None:
    assert format_duration(Duration(nanoseconds)) == expected


@given(st.integers(min_value=-(2**63), max_value=2**63 - 1))
def test_what_is_written_reads_back_the_same(nanoseconds: int) -> None:
    assert parse_duration(format_duration(Duration(nanoseconds))).nanoseconds == nanoseconds


def test_seconds_keep_fractions() -> None:
    assert parse_duration("1m0.5s").seconds == 60.5


def test_hours_compare_with_what_was_read() -> None:
    assert hours(4) > parse_duration("3h59m")
