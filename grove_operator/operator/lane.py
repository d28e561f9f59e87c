"""How many passes may write statuses at once: many, or one while the API server is slow.

Owns the turns. A status tells of work, it is not work: in a burst each one takes from the scheduler
what it needs to go on. With one at a time they come as fast as the server answers, and no faster.
Refuses to hold a worker: who finds no turn is called again. Used by the reconciler only.
"""

from collections.abc import Callable, Hashable
from typing import Final, Generic, TypeVar

K = TypeVar("K", bound=Hashable)

WIDE: Final = 32
NARROW: Final = 1


class Lane(Generic[K]):
    """`strained` says whether the server is slow; `call` puts a key back on the queue."""

    def __init__(self, strained: Callable[[], bool], call: Callable[[K], None]) -> None:
        self._strained = strained
        self._call = call
        self._busy = 0
        self._waiting: dict[K, None] = {}

    def enter(self, key: K, *, urgent: bool = False) -> bool:
        """Take a turn; without one the key waits behind those that came before.

        What is `urgent` waits for nobody.
        """
        if not urgent and self._busy >= self._width():
            self._waiting[key] = None
            return False
        self._busy += 1
        return True

    def leave(self) -> None:
        self._busy -= 1

    def wake(self) -> None:
        """Call those whose turn it is; at the end of each pass, whether it wrote or not."""
        for _ in range(self._width() - self._busy):
            if not self._waiting:
                return
            key = next(iter(self._waiting))
            del self._waiting[key]
            self._call(key)

    def _width(self) -> int:
        return NARROW if self._strained() else WIDE
