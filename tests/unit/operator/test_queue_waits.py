"""What metrics say of the queue: the longest waits, and nothing of those of a standby."""

import asyncio
from collections.abc import Callable
from typing import Any

from grove_operator import metrics
from grove_operator.operator.queue import Handle, WorkQueue


class Clock:
    now = 100.0

    def time(self) -> float:
        return self.now

    def call_at(self, when: float, callback: Callable[[], Any], /) -> Handle:
        return asyncio.get_running_loop().call_at(when, callback)


def measured(queue: WorkQueue[str]) -> tuple[float | None, float | None]:
    queue.measure()
    value = metrics.REGISTRY.get_sample_value
    return (
        value("grove_operator_queue_oldest_wait_seconds"),
        value("grove_operator_queue_longest_pass_seconds"),
    )


async def test_waits_are_told_of_a_queue_that_is_worked_on() -> None:
    clock = Clock()
    queue: WorkQueue[str] = WorkQueue(timers=clock)
    entered, leave = asyncio.Event(), asyncio.Event()

    async def worker(_: str) -> None:
        entered.set()
        await leave.wait()

    queue.add("first")
    clock.now += 50
    assert measured(queue) == (0, 0), "nobody works: a standby only collects keys"
    running = asyncio.create_task(queue.run(worker, 1))
    await entered.wait()
    clock.now += 4
    queue.add("second")
    clock.now += 3
    assert measured(queue) == (3, 7)
    leave.set()
    await queue.drain()
    await running
    assert measured(queue)[1] == 0
