import asyncio
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from typing_extensions import override

from grove_operator.cluster.config import ClientOptions, kubeconfig_path, own_namespace
from grove_operator.cluster.discovery import (
    VOLCANO_SUB_GROUPS,
    Discovery,
    Served,
    is_served,
    served,
    with_sub_groups,
)
from grove_operator.cluster.resources import (
    COMPOSITE_POD_GROUPS,
    KAI_POD_GROUPS,
    POD_CLIQUE_SETS,
    POD_GROUPS,
    VOLCANO_POD_GROUPS,
)
from tests.unit.cluster.fake_api import Answer, FakeApi, connect, status, until


class Groups(FakeApi):
    def __init__(self, pages: dict[str, list[str]]) -> None:
        super().__init__()
        self.pages = pages

    @override
    async def handle(self, request: web.Request) -> web.StreamResponse:
        if self.faults:
            return await self.faults.popleft()(request)
        if request.path not in self.pages:
            return await status(404, "NotFound")(request)
        names = [{"name": name} for name in self.pages[request.path]]
        return web.json_response({"kind": "APIResourceList", "resources": names})


async def test_finds_what_is_served_and_skips_subresources(tmp_path: Path) -> None:
    fake = Groups({"/apis/scheduling.k8s.io/v1beta1": ["podgroups", "podgroups/status"]})
    async with connect(fake, tmp_path) as api:
        found = await served(api)
    assert found == {("scheduling.k8s.io", "v1beta1", "podgroups")}
    assert is_served(found, POD_GROUPS)
    assert not is_served(found, COMPOSITE_POD_GROUPS)


async def test_tells_each_change_once_and_keeps_the_answer_through_faults(tmp_path: Path) -> None:
    fake = Groups({})
    told: list[Served] = []
    async with connect(fake, tmp_path, tries=1) as api:
        discovery = Discovery(api, told.append, interval=0.005)
        task = asyncio.create_task(discovery.run())
        await discovery.known.wait()
        fake.pages["/apis/grove.io/v1alpha1"] = ["podcliquesets"]
        await until(lambda: len(told) == 2)
        fake.faults.extend([status(503)] * 3)
        await until(lambda: not fake.faults)
        discovery.refresh_soon()
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
    assert told[0] == frozenset()
    assert is_served(told[1], POD_CLIQUE_SETS)
    assert len(told) == 2


async def test_looks_often_while_a_set_waits_for_a_scheduler(tmp_path: Path) -> None:
    ours = {
        "/apis/grove.io/v1alpha1": ["podcliquesets", "clustertopologybindings"],
        "/apis/scheduler.grove.io/v1alpha1": ["podgangs"],
    }
    fake = Groups(ours)
    told: list[Served] = []
    async with connect(fake, tmp_path) as api:
        discovery = Discovery(api, told.append, interval=60, eager=0.005)
        discovery.impatient = lambda: True
        task = asyncio.create_task(discovery.run())
        await until(lambda: bool(told))
        fake.pages["/apis/scheduling.run.ai/v2alpha2"] = ["podgroups"]
        await until(lambda: len(told) == 2)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
    assert is_served(told[1], KAI_POD_GROUPS)


def a_definition(*fields: str) -> Answer:
    schema: dict[str, Any] = {
        "properties": {"spec": {"properties": {field: {} for field in fields}}}
    }
    version = {"name": "v1beta1", "schema": {"openAPIV3Schema": schema}}

    async def answer(_: web.Request) -> web.StreamResponse:
        return web.json_response({"spec": {"versions": [version]}})

    return answer


DEFINITIONS: dict[str, tuple[Answer, bool]] = {
    "new enough": (a_definition("minMember", "subGroupPolicy"), True),
    "too old": (a_definition("minMember"), False),
    "may not be read": (status(403, "Forbidden"), False),
    "gone meanwhile": (status(404, "NotFound"), False),
}


@pytest.mark.parametrize(("answer", "capable"), DEFINITIONS.values(), ids=DEFINITIONS)
async def test_whether_volcano_knows_parts_of_groups(
    tmp_path: Path, answer: Answer, *, capable: bool
) -> None:
    fake = FakeApi()
    fake.faults.append(answer)
    resource = VOLCANO_POD_GROUPS
    there = frozenset({(resource.group, resource.version, resource.plural)})
    async with connect(fake, tmp_path) as api:
        assert (VOLCANO_SUB_GROUPS in await with_sub_groups(api, there)) is capable
        assert await with_sub_groups(api, frozenset()) == frozenset()


@pytest.mark.parametrize(
    ("option", "environ", "path"),
    [
        ("/given", {"KUBECONFIG": "/env"}, "/given"),
        (None, {"KUBECONFIG": "/env", "KUBERNETES_SERVICE_HOST": "10.0.0.1"}, "/env"),
        (None, {"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, None),
    ],
)
def test_which_kubeconfig(option: str | None, environ: dict[str, str], path: str | None) -> None:
    assert kubeconfig_path(ClientOptions(kubeconfig=option), environ) == path


def test_own_namespace(tmp_path: Path) -> None:
    inside = {"KUBERNETES_SERVICE_HOST": "10.0.0.1"}
    assert own_namespace(ClientOptions(), inside, tmp_path) == "default"
    (tmp_path / "namespace").write_text("grove-system\n")
    assert own_namespace(ClientOptions(), inside, tmp_path) == "grove-system"
    config = tmp_path / "kubeconfig"
    config.write_text(
        "{current-context: a, contexts: [{name: a, context: {namespace: team}},"
        " {name: b, context: {}}]}"
    )
    assert own_namespace(ClientOptions(kubeconfig=str(config)), {}) == "team"
    assert own_namespace(ClientOptions(kubeconfig=str(config), context="b"), {}) == "default"
    assert own_namespace(ClientOptions(kubeconfig=str(tmp_path / "none")), {}) == "default"
