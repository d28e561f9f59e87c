"""Which PriorityClasses exist: a group that names another one would be refused."""

from collections.abc import Callable
from typing import Final

from grove_operator.cluster.resources import Resource

PRIORITY_CLASSES: Final = Resource(
    "scheduling.k8s.io", "v1", "priorityclasses", "PriorityClass", namespaced=False
)


class PriorityClasses:
    """The sink of their informer, fed with names; tells when the names changed."""

    def __init__(self, changed: Callable[[], None]) -> None:
        self.names: set[str] = set()
        self._changed = changed

    def upsert(self, record: str) -> None:
        if record not in self.names:
            self.names.add(record)
            self._changed()

    def delete(self, record: str) -> None:
        self.names.discard(record)
        self._changed()

    def replace(self, records: list[str], resource_version: str) -> None:
        del resource_version
        self.names = set(records)
        self._changed()
