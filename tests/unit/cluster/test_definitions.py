"""Applying CRDs: what is sent, when one is served, and what stops the rest."""

import json
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from grove_operator.cluster.connection import Api
from grove_operator.cluster.definitions import install, is_served
from grove_operator.errors import ClusterError, ConflictError, InvalidError, UnavailableError
from tests.unit.cluster.fake_api import Answer, FakeApi, connect, event, lines, status

Body = dict[str, Any]


def a_definition(name: str = "boats.sea.io", *conditions: Body, version: int = 2) -> Body:
    metadata = {"name": name, "resourceVersion": str(version)}
    return {"metadata": metadata, "status": {"conditions": list(conditions)}}


def condition(kind: str, status: str = "True", reason: str = "Because") -> Body:
    return {"type": kind, "status": status, "reason": reason, "message": "they clash"}


SERVED = condition("Established")


def says(body: Body) -> Answer:
    async def answer(_: web.Request) -> web.StreamResponse:
        return web.json_response(body)

    return answer


async def installed(api: Api, *names: str, patience: float = 5.0) -> list[str]:
    wanted = [{"metadata": {"name": name}} for name in names]
    async with aclosing(install(api, wanted, patience)) as found:
        return [name async for name in found]


async def test_it_is_a_forced_apply_under_groves_own_manager(tmp_path: Path) -> None:
    fake = FakeApi()
    fake.faults.append(says(a_definition("boats.sea.io", SERVED)))
    async with connect(fake, tmp_path) as api:
        assert await installed(api, "boats.sea.io") == ["boats.sea.io"]
    [(method, path, query)] = fake.requests
    assert method == "PATCH"
    assert path == "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/boats.sea.io"
    assert query == {"fieldManager": "grove-crd-installer", "force": "true"}
    assert fake.headers[0]["Content-Type"] == "application/apply-patch+yaml"
    assert json.loads(fake.bodies[0]) == {"metadata": {"name": "boats.sea.io"}}


async def test_fields_that_somebody_else_applied_too_are_replaced(tmp_path: Path) -> None:
    def spec(*fields: str) -> Body:
        schema: Body = {"properties": {name: {} for name in fields}}
        return {"scope": "Namespaced", "versions": [{"name": "v1", "schema": schema}]}

    stored = a_definition("boats.sea.io", SERVED) | {"spec": spec("sail", "oar")}
    fake = FakeApi()
    fake.faults.extend((says(stored), says(stored)))
    async with connect(fake, tmp_path) as api:
        wanted = {"metadata": {"name": "boats.sea.io"}, "spec": spec("sail")}
        async with aclosing(install(api, [wanted], 5.0)) as found:
            assert [name async for name in found] == ["boats.sea.io"]
    assert [method for method, _, _ in fake.requests] == ["PATCH", "PUT"]
    put = json.loads(fake.bodies[1])
    assert put["spec"] == spec("sail")
    assert put["metadata"]["resourceVersion"] == "2"


async def test_a_new_one_is_watched_until_it_is_served(tmp_path: Path) -> None:
    fake = FakeApi()
    fake.faults.append(says(a_definition()))
    fake.objects["boats.sea.io"] = a_definition()
    later = a_definition("boats.sea.io", SERVED, version=3)
    fake.watches.append(lines(event("MODIFIED", later)))
    async with connect(fake, tmp_path) as api:
        assert await installed(api, "boats.sea.io") == ["boats.sea.io"]
    assert fake.seen(watch=True)[0]["fieldSelector"] == "metadata.name=boats.sea.io"


async def test_one_that_is_never_served_is_an_error_that_names_it(tmp_path: Path) -> None:
    fake = FakeApi()
    fake.faults.append(says(a_definition()))
    async with connect(fake, tmp_path) as api:
        with pytest.raises(UnavailableError, match=r"apply boats\.sea\.io: .* after 0\.05 s"):
            await installed(api, "boats.sea.io", patience=0.05)


async def test_the_first_refusal_stops_the_rest(tmp_path: Path) -> None:
    fake = FakeApi()
    fake.faults.append(status(422, "Invalid"))
    async with connect(fake, tmp_path) as api:
        with pytest.raises(InvalidError, match=r"boats\.sea\.io"):
            await installed(api, "boats.sea.io", "ships.sea.io")
    assert len(fake.requests) == 1


@pytest.mark.parametrize(("races", "fails"), [(1, False), (4, False), (5, True)])
async def test_it_is_tried_again_when_another_replica_was_faster(
    tmp_path: Path, races: int, fails: bool
) -> None:
    fake = FakeApi()
    fake.faults.extend(status(409, "Conflict") for _ in range(races))
    fake.faults.append(says(a_definition("boats.sea.io", SERVED)))
    async with connect(fake, tmp_path) as api:
        if fails:
            with pytest.raises(ConflictError):
                await installed(api, "boats.sea.io")
        else:
            assert await installed(api, "boats.sea.io") == ["boats.sea.io"]


@pytest.mark.parametrize(
    ("conditions", "verdict"),
    [
        ([], False),
        ([condition("Established", "False")], False),
        ([SERVED], True),
        ([SERVED, condition("NamesAccepted")], True),
        ([condition("NamesAccepted", "False", "NotAccepted")], False),
    ],
    ids=["new", "not yet", "served", "served under its names", "names not looked at"],
)
def test_what_counts_as_served(conditions: list[Body], verdict: bool) -> None:
    assert is_served(a_definition("boats.sea.io", *conditions)) is verdict


def test_names_that_belong_to_another_are_told_at_once() -> None:
    taken = condition("NamesAccepted", "False", "MultipleNames")
    with pytest.raises(ClusterError, match="they clash"):
        is_served(a_definition("boats.sea.io", taken))
