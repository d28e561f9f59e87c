"""How many creations are tried side by side."""

import asyncio

from grove_operator.cluster.slowstart import WIDEST, SlowStart


async def widest(pace: SlowStart, tries: int) -> int:
    """The most that ran side by side, of `tries` that all end well."""
    running = most = 0

    async def one() -> None:
        nonlocal running, most
        async with pace.turn():
            running += 1
            most = max(most, running)
            await asyncio.sleep(0)
            running -= 1
            pace.succeeded()

    async with asyncio.timeout(1):
        await asyncio.gather(*(one() for _ in range(tries)))
    return most


async def test_few_run_all_at_once() -> None:
    assert await widest(SlowStart(), 10) == 10


async def test_after_a_refusal_one_is_tried() -> None:
    pace = SlowStart()
    pace.refused()
    assert await widest(pace, 1) == 1


async def test_more_than_the_widest_wait_for_their_turn() -> None:
    assert await widest(SlowStart(), 3 * WIDEST) == WIDEST


async def test_it_widens_again_with_success() -> None:
    pace = SlowStart()
    pace.refused()
    assert 1 < await widest(pace, 3 * WIDEST) <= WIDEST
