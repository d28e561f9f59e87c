"""Says what a long step is doing and for how long it has been at it.

On a terminal one line is kept alive; elsewhere (a CI log) a line is written every fifteen seconds,
so that nobody takes a build of eight minutes for a hang.
"""

import sys
import threading
import time
from types import TracebackType
from typing import Self, TextIO

LINE_EVERY = 15.0
LIVE_EVERY = 0.5
LIVE_WIDTH = 100


class Progress:
    """Context manager around one long step; `note` says what it is doing now."""

    def __init__(
        self, label: str, stream: TextIO | None = None, every: float | None = None
    ) -> None:
        self._label = label
        self._stream = stream or sys.stderr
        self._live = self._stream.isatty()
        self._every = every or (LIVE_EVERY if self._live else LINE_EVERY)
        self._detail = ""
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run, name="progress", daemon=True)
        self._start = time.monotonic()

    def note(self, detail: str) -> None:
        self._detail = detail

    @property
    def elapsed(self) -> float:
        return time.monotonic() - self._start

    def __enter__(self) -> Self:
        self._start = time.monotonic()
        self._line(self._label)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._done.set()
        self._thread.join()
        outcome = "stopped after" if error else "done in"
        self._line(f"{self._label}: {outcome} {duration(self.elapsed)}")

    def _run(self) -> None:
        while not self._done.wait(self._every):
            detail = f", {self._detail}" if self._detail else ""
            text = f"{self._label}: {duration(self.elapsed)}{detail}"
            if self._live:
                self._stream.write(f"\r\x1b[2K{text[:LIVE_WIDTH]}")
                self._stream.flush()
            else:
                self._line(text)

    def _line(self, text: str) -> None:
        self._stream.write(f"\r\x1b[2K{text}\n" if self._live else f"{text}\n")
        self._stream.flush()


def duration(seconds: float) -> str:
    whole = int(seconds)
    return f"{whole // 60} min {whole % 60:02d} s" if whole >= 60 else f"{whole} s"
