"""Runs the parts of the process side by side and ends it as a whole.

Owns signals, the order of a graceful stop, and the exit code. Refuses to restart a part: one that
ends or raises ends the process, and Kubernetes starts a fresh one. Lost leadership ends it at
once, without clean-up, because another process may act already.
"""

import asyncio
import logging
import os
import signal
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final

from grove_operator.errors import GroveError, LostLeadershipError

EXIT_OK: Final = 0
EXIT_CONFIGURATION: Final = 2
EXIT_INIT: Final = 4
EXIT_RUN: Final = 6

_LOG = logging.getLogger(__name__)
_CANCEL_PATIENCE: Final = 3.0
"""Seconds that cancelled parts get to put away their connections."""


class Supervisor:
    """`add` parts in the order of their start, `at_stop` actions in the order of the stop."""

    def __init__(self, grace: float = 15.0, hard_exit: Callable[[int], object] = os._exit) -> None:
        self._grace = grace
        self._hard_exit = hard_exit
        self._parts: list[tuple[str, Callable[[], Coroutine[Any, Any, None]]]] = []
        self._actions: list[tuple[str, Callable[[], Awaitable[None]]]] = []
        self.stopping = asyncio.Event()

    def add(self, name: str, run: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Add a part that runs until it is cancelled, or may end once `stopping` is set."""
        self._parts.append((name, run))

    def at_stop(self, name: str, action: Callable[[], Awaitable[None]]) -> None:
        """Add what must happen on a graceful stop while all parts still run."""
        self._actions.append((name, action))

    async def run(self) -> int:
        """Run until a signal or until a part ends; give the exit code."""
        self._handle_signals()
        tasks = [asyncio.create_task(run(), name=name) for name, run in self._parts]
        stop = asyncio.create_task(self.stopping.wait(), name="stop")
        try:
            done, _ = await asyncio.wait([*tasks, stop], return_when=asyncio.FIRST_COMPLETED)
            if stop not in done:
                return self._ended(next(task for task in tasks if task in done))
            await self._stop_gracefully(tasks)
            return EXIT_OK
        finally:
            await _cancel([*tasks, stop])
            self._ignore_signals()

    def _ended(self, task: asyncio.Task[None]) -> int:
        error = None if task.cancelled() else task.exception()
        why = str(error) if error else "it ended although it should run for ever"
        expected = isinstance(error, GroveError) or error is None
        _LOG.error(
            "a part of the operator ended, so the process ends",
            extra={"part": task.get_name(), "why": why},
            exc_info=None if expected else error,
        )
        if isinstance(error, LostLeadershipError):
            self._hard_exit(EXIT_RUN)
        return EXIT_RUN

    async def _stop_gracefully(self, tasks: list[asyncio.Task[None]]) -> None:
        _LOG.info("stopping", extra={"grace": self._grace})
        deadline = asyncio.get_running_loop().time() + self._grace
        for name, action in self._actions:
            try:
                async with asyncio.timeout_at(deadline):
                    await action()
            except TimeoutError:
                _LOG.warning("stopping takes too long, going on", extra={"part": name})
                # What follows, such as giving back the lease, is quick and still worth it.
                deadline = max(deadline, asyncio.get_running_loop().time() + _CANCEL_PATIENCE)
            except Exception:  # noqa: BLE001 - the steps that follow matter, too
                _LOG.exception("stopping failed, going on", extra={"part": name})
        for task in tasks:
            if task.done() and not task.cancelled() and task.exception():
                _LOG.warning(
                    "ended while stopping",
                    extra={"part": task.get_name(), "why": str(task.exception())},
                )

    def _handle_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._signalled, number)

    def _ignore_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)

    def _signalled(self, number: signal.Signals) -> None:
        if self.stopping.is_set():
            _LOG.warning("second signal, exiting at once", extra={"signal": number.name})
            self._hard_exit(EXIT_RUN)
        _LOG.info("signal received", extra={"signal": number.name})
        self.stopping.set()


async def _cancel(tasks: list[asyncio.Task[Any]]) -> None:
    for task in tasks:
        task.cancel()
    _, pending = await asyncio.wait(tasks, timeout=_CANCEL_PATIENCE)
    for task in pending:
        _LOG.warning("does not end", extra={"part": task.get_name()})
    for task in tasks:
        if task.done() and not task.cancelled():
            task.exception()  # marks it as seen: its end is reported above
