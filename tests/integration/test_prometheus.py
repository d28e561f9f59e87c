"""A real Prometheus scrapes operator and webhook, while one set comes up and others have trouble.

Every query of the dashboard must have been answered by a number at some moment, and every alert be
evaluated. GROVE_DASHBOARD_PICTURE=FILE draws the panels from what was seen.
"""

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.alerts.conftest import RULES, alerts
from tests.integration.conftest import Proxied, Stage, StartProxied
from tests.integration.sets import a_clique, a_set, big, plain
from tests.support.controlplane import ApiError, Kube, path_of
from tests.support.faults import Answer
from tests.support.operator import OperatorProcess
from tests.support.prometheus import PrometheusProcess, Series
from tests.support.webhook import BYPASS, WebhookProcess
from tools.dashboard.panels import Target, targets
from tools.dashboard.picture import Drawn, draw
from tools.localcluster import AcquisitionError
from tools.prometheus import Programs, find

PODS = 100
RATE, WHOLE = "10s", "5m"
"""In place of Grafana's variables: some scrapes, and all that the test takes."""
PATIENCE = 60.0
PICTURE = os.environ.get("GROVE_DASHBOARD_PICTURE")


@pytest.fixture(scope="module")
def programs() -> Programs:
    try:
        return find()
    except AcquisitionError as error:
        pytest.skip(f"no Prometheus: {error}")


@pytest.fixture
async def proxied(programs: Programs, start_proxied: StartProxied) -> Proxied:
    del programs  # without them there is nothing to start for
    return await start_proxied()


@pytest.fixture
def prometheus(
    programs: Programs, proxied: Proxied, admission: WebhookProcess, tmp_path: Path
) -> Iterator[PrometheusProcess]:
    addresses = [address(proxied.operator), address(admission)]
    with PrometheusProcess(programs, tmp_path, addresses, RULES) as process:
        # What a counter counted before the first scrape is no increase.
        process.wait_until(lambda: set(process.targets().values()) == {"up"}, "scraping")
        yield process


def address(process: OperatorProcess) -> str:
    return f"127.0.0.1:{process._metrics_port}"


@pytest.fixture
async def unguarded(kube: Kube, namespace: str) -> AsyncIterator[str]:
    """A namespace whose sets nobody looks at before they are stored."""
    name = f"{namespace}-unguarded"
    metadata = {"name": name, "labels": {BYPASS: "true"}}
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}
    await kube.create(path_of("v1", "namespaces"), body)
    yield name
    await kube.delete(path_of("v1", "namespaces", name=name))


class Watcher:
    """What was seen since the test began."""

    def __init__(self, prometheus: PrometheusProcess) -> None:
        self.prometheus = prometheus
        self.began = time.time()

    def seen(self, target: Target) -> list[Series]:
        query = target.asked_over(RATE, WHOLE)
        return self.prometheus.query_range(query, self.began, time.time())

    def silent(self) -> list[str]:
        """Queries that no number has answered yet."""
        return [
            f"{panel.title}: {target.query}"
            for panel, target in targets()
            if not any(series.tells for series in self.seen(target))
        ]

    async def until(self, query: str, least: float, what: str) -> None:
        def is_so() -> bool:
            return any(item.points[-1][1] >= least for item in self.prometheus.query(query))

        await asyncio.to_thread(self.prometheus.wait_until, is_so, what, PATIENCE)

    async def told(self) -> None:
        """Until there is a number for every query."""
        deadline = time.monotonic() + PATIENCE
        while silent := await asyncio.to_thread(self.silent):
            assert time.monotonic() < deadline, silent

    def picture(self) -> str:
        drawn: dict[str, list[Drawn]] = {}
        for panel, target in targets():
            for series in self.seen(target):
                name = target.name(series.labels)
                drawn.setdefault(panel.title, []).append(Drawn(name, series.points))
        return draw(drawn)


@contextlib.asynccontextmanager
async def no_room(stage: Stage) -> AsyncIterator[None]:
    """A quota that lets what runs run, and nothing be made."""
    quotas = path_of("v1", "resourcequotas", stage.namespace)
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "few"}}
    await stage.kube.create(quotas, quota | {"spec": {"hard": {"pods": "1"}}})
    await stage.kube.wait_for(f"{quotas}/few", lambda item: item.get("status", {}).get("used"))
    yield
    await stage.kube.delete(f"{quotas}/few")


def a_wrong_set() -> dict[str, Any]:
    """A minimum above the count, which no schema can refuse."""
    return a_set("wrong", [a_clique("main", 2, 3)])


async def test_dashboard_and_alerts_on_a_real_prometheus(
    stage: Stage, unguarded: str, proxied: Proxied, prometheus: PrometheusProcess
) -> None:
    watcher = Watcher(prometheus)
    await stage.create(big(PODS))
    await stage.settled(120)
    await watcher.until('grove_operator_gangs{phase="Running"}', 20, "gangs run")

    with pytest.raises(ApiError, match="minAvailable"):
        await stage.create(a_wrong_set())
    await stage.kube.create(path_of("grove.io/v1alpha1", "podcliquesets", unguarded), a_wrong_set())
    await watcher.until("grove_operator_sets_rejected", 1, "a set is rejected")

    await stage.create(plain("stuck", requests={"example.org/none": 1}))
    await watcher.until('grove_operator_gangs{phase="Pending"}', 1, "a gang waits")
    await watcher.until("grove_operator_gang_oldest_pending_seconds", 1, "it waits long")

    async with no_room(stage):
        pods = path_of("v1", "pods", stage.namespace)
        leads = await stage.kube.list(pods, labelSelector="grove.io/podclique=big-0-crew-0-lead")
        await stage.kube.delete(f"{pods}/{leads[0]['metadata']['name']}")
        await watcher.until("grove_operator_gangs_unhealthy", 1, "a gang is unhealthy")
        await watcher.until(
            'grove_operator_min_available_breached{kind="PodClique"}', 1, "a minimum is breached"
        )
        with proxied.proxy.fault(Answer(503), verbs={"patch"}):
            await stage.scale("PodClique", "stuck-0-main", 6)
            failed = 'sum(grove_operator_api_requests_total{code="503"})'
            await watcher.until(failed, 3, "requests fail")
        await watcher.told()
        await _alerts_work(prometheus)

    await watcher.until("1 - grove_operator_gangs_unhealthy", 1, "the gang is well again")
    assert await asyncio.to_thread(watcher.silent) == []
    if PICTURE:
        picture = await asyncio.to_thread(watcher.picture)
        await asyncio.to_thread(Path(PICTURE).write_text, picture)


async def _alerts_work(prometheus: PrometheusProcess) -> None:
    """All are evaluated without error, and the one that there is reason for is on its way."""

    def unhealthy_is_pending() -> bool:
        return bool(prometheus.rules()["GroveGangsUnhealthy"]["state"] == "pending")

    await asyncio.to_thread(prometheus.wait_until, unhealthy_is_pending, "an alert is pending")
    rules = await asyncio.to_thread(prometheus.rules)
    assert set(rules) == set(alerts())
    assert {name: rule["lastError"] for name, rule in rules.items() if rule.get("lastError")} == {}
    assert {rule["health"] for rule in rules.values()} == {"ok"}
    assert set((await asyncio.to_thread(prometheus.targets)).values()) == {"up"}
    assert rules["GroveOperatorNoLeader"]["state"] == "inactive"
    assert rules["GroveAdmissionDown"]["state"] == "inactive"
