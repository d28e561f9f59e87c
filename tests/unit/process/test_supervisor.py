import asyncio
import os
import signal

import pytest

from grove_operator.errors import LostLeadershipError
from grove_operator.process.supervisor import EXIT_OK, EXIT_RUN, Supervisor


async def forever() -> None:
    await asyncio.Event().wait()


async def test_a_part_that_raises_ends_the_process(caplog: pytest.LogCaptureFixture) -> None:
    async def broken() -> None:
        raise ZeroDivisionError("a bug")

    supervisor = Supervisor()
    supervisor.add("informer", forever)
    supervisor.add("queue", broken)
    assert await supervisor.run() == EXIT_RUN
    [record] = [r for r in caplog.records if r.levelname == "ERROR"]
    assert record.__dict__["part"] == "queue"
    assert record.__dict__["why"] == "a bug"
    assert record.exc_info


async def test_a_part_that_just_ends_does_so_too(caplog: pytest.LogCaptureFixture) -> None:
    async def short() -> None:
        return

    supervisor = Supervisor()
    supervisor.add("queue", short)
    assert await supervisor.run() == EXIT_RUN
    assert "a part of the operator ended" in caplog.text


async def test_lost_leadership_exits_at_once() -> None:
    async def lose() -> None:
        raise LostLeadershipError("somebody else leads")

    exits: list[int] = []
    supervisor = Supervisor(hard_exit=exits.append)
    supervisor.add("election", lose)
    await supervisor.run()
    assert exits == [EXIT_RUN]


async def test_a_signal_stops_in_order_while_the_parts_still_run() -> None:
    seen: list[str] = []

    async def part() -> None:
        try:
            await forever()
        finally:
            seen.append("part ended")

    async def drain() -> None:
        seen.append("drained")

    async def release() -> None:
        seen.append("released")

    supervisor = Supervisor()
    supervisor.add("part", part)
    supervisor.at_stop("queue", drain)
    supervisor.at_stop("lease", release)
    asyncio.get_running_loop().call_later(0.01, os.kill, os.getpid(), signal.SIGTERM)
    assert await supervisor.run() == EXIT_OK
    assert seen == ["drained", "released", "part ended"]


async def test_a_stop_that_hangs_or_fails_does_not_keep_the_lease() -> None:
    released = asyncio.Event()

    async def fail() -> None:
        raise RuntimeError("a bug")

    async def release() -> None:
        await asyncio.sleep(0)
        released.set()

    supervisor = Supervisor(grace=0.02)
    supervisor.add("part", forever)
    supervisor.at_stop("bug", fail)
    supervisor.at_stop("queue", forever)
    supervisor.at_stop("lease", release)
    supervisor.stopping.set()
    assert await supervisor.run() == EXIT_OK
    assert released.is_set()


async def test_a_second_signal_exits_at_once() -> None:
    exits: list[int] = []
    supervisor = Supervisor(grace=0.05, hard_exit=exits.append)
    supervisor.add("part", forever)
    supervisor.at_stop("queue", forever)
    loop = asyncio.get_running_loop()
    loop.call_later(0.01, os.kill, os.getpid(), signal.SIGINT)
    loop.call_later(0.03, os.kill, os.getpid(), signal.SIGINT)
    await supervisor.run()
    assert exits == [EXIT_RUN]
