"""Bounds how many creations of one PodCliqueSet are tried side by side.

Starts wide, falls to one when the API server refuses an object (quota, admission), doubles again
with each success: a set that cannot be made costs little, and only itself.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

WIDEST: Final = 64


class SlowStart:
    def __init__(self) -> None:
        self._limit = WIDEST
        self._running = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait until another creation may be tried; first come, first served."""
        if self._running >= self._limit or self._waiting:
            await self._wait()
        else:
            self._running += 1
        try:
            yield
        finally:
            self._running -= 1
            self._admit()

    async def _wait(self) -> None:
        """Whoever ends hands its place on, so a place is counted before the waiter wakes."""
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(place)
        try:
            await place
        except asyncio.CancelledError:
            if place.done() and not place.cancelled():
                self._running -= 1
                self._admit()
            raise

    def _admit(self) -> None:
        while self._waiting and self._running < self._limit:
            place = self._waiting.popleft()
            if not place.done():
                self._running += 1
                place.set_result(None)

    def succeeded(self) -> None:
        self._limit = min(WIDEST, self._limit * 2)

    def refused(self) -> None:
        self._limit = 1
