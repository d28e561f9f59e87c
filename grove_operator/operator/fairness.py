"""Who is next: namespaces in turn, in each its sets in turn, of each the key that waits longest.

Owns the order only. A namespace with thousands of sets, or a set with thousands of replicas, holds
up nobody else by more than one key. Used by the work queue only.
"""

from collections import deque
from collections.abc import Hashable, Sequence
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)


class Row(Generic[K]):
    """Keys by their owners, the outermost first; a key without owners stands before the owned."""

    __slots__ = ("_own", "_owned")

    def __init__(self) -> None:
        self._own: deque[K] = deque()
        self._owned: dict[Hashable, Row[K]] = {}

    def __bool__(self) -> bool:
        return bool(self._own or self._owned)

    def push(self, key: K, owners: Sequence[Hashable]) -> None:
        if not owners:
            self._own.append(key)
            return
        row = self._owned.get(owners[0])
        if row is None:
            row = self._owned[owners[0]] = Row()
        row.push(key, owners[1:])

    def pop(self) -> K:
        """Take the next owner's next key; the owner goes to the end. KeyError if there is none."""
        if self._own:
            return self._own.popleft()
        if not self._owned:
            raise KeyError("no key waits")
        owner = next(iter(self._owned))
        row = self._owned.pop(owner)
        key = row.pop()
        if row:
            self._owned[owner] = row
        return key


def owners_of(key: Hashable) -> Sequence[Hashable]:
    """Of a key such as `(namespace, name, replica)` all but the last part."""
    return key[:-1] if isinstance(key, tuple) else ()
