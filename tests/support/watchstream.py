"""One watch on its way through the fault proxy: events are lost, repeated, held, shuffled.

Without an event fault, chunks pass as they are and no JSON is read. With one, each event passes
the rules in the order in which the test added them.
"""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

import msgspec

from tests.support.faults import (
    Answer,
    DelayEvents,
    DropEvents,
    Event,
    Predicate,
    ReorderEvents,
    RepeatEvents,
    Rule,
)

Send = Callable[[bytes, int], Awaitable[None]]


class _Metadata(msgspec.Struct, rename="camel"):
    name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""


class _Object(msgspec.Struct):
    metadata: _Metadata = msgspec.field(default_factory=_Metadata)


class _Line(msgspec.Struct):
    type: str
    object: _Object = msgspec.field(default_factory=_Object)


_decoder = msgspec.json.Decoder(_Line)


def read_event(raw: bytes) -> Event:
    line = _decoder.decode(raw)
    meta = line.object.metadata
    return Event(line.type, meta.namespace, meta.name, meta.uid, meta.resource_version, raw)


@dataclass
class _Held:
    """Events that wait: when they are due, and in which shape they leave."""

    events: list[Event] = field(default_factory=list)
    timer: asyncio.TimerHandle | None = None


@dataclass(eq=False)
class WatchStream:
    """Runs until the API server ends the watch or `fail` ends it."""

    resource: str
    rules: Callable[[], list[Rule]]
    send: Send
    rng: random.Random
    _held: dict[int, _Held] = field(default_factory=dict)
    _outbox: asyncio.Queue[list[Event] | bytes | None] = field(default_factory=asyncio.Queue)

    async def run(self, chunks: AsyncIterator[bytes]) -> None:
        reader = asyncio.ensure_future(self._read(chunks))
        try:
            while (batch := await self._outbox.get()) is not None:
                if isinstance(batch, bytes):
                    await self.send(batch, batch.count(b"\n"))
                else:
                    await self.send(b"".join(event.raw for event in batch), len(batch))
        finally:
            for held in self._held.values():
                if held.timer is not None:
                    held.timer.cancel()
            reader.cancel()
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await reader

    def fail(self, status: int) -> None:
        """An ERROR event ends the stream; what was held is lost, as in a real break."""
        body = Answer(status, message="too old resource version: fault injected by a test")
        line = msgspec.json.encode({"type": "ERROR", "object": body.status_object()})
        self._outbox.put_nowait(line + b"\n")
        self._outbox.put_nowait(None)

    def release(self, rule: Rule) -> None:
        """Deliver what an ended rule still holds."""
        self._flush(rule)

    async def _read(self, chunks: AsyncIterator[bytes]) -> None:
        try:
            async for chunk in chunks:
                rules = self.rules()
                if rules or self._held:
                    for line in chunk.splitlines(keepends=True):
                        self._pass([read_event(line)], rules)
                else:
                    self._outbox.put_nowait(chunk)
        finally:
            self._outbox.put_nowait(None)

    def _pass(self, events: list[Event], rules: list[Rule]) -> None:
        for position, rule in enumerate(rules):
            if not events:
                return
            match rule.fault:
                case DropEvents() as drop:
                    events = [e for e in events if not _picked(e, rule, drop.every, drop.where)]
                case RepeatEvents() as repeat:
                    events = [
                        event
                        for e in events
                        for event in [e]
                        * (1 + repeat.copies * _picked(e, rule, repeat.every, repeat.where))
                    ]
                case DelayEvents() as delay:
                    self._delay(events, rule, delay, rules[position + 1 :])
                    return
                case ReorderEvents() as reorder:
                    self._hold(events, rule, reorder)
                    return
                case _:
                    continue
        if events:
            self._outbox.put_nowait(events)

    def _delay(self, events: list[Event], rule: Rule, fault: DelayEvents, rest: list[Rule]) -> None:
        late = [e for e in events if _picked(e, rule, 1, fault.where) or fault.where is None]
        now = [e for e in events if e not in late]
        if late:
            # Timers of one length fire in the order in which they were set. When everything is
            # late, bookmarks are, too: one must not overtake what it vouches for.
            asyncio.get_running_loop().call_later(fault.seconds, self._pass, late, rest)
        self._pass(now, rest)

    def _hold(self, events: list[Event], rule: Rule, fault: ReorderEvents) -> None:
        held = self._held.setdefault(id(rule), _Held())
        held.events.extend(events)
        rule.hits += len(events)
        if len(held.events) >= fault.window:
            self._flush(rule)
        elif held.timer is None:
            loop = asyncio.get_running_loop()
            held.timer = loop.call_later(fault.seconds, self._flush, rule)

    def _flush(self, rule: Rule) -> None:
        held = self._held.pop(id(rule), None)
        if held is None:
            return
        if held.timer is not None:
            held.timer.cancel()
        assert isinstance(rule.fault, ReorderEvents)
        shuffled = _shuffle(held.events, self.rng, within_object=rule.fault.within_object)
        self._outbox.put_nowait(shuffled)


async def whole_lines(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Chunks that hold whole lines only: usually many events at once."""
    rest = b""
    async for chunk in chunks:
        rest += chunk
        end = rest.rfind(b"\n") + 1
        if end:
            yield rest[:end]
            rest = rest[end:]


def _picked(event: Event, rule: Rule, every: int, where: Predicate | None) -> bool:
    if not event.concerns_object or (where is not None and not where(event)):
        return False
    if rule.times is not None and rule.hits >= rule.times:
        return False
    rule.seen += 1
    if rule.seen % every:
        return False
    rule.hits += 1
    return True


def _shuffle(events: list[Event], rng: random.Random, *, within_object: bool) -> list[Event]:
    """Bookmarks stay where they are: one promises that all events before it were delivered."""
    result: list[Event] = []
    batch: list[Event] = []
    for event in [*events, None]:
        if event is not None and event.concerns_object:
            batch.append(event)
            continue
        shuffled = rng.sample(batch, len(batch))
        result += shuffled if within_object else _in_object_order(batch, shuffled)
        batch = []
        if event is not None:
            result.append(event)
    return result


def _in_object_order(original: list[Event], shuffled: list[Event]) -> list[Event]:
    """The slots of the shuffled list, each object's events in them in their first order."""
    queues: dict[str, list[Event]] = {}
    for event in reversed(original):
        queues.setdefault(event.uid, []).append(event)
    return [queues[event.uid].pop() for event in shuffled]
