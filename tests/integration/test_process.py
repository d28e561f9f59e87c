"""The process as Kubernetes and people meet it: probes, metrics, exit codes."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from grove_operator import metrics
from tests.integration.conftest import Stage, StartProxied
from tests.integration.sets import plain
from tests.support.operator import OperatorProcess
from tests.support.privileges import operator_kubeconfig
from tools.localcluster import LocalCluster


@pytest.fixture
def idle(ground: LocalCluster, tmp_path: Path) -> Iterator[OperatorProcess]:
    """Not yet started; killed at the end, whatever becomes of it."""
    operator = OperatorProcess(operator_kubeconfig(ground), tmp_path)
    yield operator
    operator.kill()


async def test_it_waits_for_an_api_server_that_is_away(start_proxied: StartProxied) -> None:
    """Alive, not ready, and then ready by itself."""
    proxied = await start_proxied()
    assert await asyncio.to_thread(proxied.operator.stop) == 0
    await proxied.proxy.refuse()
    proxied.proxy.cut()
    proxied.operator.start()
    await asyncio.to_thread(proxied.operator.wait_listening)
    ready = await asyncio.to_thread(proxied.operator.readyz)
    assert ready.status == 503
    assert "has not listed yet" in ready.text
    assert (await asyncio.to_thread(proxied.operator.healthz)).status == 200
    await proxied.proxy.accept()
    await asyncio.to_thread(proxied.operator.wait_ready)


async def test_metrics_are_those_that_are_documented(stage: Stage, idle: OperatorProcess) -> None:
    idle.start()
    await asyncio.to_thread(idle.wait_ready)
    await stage.create(plain())
    await stage.settled()
    page = idle.metrics_page()
    for family in metrics.REGISTRY.collect():
        assert f"# TYPE {family.name}" in page
        assert f"# HELP {family.name}" in page
    assert idle.metric("grove_operator_reconcile_total", outcome="ok") > 0
    assert idle.metric("grove_operator_informer_objects", kind="Pod") >= 2
    assert idle.metric("grove_operator_api_requests_total", verb="create", kind="Pod") >= 2
    assert idle.metric("grove_operator_errors_total", reason="bug") == 0


def test_sigterm_ends_it_with_zero(idle: OperatorProcess) -> None:
    idle.start()
    idle.wait_ready()
    assert idle.stop(10) == 0


def test_sigterm_while_it_starts_ends_it_with_zero(idle: OperatorProcess) -> None:
    idle.start()
    idle.wait_listening()
    assert idle.stop(10) == 0


async def test_sigterm_in_the_middle_of_work_loses_nothing(
    stage: Stage, idle: OperatorProcess
) -> None:
    idle.start()
    await asyncio.to_thread(idle.wait_ready)
    await stage.create(plain(pods=50, replicas=2))
    await stage.seen.until(lambda: len(stage.seen.of("Pod")) > 5, "some pods")
    assert await asyncio.to_thread(idle.stop, 20) == 0
    idle.start()
    await stage.settled()


def test_a_wrong_setting_is_named(ground: LocalCluster, tmp_path: Path) -> None:
    wrong = {"GROVE_CACHE__RELIST_INTERVAL": "soon"}
    operator = OperatorProcess(operator_kubeconfig(ground), tmp_path, **wrong)
    operator.start()
    assert operator.wait_ended() == 2
    assert "cache.relistInterval" in operator.tail()


def test_a_kubeconfig_that_leads_nowhere_is_named(tmp_path: Path) -> None:
    nowhere = tmp_path / "kubeconfig"
    nowhere.write_text(yaml.safe_dump({"apiVersion": "v1", "kind": "Config", "clusters": []}))
    operator = OperatorProcess(nowhere, tmp_path)
    operator.start()
    assert operator.wait_ended() == 4
    assert "cannot start" in operator.tail()
