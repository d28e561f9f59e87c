"""The chart with the real image: two replicas, webhooks through their Service, a leader lost."""

from collections.abc import Iterator

import pytest

from tests.charts.helm import NAMESPACE, Helm
from tests.containers.conftest import TAG, Ground, shell
from tests.integration.sets import Body, a_clique, a_set
from tools.localcluster import ClusterError

DEPLOYMENT = "deployment/grove-operator"
WHY = f"exec -n {NAMESPACE} {DEPLOYMENT} -c grove-operator -- kubectl-grove why -A"
VALUES = {"image": {"repository": "localhost/grove-operator", "tag": TAG}}


@pytest.fixture
def installed(ground: Ground, helm: Helm) -> Iterator[Helm]:
    ground.cluster.kubectl("create", "namespace", NAMESPACE)
    helm.install(VALUES)
    yield helm
    ground.cluster.kubectl("delete", "namespace", NAMESPACE)


def test_installed_used_without_its_leader_and_taken_away(ground: Ground, installed: Helm) -> None:
    assert _replicas(ground) == 2
    _reaches_available(ground, "first")
    _starts_in_order(ground)
    told = ground.cluster.kubectl(*WHY.split())
    assert f"{ground.namespace}: PodCliqueSet first runs: 2 of 2 pods ready" in told
    # Through the Service and with a certificate that the API server trusts.
    wrong = a_set("wrong", [a_clique("crew", replicas=1, minimum=2)])
    with pytest.raises(ClusterError, match="minAvailable"):
        ground.apply(wrong)
    leader = _leader(ground)
    ground.cluster.kubectl("-n", NAMESPACE, "delete", "pod", leader)
    _reaches_available(ground, "second")
    assert _leader(ground) != leader
    installed.upgrade({**VALUES, "podAnnotations": {"changed": "yes"}})
    _reaches_available(ground, "third")
    before = _pod_uids(ground)
    installed.uninstall()
    assert _pod_uids(ground) == before, "workloads outlive the operator"


def _real(body: Body) -> Body:
    for clique in body["spec"]["template"]["cliques"]:
        clique["spec"]["podSpec"]["containers"] = [
            {"name": "main", **shell("while true; do sleep 1; done")}
        ]
        clique["spec"]["podSpec"]["terminationGracePeriodSeconds"] = 0
    return body


def _reaches_available(ground: Ground, name: str) -> None:
    ground.apply(_real(a_set(name, [a_clique("crew", replicas=2)])))
    ground.wait("jsonpath={.status.availableReplicas}=1", f"podcliqueset/{name}", patience=90)


def _starts_in_order(ground: Ground) -> None:
    """By the waiter's image that the chart takes from where it has the operator's."""
    body = _real(a_set("line", [a_clique("lead"), a_clique("crew")]))
    body["spec"]["template"]["cliqueStartupType"] = "CliqueStartupTypeInOrder"
    ground.apply(body)
    ground.wait("jsonpath={.status.availableReplicas}=1", "podcliqueset/line", patience=90)
    [pod] = ground.get("pods", "-l", "grove.io/podclique=line-0-crew")["items"]
    [waiter] = pod["spec"]["initContainers"]
    assert waiter["image"] == ground.initc.name


def _replicas(ground: Ground) -> int:
    status = ground.get("-n", NAMESPACE, DEPLOYMENT)["status"]
    ready: int = status["readyReplicas"]
    return ready


def _leader(ground: Ground) -> str:
    """The pod that holds the lease: an identity begins with its host's name."""
    [lease] = [
        lease
        for lease in ground.get("-n", NAMESPACE, "leases")["items"]
        if "grove" in lease["metadata"]["name"]
    ]
    holder: str = lease["spec"]["holderIdentity"]
    return holder.partition("_")[0]


def _pod_uids(ground: Ground) -> set[str]:
    return {pod["metadata"]["uid"] for pod in ground.get("pods")["items"]}
