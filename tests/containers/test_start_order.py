"""Start orders by the times at which real containers started, with the image of the waiter."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.containers.conftest import Body, Ground, shell
from tests.integration.sets import a_clique, a_group, a_set
from tests.support.operator import OperatorProcess
from tools.demo.crds import install_crds

FOR_EVER = "while true; do sleep 1; done"
SLOW = {
    **shell(f"sleep 3; touch /tmp/go; {FOR_EVER}"),
    "readinessProbe": {"exec": {"command": ["test", "-e", "/tmp/go"]}, "periodSeconds": 1},
}
PROMPT = shell(FOR_EVER)
CRASHES_ONCE = {
    **shell(f"test -e /data/ran || {{ touch /data/ran; exit 3; }}; {FOR_EVER}"),
    "volumeMounts": [{"name": "data", "mountPath": "/data"}],
}
CLIQUE = "grove.io/podclique"


@pytest.fixture
def operator(ground: Ground, tmp_path: Path) -> Iterator[OperatorProcess]:
    """On the host: the chart has a test of its own."""
    install_crds(ground.cluster)
    image = {"GROVE_INIT_CONTAINER_IMAGE": ground.initc.name}
    with OperatorProcess(ground.cluster.kubeconfig, tmp_path, **image) as process:
        yield process


def ordered(kind: str, body: Body, **containers: Body) -> Body:
    template = body["spec"]["template"]
    template["cliqueStartupType"] = f"CliqueStartupType{kind}"
    for clique in template["cliques"]:
        clique["spec"]["podSpec"] = {
            "containers": [{"name": "main", **containers[clique["name"]]}],
            "terminationGracePeriodSeconds": 0,
            "volumes": [{"name": "data", "emptyDir": {}}],
        }
    return body


def is_available(ground: Ground, name: str) -> None:
    ground.wait("jsonpath={.status.availableReplicas}=1", f"podcliqueset/{name}", patience=90)


def pods_of(ground: Ground, clique: str) -> list[Body]:
    found: list[Body] = ground.get("pods", "-l", f"{CLIQUE}={clique}")["items"]
    return found


def started(pod: Body) -> datetime:
    state: dict[str, Any] = pod["status"]["containerStatuses"][0]["state"]
    return _time(state["running"]["startedAt"])


def ready(pod: Body) -> datetime:
    found = {item["type"]: item for item in pod["status"]["conditions"]}
    return _time(found["Ready"]["lastTransitionTime"])


def _time(text: str) -> datetime:
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)


def check_order(ground: Ground, child: str, *parents: str) -> None:
    """Kubernetes tells times by the second; the parents take three to become ready."""
    there = [ready(pod) for parent in parents for pod in pods_of(ground, parent)]
    times = [started(pod) for pod in pods_of(ground, child)]
    assert there
    assert times
    assert max(there) <= min(times), f"{child}: {times}, {parents}: {there}"
    first = min(started(pod) for parent in parents for pod in pods_of(ground, parent))
    assert (min(times) - first).total_seconds() >= 2, f"{child} did not wait"


def test_in_order_with_a_crash_and_an_update(ground: Ground, operator: OperatorProcess) -> None:
    """The crash costs one restart of one container; the update goes through in the same order."""
    del operator
    body = a_set("line", [a_clique("a", 2), a_clique("b", 2), a_clique("c")])
    ground.apply(ordered("InOrder", body, a=SLOW, b=CRASHES_ONCE, c=PROMPT))
    is_available(ground, "line")
    ground.wait("condition=Ready", "pod", "--all", patience=60)
    for pod in pods_of(ground, "line-0-b"):
        assert pod["status"]["containerStatuses"][0]["restartCount"] == 1
        assert pod["status"]["initContainerStatuses"][0]["restartCount"] == 0
    check_order(ground, "line-0-c", "line-0-a")
    check_order(ground, "line-0-b", "line-0-a")
    before = {pod["metadata"]["uid"] for pod in pods_of(ground, "line-0-b")}
    path = "/spec/template/cliques/1/spec/podSpec/containers/0/env"
    patch = f'[{{"op": "add", "path": "{path}", "value": [{{"name": "NEW", "value": "1"}}]}}]'
    ground.kubectl("patch", "podcliqueset", "line", "--type=json", "-p", patch)
    ground.wait("jsonpath={.status.updateProgress.updateEndedAt}", "pcs/line", patience=90)
    after = {pod["metadata"]["uid"] for pod in pods_of(ground, "line-0-b")}
    assert len(after) == 2
    assert not before & after
    ground.wait("jsonpath={.status.updatedReplicas}=1", "pcs/line", patience=60)


def test_explicit_across_a_group(ground: Ground, operator: OperatorProcess) -> None:
    del operator
    cliques = [
        a_clique("oar", startsAfter=["lead", "gate"]),
        a_clique("lead"),
        a_clique("gate"),
    ]
    body = a_set("tide", cliques, [a_group("crew", ["lead", "oar"], 2, 1)])
    ground.apply(ordered("Explicit", body, gate=SLOW, lead=SLOW, oar=PROMPT))
    is_available(ground, "tide")
    ground.wait("condition=Ready", "pod", "--all", patience=60)
    check_order(ground, "tide-0-crew-0-oar", "tide-0-crew-0-lead", "tide-0-gate")
    check_order(ground, "tide-0-crew-1-oar", "tide-0-crew-1-lead")
