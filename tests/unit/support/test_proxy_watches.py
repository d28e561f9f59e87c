"""Event faults: which events arrive, how often, in which order."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import aiohttp
import pytest

from tests.support.faultproxy import FaultProxy
from tests.support.faults import (
    Answer,
    DelayEvents,
    DropEvents,
    Event,
    EventFault,
    ReorderEvents,
    RepeatEvents,
)
from tests.unit.support.upstream_server import SmallServer, event

WATCH = "/api/v1/pods?watch=true"


class Watcher:
    def __init__(self, answer: aiohttp.ClientResponse) -> None:
        self.answer = answer

    async def take(self, count: int, patience: float = 5) -> list[str]:
        """The next events as `name/version`, or their type where there is no name."""
        async with asyncio.timeout(patience):
            lines = [await self.answer.content.readline() for _ in range(count)]
        return [_name(json.loads(line)) for line in lines]


def _name(line: dict[str, Any]) -> str:
    meta = line["object"].get("metadata", {})
    if line["type"] == "ERROR":
        return f"ERROR/{line['object']['code']}"
    return f"{meta['name']}/{meta['resourceVersion']}" if meta.get("name") else str(line["type"])


Start = Callable[[], Awaitable[Watcher]]


@pytest.fixture
async def start(client: aiohttp.ClientSession, upstream: SmallServer) -> AsyncIterator[Start]:
    """Opens a watch that the API server has seen; closed after the test."""
    async with contextlib.AsyncExitStack() as stack:

        async def open_watch() -> Watcher:
            upstream.watching.clear()
            answer = await stack.enter_async_context(client.get(WATCH))
            await upstream.watching.wait()
            return Watcher(answer)

        yield open_watch


def events(*spec: str) -> list[bytes]:
    return [event(name, int(version)) for name, version in (s.split("/") for s in spec)]


BOOKMARK = json.dumps(
    {"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": "99"}}}
).encode() + (b"\n")


def is_b(seen: Event) -> bool:
    return seen.name == "b"


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (DropEvents(every=2), ["a/1", "a/3", "BOOKMARK"]),
        (DropEvents(where=is_b), ["a/1", "a/3", "BOOKMARK"]),
        (DropEvents(), ["BOOKMARK"]),
        (RepeatEvents(every=2), ["a/1", "b/2", "b/2", "a/3", "b/4", "b/4", "BOOKMARK"]),
        (RepeatEvents(copies=2, where=is_b), ["a/1", *["b/2"] * 3, "a/3", *["b/4"] * 3]),
        (DelayEvents(0.05), ["a/1", "b/2", "a/3", "b/4", "BOOKMARK"]),
        (DelayEvents(0.05, where=is_b), ["a/1", "a/3", "BOOKMARK", "b/2", "b/4"]),
    ],
)
async def test_events_are_lost_repeated_or_late(
    start: Start,
    proxy: FaultProxy,
    upstream: SmallServer,
    fault: EventFault,
    expected: list[str],
) -> None:
    proxy.add(fault, resources={"pods"})
    watcher = await start()
    upstream.emit(*events("a/1", "b/2", "a/3", "b/4"), BOOKMARK)
    assert await watcher.take(len(expected)) == expected


async def test_without_faults_everything_passes_untouched(
    start: Start, proxy: FaultProxy, upstream: SmallServer
) -> None:
    with proxy.fault(DropEvents(), resources={"podcliques"}):
        watcher = await start()
        half = event("a", 1)
        upstream.emit(half[:9])
        upstream.emit(half[9:] + event("b", 2))
        assert await watcher.take(2) == ["a/1", "b/2"]
    assert proxy.events == {"pods": 2}
    assert proxy.requests == {("watch", "pods"): 1}


@pytest.mark.parametrize("within_object", [False, True])
async def test_reorders_within_a_window(
    start: Start,
    proxy: FaultProxy,
    upstream: SmallServer,
    *,
    within_object: bool,
) -> None:
    sent = [f"{name}/{number}" for number in range(6) for name in "abc"]
    proxy.add(ReorderEvents(window=18, seconds=30, within_object=within_object))
    watcher = await start()
    upstream.emit(*events(*sent))
    got = await watcher.take(len(sent))
    assert sorted(got) == sorted(sent)
    assert got != sent
    of_a = [name for name in got if name.startswith("a/")]
    assert (of_a == sorted(of_a)) is not within_object


async def test_a_window_that_never_fills_is_delivered_after_its_time(
    start: Start, proxy: FaultProxy, upstream: SmallServer
) -> None:
    proxy.add(ReorderEvents(window=100, seconds=0.05))
    watcher = await start()
    upstream.emit(*events("a/1"))
    assert await watcher.take(1) == ["a/1"]


async def test_ending_a_fault_delivers_what_it_held(
    start: Start, proxy: FaultProxy, upstream: SmallServer
) -> None:
    rule = proxy.add(ReorderEvents(window=100, seconds=30))
    watcher = await start()
    upstream.emit(*events("a/1", "a/2"))
    with pytest.raises(TimeoutError):
        await watcher.take(1, patience=0.1)
    assert rule.hits == 2
    proxy.remove(rule)
    assert await watcher.take(2) == ["a/1", "a/2"]


async def test_switching_a_fault_affects_open_watches(
    start: Start, proxy: FaultProxy, upstream: SmallServer
) -> None:
    watcher = await start()
    upstream.emit(*events("a/1"))
    assert await watcher.take(1) == ["a/1"]
    with proxy.fault(DropEvents(), times=1):
        upstream.emit(*events("a/2", "a/3", "a/4"))
        assert await watcher.take(2) == ["a/3", "a/4"]


async def test_an_error_event_ends_the_watch(start: Start, proxy: FaultProxy) -> None:
    watcher = await start()
    assert proxy.stream_error(410, resource="pods") == 1
    assert await watcher.take(1) == ["ERROR/410"]
    assert await watcher.answer.content.read() == b""


async def test_a_watch_can_be_refused_with_a_status(
    client: aiohttp.ClientSession, proxy: FaultProxy, upstream: SmallServer
) -> None:
    with proxy.fault(Answer(410), verbs={"watch"}):
        async with client.get(WATCH) as answer:
            assert answer.status == 410
    assert upstream.watches == []


async def test_cut_resets_open_watches(start: Start, proxy: FaultProxy) -> None:
    watcher = await start()
    assert proxy.open_watches("pods") == 1
    assert proxy.cut() == 1
    with pytest.raises(aiohttp.ClientError):
        await watcher.take(1)
