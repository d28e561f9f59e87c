import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiohttp import web
from typing_extensions import override

from grove_operator.cluster.informer import Informer, Pace, count_on
from grove_operator.cluster.resources import PODS
from tests.unit.cluster.fake_api import (
    FakeApi,
    a_pod,
    connect,
    cut,
    event,
    lines,
    status,
    status_body,
    until,
)

QUICK = Pace(back_off_start=0.001, back_off_cap=0.004, absent=0.005)


class Store:
    def __init__(self) -> None:
        self.names: dict[str, str] = {}
        self.replaced: list[str] = []

    def upsert(self, record: tuple[str, str]) -> None:
        self.names[record[0]] = record[1]

    def delete(self, record: tuple[str, str]) -> None:
        self.names.pop(record[0], None)

    def replace(self, records: list[tuple[str, str]], resource_version: str) -> None:
        self.names = dict(records)
        self.replaced.append(resource_version)


def decode(body: bytes | msgspec.Raw) -> tuple[str, str]:
    metadata = msgspec.json.decode(body)["metadata"]
    return metadata["name"], metadata["resourceVersion"]


@asynccontextmanager
async def running(
    fake: FakeApi, folder: Path, **options: Any
) -> AsyncIterator[tuple[Informer[tuple[str, str]], Store]]:
    store = Store()
    async with connect(fake, folder, tries=1) as api:
        informer = Informer(api, PODS, decode=decode, sink=store, **({"pace": QUICK} | options))
        task = asyncio.create_task(informer.run())
        try:
            yield informer, store
            assert not task.done() or task.exception() is None
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


@pytest.fixture
def fake() -> FakeApi:
    fake = FakeApi()
    fake.objects = {name: a_pod(name, 1) for name in "abcde"}
    fake.version = 10
    return fake


async def test_lists_page_by_page_and_replaces_once(fake: FakeApi, tmp_path: Path) -> None:
    async with running(fake, tmp_path, page_size=2) as (informer, store):
        await informer.synced.wait()
        assert sorted(store.names) == list("abcde")
    assert store.replaced == ["10"]
    assert [query.get("continue") for query in fake.seen(watch=False)] == [None, "2", "4"]


async def test_applies_events_in_order(fake: FakeApi, tmp_path: Path) -> None:
    fake.watches.append(
        lines(
            event("ADDED", a_pod("f", 11)) + event("MODIFIED", a_pod("a", 12)),
            event("DELETED", a_pod("b", 13)),
        )
    )
    async with running(fake, tmp_path) as (_, store):
        await until(lambda: "b" not in store.names and bool(store.names))
        assert store.names == {"a": "12", "c": "1", "d": "1", "e": "1", "f": "11"}


async def test_joins_lines_cut_anywhere(fake: FakeApi, tmp_path: Path) -> None:
    text = event("ADDED", a_pod("f", 11, spec="x" * 300_000)) + event("ADDED", a_pod("g", 12))
    pieces = [text[:7], text[7:9000], text[9000:-3], text[-3:]]
    fake.watches.append(lines(*pieces))
    async with running(fake, tmp_path) as (_, store):
        await until(lambda: "g" in store.names)
        assert "f" in store.names


@pytest.mark.parametrize("last", ["event", "bookmark", "undecodable"])
async def test_resumes_after_a_clean_end_from_what_it_saw_last(
    fake: FakeApi, tmp_path: Path, last: str
) -> None:
    seen = {
        "event": event("ADDED", a_pod("f", 20)),
        "bookmark": event("BOOKMARK", {"metadata": {"resourceVersion": "20"}}),
        "undecodable": event("ADDED", {"metadata": {"resourceVersion": "20"}}),
    }
    fake.watches.append(lines(seen[last], hold=False))
    async with running(fake, tmp_path):
        await until(lambda: len(fake.seen(watch=True)) == 2)
    assert [query["resourceVersion"] for query in fake.seen(watch=True)] == ["10", "20"]
    assert len(fake.seen(watch=False)) == 1


@pytest.mark.parametrize("way", ["status", "event"])
async def test_lists_again_when_its_version_expired(
    fake: FakeApi, tmp_path: Path, way: str
) -> None:
    gone = status_body(410, "Expired")
    fake.watches.append(status(410, "Expired") if way == "status" else lines(event("ERROR", gone)))
    async with running(fake, tmp_path) as (_, store):
        await until(lambda: bool(fake.seen(watch=True)))
        del fake.objects["c"]
        await until(lambda: len(store.replaced) == 2)
        assert sorted(store.names) == list("abde")


async def test_an_expired_page_token_starts_the_list_again_in_one_piece(
    fake: FakeApi, tmp_path: Path
) -> None:
    async def ordinary(request: web.Request) -> web.StreamResponse:
        return web.json_response(fake.page(dict(request.query)))

    fake.faults.extend([ordinary, status(410, "Expired")])
    async with running(fake, tmp_path, page_size=2) as (informer, store):
        await informer.synced.wait()
        assert sorted(store.names) == list("abcde")
    queries = fake.seen(watch=False)
    assert [query.get("limit") for query in queries] == ["2", "2", None]
    assert store.replaced == ["10"]


@pytest.mark.parametrize(
    "fault",
    [
        status(500, "InternalError"),
        status(503, "ServiceUnavailable"),
        status(429, "TooManyRequests"),
        status(403, "Forbidden"),
        status(401, "Unauthorized"),
        status(404, "NotFound"),
        cut,
    ],
    ids=["500", "503", "429", "403", "401", "404", "connection lost"],
)
async def test_survives_a_list_that_fails(fake: FakeApi, tmp_path: Path, fault: Any) -> None:
    fake.faults.extend([fault, fault])
    async with running(fake, tmp_path) as (informer, store):
        await until(informer.synced.is_set)
        assert sorted(store.names) == list("abcde")


@pytest.mark.parametrize(
    "fault",
    [
        status(500, "InternalError"),
        status(404, "NotFound"),
        cut,
        lines(event("ERROR", status_body(500, "InternalError"))),
        lines(b"{not json\n"),
        lines(b'{"type":"ADDED","object":{"metadata"', hold=False),
    ],
    ids=["500", "404", "connection lost", "error event", "garbage", "half a line"],
)
async def test_survives_a_watch_that_fails(fake: FakeApi, tmp_path: Path, fault: Any) -> None:
    fake.watches.extend([fault, lines(event("ADDED", a_pod("f", 11)))])
    async with running(fake, tmp_path) as (_, store):
        await until(lambda: "f" in store.names)
    assert store.replaced == ["10"]


async def test_a_silent_watch_is_opened_again(fake: FakeApi, tmp_path: Path) -> None:
    fake.watches.extend([lines(), lines(event("ADDED", a_pod("f", 11)))])
    async with running(fake, tmp_path, inactivity=0.03) as (_, store):
        await until(lambda: "f" in store.names)


async def test_ends_at_once_are_not_answered_by_a_hot_loop(fake: FakeApi, tmp_path: Path) -> None:
    fake.watches.extend([lines(hold=False)] * 1000)
    pace = Pace(back_off_start=0.004, back_off_cap=60)
    async with running(fake, tmp_path, pace=pace) as (informer, _):
        await informer.synced.wait()
        await asyncio.sleep(0.05)
    assert len(fake.seen(watch=True)) <= 5


@pytest.mark.parametrize(
    ("lasted", "heard", "left"),
    [(60.0, True, 0), (60.0, False, 0), (1.0, True, 3), (1.0, False, 9)],
    ids=["long", "long and silent", "short but it spoke", "short and silent"],
)
def test_a_watch_that_worked_forgives_earlier_failures(
    lasted: float, *, heard: bool, left: int
) -> None:
    assert count_on(9, lasted, heard=heard) == left


async def test_lists_again_in_time_although_the_watch_works(fake: FakeApi, tmp_path: Path) -> None:
    fake.watches.extend([lines(hold=False)] * 50)
    async with running(fake, tmp_path, relist=0.01) as (_, store):
        await until(lambda: len(store.replaced) >= 2)


async def test_an_object_that_cannot_be_read_does_not_hide_the_others(
    fake: FakeApi, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    fake.objects["broken"] = {"metadata": {"name": "broken", "namespace": "default"}}
    async with running(fake, tmp_path) as (informer, store):
        await informer.synced.wait()
        assert sorted(store.names) == list("abcde")
    [record] = [r for r in caplog.records if r.levelname == "ERROR"]
    assert record.__dict__["key"] == "default/broken"


@pytest.mark.parametrize(("optional", "synced"), [(True, True), (False, False)])
async def test_an_absent_resource_is_synced_only_if_optional(
    fake: FakeApi, tmp_path: Path, *, optional: bool, synced: bool
) -> None:
    fake.faults.extend([status(404, "NotFound")] * 1000)
    async with running(fake, tmp_path, optional=optional) as (informer, store):
        await until(lambda: len(fake.seen(watch=False)) >= 3)
        assert informer.synced.is_set() is synced
        assert store.replaced == []


async def test_a_trouble_is_logged_once(
    fake: FakeApi, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    fake.faults.extend([status(403, "Forbidden")] * 5)
    async with running(fake, tmp_path) as (informer, _):
        await informer.synced.wait()
    assert [r.getMessage() for r in caplog.records].count("watch is interrupted") == 1


async def test_a_bug_in_the_sink_is_not_hidden(fake: FakeApi, tmp_path: Path) -> None:
    class Broken(Store):
        @override
        def replace(self, records: list[tuple[str, str]], resource_version: str) -> None:
            raise RuntimeError(resource_version, len(records))

    async with connect(fake, tmp_path) as api:
        informer = Informer(api, PODS, decode=decode, sink=Broken())
        with pytest.raises(RuntimeError):
            await informer.run()


async def test_age_and_health(fake: FakeApi, tmp_path: Path) -> None:
    options = {"label_selector": "a=b", "field_selector": "metadata.name=c"}
    async with running(fake, tmp_path, namespace="default", **options) as (informer, _):
        await informer.synced.wait()
        now = informer._heard
        assert informer.age(now + 7) == pytest.approx(7)
        assert informer.healthy(now + 60)
        assert not informer.healthy(now + 10_000)
    assert fake.requests[0][1] == "/api/v1/namespaces/default/pods"
    for query in (fake.seen(watch=False)[0], fake.seen(watch=True)[0]):
        assert query["labelSelector"] == "a=b"
        assert query["fieldSelector"] == "metadata.name=c"
    assert json.loads(json.dumps(fake.seen(watch=True)[0]))["allowWatchBookmarks"] == "true"
