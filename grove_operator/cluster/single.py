"""One object, followed by its name: its newest known body, and writes that nobody overtakes.

Owns the comparison of what a watch says with what our own writes were answered. Refuses to know
what the object means. For the few objects that the process itself lives on, not for workloads.
"""

import asyncio
from dataclasses import dataclass
from typing import Any, NamedTuple

import msgspec

from grove_operator.cluster.connection import Api
from grove_operator.cluster.informer import Informer, Pace
from grove_operator.cluster.resources import Resource

Body = dict[str, Any]


class _Record(NamedTuple):
    version: int
    body: Body


class _Listed(msgspec.Struct):
    items: list[msgspec.Raw]


def _decode(payload: bytes | msgspec.Raw) -> _Record:
    body = msgspec.json.decode(payload, type=Body)
    return _Record(int(body["metadata"]["resourceVersion"]), body)


class Single:
    """`run` watches. `body` is None while there is no such object; know it after `synced`.

    `changed` is set whenever `body` becomes another one; whoever waits for it clears it.
    """

    def __init__(
        self,
        api: Api,
        resource: Resource,
        namespace: str | None,
        name: str,
        *,
        changed: asyncio.Event | None = None,
        pace: Pace | None = None,
    ) -> None:
        self._api = api
        self._resource = resource
        self.namespace = namespace
        self.name = name
        self.body: Body | None = None
        self.changed = changed or asyncio.Event()
        self._version = 0
        self._selector = f"metadata.name={name}"
        self._informer: Informer[_Record] = Informer(
            api,
            resource,
            decode=_decode,
            sink=_Filed(self),
            namespace=namespace,
            field_selector=self._selector,
            pace=pace or Pace(),
        )
        self.synced = self._informer.synced

    async def run(self) -> None:
        await self._informer.run()

    async def refresh(self) -> None:
        """Read it now, as a list of one: that needs no right but those of the watch.

        Raises ClusterError.
        """
        query = {"fieldSelector": self._selector}
        answer = await self._api.list(self._resource, self.namespace, query)
        found = msgspec.json.decode(answer, type=_Listed).items
        if found:
            self.take(*_decode(found[0]))
        else:
            self.take(self._version, None)

    async def create(self, body: Body) -> None:
        payload = msgspec.json.encode(body)
        answer = await self._api.create(self._resource, self.namespace, payload)
        self.take(*_decode(answer))

    async def replace(self, body: Body) -> None:
        """PUT; the resourceVersion in `body` lets only one writer win. Raises ConflictError."""
        payload = msgspec.json.encode(body)
        answer = await self._api.replace(self._resource, self.namespace, self.name, payload)
        self.take(*_decode(answer))

    def take(self, version: int, body: Body | None) -> None:
        """File what was heard of it, unless something newer is known already."""
        stale = version < self._version or (version == self._version and body is not None)
        if stale:
            return
        self._version = version
        if body is not None or self.body is not None:
            self.body = body
            self.changed.set()


@dataclass(frozen=True, slots=True)
class _Filed:
    """The informer's view of a Single."""

    single: Single

    def upsert(self, record: _Record) -> None:
        self.single.take(*record)

    def delete(self, record: _Record) -> None:
        self.single.take(record.version, None)

    def replace(self, records: list[_Record], resource_version: str) -> None:
        for record in records:
            self.single.take(*record)
        if not records:
            self.single.take(int(resource_version), None)
