"""With the authorizer on, only the operator and exempt accounts change a set's children."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.integration.conftest import Stage
from tests.integration.sets import tide
from tests.support.controlplane import Kube, path_of
from tests.support.operator import OperatorProcess
from tests.support.privileges import ACCOUNT, webhook_kubeconfig
from tests.support.webhook import WebhookProcess, register, unregister
from tools.localcluster import ClusterError, LocalCluster

EXEMPT = [
    "system:serviceaccount:kube-system:generic-garbage-collector",
    "system:serviceaccount:kube-system:namespace-controller",
    "system:serviceaccount:kube-system:horizontal-pod-autoscaler",
    "system:kube-controller-manager",
]


@pytest.fixture(scope="module", autouse=True)
def authorizer(
    ground: LocalCluster, admission: WebhookProcess, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[WebhookProcess]:
    environment = {
        "GROVE_AUTHORIZER__ENABLED": "true",
        "GROVE_AUTHORIZER__EXEMPT_SERVICE_ACCOUNT_USER_NAMES": json.dumps(EXEMPT),
        "GROVE_OPERATOR_SERVICE_ACCOUNT_NAME": ACCOUNT,
    }
    folder = tmp_path_factory.mktemp("authorizer")
    kubeconfig = webhook_kubeconfig(ground)
    try:
        with WebhookProcess(kubeconfig, folder, **environment) as process:
            register(ground, process, authorizer=True)
            yield process
            unregister(ground)
    finally:
        unregister(ground)
        register(ground, admission)


@dataclass(frozen=True)
class Somebody:
    """Has every right that RBAC can give, but is not the operator."""

    cluster: LocalCluster
    namespace: str

    def does(self, *arguments: str) -> str:
        """Give what kubectl says, also when it fails."""
        identity = ("--as", "somebody", "--as-group", "system:masters", "-n", self.namespace)
        try:
            return self.cluster.kubectl(*identity, *arguments)
        except ClusterError as error:
            return str(error)

    def patches(self, kind: str, name: str, patch: Any) -> str:
        return self.does("patch", kind, name, "--type=merge", "-p", json.dumps(patch))


DENIED = 'admission webhook "authorizer.webhooks.grove.io" denied the request: admission denied, '
MARK = {"metadata": {"annotations": {"example.org/mark": "1"}}}


async def test_children_are_protected_and_the_set_is_its_owners(
    stage: Stage, operator: OperatorProcess, ground: LocalCluster
) -> None:
    del operator
    await stage.create(tide(autoscaled=True))
    await stage.settled()
    user = Somebody(ground, stage.namespace)
    for kind, name in (
        ("podclique", "tide-0-router"),
        ("podcliquescalinggroup", "tide-0-crew"),
        ("podgang", "tide-0"),
        ("service", "tide-0"),
        ("horizontalpodautoscaler", "tide-0-router"),
    ):
        said = user.patches(kind, name, MARK)
        where = f"{stage.namespace}/{name}"
        assert f"{DENIED}creation/updation of resource: {where} is not allowed" in said
        said = user.does("delete", kind, name)
        assert f"{DENIED}deletion of resource: {where} is not allowed" in said
    pod = stage.seen.of("Pod")[0]["metadata"]["name"]
    assert DENIED in user.patches("pod", pod, MARK)
    without = {"metadata": {"labels": {"app.kubernetes.io/managed-by": None}}}
    assert DENIED in user.patches("podclique", "tide-0-router", without)
    # Scaling, deleting a pod, and whatever is done to the set itself stay everybody's.
    assert "scaled" in user.does("scale", "pclq", "tide-0-router", "--replicas=3")
    stage.live["tide-0-router"] = 3
    assert "deleted" in user.does("delete", "pod", pod, "--wait=false")
    assert "patched" in user.patches("pcs", "tide", MARK)
    await stage.settled()
    await stage.delete("PodCliqueSet", "tide")
    await stage.gone()


async def test_an_annotation_lifts_the_protection(
    stage: Stage, operator: OperatorProcess, ground: LocalCluster
) -> None:
    del operator
    await stage.create(tide(autoscaled=False))
    await stage.settled()
    user = Somebody(ground, stage.namespace)
    key = "grove.io/disable-managed-resource-protection"
    for value, open_now in (("True", False), ("true", True), ("false", False)):
        user.patches("pcs", "tide", {"metadata": {"annotations": {key: value}}})
        said = user.patches("podclique", "tide-0-router", {"metadata": {"labels": {"x": value}}})
        assert ("patched" in said) is open_now, said
    await stage.delete("PodCliqueSet", "tide")
    await stage.gone()


async def test_what_belongs_to_no_set_is_nobodys(
    kube: Kube, namespace: str, ground: LocalCluster
) -> None:
    labels = {"app.kubernetes.io/managed-by": "grove-operator"}
    for name, more in (("a", {}), ("b", {"app.kubernetes.io/part-of": "nothing"})):
        metadata = {"name": name, "labels": labels | more}
        path = path_of("v1", "services", namespace)
        await kube.create(
            path, {"metadata": metadata, "spec": {"clusterIP": "None", "selector": {"a": "b"}}}
        )
    user = Somebody(ground, namespace)
    assert "patched" in user.patches("service", "a", MARK)
    assert "patched" in user.patches("service", "b", MARK)


async def test_without_the_operators_name_it_does_not_start(
    ground: LocalCluster, tmp_path_factory: pytest.TempPathFactory
) -> None:
    process = WebhookProcess(
        ground.kubeconfig, tmp_path_factory.mktemp("nameless"), GROVE_AUTHORIZER__ENABLED="true"
    )
    process.start()
    assert process.wait_ended() == 2
    assert "GROVE_OPERATOR_SERVICE_ACCOUNT_NAME" in process.log.read_text()
