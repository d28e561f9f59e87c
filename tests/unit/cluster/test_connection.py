import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from grove_operator import metrics
from grove_operator.cluster.config import ClientOptions, Credentials
from grove_operator.cluster.connection import Api
from grove_operator.cluster.resources import NODES, POD_CLIQUES, PODS, ROLES
from grove_operator.cluster.transport import RateLimit
from grove_operator.errors import (
    AlreadyExistsError,
    ClusterError,
    ConflictError,
    ForbiddenError,
    GoneError,
    InvalidError,
    NotFoundError,
    SettingsError,
    UnavailableError,
)
from tests.unit.cluster.fake_api import (
    Answer,
    FakeApi,
    Waits,
    connect,
    cut,
    hang,
    lines,
    serve,
    status,
    until,
    write_kubeconfig,
)


@pytest.fixture
def fake() -> FakeApi:
    return FakeApi()


def test_paths() -> None:
    assert PODS.path() == "/api/v1/pods"
    assert PODS.path("a", "b", "status") == "/api/v1/namespaces/a/pods/b/status"
    assert NODES.path(None, "n") == "/api/v1/nodes/n"
    assert POD_CLIQUES.path("a") == "/apis/grove.io/v1alpha1/namespaces/a/podcliques"
    assert ROLES.path("a", "x:y/z").endswith("/roles/x%3Ay%2Fz")
    assert PODS.api_version == "v1"
    assert POD_CLIQUES.api_version == "grove.io/v1alpha1"


async def test_each_verb_sends_what_the_api_expects(fake: FakeApi, tmp_path: Path) -> None:
    async with connect(fake, tmp_path) as api:
        await api.get(PODS, "a", "b")
        await api.list(PODS, "a", {"labelSelector": "x in (1,2)"})
        await api.create(PODS, "a", b"{1}")
        await api.replace(PODS, "a", "b", b"{2}")
        await api.merge_patch(POD_CLIQUES, "a", "b", b"{3}", "status")
        await api.delete(PODS, "a", "b", uid="u", grace_period=0)
        await api.delete(PODS, "a", "b", propagation="Foreground")
    assert [(method, path) for method, path, _ in fake.requests] == [
        ("GET", "/api/v1/namespaces/a/pods/b"),
        ("GET", "/api/v1/namespaces/a/pods"),
        ("POST", "/api/v1/namespaces/a/pods"),
        ("PUT", "/api/v1/namespaces/a/pods/b"),
        ("PATCH", "/apis/grove.io/v1alpha1/namespaces/a/podcliques/b/status"),
        ("DELETE", "/api/v1/namespaces/a/pods/b"),
        ("DELETE", "/api/v1/namespaces/a/pods/b"),
    ]
    assert fake.requests[1][2] == {"labelSelector": "x in (1,2)"}
    assert fake.bodies[2:5] == [b"{1}", b"{2}", b"{3}"]
    assert json.loads(fake.bodies[5]) == {
        "apiVersion": "v1",
        "kind": "DeleteOptions",
        "propagationPolicy": "Background",
        "preconditions": {"uid": "u"},
        "gracePeriodSeconds": 0,
    }
    assert fake.headers[4]["Content-Type"] == "application/merge-patch+json"
    assert {header["Authorization"] for header in fake.headers} == {"Bearer first"}


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (status(409, "AlreadyExists"), AlreadyExistsError),
        (status(409, "Conflict"), ConflictError),
        (status(404, "NotFound"), NotFoundError),
        (status(410, "Expired"), GoneError),
        (status(403, "Forbidden"), ForbiddenError),
        (status(400, "BadRequest"), InvalidError),
        (status(422, "Invalid"), InvalidError),
        (status(405, "MethodNotAllowed"), ClusterError),
        (status(302, "Found"), ClusterError),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else "",
)
async def test_a_refusal_is_raised_as_its_class_and_not_sent_again(
    fake: FakeApi, tmp_path: Path, answer: Answer, kind: type[ClusterError]
) -> None:
    fake.faults.append(answer)
    async with connect(fake, tmp_path) as api:
        with pytest.raises(kind, match="told to fail") as caught:
            await api.create(PODS, "a", b"{}")
    assert type(caught.value) is kind
    assert caught.value.what == "create Pod a"
    assert len(fake.requests) == 1


@pytest.mark.parametrize(
    "answer",
    [status(429, "TooManyRequests"), status(500), status(503), cut],
    ids=["429", "500", "503", "connection lost"],
)
async def test_what_may_pass_is_sent_again(fake: FakeApi, tmp_path: Path, answer: Answer) -> None:
    fake.faults.extend([answer, answer])
    async with connect(fake, tmp_path) as api:
        api._sleep = waits = Waits()
        assert json.loads(await api.create(PODS, "a", b"{}")) == {"echo": True}
    assert len(fake.requests) == 3
    assert len(waits) == 2
    assert all(0 <= wait <= 5 for wait in waits)


async def test_gives_up_after_some_tries_with_the_servers_wish(
    fake: FakeApi, tmp_path: Path
) -> None:
    limit = status(429, "TooManyRequests", **{"Retry-After": "1"})
    fake.faults.extend([limit] * 9)
    async with connect(fake, tmp_path) as api:
        api._sleep = waits = Waits()
        with pytest.raises(UnavailableError) as caught:
            await api.create(PODS, "a", b"{}")
    assert caught.value.status == 429
    assert caught.value.retry_after == 1.0
    assert len(fake.requests) == 4
    assert all(1 <= wait <= 3 for wait in waits)


async def test_does_not_wait_longer_than_its_budget(fake: FakeApi, tmp_path: Path) -> None:
    fake.faults.append(status(503, "ServiceUnavailable", **{"Retry-After": "60"}))
    async with connect(fake, tmp_path) as api:
        with pytest.raises(UnavailableError) as caught:
            await api.get(PODS, "a", "b")
    assert caught.value.retry_after == 60
    assert len(fake.requests) == 1


async def test_a_hanging_server_is_left_after_the_time_out(fake: FakeApi, tmp_path: Path) -> None:
    fake.faults.append(hang)
    async with connect(fake, tmp_path) as api:
        with pytest.raises(UnavailableError) as caught:
            await api.request("get", PODS, namespace="a", name="b", timeout=0.03, tries=1)
    assert caught.value.reason == "Timeout"
    assert caught.value.status == 0


async def test_a_refused_connection_is_unavailable(tmp_path: Path) -> None:
    path = write_kubeconfig(tmp_path / "kubeconfig", "http://127.0.0.1:1")
    async with await Api.connect(ClientOptions(kubeconfig=str(path), tries=1)) as api:
        with pytest.raises(UnavailableError, match="get Pod a/b: ConnectionLost"):
            await api.get(PODS, "a", "b")


async def test_a_page_that_is_no_status_becomes_the_message(fake: FakeApi, tmp_path: Path) -> None:
    async def proxy_page(_: web.Request) -> web.StreamResponse:
        return web.Response(status=403, text="<html>go away</html>")

    fake.faults.append(proxy_page)
    async with connect(fake, tmp_path) as api:
        with pytest.raises(ForbiddenError, match="go away"):
            await api.get(PODS, "a", "b")


async def test_an_expired_token_is_read_anew_once(fake: FakeApi, tmp_path: Path) -> None:
    async def refuse(request: web.Request) -> web.StreamResponse:
        kubeconfig = tmp_path / "kubeconfig"
        kubeconfig.write_text(kubeconfig.read_text().replace("first", "second"))
        return await status(401, "Unauthorized")(request)

    fake.faults.append(refuse)
    async with connect(fake, tmp_path) as api:
        await api.get(PODS, "a", "b")
        fake.faults.extend([status(401, "Unauthorized")] * 2)
        with pytest.raises(ForbiddenError):
            await api.get(PODS, "a", "b")
    used = [headers["Authorization"] for headers in fake.headers]
    assert used == ["Bearer first", "Bearer second", "Bearer second", "Bearer second"]


async def test_requests_in_flight_are_bounded_but_urgent_ones_pass(
    fake: FakeApi, tmp_path: Path
) -> None:
    fake.faults.extend([hang, hang])
    async with connect(fake, tmp_path, max_in_flight=2) as api:
        crowd = [asyncio.create_task(api.get(PODS, "a", str(number))) for number in range(5)]
        await until(lambda: len(fake.requests) == 2)
        await api.request("get", PODS, namespace="a", name="urgent", urgent=True)
        assert [path.rsplit("/", 1)[1] for _, path, _ in fake.requests] == ["0", "1", "urgent"]
        for task in crowd:
            task.cancel()
        await asyncio.gather(*crowd, return_exceptions=True)


async def test_a_rate_limit_counts_only_if_set() -> None:
    waits = Waits()
    limit = RateLimit(10, 3, waits)
    for _ in range(5):
        await limit.take()
    assert waits == pytest.approx([0.1, 0.2], abs=0.05)


async def test_a_stream_yields_whole_lines(fake: FakeApi, tmp_path: Path) -> None:
    fake.watches.append(lines(b"a\nbb\ncc", b"c\n", b"half", hold=False))
    async with connect(fake, tmp_path) as api:
        batches = [batch async for batch in api.stream(PODS, {"watch": "true"})]
    assert [line for batch in batches for line in batch] == [b"a", b"bb", b"ccc"]


async def test_what_arrives_while_a_stream_rests_is_read_together(
    fake: FakeApi, tmp_path: Path
) -> None:
    first_is_read = asyncio.Event()

    async def trickle(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"a\n")
        await first_is_read.wait()
        for line in (b"b\n", b"c\n", b"d\n"):
            await response.write(line)
            await asyncio.sleep(0.01)
        return response

    fake.watches.append(trickle)
    rests = iter([1.0])
    batches = []
    async with connect(fake, tmp_path) as api:
        async for batch in api.stream(PODS, {"watch": "true"}, rest=lambda: next(rests, 0.0)):
            batches.append(batch)
            first_is_read.set()
    assert batches == [[b"a"], [b"b", b"c", b"d"]]


async def test_requests_are_counted(fake: FakeApi, tmp_path: Path) -> None:
    fake.faults.append(status(404, "NotFound"))
    async with connect(fake, tmp_path) as api:
        with pytest.raises(NotFoundError):
            await api.merge_patch(POD_CLIQUES, "a", "b", b"{}", "status")
    wanted = (
        'grove_operator_api_requests_total{code="404",kind="PodClique/status",verb="patch"} 1.0'
    )
    assert wanted in metrics.render().decode()


@pytest.mark.parametrize("content", ["", "a: [", "clusters: []", None])
async def test_a_broken_kubeconfig_says_what_to_do(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "kubeconfig"
    if content is not None:
        path.write_text(content)
    with pytest.raises(SettingsError, match=r"kubeconfig: .* pass --kubeconfig"):
        await Credentials.load(ClientOptions(kubeconfig=str(path)))


async def test_connects_over_one_connection_when_requests_follow_each_other(
    fake: FakeApi, tmp_path: Path
) -> None:
    ports: set[Any] = set()

    async def remember(request: web.Request) -> web.StreamResponse:
        assert request.transport
        ports.add(request.transport.get_extra_info("peername"))
        return web.json_response({})

    fake.faults.extend([remember] * 5)
    async with serve(fake) as host:
        path = write_kubeconfig(tmp_path / "kubeconfig", host)
        async with await Api.connect(ClientOptions(kubeconfig=str(path))) as api:
            for _ in range(5):
                await api.get(PODS, "a", "b")
    assert len(ports) == 1
