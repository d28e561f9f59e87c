"""Which nodes there are, kept beside the store: a node belongs to no set."""

from collections.abc import Callable, Mapping
from sys import intern
from typing import Final

import msgspec

from grove_operator.api.quantities import amount
from grove_operator.observed import Node, Taint

_UNREACHABLE: Final = "node.kubernetes.io/unreachable"
Listener = Callable[[Node | None, Node | None], None]
"""Called with the node before and after; None if there is none."""


class Nodes:
    """The sink of their informer; tells its listener of what matters, never of heartbeats."""

    def __init__(self, listener: Listener) -> None:
        self._by_name: dict[str, Node] = {}
        self.unreachable: dict[str, str] = {}
        """Since when, by name; only the nodes of which nothing is heard."""
        self._listener = listener

    @property
    def by_name(self) -> Mapping[str, Node]:
        return self._by_name

    def upsert(self, record: Node) -> None:
        old = self._by_name.get(record.name)
        if record != old:
            self._by_name[record.name] = record
            if record.unreachable_since:
                self.unreachable[record.name] = record.unreachable_since
            else:
                self.unreachable.pop(record.name, None)
            self._listener(old, record)

    def delete(self, record: Node) -> None:
        old = self._by_name.pop(record.name, None)
        self.unreachable.pop(record.name, None)
        if old is not None:
            self._listener(old, None)

    def replace(self, records: list[Node], resource_version: str) -> None:
        del resource_version
        listed = {record.name for record in records}
        for name in self._by_name.keys() - listed:
            self.delete(self._by_name[name])
        for record in records:
            self.upsert(record)


class _TaintJson(msgspec.Struct, rename="camel"):
    key: str = ""
    value: str = ""
    effect: str = ""
    time_added: str | None = None


class _ConditionJson(msgspec.Struct, rename="camel"):
    type: str = ""
    status: str = ""
    last_transition_time: str | None = None


class _MetaJson(msgspec.Struct):
    name: str = ""
    labels: dict[str, str] | None = None


class _SpecJson(msgspec.Struct):
    unschedulable: bool = False
    taints: list[_TaintJson] | None = None


class _StatusJson(msgspec.Struct):
    allocatable: dict[str, str] | None = None
    conditions: list[_ConditionJson] | None = None


class _NodeJson(msgspec.Struct):
    metadata: _MetaJson
    spec: _SpecJson = msgspec.field(default_factory=_SpecJson)
    status: _StatusJson = msgspec.field(default_factory=_StatusJson)


_node = msgspec.json.Decoder(_NodeJson).decode


def decode_node(raw: bytes | msgspec.Raw) -> Node:
    json = _node(raw)
    taints = json.spec.taints or ()
    ready = next((item for item in json.status.conditions or () if item.type == "Ready"), None)
    silent = ready is not None and ready.status == "Unknown"
    since = ready.last_transition_time if ready and silent else None
    for taint in taints:
        if taint.key == _UNREACHABLE:
            since = since or taint.time_added  # only that with the effect NoExecute has a time
    return Node(
        name=intern(json.metadata.name),
        labels={intern(key): intern(value) for key, value in (json.metadata.labels or {}).items()},
        allocatable={
            intern(name): amount(name, quantity)
            for name, quantity in (json.status.allocatable or {}).items()
        },
        unschedulable=json.spec.unschedulable,
        taints=tuple(
            Taint(intern(taint.key), intern(taint.value), intern(taint.effect))
            for taint in taints
            if taint.effect != "PreferNoSchedule"
        ),
        ready=ready is not None and ready.status == "True",
        unreachable_since=since or "",
    )
