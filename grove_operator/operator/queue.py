"""The work queue: keys to look at, each at most once at a time, each owner in its turn.

Owns de-duplication, timers for later looks and back-off per key. Refuses to know what a key means
or what a pass does. Filled by watches and handlers, emptied by the reconciler's workers. Everything
happens in one event loop; nothing here is thread-safe.
"""

import asyncio
import heapq
import itertools
import logging
import random
from collections.abc import Awaitable, Callable, Hashable
from typing import Any, Final, Generic, Protocol, TypeVar

from grove_operator import metrics
from grove_operator.errors import GroveError
from grove_operator.operator.fairness import Row, owners_of

K = TypeVar("K", bound=Hashable)
_LOG = logging.getLogger(__name__)
_BACK_OFF_START: Final = 0.2
_BACK_OFF_CAP: Final = 60.0
_TOGETHER: Final = 0.01
"""Seconds by which a key may come early, so that one timer serves all that are due at about that
time."""
_SLACK: Final = 64
"""Outdated timer entries that are tolerated before the heap is rebuilt."""


class Handle(Protocol):
    def cancel(self) -> None: ...


class Timers(Protocol):
    """The part of an event loop that the queue needs; tests bring their own clock."""

    def time(self) -> float: ...
    def call_at(self, when: float, callback: Callable[[], Any], /) -> Handle: ...


class WorkQueue(Generic[K]):
    """Keys wait for a time, are ready, or run. A key that is added while it runs, runs again."""

    def __init__(
        self,
        *,
        timers: Timers | None = None,
        stuck_after: float = 600.0,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._timers: Timers = asyncio.get_running_loop() if timers is None else timers
        self._stuck_after = stuck_after
        self._jitter = jitter
        self._order = itertools.count()
        self._due: dict[K, float] = {}
        self._heap: list[tuple[float, int, K]] = []
        self._alarm: tuple[float, Handle] | None = None
        self._row: Row[K] = Row()
        self._ready_since: dict[K, float] = {}
        self._available = asyncio.Semaphore(0)
        self._running: dict[K, float] = {}
        self._dirty: set[K] = set()
        self._asked: set[K] = set()
        """Keys that somebody wants to be looked at, now or later."""
        self._pressing: set[K] = set()
        """Those of them that run."""
        self._failures: dict[K, int] = {}
        self._retried: set[K] = set()
        self._workers = 0
        self._finished = self._timers.time()
        self._stopping = False
        self._idle = asyncio.Event()
        self._idle.set()

    def add(self, key: K, *, delay: float = 0.0, again: bool = False) -> None:
        """Have `key` looked at after `delay` seconds; of several wishes the earliest wins.

        `again` is for a pass that wants to go on later with what it knows: see `is_asked`.
        """
        if not again:
            self._asked.add(key)
        if delay <= 0:
            if key in self._running:
                self._dirty.add(key)
            elif key not in self._ready_since:
                self._push(key)
            return
        if key in self._ready_since or key in self._dirty:
            return
        when = self._timers.time() + delay
        if when < self._due.get(key, float("inf")):
            self._due[key] = when
            heapq.heappush(self._heap, (when, next(self._order), key))
            self._compact()
            self._arm()

    def answer(self, key: K) -> None:
        """Say that the running pass over `key` looks now: all that was asked for is in that look.

        What the pass itself still wants is to be asked for after it.
        """
        self._dirty.discard(key)
        self._due.pop(key, None)
        self._asked.discard(key)

    def is_asked(self, key: K) -> bool:
        """Whether the running pass over `key` has a reason besides its own wish to go on."""
        return key in self._pressing

    def retry(self, key: K) -> None:
        """Look again after a failure: 0.2 s, doubled each time, up to a minute."""
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        if key in self._running:
            self._retried.add(key)
        metrics.count_queue_retry()
        longest = min(_BACK_OFF_CAP, _BACK_OFF_START * 2 ** min(failures, 16))
        self.add(key, delay=longest * (0.5 + self._jitter() / 2))

    def forget(self, key: K) -> None:
        """Start the back-off of `key` anew. Also done by a pass that returns without retry."""
        self._failures.pop(key, None)

    def failures(self, key: K) -> int:
        return self._failures.get(key, 0)

    @property
    def depth(self) -> int:
        """Keys that are ready and wait for a worker."""
        return len(self._ready_since)

    @property
    def scheduled(self) -> int:
        """Keys that wait for their time."""
        return len(self._due)

    @property
    def running(self) -> int:
        return len(self._running)

    def oldest_wait(self) -> float:
        """Seconds that the first of the ready keys has waited."""
        for since in self._ready_since.values():
            return self._timers.time() - since
        return 0.0

    def measure(self) -> None:
        """Tell metrics what waits and what runs. Without workers it is a standby's: none waits."""
        now = self._timers.time()
        longest = now - min(self._running.values(), default=now)
        metrics.set_queue_waits(self.oldest_wait() if self._workers else 0.0, longest)

    def stuck(self, now: float | None = None) -> str | None:
        """Say what hangs: a pass that does not end, or ready keys that no worker takes.

        A long queue that moves is not stuck, nor is one without workers: a standby collects keys.
        """
        moment = self._timers.time() if now is None else now
        for key, started in self._running.items():
            if moment - started > self._stuck_after:
                return f"{key} has been worked on for {moment - started:.0f} s"
        if self._workers and moment - self._finished > self._stuck_after:
            for key, since in self._ready_since.items():
                if moment - since > self._stuck_after:
                    return f"{key} has waited for {moment - since:.0f} s and nothing moves"
                break
        return None

    async def run(self, worker: Callable[[K], Awaitable[None]], workers: int) -> None:
        """Work until `stop`. A pass that raises is logged and its key retried with back-off."""
        self._finished = self._timers.time()
        async with asyncio.TaskGroup() as group:
            for number in range(workers):
                group.create_task(self._work(worker), name=f"worker-{number}")

    def stop(self) -> None:
        """Take no more keys; `run` returns when the passes that are under way have ended."""
        self._stopping = True
        for _ in range(self._workers):
            self._available.release()

    async def drain(self) -> None:
        """Stop, and wait until no pass is under way."""
        self.stop()
        await self._idle.wait()

    async def _work(self, worker: Callable[[K], Awaitable[None]]) -> None:
        self._workers += 1
        self._idle.clear()
        try:
            while not self._stopping:
                await self._available.acquire()
                if self._stopping:
                    return
                await self._process(self._pop(), worker)
        finally:
            self._workers -= 1
            if not self._workers:
                self._idle.set()

    async def _process(self, key: K, worker: Callable[[K], Awaitable[None]]) -> None:
        started = self._timers.time()
        self._running[key] = started
        try:
            await worker(key)
        except GroveError as error:
            _LOG.warning("pass failed", extra={"key": _text(key), "error": str(error)})
            self._retry_once(key)
        except Exception:  # noqa: BLE001 - a bug met by one key must not stop the others
            _LOG.exception("pass failed by a bug", extra={"key": _text(key)})
            metrics.count_error("queue", "bug")
            self._retry_once(key)
        else:
            if key not in self._retried:
                self.forget(key)
        finally:
            self._finished = self._timers.time()
            self._retried.discard(key)
            self._pressing.discard(key)
            del self._running[key]
            metrics.observe_queue_work(self._finished - started)
            if key in self._dirty:
                self._dirty.discard(key)
                self._push(key)

    def _retry_once(self, key: K) -> None:
        if key not in self._retried:
            self.retry(key)

    def _push(self, key: K) -> None:
        self._due.pop(key, None)
        self._ready_since[key] = self._timers.time()
        self._row.push(key, owners_of(key))
        metrics.set_queue_depth(len(self._ready_since))
        self._available.release()

    def _pop(self) -> K:
        key = self._row.pop()
        self._due.pop(key, None)  # the pass that starts now decides anew when to look again
        if key in self._asked:
            self._asked.discard(key)
            self._pressing.add(key)
        metrics.observe_queue_wait(self._timers.time() - self._ready_since.pop(key))
        metrics.set_queue_depth(len(self._ready_since))
        return key

    def _arm(self) -> None:
        """Keep one timer, for the earliest key."""
        if not self._heap:
            return
        when = self._heap[0][0]
        if self._alarm is not None:
            if self._alarm[0] <= when:
                return
            self._alarm[1].cancel()
        self._alarm = (when, self._timers.call_at(when, self._fire))

    def _fire(self) -> None:
        self._alarm = None
        soon = self._timers.time() + _TOGETHER
        while self._heap and self._heap[0][0] <= soon:
            when, _, key = heapq.heappop(self._heap)
            if self._due.get(key) == when:
                del self._due[key]
                self.add(key, again=True)
        self._arm()

    def _compact(self) -> None:
        """Drop entries whose key was looked at early; else they would pile up until their time."""
        if len(self._heap) > 2 * len(self._due) + _SLACK:
            self._heap = [entry for entry in self._heap if self._due.get(entry[2]) == entry[0]]
            heapq.heapify(self._heap)


def _text(key: Hashable) -> str:
    return "/".join(str(part) for part in key) if isinstance(key, tuple) else str(key)
