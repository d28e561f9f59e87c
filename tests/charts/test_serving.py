"""What a release runs, run: the containers' own arguments, configuration, environment and rights.

KWOK's pods do not serve, so the webhooks are reached by URL instead of through the Service; nothing
else is changed. The same values go through an upgrade with workloads running.
"""

import io
import json
import subprocess
import tarfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

import pytest

from tests.charts.clusters import Site, site
from tests.charts.helm import NAMESPACE
from tests.charts.pods import Container, account_kubeconfig, containers
from tests.charts.valuesets import Values
from tests.integration.sets import a_clique, a_set, is_available
from tests.support.operator import free_ports
from tests.support.privileges import USER, Ledger
from tools.chart import CHART
from tools.localcluster import ClusterError

Body = dict[str, Any]

pytestmark = pytest.mark.cluster

HOST: Final = "127.0.0.1"
PATIENCE: Final = 60.0
ROOT: Final = CHART.parents[1]
INSIDE: Final = CHART.relative_to(ROOT).as_posix()
HOOKS: Final = {
    "mutatingwebhookconfiguration": ("podcliqueset-defaulting-webhook",),
    "validatingwebhookconfiguration": (
        "podcliqueset-validating-webhook",
        "clustertopology-validating-webhook",
    ),
}


def values_for(ports: list[int], log_level: str = "info") -> Values:
    """Free ports, as this machine is shared, and a certificate for the address of the URL."""
    webhooks, health, metrics, webhook_health, webhook_metrics = ports
    return {
        "config": {
            "logLevel": log_level,
            "server": {
                "webhooks": {"port": webhooks, "extraNames": [HOST]},
                "healthProbes": {"port": health},
                "metrics": {"port": metrics},
            },
        },
        "webhook": {
            "healthProbes": {"port": webhook_health},
            "metrics": {"port": webhook_metrics},
        },
    }


@pytest.fixture(scope="module")
def ground(
    helm_binary: Path, control_plane_binaries: object, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    del control_plane_binaries
    with site(helm_binary, tmp_path_factory.mktemp("serving")) as made:
        yield made


@pytest.fixture
def released(ground: Site) -> Iterator[Site]:
    yield ground
    ground.cluster.kubectl("delete", "podcliqueset", "--all", "--wait=false", "--ignore-not-found")
    ground.helm.uninstall()


@contextmanager
def running(
    ground: Site, folder: Path, port: int, code: Path = ROOT
) -> Iterator[dict[str, Container]]:
    """The processes of the installed release, and its webhooks led to them."""
    kubeconfig = account_kubeconfig(ground.cluster, "grove-operator", ground.folder)
    found = containers(ground.helm.manifest(), folder, kubeconfig, code)
    with ExitStack() as stack:
        for container in found.values():
            stack.enter_context(container)
        with by_url(ground, port):
            yield found


@contextmanager
def by_url(ground: Site, port: int) -> Iterator[None]:
    """As long as this lasts; helm must find what it left."""
    services: dict[tuple[str, str], Body] = {}
    for kind, names in HOOKS.items():
        for name in names:
            client = hook(ground, kind, name)
            services[kind, name] = client["service"]
            url = f"https://{HOST}:{port}{client['service']['path']}"
            redirect(ground, kind, name, ("service", "url", url))
    until(lambda: all(hook(ground, *key).get("caBundle") for key in services), "a caBundle each")
    try:
        yield
    finally:
        for (kind, name), service in services.items():
            redirect(ground, kind, name, ("url", "service", service))


def hook(ground: Site, kind: str, name: str) -> Body:
    body = json.loads(ground.cluster.kubectl("get", kind, name, "-o", "json"))
    client: Body = body["webhooks"][0]["clientConfig"]
    return client


def redirect(ground: Site, kind: str, name: str, change: tuple[str, str, object]) -> None:
    old, new, value = change
    path = "/webhooks/0/clientConfig"
    patch = [
        {"op": "remove", "path": f"{path}/{old}"},
        {"op": "add", "path": f"{path}/{new}", "value": value},
    ]
    ground.cluster.kubectl("patch", kind, name, "--type=json", "-p", json.dumps(patch))


def until(check: Any, what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not check():
        assert time.monotonic() < deadline, f"not seen after {PATIENCE:g} s: {what}"


def pods(ground: Site) -> dict[str, str]:
    listed = json.loads(ground.cluster.kubectl("get", "pods", "-o", "json"))["items"]
    return {item["metadata"]["name"]: item["metadata"]["uid"] for item in listed}


def available(ground: Site, name: str) -> bool:
    body = json.loads(ground.cluster.kubectl("get", "podcliqueset", name, "-o", "json"))
    return is_available(body)


def test_a_release_admits_and_reconciles(released: Site, tmp_path: Path) -> None:
    ports = free_ports(5)
    released.helm.install(values_for(ports))
    with running(released, tmp_path, ports[0]) as found:
        found["grove-operator"].wait_leading()
        wrong = a_set("wrong", [a_clique("web", 1, minimum=2)])
        with pytest.raises(ClusterError, match=r"minAvailable"):
            released.apply(wrong)
        bare = a_set("good", [a_clique("web", 2)])
        del bare["spec"]["template"]["cliques"][0]["spec"]["minAvailable"]
        released.apply(bare)
        until(lambda: available(released, "good"), "the set is available")
        stored = json.loads(released.cluster.kubectl("get", "podcliqueset", "good", "-o", "json"))
        assert stored["spec"]["template"]["cliques"][0]["spec"]["minAvailable"] == 2
        assert len(pods(released)) == 2
        # Those who mend the cluster are never kept from it.
        released.cluster.kubectl("create", "namespace", "elsewhere")
        with pytest.raises(ClusterError, match=r"minAvailable"):
            released.cluster.kubectl("apply", "-n", "elsewhere", "-f", "-", stdin=json.dumps(wrong))
        released.cluster.kubectl("apply", "-n", NAMESPACE, "-f", "-", stdin=json.dumps(wrong))
        released.cluster.kubectl("delete", "podcliqueset", "wrong", "-n", NAMESPACE)
        assert found["webhook"].metric("grove_operator_admission_reviews_total") >= 3
        remove(released, "good")
    ledger = Ledger()
    ledger.read(released.cluster.audit_log)
    assert ledger.used[USER], "the audit log shows the account of the pods"
    assert ledger.forbidden == [], "the chart's rights are too narrow"


def remove(ground: Site, *sets: str) -> None:
    """Until nothing is left of them."""
    ground.cluster.kubectl("delete", "podcliqueset", *sets, "--timeout=60s")
    until(lambda: not pods(ground), "no pods")


def first_chart(folder: Path) -> Path:
    """Chart and code of the commit that brought the chart, from the project's own history."""
    log = ["log", "--diff-filter=A", "--format=%H", "--", f"{INSIDE}/Chart.yaml"]
    commits = git(*log).decode().split()
    if not commits:
        pytest.skip("there is no earlier chart in this copy's history")
    content = git("archive", commits[-1], INSIDE, "grove_operator")
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        archive.extractall(folder, filter="data")
    return folder


def git(*arguments: str) -> bytes:
    done = subprocess.run(["git", "-C", ROOT, *arguments], capture_output=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"no history to take an earlier chart from: {done.stderr.decode().strip()}")
    return done.stdout


@pytest.fixture(params=["this chart", "the first chart"])
def old(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Where chart and code of the release before the upgrade are."""
    return ROOT if request.param == "this chart" else first_chart(tmp_path / "first")


def test_an_upgrade_leaves_pods_of_workloads_alone(
    old: Path, released: Site, tmp_path: Path
) -> None:
    ports = free_ports(5)
    released.helm.install(values_for(ports), old / INSIDE)
    name = "kept"
    with running(released, tmp_path / "before", ports[0], old):
        released.apply(a_set(name, [a_clique("web", 2), a_clique("worker", 1)]))
        until(lambda: available(released, name), "the set is available")
    before = pods(released)
    assert len(before) == 3
    released.helm.upgrade(values_for(ports, "debug"))
    with running(released, tmp_path / "after", ports[0]) as found:
        found["grove-operator"].wait_leading()
        # When something that is asked for now is there, what came before has been looked at.
        released.apply(a_set(f"{name}-later", [a_clique("web", 1)]))
        until(lambda: available(released, f"{name}-later"), "the later set is available")
        assert {key: value for key, value in pods(released).items() if key in before} == before
        assert available(released, name)
        remove(released, name, f"{name}-later")
