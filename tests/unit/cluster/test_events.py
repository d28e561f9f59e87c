"""Events are sent once, cut when there are too many, and never get in the way."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from types import SimpleNamespace

import pytest

from grove_operator.cluster.events import Recorder
from grove_operator.observed import Kind
from grove_operator.plan.actions import Event
from tests.support.builders import NOW
from tests.support.fakecluster import FakeCluster, FakeConnection, forbidden


def an_event(message: str = "created 3 pods", *, warning: bool = False) -> Event:
    return Event(Kind.SET, "tide", "uid", "PodCreateSuccessful", message, warning=warning)


@asynccontextmanager
async def recorder(cluster: FakeCluster) -> AsyncIterator[Recorder]:
    found = Recorder(FakeConnection(cluster), lambda: NOW)
    task = asyncio.create_task(found.run())
    yield found
    for _ in range(2000):
        if found._queue.empty():
            break
        await asyncio.sleep(0)
    await asyncio.sleep(0.001)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_an_event_names_its_object() -> None:
    cluster = FakeCluster()
    async with recorder(cluster) as events:
        events.record("harbor", an_event(warning=True))
    [event] = cluster.events
    assert event["involvedObject"] == {
        "apiVersion": "grove.io/v1alpha1",
        "kind": "PodCliqueSet",
        "name": "tide",
        "namespace": "harbor",
        "uid": "uid",
    }
    assert (event["type"], event["reason"]) == ("Warning", "PodCreateSuccessful")
    assert event["metadata"]["name"].startswith("tide.")
    assert event["firstTimestamp"] == event["lastTimestamp"] == NOW


async def test_the_same_event_is_sent_once() -> None:
    cluster = FakeCluster()
    async with recorder(cluster) as events:
        for message in ("a", "a", "b", "a"):
            events.record("harbor", an_event(message))
    assert [event["message"] for event in cluster.events] == ["a", "b"]


async def test_a_flood_is_cut() -> None:
    cluster = FakeCluster()
    async with recorder(cluster) as events:
        for number in range(2000):
            events.record("harbor", replace(an_event(), uid=str(number)))
    assert 0 < len(cluster.events) < 300


async def test_an_object_has_a_budget_for_each_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster, moment = FakeCluster(), 1000.0
    clock = SimpleNamespace(monotonic=lambda: moment)
    monkeypatch.setattr("grove_operator.cluster.events.time", clock)
    async with recorder(cluster) as events:

        def tell(many: int, uid: str = "uid", reason: str = "PodCreateSuccessful") -> None:
            for number in range(many):
                event = replace(an_event(f"{moment}: {number}"), uid=uid, reason=reason)
                events.record("harbor", event)

        tell(100)
        tell(2, uid="another")
        tell(2, reason="PodDeleteSuccessful")
        moment += 600
        tell(100)
    told = Counter((event["involvedObject"]["uid"], event["reason"]) for event in cluster.events)
    assert told == {
        ("uid", "PodCreateSuccessful"): 25 + 2,
        ("another", "PodCreateSuccessful"): 2,
        ("uid", "PodDeleteSuccessful"): 2,
    }


async def test_a_refused_event_is_lost_and_the_next_one_sent() -> None:
    cluster = FakeCluster()
    cluster.fail("create", "Event", forbidden, times=1)
    async with recorder(cluster) as events:
        events.record("harbor", an_event("a"))
        events.record("harbor", an_event("b"))
    assert len(cluster.events) == 2


async def test_a_long_message_is_cut() -> None:
    cluster = FakeCluster()
    async with recorder(cluster) as events:
        events.record("harbor", an_event("x" * 5000))
    assert len(cluster.events[0]["message"]) == 1024
