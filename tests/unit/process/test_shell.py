import asyncio
import threading
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import kopf
import pytest
from aiohttp import web
from typing_extensions import override

from grove_operator.cluster.config import ClientOptions, Credentials
from grove_operator.cluster.discovery import Served
from grove_operator.cluster.resources import POD_CLIQUE_SETS, TOPOLOGY_BINDINGS
from grove_operator.operator.handlers import KINDS, event_handlers
from grove_operator.process import shell as module
from grove_operator.process.shell import (
    THREAD,
    InfiniteBackoff,
    Shell,
    is_cluster_fault,
    kopf_settings,
)
from tests.unit.cluster.fake_api import (
    Answer,
    FakeApi,
    a_pod,
    event,
    lines,
    serve,
    status,
    until,
    write_kubeconfig,
)

ALL: Served = frozenset(
    (resource.group, resource.version, resource.plural)
    for resource in (POD_CLIQUE_SETS, TOPOLOGY_BINDINGS)
)
SET = a_pod("a", 1) | {"apiVersion": "grove.io/v1alpha1", "kind": "PodCliqueSet"}
BINDING = {
    "apiVersion": "grove.io/v1alpha1",
    "kind": "ClusterTopologyBinding",
    "metadata": {"name": "t", "uid": "t", "resourceVersion": "1"},
}


class GroveServer(FakeApi):
    """Serves discovery as Kopf reads it, and the two kinds."""

    def __init__(self) -> None:
        super().__init__()
        self.objects = {"a": SET | {"metadata": SET["metadata"] | {"uid": "a"}}}
        self.bindings: deque[Answer] = deque()

    @override
    async def handle(self, request: web.Request) -> web.StreamResponse:
        path = request.path
        if path in DISCOVERY:
            return web.json_response(DISCOVERY[path])
        if path.endswith("clustertopologybindings"):
            if "watch" in request.query:
                return await lines()(request)
            return web.json_response({"metadata": {"resourceVersion": "1"}, "items": [BINDING]})
        return await super().handle(request)


def _entry(name: str, kind: str, *, namespaced: bool) -> dict[str, Any]:
    verbs = ["list", "watch", "get", "patch"]
    return {
        "name": name,
        "singularName": kind.lower(),
        "kind": kind,
        "namespaced": namespaced,
        "verbs": verbs,
    }


def _group(name: str, version: str) -> dict[str, Any]:
    return {
        "name": name,
        "preferredVersion": {"version": version},
        "versions": [{"version": version}],
    }


DISCOVERY: dict[str, Any] = {
    "/api": {"versions": ["v1"]},
    "/apis": {"groups": [_group("grove.io", "v1alpha1"), _group("apiextensions.k8s.io", "v1")]},
    "/api/v1": {
        "resources": [
            _entry("namespaces", "Namespace", namespaced=False),
            _entry("events", "Event", namespaced=True),
        ]
    },
    "/apis/apiextensions.k8s.io/v1": {
        "resources": [
            _entry("customresourcedefinitions", "CustomResourceDefinition", namespaced=False)
        ]
    },
    "/apis/grove.io/v1alpha1": {
        "resources": [
            _entry("podcliquesets", "PodCliqueSet", namespaced=True),
            _entry("clustertopologybindings", "ClusterTopologyBinding", namespaced=False),
        ]
    },
}


class Calls:
    def __init__(self) -> None:
        self.sets: list[tuple[str, str]] = []
        self.topologies: list[str] = []

    def on_set(self, namespace: str, name: str) -> None:
        self.sets.append((namespace, name))

    def on_topology(self, name: str) -> None:
        self.topologies.append(name)


@asynccontextmanager
async def running(
    server: GroveServer, folder: Path
) -> AsyncIterator[tuple[Shell, Calls, asyncio.Task[None]]]:
    calls = Calls()
    async with serve(server) as host:
        path = write_kubeconfig(folder / "kubeconfig", host)
        credentials = await Credentials.load(ClientOptions(kubeconfig=str(path)))
        shell = Shell(credentials, KINDS, event_handlers(calls.on_set, calls.on_topology))
        stop = asyncio.Event()
        task = asyncio.create_task(shell.run(stop))
        try:
            yield shell, calls, task
        finally:
            stop.set()
            await asyncio.wait_for(task, 10)


@pytest.fixture
def server() -> GroveServer:
    return GroveServer()


async def test_calls_back_in_our_loop_and_writes_nothing(
    server: GroveServer, tmp_path: Path
) -> None:
    server.watches.append(lines(event("MODIFIED", server.objects["a"])))
    async with running(server, tmp_path) as (shell, calls, _):
        shell.serve(ALL)
        await until(lambda: len(calls.sets) == 2 and bool(calls.topologies))
    assert calls.sets == [("default", "a")] * 2
    assert calls.topologies == ["t"]
    assert {method for method, _, _ in server.requests} == {"GET"}
    assert {headers["Authorization"] for headers in server.headers} == {"Bearer first"}


@pytest.mark.parametrize("seconds", [0.0, 0.01, 0.03, 0.1])
async def test_no_thread_outlives_a_run_that_is_cancelled(
    server: GroveServer, tmp_path: Path, seconds: float
) -> None:
    """Not even one that is cancelled while Kopf starts: a process ends after that."""
    calls = Calls()
    async with serve(server) as host:
        path = write_kubeconfig(tmp_path / "kubeconfig", host)
        credentials = await Credentials.load(ClientOptions(kubeconfig=str(path)))
        shell = Shell(credentials, KINDS, event_handlers(calls.on_set, calls.on_topology))
        task = asyncio.create_task(shell.run(asyncio.Event()))
        shell.serve(ALL)
        await until(has_thread)
        await asyncio.sleep(seconds)
        task.cancel()
        await asyncio.wait([task], timeout=10)
    assert task.cancelled()
    assert not has_thread()


def has_thread() -> bool:
    return any(thread.name == THREAD for thread in threading.enumerate())


async def test_waits_for_the_kinds_to_be_served(server: GroveServer, tmp_path: Path) -> None:
    async with running(server, tmp_path) as (shell, calls, task):
        shell.serve(frozenset())
        await asyncio.sleep(0.02)
        assert not server.requests
        assert not task.done()
        shell.serve(ALL)
        await until(lambda: bool(calls.sets))


async def test_is_started_again_after_the_cluster_made_it_give_up(
    server: GroveServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    server.faults.append(status(410, "Expired"))  # on a list, which Kopf does not survive
    async with running(server, tmp_path) as (shell, calls, _):
        shell.serve(ALL)
        await until(lambda: bool(calls.sets))
    assert "kopf ended, starting again" in caplog.text


async def test_an_error_inside_the_watch_does_not_end_us(
    server: GroveServer, tmp_path: Path
) -> None:
    failing = {"kind": "Status", "code": 500, "message": "etcd is away"}
    server.watches.append(lines(event("ERROR", failing)))
    async with running(server, tmp_path) as (shell, calls, _):
        shell.serve(ALL)
        await until(lambda: len(calls.sets) == 2)


async def test_a_new_token_is_used_after_401(server: GroveServer, tmp_path: Path) -> None:
    async def refuse(request: web.Request) -> web.StreamResponse:
        kubeconfig = tmp_path / "kubeconfig"
        kubeconfig.write_text(kubeconfig.read_text().replace("first", "second"))
        return await status(401, "Unauthorized")(request)

    server.faults.append(refuse)
    async with running(server, tmp_path) as (shell, calls, _):
        shell.serve(ALL)
        await until(lambda: bool(calls.sets))
    assert server.headers[-1]["Authorization"] == "Bearer second"


async def test_a_watch_that_is_closed_at_once_is_not_opened_in_a_hot_loop(
    server: GroveServer, tmp_path: Path
) -> None:
    server.watches.extend([lines(hold=False)] * 1000)
    async with running(server, tmp_path) as (shell, calls, _):
        shell.serve(ALL)
        await until(lambda: bool(calls.sets))
        await asyncio.sleep(0.05)
        assert len(server.seen(watch=True)) <= 4


async def test_a_bug_is_not_hidden(
    server: GroveServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> kopf.OperatorSettings:
        raise ZeroDivisionError

    monkeypatch.setattr(module, "kopf_settings", broken)
    path = write_kubeconfig(tmp_path / "kubeconfig", "http://127.0.0.1:1")
    shell = Shell(
        await Credentials.load(ClientOptions(kubeconfig=str(path))),
        KINDS,
        event_handlers(Calls().on_set, Calls().on_topology),
    )
    shell.serve(ALL)
    with pytest.raises(ZeroDivisionError):
        await asyncio.wait_for(shell.run(asyncio.Event()), 5)
    assert not server.requests


def test_kopf_is_told_to_write_nothing_and_never_to_give_up() -> None:
    settings = kopf_settings()
    assert settings.posting.enabled is False
    assert settings.scanning.disabled is True
    assert settings.peering.standalone is True
    waits = iter(InfiniteBackoff())
    assert all(0.5 <= next(waits) <= 10 for _ in range(100))


@pytest.mark.parametrize(
    ("error", "cluster"),
    [(TimeoutError(), True), (kopf.LoginError(), True), (OSError(), True), (KeyError(), False)],
)
def test_faults_and_bugs(error: Exception, *, cluster: bool) -> None:
    assert is_cluster_fault(error) is cluster
