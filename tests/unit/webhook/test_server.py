"""The HTTPS edge, with a stand-in for Kopf that answers as the test says."""

import copy
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import aiohttp
import pytest

from grove_operator import metrics
from grove_operator.process.probes import Address
from grove_operator.webhook.renewal import Material, Step, Terms, carry_out
from grove_operator.webhook.server import Server, UnreadableError, Webhook, parse_review
from grove_operator.webhook.serving import Served

PATH = "/webhooks/look"
KIND = ("grove.io", "v1alpha1", "podcliquesets")

Function = Callable[..., Awaitable[Any]]


def review(**changes: Any) -> dict[str, Any]:
    request = {
        "uid": "u1",
        "operation": "CREATE",
        "resource": dict(zip(("group", "version", "resource"), KIND, strict=True)),
        "userInfo": {"username": "somebody"},
        "object": {"metadata": {"name": "a", "uid": "of-the-object"}},
        "oldObject": None,
    }
    return {
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {**request, **changes},
    }


async def allow(request: dict[str, Any], *, webhook: str | None = None) -> dict[str, Any]:
    del webhook
    return {"response": {"uid": request["request"]["uid"], "allowed": True}}


async def deny(request: dict[str, Any], *, webhook: str | None = None) -> dict[str, Any]:
    del webhook
    status = {"message": "no", "code": 403}
    uid = request["request"]["uid"]
    return {"response": {"uid": uid, "allowed": False, "status": status}}


async def fail(_: Any, *, webhook: str | None = None) -> None:
    raise ZeroDivisionError(f"secret text {webhook}")


@asynccontextmanager
async def serving(*functions: Function) -> AsyncIterator[tuple[aiohttp.ClientSession, Server]]:
    terms = Terms(names=("127.0.0.1",))
    material = carry_out(Step.REPLACE, Material(), terms, datetime.now(UTC))
    served = Served()
    assert served.load(material.tls_crt, material.tls_key) is None
    server = Server([Webhook(PATH, "look", frozenset({KIND}))])
    for function in functions:
        server.offer(function)
    await server.start(Address(0, "127.0.0.1"), served.context)
    trust = ssl.create_default_context(cadata=material.ca_crt.decode())
    base = f"https://127.0.0.1:{server.port}"
    connector = aiohttp.TCPConnector(ssl=trust)
    try:
        async with aiohttp.ClientSession(base, connector=connector) as session:
            yield session, server
    finally:
        await server.close()


async def ask(session: aiohttp.ClientSession, body: Any) -> tuple[int, Any]:
    async with session.post(PATH, json=body) as answer:
        text = await answer.text()
        return answer.status, json.loads(text) if text.startswith("{") else text


async def test_an_allowed_review_comes_back_as_kopf_gave_it() -> None:
    async with serving(allow) as (session, _):
        status, answer = await ask(session, review())
    assert (status, answer) == (200, {"response": {"uid": "u1", "allowed": True}})


async def test_a_refusal_says_its_reason_as_kubernetes_words_it() -> None:
    async with serving(deny) as (session, _):
        _, answer = await ask(session, review())
    expected = {"message": "no", "code": 403, "reason": "Forbidden"}
    assert answer["response"]["status"] == expected


async def test_uids_are_kept_from_kopf_which_would_remember_them() -> None:
    seen: list[dict[str, Any]] = []

    async def look(request: dict[str, Any], *, webhook: str | None = None) -> dict[str, Any]:
        assert webhook == "look"
        seen.append(request["request"])
        return await allow(request)

    old = {"metadata": {"name": "a", "uid": "of-the-object"}, "spec": {"uid": "stays"}}
    async with serving(look) as (session, _):
        await ask(session, review(oldObject=old))
    assert seen[0]["object"] == {"metadata": {"name": "a"}}
    assert seen[0]["oldObject"] == {"metadata": {"name": "a"}, "spec": {"uid": "stays"}}
    assert seen[0]["uid"] == "u1"


async def test_kopf_copies_no_object_in_depth() -> None:
    seen: list[dict[str, Any]] = []

    async def look(request: dict[str, Any], *, webhook: str | None = None) -> dict[str, Any]:
        del webhook
        seen.append(request["request"]["object"])
        return await allow(request)

    async with serving(look) as (session, _):
        await ask(session, review(object={"metadata": {"name": "a"}, "spec": {"replicas": 1}}))
    assert copy.deepcopy(seen[0])["spec"] is seen[0]["spec"]


async def test_a_bug_is_a_refusal_without_details(caplog: pytest.LogCaptureFixture) -> None:
    async with serving(fail) as (session, _):
        status, answer = await ask(session, review())
    assert status == 200
    assert answer["response"]["allowed"] is False
    assert answer["response"]["status"]["code"] == 500
    assert "secret text" not in json.dumps(answer) + caplog.text
    assert caplog.records[-1].__dict__["error"] == "ZeroDivisionError"


async def test_without_kopf_the_answer_is_503_and_not_ready() -> None:
    async with serving() as (session, server):
        assert server.problem() == "admission handlers are not ready"
        status, text = await ask(session, review())
    assert (status, text) == (503, "admission is starting, try again\n")


async def test_the_latest_kopf_answers() -> None:
    async with serving(allow, deny) as (session, server):
        _, answer = await ask(session, review())
        assert answer["response"]["allowed"] is False
        server.withdraw(server._offers[-1])
        _, answer = await ask(session, review())
        assert answer["response"]["allowed"] is True
        assert server.problem() is None


async def test_what_the_path_is_not_for_is_refused() -> None:
    other = {"group": "", "version": "v1", "resource": "pods"}
    async with serving(allow) as (session, _):
        _, answer = await ask(session, review(resource=other))
    assert answer["response"]["allowed"] is False
    assert "grove.io/v1alpha1/podcliquesets" in answer["response"]["status"]["message"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"object": None}, "request: has neither an object nor an old object"),
        ({"object": []}, "object: must be an object"),
        ({"object": "text"}, "object: must be an object"),
        ({"object": {"metadata": 1}}, "object.metadata: must be an object"),
        ({"object": {"metadata": None}}, "object.metadata: must be an object"),
        ({"oldObject": {"metadata": []}}, "oldObject.metadata: must be an object"),
    ],
)
async def test_objects_that_nobody_can_read_are_refused(
    changes: dict[str, Any], message: str
) -> None:
    async with serving(allow) as (session, _):
        status, answer = await ask(session, review(**changes))
    assert status == 200
    refusal = {"code": 400, "reason": "BadRequest", "message": message}
    assert answer["response"] == {"uid": "u1", "allowed": False, "status": refusal}


async def test_other_methods_and_paths_are_unknown() -> None:
    async with serving(allow) as (session, _):
        async with session.get(PATH) as answer:
            assert answer.status == 405
        async with session.post("/elsewhere", json=review()) as answer:
            assert answer.status == 404


@pytest.mark.parametrize(
    ("function", "outcome"), [(allow, "allowed"), (deny, "denied"), (fail, "failed")]
)
async def test_reviews_are_counted(function: Function, outcome: str) -> None:
    before = _counted(outcome)
    async with serving(function) as (session, _):
        await ask(session, review())
    assert _counted(outcome) == before + 1


def _counted(outcome: str) -> float:
    labels = {"webhook": "look", "operation": "CREATE", "outcome": outcome}
    name = "grove_operator_admission_reviews_total"
    return metrics.REGISTRY.get_sample_value(name, labels) or 0.0


GOOD = json.dumps(review()).encode()


def test_a_good_review_is_read() -> None:
    assert parse_review(GOOD)["request"]["uid"] == "u1"


def test_a_pair_of_surrogates_is_one_character() -> None:
    body = GOOD.replace(b'"u1"', b'"u\\ud83d\\ude00"')
    assert parse_review(body)["request"]["uid"] == "u\N{GRINNING FACE}"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b"1",
        b'"text"',
        b"\xff\xfe",
        b"{}",
        b"[" * 100_000,
        b'{"a":' * 200 + b"1" + b"}" * 200,
        b'{"kind":' + b"9" * 5000 + b"}",
        GOOD.replace(b'"u1"', b'"u1", "object": {"image": "half a pair \\ud800 alone"}'),
        GOOD.replace(b'"u1"', b'"u1", "object": {"replicas": NaN}'),
        GOOD.replace(b'"u1"', b'"u1", "object": {"replicas": 1e400}'),
        GOOD.replace(b"AdmissionReview", b"Review"),
        GOOD.replace(b"admission.k8s.io/v1", b"admission.k8s.io/v1beta1"),
        json.dumps(review(uid="")).encode(),
        json.dumps(review(uid=7)).encode(),
        json.dumps(review(operation="PATCH")).encode(),
        json.dumps(review(operation=[])).encode(),
        json.dumps(review(resource="pods")).encode(),
        json.dumps(review(resource={"group": 1, "version": "v1", "resource": "x"})).encode(),
        json.dumps(review(userInfo=None)).encode(),
        json.dumps(review(userInfo={"username": 5})).encode(),
        json.dumps({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview"}).encode(),
    ],
)
def test_what_is_no_review_is_refused(body: bytes) -> None:
    with pytest.raises(UnreadableError) as caught:
        parse_review(body)
    assert caught.value.status == 400
