import asyncio
import heapq
import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from grove_operator.errors import SpecError
from grove_operator.operator.queue import WorkQueue

Key = tuple[str, str]
A, B, C = ("one", "a"), ("one", "b"), ("two", "c")


class FakeTimers:
    """A clock that moves only when told to."""

    class Alarm:
        def __init__(self, callback: Callable[[], Any]) -> None:
            self.callback: Callable[[], Any] | None = callback

        def cancel(self) -> None:
            self.callback = None

    def __init__(self) -> None:
        self.now = 1000.0
        self.alarms: list[tuple[float, int, FakeTimers.Alarm]] = []
        self.order = itertools.count()
        self.set = 0

    def time(self) -> float:
        return self.now

    def call_at(self, when: float, callback: Callable[[], Any], /) -> Alarm:
        alarm = self.Alarm(callback)
        heapq.heappush(self.alarms, (when, next(self.order), alarm))
        self.set += 1
        return alarm

    def advance(self, seconds: float) -> None:
        end = self.now + seconds
        while self.alarms and self.alarms[0][0] <= end:
            when, _, alarm = heapq.heappop(self.alarms)
            self.now = max(self.now, when)
            if alarm.callback:
                alarm.callback()
        self.now = end


class Bench:
    """A queue with workers whose passes the test ends one by one."""

    def __init__(self) -> None:
        self.timers = FakeTimers()
        self.queue: WorkQueue[Key] = WorkQueue(timers=self.timers, jitter=lambda: 1.0)
        self.started: list[Key] = []
        self.open: dict[Key, asyncio.Future[None]] = {}
        self.task: asyncio.Task[None] | None = None

    def start(self, workers: int = 1) -> None:
        self.task = asyncio.create_task(self.queue.run(self._work, workers))

    async def _work(self, key: Key) -> None:
        assert key not in self.open, "two passes for one key at once"
        self.started.append(key)
        self.open[key] = asyncio.get_running_loop().create_future()
        try:
            await self.open[key]
        finally:
            del self.open[key]

    async def turn(self) -> None:
        for _ in range(10):
            await asyncio.sleep(0)

    async def end(self, key: Key, error: Exception | None = None) -> None:
        if error:
            self.open[key].set_exception(error)
        else:
            self.open[key].set_result(None)
        await self.turn()

    @contextmanager
    def working(self, workers: int = 1) -> Iterator[None]:
        self.start(workers)
        try:
            yield
        finally:
            assert self.task
            self.task.cancel()


@pytest.fixture
async def bench() -> Bench:
    return Bench()


async def test_the_same_key_twice_is_one_pass(bench: Bench) -> None:
    bench.queue.add(A)
    bench.queue.add(A)
    assert bench.queue.depth == 1
    with bench.working():
        await bench.turn()
        await bench.end(A)
        assert bench.started == [A]


async def test_a_key_added_while_it_runs_runs_again_and_never_beside_itself(bench: Bench) -> None:
    bench.queue.add(A)
    with bench.working(workers=3):
        await bench.turn()
        bench.queue.add(A)
        bench.queue.add(A)
        await bench.turn()
        assert bench.started == [A]
        await bench.end(A)
        assert bench.started == [A, A]
        await bench.end(A)
        assert bench.started == [A, A]


async def test_of_several_delays_the_earliest_wins(bench: Bench) -> None:
    bench.queue.add(A, delay=5)
    bench.queue.add(A, delay=2)
    bench.queue.add(A, delay=9)
    bench.timers.advance(1.9)
    assert bench.queue.depth == 0
    bench.timers.advance(0.1)
    assert bench.queue.depth == 1
    assert bench.queue.scheduled == 0


async def test_an_immediate_look_replaces_the_timer(bench: Bench) -> None:
    bench.queue.add(A, delay=30)
    bench.queue.add(A)
    with bench.working():
        await bench.turn()
        await bench.end(A)
        bench.timers.advance(60)
        await bench.turn()
        assert bench.started == [A]


async def test_a_timer_set_during_a_pass_survives_it(bench: Bench) -> None:
    bench.queue.add(A)
    with bench.working():
        await bench.turn()
        bench.queue.add(A, delay=30)
        await bench.end(A)
        bench.timers.advance(30)
        await bench.turn()
        assert bench.started == [A, A]


async def test_a_timer_that_ends_during_a_pass_means_one_more(bench: Bench) -> None:
    bench.queue.add(A)
    with bench.working():
        await bench.turn()
        bench.queue.add(A, delay=3)
        bench.timers.advance(5)
        assert bench.queue.depth == 0
        await bench.end(A)
        assert bench.started == [A, A]


async def test_failures_back_off_up_to_a_minute(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    bench.queue.add(A)
    waits = []
    with bench.working():
        await bench.turn()
        for _ in range(11):
            await bench.end(A, ZeroDivisionError("a bug"))
            [due] = bench.queue._due.values()
            waits.append(round(due - bench.timers.now, 3))
            bench.timers.advance(waits[-1])
            await bench.turn()
    assert waits == [0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 51.2, 60, 60]
    assert "failed by a bug" in caplog.text


async def test_success_starts_the_back_off_anew(bench: Bench) -> None:
    bench.queue.add(A)
    with bench.working():
        await bench.turn()
        await bench.end(A, SpecError(["spec: wrong"]))
        assert bench.queue.failures(A) == 1
        bench.timers.advance(1)
        await bench.turn()
        await bench.end(A)
        assert bench.queue.failures(A) == 0


async def test_a_pass_that_asks_for_a_retry_keeps_its_back_off(bench: Bench) -> None:
    bench.queue.add(A)
    with bench.working():
        await bench.turn()
        bench.queue.retry(A)
        await bench.end(A)
        assert bench.queue.failures(A) == 1
        assert bench.queue.scheduled == 1


async def test_jitter_halves_the_wait_at_most() -> None:
    timers = FakeTimers()
    queue: WorkQueue[Key] = WorkQueue(timers=timers, jitter=lambda: 0.0)
    queue.retry(A)
    assert queue._due[A] == pytest.approx(timers.now + 0.1)


async def test_a_failure_does_not_stop_other_keys(bench: Bench) -> None:
    bench.queue.add(A)
    bench.queue.add(B)
    with bench.working():
        await bench.turn()
        await bench.end(A, RuntimeError("a bug"))
        assert bench.started == [A, B]


async def test_stop_lets_running_passes_end(bench: Bench) -> None:
    bench.queue.add(A)
    bench.queue.add(B)
    bench.start(workers=1)
    assert bench.task
    await bench.turn()
    bench.queue.stop()
    await bench.turn()
    assert not bench.task.done()
    await bench.end(A)
    assert bench.task.done()
    assert bench.started == [A]


async def test_ten_thousand_timers_need_one_alarm_and_no_piling_up(bench: Bench) -> None:
    for number in range(10_000):
        bench.queue.add(("one", str(number)), delay=60 + number / 1000)
    assert bench.timers.set == 1
    for number in range(10_000):
        bench.queue.add(("one", str(number)))
    assert bench.queue.depth == 10_000
    bench.queue.add(A, delay=5)
    assert len(bench.queue._heap) == 1


async def test_what_is_due_at_about_the_same_time_comes_together(bench: Bench) -> None:
    for number in range(5):
        bench.queue.add(("one", str(number)), delay=1 + number / 1000)
    bench.queue.add(A, delay=1.5)
    bench.timers.advance(1.0)
    assert (bench.queue.depth, bench.queue.scheduled) == (5, 1)


async def test_knows_what_hangs(bench: Bench) -> None:
    bench.queue.add(A)
    with bench.working():
        await bench.turn()
        assert bench.queue.stuck() is None
        bench.timers.advance(601)
        assert "has been worked on for 601 s" in str(bench.queue.stuck())
        await bench.end(A)
        assert bench.queue.stuck() is None


async def test_a_standby_that_collects_keys_is_not_stuck(bench: Bench) -> None:
    bench.queue.add(A)
    bench.timers.advance(10_000)
    assert bench.queue.oldest_wait() == 10_000
    assert bench.queue.stuck() is None


async def test_a_look_answers_all_that_was_asked_for_before_it(bench: Bench) -> None:
    bench.queue.add(A)
    with bench.working():
        await bench.turn()
        bench.queue.add(A)
        bench.queue.add(A, delay=5)
        bench.queue.answer(A)
        await bench.end(A)
        bench.timers.advance(10)
        await bench.turn()
        assert bench.started == [A]


async def test_what_is_asked_for_after_a_look_is_not_answered_by_it(bench: Bench) -> None:
    bench.queue.add(A)
    with bench.working():
        await bench.turn()
        bench.queue.answer(A)
        bench.queue.add(A)
        await bench.end(A)
        assert bench.started == [A, A]
        await bench.end(A)


async def test_a_pass_knows_whether_anybody_but_itself_wanted_it(bench: Bench) -> None:
    bench.queue.add(A)
    with bench.working():
        await bench.turn()
        assert bench.queue.is_asked(A)
        bench.queue.answer(A)
        bench.queue.add(A, delay=5, again=True)
        await bench.end(A)
        assert not bench.queue.is_asked(A)
        bench.timers.advance(5)
        await bench.turn()
        assert not bench.queue.is_asked(A)
        bench.queue.add(A, delay=5, again=True)
        bench.queue.add(A, delay=9)
        await bench.end(A)
        bench.timers.advance(5)
        await bench.turn()
        assert bench.queue.is_asked(A), "the wish to go on must not hide a change"
        await bench.end(A)
        assert bench.started == [A, A, A]
