"""Long steps report what they do, in lines or in place."""

import io

import pytest
from typing_extensions import override

from tools.localcluster.progress import Progress, duration


class _Terminal(io.StringIO):
    @override
    def isatty(self) -> bool:
        return True


def test_without_a_terminal_whole_lines_are_written() -> None:
    stream = io.StringIO()
    with Progress("building", stream) as progress:
        progress.note("package one")
    assert stream.getvalue() == "building\nbuilding: done in 0 s\n"


def test_a_terminal_line_ends_clean() -> None:
    stream = _Terminal()
    with Progress("building", stream):
        pass
    assert stream.getvalue().endswith("\r\x1b[2Kbuilding: done in 0 s\n")


def test_a_failed_step_is_not_called_done() -> None:
    stream = io.StringIO()
    with pytest.raises(ValueError, match="no"), Progress("building", stream):
        raise ValueError("no")
    assert stream.getvalue().endswith("building: stopped after 0 s\n")


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0 s"), (59.9, "59 s"), (60, "1 min 00 s"), (605, "10 min 05 s")]
)
def test_durations_read_well(seconds: float, text: str) -> None:
    assert duration(seconds) == text
