"""The PodMonitor of a set: which ports, which pods, and what its samples are called."""

import re
from typing import Any

import pytest

from grove_operator.api import labels
from grove_operator.desired.podmonitor import build_monitor, scraped_cliques
from tests.support.builders import SetBuilder, a_set

ASKED = {labels.POD_MONITOR: "true"}


def ports(*declared: tuple[str, int]) -> dict[str, Any]:
    listed = [{"name": name, "containerPort": number} for name, number in declared]
    return {"containers": [{"name": "app", "image": "i", "ports": listed}]}


def a_fleet(**annotations: str) -> SetBuilder:
    """A router with both usual ports, a lead with one of them, and an oar with another one."""
    extra = {f"grove.io/pod-monitor-{key}": value for key, value in annotations.items()}
    return (
        a_set(annotations=ASKED | extra)
        .with_clique("router", pod_spec=ports(("http", 8000), ("metrics", 9000)))
        .with_clique("lead", pod_spec=ports(("http", 8000)), roleName="prefill")
        .with_clique("oar", pod_spec=ports(("grpc", 50051)), roleName="prefill")
        .with_group("crew", "lead", "oar")
    )


def spec(builder: SetBuilder) -> dict[str, Any]:
    body = build_monitor(builder.blueprint())
    assert body is not None
    found: dict[str, Any] = body["spec"]
    return found


def found(builder: SetBuilder) -> dict[str, list[str]]:
    by_port = scraped_cliques(builder.blueprint())
    return {port: [clique.name for clique in cliques] for port, cliques in by_port.items()}


PORTS: dict[str, tuple[dict[str, str], dict[str, list[str]]]] = {
    "the usual names, metrics first": ({}, {"metrics": ["router"], "http": ["lead"]}),
    "by name": ({"port": "grpc"}, {"grpc": ["oar"]}),
    "by number": ({"port": "8000"}, {"8000": ["router", "lead"]}),
    "that nobody has": ({"port": "admin"}, {}),
}


@pytest.mark.parametrize(("annotations", "expected"), PORTS.values(), ids=PORTS)
def test_ports(annotations: dict[str, str], expected: dict[str, list[str]]) -> None:
    assert found(a_fleet(**annotations)) == expected


@pytest.mark.parametrize("value", ["", "false", "True", "yes"])
def test_nothing_is_made_unless_asked_for(value: str) -> None:
    builder = a_fleet().but(annotations={labels.POD_MONITOR: value})
    assert build_monitor(builder.blueprint()) is None


def test_nothing_is_made_without_a_port() -> None:
    assert build_monitor(a_set(annotations=ASKED).with_clique("w").blueprint()) is None


def test_endpoints_say_port_path_and_interval() -> None:
    endpoint = spec(a_fleet(port="8000", path="/stats", interval="5s"))["podMetricsEndpoints"]
    said = [{k: v for k, v in item.items() if k != "relabelings"} for item in endpoint]
    assert said == [{"portNumber": 8000, "path": "/stats", "interval": "5s"}]
    usual = spec(a_fleet())["podMetricsEndpoints"][0]
    assert (usual["port"], usual["path"], "interval" in usual) == ("metrics", "/metrics", False)


def test_it_selects_the_pods_of_the_set_and_carries_its_labels() -> None:
    body = build_monitor(a_fleet().but(labels={"release": "prometheus"}).blueprint())
    assert body is not None
    assert body["spec"]["selector"]["matchLabels"] == labels.default_pair("tide")
    assert body["metadata"]["labels"]["release"] == "prometheus"
    assert labels.default_pair("tide").items() <= body["metadata"]["labels"].items()


POD = {
    "app_kubernetes_io_part_of": "tide",
    "grove_io_podcliqueset_replica_index": "1",
    "grove_io_podgang": "tide-1-crew-0",
    "grove_io_podcliquescalinggroup": "tide-1-crew",
    "grove_io_podcliquescalinggroup_replica_index": "2",
    "grove_io_podclique": "tide-1-crew-2-lead",
    "grove_io_podclique_pod_index": "3",
}


def relabelled(rules: list[dict[str, Any]], pod: dict[str, str]) -> dict[str, str] | None:
    """What Prometheus makes of a pod's labels; None if it drops the pod."""
    source = {f"__meta_kubernetes_pod_label_{key}": value for key, value in pod.items()}
    made: dict[str, str] = {}
    for rule in rules:
        value = ";".join(source.get(name, "") for name in rule["sourceLabels"])
        match = re.fullmatch(rule.get("regex", "(.*)"), value)
        if rule["action"] == "keep" and not match:
            return None
        if rule["action"] == "replace" and match:
            made[rule["targetLabel"]] = rule.get("replacement", value)
    return made


def test_samples_carry_the_place_and_role_of_their_pod() -> None:
    http = spec(a_fleet())["podMetricsEndpoints"][1]
    assert relabelled(http["relabelings"], POD) == {
        "grove_set": "tide",
        "grove_replica": "1",
        "grove_gang": "tide-1-crew-0",
        "grove_group": "tide-1-crew",
        "grove_group_replica": "2",
        "grove_clique": "tide-1-crew-2-lead",
        "grove_pod_index": "3",
        "grove_role": "prefill",
    }


def test_no_pod_is_scraped_twice() -> None:
    """The router has both ports and is scraped at one of them."""
    router = {"grove_io_podclique": "tide-0-router"}
    endpoints = spec(a_fleet())["podMetricsEndpoints"]
    scraped = [item["port"] for item in endpoints if relabelled(item["relabelings"], router)]
    assert scraped == ["metrics"]


@pytest.mark.parametrize("clique", ["tide-0-crew-0-oar", "tide-0-router-x", "other-0-crew-0-lead"])
def test_pods_of_other_cliques_are_not_scraped(clique: str) -> None:
    for endpoint in spec(a_fleet())["podMetricsEndpoints"]:
        assert relabelled(endpoint["relabelings"], {"grove_io_podclique": clique}) is None
