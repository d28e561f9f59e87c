"""Bounds how many creations of one PodCliqueSet are tried side by side.

Starts wide, falls to one when the API server refuses an object (quota, admission), doubles again
with each success: a set that cannot be made costs little, and only itself.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

WIDEST: Final = 64


class SlowStart:
    def __init__(self) -> None:
        self._limit = WIDEST
        self._running = 0
        self._free = asyncio.Condition()

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait until another creation may be tried."""
        if self._running >= self._limit:
            async with self._free:
                await self._free.wait_for(lambda: self._running < self._limit)
        self._running += 1
        try:
            yield
        finally:
            self._running -= 1
            if self._limit < WIDEST:
                async with self._free:
                    self._free.notify()

    def succeeded(self) -> None:
        self._limit = min(WIDEST, self._limit * 2)

    def refused(self) -> None:
        self._limit = 1
