import asyncio
from contextlib import suppress
from pathlib import Path

import pytest
from aiohttp import web
from typing_extensions import override

from grove_operator.cluster.config import ClientOptions, kubeconfig_path, own_namespace
from grove_operator.cluster.discovery import Discovery, Served, is_served, served
from grove_operator.cluster.resources import COMPOSITE_POD_GROUPS, POD_CLIQUE_SETS, POD_GROUPS
from tests.unit.cluster.fake_api import FakeApi, connect, status, until


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
