"""Which PriorityClasses exist: a group that names another one would be refused."""

from collections.abc import Callable
from typing import Final

import msgspec

from grove_operator.cluster.resources import Resource

PRIORITY_CLASSES: Final = Resource(
    "scheduling.k8s.io", "v1", "priorityclasses", "PriorityClass", namespaced=False
)


class _Meta(msgspec.Struct, frozen=True):
    name: str


class PriorityClass(msgspec.Struct, frozen=True, rename="camel"):
    """The part of a class that counts here."""

    metadata: _Meta
    global_default: bool = False
    """Whether what names no class gets this one."""


_DECODER: Final = msgspec.json.Decoder(PriorityClass)


def decode_priority_class(raw: bytes | msgspec.Raw) -> PriorityClass:
    return _DECODER.decode(raw)


class PriorityClasses:
    """The sink of their informer; tells when something changed."""

    def __init__(self, changed: Callable[[], None]) -> None:
        self._default_of: dict[str, bool] = {}
        self._changed = changed

    @property
    def names(self) -> frozenset[str]:
        return frozenset(self._default_of)

    @property
    def default(self) -> str:
        """The class of what names none; empty if there is none. Kubernetes allows one."""
        return min((name for name, default in self._default_of.items() if default), default="")

    def upsert(self, record: PriorityClass) -> None:
        if self._default_of.get(record.metadata.name) != record.global_default:
            self._default_of[record.metadata.name] = record.global_default
            self._changed()

    def delete(self, record: PriorityClass) -> None:
        self._default_of.pop(record.metadata.name, None)
        self._changed()

    def replace(self, records: list[PriorityClass], resource_version: str) -> None:
        del resource_version
        self._default_of = {record.metadata.name: record.global_default for record in records}
        self._changed()
