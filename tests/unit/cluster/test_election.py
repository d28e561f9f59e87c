import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from typing_extensions import override

from grove_operator.cluster.connection import Api
from grove_operator.cluster.election import Elector, LeaseOptions
from grove_operator.errors import LostLeadershipError
from tests.unit.cluster.fake_api import Answer, FakeApi, connect, cut, hang, status, until

QUICK = LeaseOptions("lease", "ns", duration=15.0, renew_deadline=0.15, retry_period=2.0)


class LeaseServer(FakeApi):
    """Keeps one Lease and lets only the writer with the right version win."""

    def __init__(self) -> None:
        super().__init__()
        self.lease: dict[str, Any] | None = None
        self.broken: Answer | None = None

    @override
    async def handle(self, request: web.Request) -> web.StreamResponse:
        refusal = self.broken or self._refusal(request.method, await request.read())
        if refusal:
            return await refusal(request)
        if request.method != "GET":
            self.write(await request.json())
        return web.json_response(self.lease)

    def _refusal(self, method: str, body: bytes) -> Answer | None:
        if method == "POST":
            return status(409, "AlreadyExists") if self.lease else None
        if self.lease is None:
            return status(404, "NotFound")
        if method == "PUT":
            version = json.loads(body)["metadata"]["resourceVersion"]
            if version != self.lease["metadata"]["resourceVersion"]:
                return status(409, "Conflict")
        return None

    def write(self, body: dict[str, Any]) -> None:
        self.version += 1
        self.lease = json.loads(json.dumps(body))
        assert self.lease is not None
        self.lease["metadata"]["resourceVersion"] = str(self.version)

    def edit(self, **spec: Any) -> None:
        assert self.lease is not None
        self.write(self.lease | {"spec": self.lease["spec"] | spec})

    @property
    def spec(self) -> dict[str, Any]:
        assert self.lease is not None
        spec: dict[str, Any] = self.lease["spec"]
        return spec


class Clock:
    """Local time of one process. Sleeping is moving the clock, so waits take no time."""

    def __init__(self) -> None:
        self.now = 100.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds
        await asyncio.sleep(0.001)


@pytest.fixture
def server() -> LeaseServer:
    return LeaseServer()


@asynccontextmanager
async def electing(
    api: Api, name: str, options: LeaseOptions = QUICK, clock: Clock | None = None
) -> AsyncIterator[tuple[Elector, asyncio.Task[None]]]:
    time = clock or Clock()
    elector = Elector(api, options, name, clock=time, sleep=time.sleep)
    task = asyncio.create_task(elector.run())
    try:
        yield elector, task
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError, LostLeadershipError):
            await task


STANDARD = LeaseOptions("lease", "ns")


async def test_creates_the_lease_when_absent(server: LeaseServer, tmp_path: Path) -> None:
    async with connect(server, tmp_path) as api, electing(api, "me", STANDARD) as (elector, _):
        await elector.leading.wait()
        assert elector.holds()
    assert server.spec["holderIdentity"] == "me"
    assert server.spec["leaseDurationSeconds"] == 15
    assert server.spec["leaseTransitions"] == 0
    assert server.spec["renewTime"].endswith("Z")


async def test_of_two_only_one_leads_and_the_other_takes_over_after_silence(
    server: LeaseServer, tmp_path: Path
) -> None:
    async with connect(server, tmp_path) as api:
        async with electing(api, "first", STANDARD) as (first, _):
            await first.leading.wait()
            clock = Clock()
            async with electing(api, "second", STANDARD, clock) as (second, _):
                await until(lambda: len(clock.slept) > 20)
                assert not second.leading.is_set()
        silent_since = clock.now
        async with electing(api, "second", STANDARD, clock) as (second, _):
            await second.leading.wait()
        assert 15 <= clock.now - silent_since <= 20
    assert server.spec["holderIdentity"] == "second"
    assert server.spec["leaseTransitions"] == 1


async def test_a_released_lease_is_taken_at_the_next_look(
    server: LeaseServer, tmp_path: Path
) -> None:
    async with connect(server, tmp_path) as api:
        async with electing(api, "first", STANDARD) as (first, task):
            await first.leading.wait()
            await first.release()
            assert server.spec["holderIdentity"] == ""
            assert not first.holds()
            await task
        clock = Clock()
        async with electing(api, "second", STANDARD, clock) as (second, _):
            await second.leading.wait()
            assert clock.now - 100 <= STANDARD.retry_period  # its first renewal, no wait before
            assert server.spec["leaseTransitions"] == 1


async def test_release_survives_a_version_that_moved(server: LeaseServer, tmp_path: Path) -> None:
    async with connect(server, tmp_path) as api, electing(api, "me", STANDARD) as (elector, _):
        await elector.leading.wait()
        server.edit()
        await elector.release()
    assert server.spec["holderIdentity"] == ""


@pytest.mark.parametrize(
    "fault",
    [status(500), status(403, "Forbidden"), status(429), cut, hang],
    ids=["500", "403", "429", "refused", "hangs"],
)
async def test_a_leader_that_cannot_renew_gives_up(
    server: LeaseServer, tmp_path: Path, fault: Any
) -> None:
    async with connect(server, tmp_path) as api, electing(api, "me") as (elector, task):
        await elector.leading.wait()
        server.broken = fault
        with pytest.raises(LostLeadershipError, match=r"not renewed for 0\.15 s"):
            await asyncio.wait_for(task, 5)
        assert not elector.holds()


async def test_short_troubles_do_not_cost_the_lead(server: LeaseServer, tmp_path: Path) -> None:
    async with connect(server, tmp_path) as api, electing(api, "me", STANDARD) as (elector, task):
        await elector.leading.wait()
        count = 0

        async def twice(request: web.Request) -> web.StreamResponse:
            nonlocal count
            count += 1
            if count == 2:
                server.broken = None
            return await status(503)(request)

        server.broken = twice
        version = server.version
        await until(lambda: server.version > version + 2)
        assert not task.done()


async def test_another_holder_ends_the_lead_at_once(server: LeaseServer, tmp_path: Path) -> None:
    async with connect(server, tmp_path) as api, electing(api, "me", STANDARD) as (elector, task):
        await elector.leading.wait()
        server.edit(holderIdentity="thief")
        with pytest.raises(LostLeadershipError, match="thief holds the lease"):
            await asyncio.wait_for(task, 5)


async def test_a_conflict_that_changes_no_holder_is_harmless(
    server: LeaseServer, tmp_path: Path
) -> None:
    async with connect(server, tmp_path) as api, electing(api, "me", STANDARD) as (elector, task):
        await elector.leading.wait()
        server.edit(unrelated="field")
        version = server.version
        await until(lambda: server.version > version + 1)
        assert not task.done()
        assert server.spec["unrelated"] == "field"


async def test_a_deleted_lease_is_made_again(server: LeaseServer, tmp_path: Path) -> None:
    async with connect(server, tmp_path) as api, electing(api, "me", STANDARD) as (elector, task):
        await elector.leading.wait()
        server.lease = None
        await until(lambda: server.lease is not None)
        assert not task.done()
        assert server.spec["holderIdentity"] == "me"


async def test_a_promise_longer_than_our_patience_is_kept(
    server: LeaseServer, tmp_path: Path
) -> None:
    server.write(
        {
            "metadata": {"name": "lease"},
            "spec": {"holderIdentity": "slow", "leaseDurationSeconds": 60},
        }
    )
    clock = Clock()
    async with (
        connect(server, tmp_path) as api,
        electing(api, "me", STANDARD, clock) as (elector, _),
    ):
        await elector.leading.wait()
    assert 60 <= clock.now - 100 <= 65


async def test_waits_for_a_server_that_is_away(
    server: LeaseServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    server.broken = status(503)
    clock = Clock()
    async with (
        connect(server, tmp_path) as api,
        electing(api, "me", STANDARD, clock) as (elector, _),
    ):
        await until(lambda: len(clock.slept) > 5)
        server.broken = None
        await elector.leading.wait()
    assert caplog.text.count("lease cannot be reached") == 1
    assert all(1.8 <= wait <= 2.2 for wait in clock.slept)


async def test_a_process_that_was_stopped_knows_that_it_may_not_write(
    server: LeaseServer, tmp_path: Path
) -> None:
    clock = Clock()
    async with connect(server, tmp_path) as api:
        elector = Elector(api, STANDARD, "me", clock=clock, sleep=clock.sleep)
        await elector._acquire()
        elector.leading.set()
        assert elector.holds()
        clock.now += 16
        assert not elector.holds()
