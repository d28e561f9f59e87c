"""A set's PodMonitor, where the API server serves that kind."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from grove_operator.api import labels
from tests.integration.conftest import Stage
from tests.integration.sets import Body, conditions, plain
from tests.support.controlplane import Object, path_of
from tests.support.operator import OperatorProcess
from tests.support.privileges import operator_kubeconfig
from tools.localcluster import LocalCluster

CRD = Path(__file__).parents[1] / "support" / "manifests" / "podmonitor-crd.yaml"


@pytest.fixture(scope="module")
def monitors_served(ground: LocalCluster) -> Iterator[LocalCluster]:
    ground.kubectl("apply", "-f", str(CRD))
    ground.kubectl("wait", "--for=condition=Established", "-f", str(CRD), "--timeout=30s")
    yield ground
    ground.kubectl("delete", "-f", str(CRD))


@pytest.fixture(scope="module")
def operator(
    monitors_served: LocalCluster, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[OperatorProcess]:
    """Started when the kind is served already: discovery looks every few minutes only."""
    folder = tmp_path_factory.mktemp("operator")
    with OperatorProcess(operator_kubeconfig(monitors_served), folder) as process:
        yield process
        assert process.running, process.tail()
        assert process.metric("grove_operator_errors_total", reason="bug") == 0, process.tail()


def asking(value: str = "true", **more: str) -> dict[str, str]:
    return {labels.POD_MONITOR: value} | {
        f"grove.io/pod-monitor-{key}": text for key, text in more.items()
    }


def a_set_with_metrics() -> Body:
    body = plain()
    body["metadata"]["annotations"] = asking()
    body["metadata"]["labels"] = {"release": "prometheus"}
    [clique] = body["spec"]["template"]["cliques"]
    [container] = clique["spec"]["podSpec"]["containers"]
    container["ports"] = [{"name": "metrics", "containerPort": 9000}]
    return body


def path(stage: Stage, name: str | None = None) -> str:
    return path_of("monitoring.coreos.com/v1", "podmonitors", stage.namespace, name)


async def monitor(stage: Stage, **endpoint: Any) -> Object:
    """The monitor, once its endpoint is like this."""

    def is_so(items: list[Object]) -> bool:
        found = [item["spec"]["podMetricsEndpoints"][0] for item in items]
        return any(endpoint.items() <= item.items() for item in found)

    [found] = await stage.kube.wait_for(path(stage), is_so)
    made: Object = found
    return made


async def annotate(stage: Stage, annotations: dict[str, str | None]) -> None:
    await stage.edit("PodCliqueSet", "plain", {"metadata": {"annotations": annotations}})


def reason(stage: Stage) -> str:
    found = conditions(stage.seen.named("PodCliqueSet", "plain")).get("PodMonitored", {})
    return str(found.get("reason", ""))


async def test_it_comes_changes_and_goes_with_its_annotation(
    stage: Stage, operator: OperatorProcess
) -> None:
    del operator
    await stage.create(a_set_with_metrics())
    made = await monitor(stage, port="metrics", path="/metrics")
    [owner] = made["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["name"], owner["controller"]) == ("PodCliqueSet", "plain", True)
    assert made["metadata"]["labels"]["release"] == "prometheus"
    await stage.settled()
    await stage.seen.until(lambda: reason(stage) == "PodMonitorMade", "users are told")
    pods = stage.seen.of("Pod")
    wanted = made["spec"]["selector"]["matchLabels"].items()
    assert pods
    assert all(wanted <= pod["metadata"]["labels"].items() for pod in pods)

    await annotate(stage, {"grove.io/pod-monitor-interval": "5s"})
    again = await monitor(stage, port="metrics", interval="5s")
    assert again["metadata"]["uid"] == made["metadata"]["uid"]

    await annotate(stage, {"grove.io/pod-monitor-port": "admin"})
    await stage.seen.until(lambda: reason(stage) == "NoMetricsPort", "users are told")
    await stage.kube.wait_gone(path(stage, "plain"))

    await annotate(stage, {"grove.io/pod-monitor-port": "9000"})
    await monitor(stage, portNumber=9000)
    await annotate(stage, dict.fromkeys(asking()))
    await stage.kube.wait_gone(path(stage, "plain"))
    await stage.seen.until(lambda: reason(stage) == "", "the condition goes")


async def test_what_somebody_did_to_it_is_mended(stage: Stage, operator: OperatorProcess) -> None:
    """Without our labels it is out of sight: then it is found by its name."""
    del operator
    await stage.create(a_set_with_metrics())
    await monitor(stage)
    gone: dict[str, Any] = {"metadata": {"labels": {labels.MANAGED_BY: None}}}
    await stage.kube.patch(path(stage, "plain"), gone)
    await stage.kube.wait_for(
        path(stage, "plain"), lambda item: labels.MANAGED_BY in item["metadata"]["labels"]
    )
    await stage.kube.delete(path(stage, "plain"))
    await monitor(stage, port="metrics")
