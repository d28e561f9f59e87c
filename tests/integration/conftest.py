"""A control plane with nodes and CRDs, one operator per module, and a namespace with eyes."""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from grove_operator.scheduling.native import Capabilities
from tests.conftest import ControlPlane
from tests.integration.racks import Racks, binding_path, know
from tests.integration.sets import Body, is_available
from tests.support.controlplane import JSON_PATCH, MERGE_PATCH, Kube, Object
from tests.support.faultproxy import FaultProxy
from tests.support.follow import PATIENCE, Followed, collection
from tests.support.inventory import NATIVE, Expectation, differences, orphans, twins
from tests.support.operator import OperatorProcess
from tests.support.privileges import Ledger, operator_kubeconfig, webhook_kubeconfig
from tests.support.webhook import WebhookProcess, register, unregister
from tools.demo.crds import install_crds
from tools.localcluster import LocalCluster, NodeShape

NODES = 6
PODS = int(os.environ.get("GROVE_TEST_PODS", "200"))
"""Size of the big sets; the full run uses 1000."""


PROFILES = json.dumps([{"name": name} for name in ("kai-scheduler", "volcano", "lpx-scheduler")])
"""All that the webhook knows; an operator knows the stock one unless its test says more."""
LAST = "test_rights.py"
_LEFT_OUT: pytest.StashKey[str] = pytest.StashKey()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Judge the operator's rights when everything else has run; note what did not."""
    items.sort(key=lambda item: item.path.name == LAST)
    options = config.option
    lacking = set(Path(__file__).parent.glob("test_*.py")) - {item.path for item in items}
    why = ""
    if lacking:
        why = f"{len(lacking)} files were not asked for"
    elif any("::" in argument for argument in config.args):
        why = "single tests were asked for"
    elif options.keyword or options.markexpr or options.deselect or getattr(options, "lf", False):
        why = "tests were deselected"
    config.stash[_LEFT_OUT] = why


@pytest.fixture(scope="session")
def left_out(pytestconfig: pytest.Config) -> str:
    """Why not all of this folder runs in this session; empty if all does."""
    return pytestconfig.stash[_LEFT_OUT]


@pytest.fixture(scope="session")
def ledger() -> Ledger:
    """What the operator asked for in clusters that are gone by now."""
    return Ledger()


@pytest.fixture(scope="session")
def admission(
    control_plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[WebhookProcess]:
    """The one webhook process of all tests, registered with the API server."""
    if control_plane.local is None:
        pytest.skip("registering webhooks by URL needs a local cluster")
    install_crds(control_plane.local)
    folder = tmp_path_factory.mktemp("webhook")
    kubeconfig = webhook_kubeconfig(control_plane.local)
    with WebhookProcess(kubeconfig, folder, GROVE_SCHEDULER__PROFILES=PROFILES) as process:
        register(control_plane.local, process)
        yield process
        assert process.running, process.tail()
        assert "this is a bug" not in process.log.read_text(), process.tail()
        unregister(control_plane.local)


@pytest.fixture(scope="module")
def ground(control_plane: ControlPlane, admission: WebhookProcess) -> LocalCluster:
    """A cluster of our own in which Grove's kinds are served and pods find nodes."""
    del admission
    if control_plane.local is None:
        pytest.skip("simulated nodes and stopping the API server need a local cluster")
    control_plane.local.create_nodes(NODES, NodeShape(prefix="plain", gpus=0))
    return control_plane.local


@pytest.fixture(scope="module")
def operator(
    ground: LocalCluster, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[OperatorProcess]:
    """The one operator of a module; whatever its tests do, it must not restart or fail."""
    kubeconfig = operator_kubeconfig(ground)
    with OperatorProcess(kubeconfig, tmp_path_factory.mktemp("operator")) as process:
        pid = process.pid
        yield process
        assert process.running, process.tail()
        assert process.pid == pid
        assert process.metric("grove_operator_errors_total", reason="bug") == 0, process.tail()


@dataclass
class Stage:
    """A namespace, what happens in it, and what ought to."""

    kube: Kube
    namespace: str
    seen: Followed
    live: dict[str, int] = field(default_factory=dict)
    """Replicas of scaled PodCliques and scaling groups, for `settled`."""
    capabilities: Capabilities = NATIVE
    """What the cluster is to be taken for in `settled`."""

    def path(self, kind: str, name: str | None = None) -> str:
        return collection(kind, self.namespace, name)

    async def create(self, body: Body) -> Object:
        """Create a PodCliqueSet; from then on `settled` expects it."""
        made = await self.kube.create(self.path("PodCliqueSet"), body)
        await self.seen.caught_up("PodCliqueSet", made)
        return made

    async def scale(self, kind: str, name: str, replicas: int) -> None:
        """Through the scale subresource, as kubectl and autoscalers do."""
        path = f"{self.path(kind, name)}/scale"
        answer = await self.kube.patch(path, {"spec": {"replicas": replicas}})
        await self.seen.caught_up(kind, answer)
        if kind != "PodCliqueSet":
            self.live[name] = replicas

    async def edit(self, kind: str, name: str, patch: object) -> Object:
        """A merge patch, or a JSON patch if it is a list."""
        form = JSON_PATCH if isinstance(patch, list) else MERGE_PATCH
        answer = await self.kube.patch(self.path(kind, name), patch, form)
        await self.seen.caught_up(kind, answer)
        return answer

    async def delete(self, kind: str, name: str, **options: Any) -> None:
        """Ask for it, and wait until it is seen that this object goes or is gone."""
        before = await self.kube.get(self.path(kind, name))
        await self.kube.delete(self.path(kind, name), **options)
        await self.seen.until(lambda: self._goes(kind, before), f"{kind} {name} goes")

    def _goes(self, kind: str, before: Object) -> bool:
        now = self.seen.named(kind, before["metadata"]["name"])
        same = now is not None and now["metadata"]["uid"] == before["metadata"]["uid"]
        return not same or "deletionTimestamp" in (now or before)["metadata"]

    async def settled(self, patience: float = PATIENCE, *, available: bool = True) -> None:
        """Until all that should exist does, nothing else does, and statuses say so."""
        await self.seen.until_nothing(lambda: self.problems(available=available), patience)
        assert self.seen.clashes == []
        assert twins(self.seen) == []

    def problems(self, *, available: bool = True) -> list[str]:
        sets = self.seen.of("PodCliqueSet")
        expected = [Expectation(item, self.live, self.capabilities) for item in sets]
        waiting = [item["metadata"]["name"] for item in sets if not is_available(item)]
        found = [*differences(self.seen, expected), *orphans(self.seen)]
        if available:
            found += [f"PodCliqueSet {name} is not available" for name in waiting]
            found += list(self._behind())
        return found

    def _behind(self) -> Iterator[str]:
        """Statuses that do not yet tell of the present spec."""
        for kind in ("PodClique", "PodCliqueScalingGroup"):
            for item in self.seen.of(kind):
                status, meta = item.get("status", {}), item["metadata"]
                if status.get("observedGeneration") != meta["generation"]:
                    yield f"{kind} {meta['name']}: status is of another generation"
                elif status.get("replicas", 0) != item["spec"]["replicas"]:
                    yield f"{kind} {meta['name']}: status has {status.get('replicas')} replicas"
        for gang in self.seen.of("PodGang"):
            if gang.get("status", {}).get("phase") != "Running":
                yield f"PodGang {gang['metadata']['name']} is {gang.get('status')}"

    async def gone(self, patience: float = PATIENCE) -> None:
        """Until nothing of any set is left."""
        await self.settled(patience)
        assert self.seen.of("PodCliqueSet") == []

    async def alone(self) -> None:
        """Until the operator is done with what earlier tests have left in their namespaces."""

        def only_ours(cliques: list[Object]) -> bool:
            return {item["metadata"]["namespace"] for item in cliques} <= {self.namespace}

        await self.kube.wait_for("/apis/grove.io/v1alpha1/podcliques", only_ours, 150)

    async def events(self, kind: str, reason: str) -> list[Object]:
        path = f"/api/v1/namespaces/{self.namespace}/events"
        selector = f"involvedObject.kind={kind},reason={reason}"
        return await self.kube.list(path, fieldSelector=selector)

    async def wait_event(self, kind: str, reason: str) -> Object:
        """The first Event of that reason on an object of that kind."""
        path = f"/api/v1/namespaces/{self.namespace}/events"
        selector = f"involvedObject.kind={kind},reason={reason}"
        found: list[Object] = await self.kube.wait_for(path, bool, fieldSelector=selector)
        return found[0]


@pytest.fixture
async def stage(kube: Kube, namespace: str) -> AsyncIterator[Stage]:
    """All that a test made goes with its namespace."""
    async with Followed.start(kube, namespace) as seen:
        yield Stage(kube, namespace, seen)


@pytest.fixture
def mortal(ground: LocalCluster, tmp_path: Path) -> Iterator[OperatorProcess]:
    """An operator of the test's own, which it may kill."""
    process = OperatorProcess(operator_kubeconfig(ground), tmp_path)
    process.start()
    yield process
    process.kill()


@dataclass
class Proxied:
    """An operator that talks through a fault proxy."""

    operator: OperatorProcess
    proxy: FaultProxy


StartProxied = Callable[..., Awaitable[Proxied]]


@pytest.fixture
async def start_proxied(ground: LocalCluster, tmp_path: Path) -> AsyncIterator[StartProxied]:
    """Starts an operator behind a fault proxy, with settings of the test's own."""
    async with FaultProxy(operator_kubeconfig(ground), seed=7) as proxy:
        started: list[OperatorProcess] = []

        async def start(**environment: str) -> Proxied:
            kubeconfig = proxy.write_kubeconfig(tmp_path / "proxied")
            process = OperatorProcess(kubeconfig, tmp_path, **environment)
            process.start()
            started.append(process)
            await asyncio.to_thread(process.wait_ready)
            return Proxied(process, proxy)

        try:
            yield start
            for process in started:
                assert process.running, process.tail()
                proxy.clear()
                assert await asyncio.to_thread(process.stop) == 0, process.tail()
        finally:
            for process in started:
                process.kill()


@pytest.fixture(scope="module")
def topology_operator(
    ground: LocalCluster, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[OperatorProcess]:
    settings = {"GROVE_TOPOLOGY_AWARE_SCHEDULING__ENABLED": "true"}
    folder = tmp_path_factory.mktemp("operator")
    with OperatorProcess(operator_kubeconfig(ground), folder, **settings) as process:
        yield process
        assert process.running, process.tail()
        assert process.metric("grove_operator_errors_total", reason="bug") == 0, process.tail()


@pytest.fixture
async def racks(
    ground: LocalCluster, topology_operator: OperatorProcess, kube: Kube
) -> AsyncIterator[Racks]:
    del topology_operator
    site = Racks(ground)
    yield site
    if await kube.find(binding_path(site.mark)):
        await kube.delete(binding_path(site.mark))


@pytest.fixture
async def bound(racks: Racks, kube: Kube, stage: Stage) -> Racks:
    """The binding exists from the start."""
    await racks.bind(kube)
    know(stage, racks)
    return racks
