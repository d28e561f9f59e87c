"""Request faults: what the client sees, and whether the API server saw the request."""

import asyncio
from pathlib import Path

import aiohttp
import pytest

from tests.support.faultproxy import FaultProxy
from tests.support.faults import Answer, Delay, Hang, LoseAnswer, Reset
from tests.unit.support.upstream_server import SmallServer

PODS = "/api/v1/namespaces/n/pods"
BROKEN = (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError)


async def test_forwards_what_it_is_given(client: aiohttp.ClientSession, proxy: FaultProxy) -> None:
    path = f"{PODS}?labelSelector=a%3Db&limit=5"
    async with client.get(path, headers={"User-Agent": "me", "Accept-Encoding": "x"}) as answer:
        seen = await answer.json()
    assert (seen["path"], seen["agent"], seen["encoding"]) == (path, "me", "x")
    async with client.post(PODS, json={"kind": "Pod"}) as answer:
        assert answer.status == 201
        assert (await answer.json())["body"] == '{"kind": "Pod"}'
    assert proxy.requests == {("list", "pods"): 1, ("create", "pods"): 1}
    assert proxy.writes() == 1


@pytest.mark.parametrize(("status", "reason"), [(500, "InternalError"), (410, "Expired")])
async def test_answers_instead_of_the_api_server(
    client: aiohttp.ClientSession,
    proxy: FaultProxy,
    upstream: SmallServer,
    status: int,
    reason: str,
) -> None:
    with proxy.fault(Answer(status), verbs={"create"}, resources={"pods"}) as rule:
        async with client.post(PODS) as answer:
            assert (answer.status, (await answer.json())["reason"]) == (status, reason)
        async with client.post(f"{PODS}/a/binding") as answer:
            assert answer.status == 201, "another resource is left alone"
    async with client.post(PODS) as answer:
        assert answer.status == 201, "the fault has ended"
    assert rule.hits == 1
    assert upstream.written == [f"POST {PODS}/a/binding", f"POST {PODS}"]


async def test_too_many_requests_says_when_to_come_back(
    client: aiohttp.ClientSession, proxy: FaultProxy
) -> None:
    proxy.add(Answer(429, retry_after=3), times=1)
    async with client.get(PODS) as answer:
        assert (answer.status, answer.headers["Retry-After"]) == (429, "3")
        assert (await answer.json())["details"] == {"retryAfterSeconds": 3}
    async with client.get(PODS) as answer:
        assert answer.status == 200, "only once was asked for"


async def test_probability_is_repeatable(upstream: SmallServer) -> None:
    patterns = []
    for _ in range(2):
        async with (
            FaultProxy(upstream.kubeconfig, seed=3) as proxy,
            aiohttp.ClientSession(proxy.url) as client,
        ):
            proxy.add(Answer(503), probability=0.5)
            statuses = []
            for _ in range(20):
                async with client.get(PODS) as answer:
                    statuses.append(answer.status)
            patterns.append(statuses)
    assert patterns[0] == patterns[1]
    assert {200, 503} == set(patterns[0])


async def test_a_reset_request_did_not_happen(
    client: aiohttp.ClientSession, proxy: FaultProxy, upstream: SmallServer
) -> None:
    with proxy.fault(Reset()), pytest.raises(BROKEN):
        await client.post(PODS)
    assert upstream.written == []


async def test_a_lost_answer_did_happen(
    client: aiohttp.ClientSession, proxy: FaultProxy, upstream: SmallServer
) -> None:
    with proxy.fault(LoseAnswer()), pytest.raises(BROKEN):
        await client.post(PODS)
    assert upstream.written == [f"POST {PODS}"]


async def test_a_hanging_request_ends_with_its_fault(
    client: aiohttp.ClientSession, proxy: FaultProxy, upstream: SmallServer
) -> None:
    rule = proxy.add(Hang(), verbs={"create"})
    posting = asyncio.ensure_future(client.post(PODS))
    await asyncio.wait({posting}, timeout=0.1)
    assert not posting.done()
    proxy.remove(rule)
    with pytest.raises(BROKEN):
        await posting
    assert upstream.written == []


async def test_delay_waits_before_forwarding(
    client: aiohttp.ClientSession, proxy: FaultProxy, upstream: SmallServer
) -> None:
    rule = proxy.add(Delay(30))
    posting = asyncio.ensure_future(client.post(PODS))
    await asyncio.wait({posting}, timeout=0.1)
    assert upstream.written == []
    proxy.remove(rule)
    async with await posting as answer:
        assert answer.status == 201, "a delayed request is forwarded after all"


async def test_refuses_and_accepts_again_on_the_same_port(
    client: aiohttp.ClientSession, proxy: FaultProxy
) -> None:
    port = proxy.port
    await proxy.refuse()
    with pytest.raises(aiohttp.ClientConnectorError):
        await client.get(PODS)
    await proxy.accept()
    assert proxy.port == port
    async with client.get(PODS) as answer:
        assert answer.status == 200


async def test_kubeconfig_points_at_the_proxy(proxy: FaultProxy, tmp_path: Path) -> None:
    text = proxy.write_kubeconfig(tmp_path / "kubeconfig").read_text()
    assert f"http://127.0.0.1:{proxy.port}" in text
