"""Keeps a sink equal to what the API server holds of one resource: list, then watch, for ever.

Owns paging, bookmarks, resuming, expiry (410), back-off and the periodic full list that repairs a
lost event. Refuses to keep objects or to understand them: the caller's `decode` makes a record of
the bytes, the caller's `sink` stores it. One informer per resource, started by the supervisor.
"""

import asyncio
import logging
import random
import time
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final, Generic, Protocol, TypedDict, TypeVar, Unpack

import msgspec

from grove_operator import metrics
from grove_operator.cluster.connection import Api
from grove_operator.cluster.failures import decode_status, failure
from grove_operator.cluster.resources import Resource
from grove_operator.errors import (
    ClusterError,
    ForbiddenError,
    GoneError,
    NotFoundError,
    UnavailableError,
)

R = TypeVar("R")
_LOG = logging.getLogger(__name__)
_STEADY: Final = 5.0
"""Seconds after which an open watch counts as working, so that the next wait is short again."""
_BRIEF: Final = 3
"""Doublings of the wait at most when the server did say something before the watch ended."""
_UNDECODABLE: Final = (
    msgspec.MsgspecError,
    ValueError,
    KeyError,
    TypeError,
    AttributeError,
    IndexError,
)


class Sink(Protocol[R]):
    """Where records go. `replace` gets the whole truth and finds out itself what vanished."""

    def upsert(self, record: R) -> None: ...
    def delete(self, record: R) -> None: ...
    def replace(self, records: list[R], resource_version: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Pace:
    """Waiting times in seconds. Tests shorten them."""

    watch_shortest: float = 300.0
    watch_longest: float = 600.0
    back_off_start: float = 0.1
    back_off_cap: float = 10.0
    absent: float = 10.0
    """Between looks at a resource that is not served: its CRD may be installed later."""


class InformerOptions(TypedDict, total=False):
    namespace: str | None
    label_selector: str | None
    field_selector: str | None
    page_size: int
    inactivity: float
    relist: float
    optional: bool
    pace: Pace
    rest: Callable[[], float]


@dataclass(frozen=True, slots=True)
class _Options:
    namespace: str | None = None
    label_selector: str | None = None
    field_selector: str | None = None
    page_size: int = 500
    inactivity: float = 90.0  # the API server sends a bookmark each minute
    relist: float = 600.0
    optional: bool = False
    pace: Pace = Pace()
    rest: Callable[[], float] = lambda: 0.0
    """Seconds for which events may pile up after some have been read."""


class _Meta(msgspec.Struct):
    name: str = ""
    namespace: str = ""
    version: str = msgspec.field(default="", name="resourceVersion")
    token: str = msgspec.field(default="", name="continue")


class _Object(msgspec.Struct):
    metadata: _Meta


class _Page(msgspec.Struct):
    metadata: _Meta
    items: list[msgspec.Raw] | None = None


class _Event(msgspec.Struct):
    type: str
    object: msgspec.Raw


_DECODE_EVENT: Final = msgspec.json.Decoder(_Event).decode
_DECODE_OBJECT: Final = msgspec.json.Decoder(_Object).decode
_DECODE_PAGE: Final = msgspec.json.Decoder(_Page).decode


def count_on(failures: int, lasted: float, *, heard: bool) -> int:
    """Forgive what failed before a watch that worked, so that the next wait is short."""
    if lasted >= _STEADY:
        return 0
    return min(failures, _BRIEF) if heard else failures


class Informer(Generic[R]):
    """Feeds one sink. `run` ends only when cancelled, or by a bug in `decode` or the sink."""

    def __init__(
        self,
        api: Api,
        resource: Resource,
        *,
        decode: Callable[[bytes | msgspec.Raw], R],
        sink: Sink[R],
        **options: Unpack[InformerOptions],
    ) -> None:
        self._api = api
        self.resource = resource
        self.kind = resource.kind
        self._decode = decode
        self._sink = sink
        self._options = _Options(**options)
        self.synced, self.tried = asyncio.Event(), asyncio.Event()
        self._heard = self._tried = time.monotonic()
        self._version = ""
        self._last: msgspec.Raw | None = None
        self._relist_at = 0.0
        self._paged = True
        self._trouble: str | None = None

    def age(self, now: float | None = None) -> float:
        """Seconds since the API server last said anything: an event, a bookmark, a list."""
        return (time.monotonic() if now is None else now) - self._heard

    def healthy(self, now: float | None = None) -> bool:
        """Tell whether this informer still works at its task.

        An API server that is away does not make it unhealthy: killing the process would not help.
        Neither hearing nor trying anything for longer than every wait it has, does.
        """
        pace = self._options.pace
        limit = self._options.inactivity + pace.back_off_cap + pace.absent + 60.0
        idle = (time.monotonic() if now is None else now) - max(self._heard, self._tried)
        return idle <= limit

    async def run(self) -> None:
        failures = 0
        while True:
            opened = self._tried = time.monotonic()
            heard = self._heard
            try:
                await self._follow()
            except ClusterError as error:
                reason = self._note(error)
                absent = isinstance(error, NotFoundError)
            else:
                reason, absent = "end", False
            metrics.count_informer_restart(self.kind, reason)
            lasted = time.monotonic() - opened
            failures = count_on(failures, lasted, heard=self._heard > heard)
            pace = self._options.pace
            wait = min(pace.back_off_cap, pace.back_off_start * 2**failures)
            wait = max(wait, pace.absent) if absent else wait
            failures = min(failures + 1, 16)
            await asyncio.sleep(wait * random.uniform(0.5, 1.0))  # noqa: S311 - spreads load

    async def _follow(self) -> None:
        """List when due, then watch until the stream ends."""
        unknown = not self._version and self._last is None
        if unknown or time.monotonic() >= self._relist_at:
            await self._list()
        pace = self._options.pace
        span = random.uniform(pace.watch_shortest, pace.watch_longest)  # noqa: S311 - spreads load
        span = max(1.0, min(span, self._relist_at - time.monotonic()))
        query = self._selection() | {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": self._resume_at(),
            "timeoutSeconds": str(int(span)),
        }
        stream = self._api.stream(
            self.resource,
            query,
            namespace=self._options.namespace,
            inactivity=self._options.inactivity,
            rest=self._options.rest,
        )
        try:
            # The server ends the stream; the time-out is for a proxy in between that does not.
            async with asyncio.timeout(span + 30.0), aclosing(stream):
                async for lines in stream:
                    self._heard = time.monotonic()
                    self._apply(lines)
                    self._recovered()
        except TimeoutError:
            _LOG.debug("watch outlived its time", extra={"kind": self.kind})

    async def _list(self) -> None:
        query = self._selection()
        if self._paged:
            query["limit"] = str(self._options.page_size)
        records: list[R] = []
        try:
            page = await self._page(query, records)
            while page.token:
                page = await self._page(query | {"continue": page.token}, records)
        except GoneError:
            # A list that takes longer than the token lives would never end page by page.
            self._paged = False
            raise
        self._paged = True
        self._version, self._last = page.version, None
        self._relist_at = time.monotonic() + self._options.relist * random.uniform(0.8, 1.2)  # noqa: S311
        self._sink.replace(records, page.version)
        self.synced.set()
        self.tried.set()
        self._recovered()

    async def _page(self, query: dict[str, str], records: list[R]) -> _Meta:
        payload = await self._api.list(self.resource, self._options.namespace, query)
        self._heard = self._tried = time.monotonic()
        try:
            page = _DECODE_PAGE(payload)
        except msgspec.MsgspecError as error:
            raise self._malformed(error) from error
        for item in page.items or ():
            try:
                records.append(self._decode(item))
            except _UNDECODABLE as error:
                self._skip(item, error)
        return page.metadata

    def _apply(self, lines: list[bytes]) -> None:
        """Hand a batch of events to the sink. Synchronous: a batch is one turn of the loop."""
        changed = deleted = 0
        try:
            for line in lines:
                if not line:
                    continue
                try:
                    event = _DECODE_EVENT(line)
                except msgspec.MsgspecError as error:
                    raise self._malformed(error) from error
                if event.type == "ERROR":
                    raise self._refused(event.object)
                if event.type != "BOOKMARK":
                    try:
                        record = self._decode(event.object)
                    except _UNDECODABLE as error:
                        self._skip(event.object, error)
                        self._last = event.object
                        continue
                    if event.type == "DELETED":
                        deleted += 1
                        self._sink.delete(record)
                    else:
                        changed += 1
                        self._sink.upsert(record)
                # Its version is read only when the watch has to resume: one scan less per event.
                self._last = event.object
        finally:
            if changed:
                metrics.count_informer_events(self.kind, "changed", changed)
            if deleted:
                metrics.count_informer_events(self.kind, "deleted", deleted)

    def _resume_at(self) -> str:
        if self._last is not None:
            try:
                self._version = _DECODE_OBJECT(self._last).metadata.version or self._version
            except msgspec.MsgspecError:
                _LOG.warning("an event without metadata was ignored", extra={"kind": self.kind})
            self._last = None
        return self._version

    def _selection(self) -> dict[str, str]:
        chosen = {
            "labelSelector": self._options.label_selector,
            "fieldSelector": self._options.field_selector,
        }
        return {key: selector for key, selector in chosen.items() if selector}

    def _refused(self, body: msgspec.Raw) -> ClusterError:
        code = decode_status(body).code or 500
        return failure(f"watch {self.kind}", code, body)

    def _malformed(self, error: Exception) -> UnavailableError:
        return UnavailableError(f"watch {self.kind}", 0, "Malformed", f"not JSON: {error}")

    def _skip(self, body: msgspec.Raw, error: Exception) -> None:
        """One object that we cannot read must not hide the others."""
        metrics.count_error(self.kind, "undecodable")
        try:
            meta = _DECODE_OBJECT(body).metadata
        except msgspec.MsgspecError:
            meta = _Meta()
        _LOG.error(
            "object cannot be read and is ignored",
            extra={
                "kind": self.kind,
                "key": f"{meta.namespace}/{meta.name}",
                "error": f"{type(error).__name__}: {error}",
            },
        )

    def _note(self, error: ClusterError) -> str:
        """Remember and log a trouble once, until it changes; give its name for the metric."""
        self.tried.set()
        reason = _REASONS.get(type(error), "error")
        if isinstance(error, GoneError):
            self._version, self._last = "", None
        if isinstance(error, NotFoundError) and self._options.optional:
            self.synced.set()
        trouble = f"{reason} {error.status}"
        if trouble != self._trouble and not isinstance(error, GoneError):
            self._trouble = trouble
            level = logging.INFO if self._options.optional else logging.WARNING
            _LOG.log(level, "watch is interrupted", extra={"kind": self.kind, "error": str(error)})
        return reason

    def _recovered(self) -> None:
        if self._trouble:
            _LOG.info("watch works again", extra={"kind": self.kind})
            self._trouble = None


_REASONS: Final[dict[type[ClusterError], str]] = {
    GoneError: "gone",
    NotFoundError: "absent",
    ForbiddenError: "forbidden",
    UnavailableError: "unavailable",
}
