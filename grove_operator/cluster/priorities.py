"""Which PriorityClasses exist: a group that names another one would be refused."""

from collections.abc import Callable
from typing import Final

import msgspec

from grove_operator.cluster.records import Raw, decode_meta
from grove_operator.cluster.resources import Resource

PRIORITY_CLASSES: Final = Resource(
    "scheduling.k8s.io", "v1", "priorityclasses", "PriorityClass", namespaced=False
)


class ClassName(msgspec.Struct, frozen=True):
    name: str


def decode_name(raw: Raw) -> ClassName:
    return ClassName(decode_meta(raw).meta.name)


class PriorityClasses:
    """The sink of their informer; tells when the names changed."""

    def __init__(self, changed: Callable[[], None]) -> None:
        self.names: set[str] = set()
        self._changed = changed

    def upsert(self, record: ClassName) -> None:
        if record.name not in self.names:
            self.names.add(record.name)
            self._changed()

    def delete(self, record: ClassName) -> None:
        self.names.discard(record.name)
        self._changed()

    def replace(self, records: list[ClassName], resource_version: str) -> None:
        del resource_version
        self.names = {record.name for record in records}
        self._changed()
