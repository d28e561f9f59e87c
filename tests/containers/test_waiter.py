"""The waiter's image as the init container of a pod, mounted as Grove mounts it."""

import json
from typing import Any

from tests.containers.conftest import Body, Ground, a_pod, shell

ACCOUNT = "demo"
SECRET = "demo-ic-sat"  # a Secret's name, nothing secret
GANG = "demo-0"


def access(namespace: str) -> list[Body]:
    """Account, rights and token of a set, with Grove's names."""
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "grove.io:pcs:demo"}
    annotations = {"kubernetes.io/service-account.name": ACCOUNT}
    rbac = "rbac.authorization.k8s.io/v1"
    return [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": ACCOUNT}},
        {
            "apiVersion": rbac,
            "kind": "Role",
            "metadata": {"name": role["name"]},
            "rules": [
                {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list", "watch"]}
            ],
        },
        {
            "apiVersion": rbac,
            "kind": "RoleBinding",
            "metadata": {"name": role["name"]},
            "roleRef": role,
            "subjects": [{"kind": "ServiceAccount", "name": ACCOUNT, "namespace": namespace}],
        },
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "type": "kubernetes.io/service-account-token",
            "metadata": {"name": SECRET, "annotations": annotations},
        },
    ]


def a_member(name: str, clique: str, container: Body, **spec: Any) -> Body:
    pod = a_pod(name, container, **spec)
    pod["metadata"]["labels"] = {"grove.io/podgang": GANG, "grove.io/podclique": clique}
    return pod


def waiting_for(image: str, *parents: str) -> Body:
    """What a pod that starts after others has besides its own containers."""
    label = {"fieldPath": "metadata.labels['grove.io/podgang']"}
    facts = [
        {"path": "namespace", "fieldRef": {"fieldPath": "metadata.namespace"}},
        {"path": "podgangname", "fieldRef": label},
    ]
    mounts = {
        "pod-info-vol": "/var/grove/pod-info",
        "sa-token-secret-vol": "/var/run/secrets/kubernetes.io/serviceaccount",
    }
    return {
        "volumes": [
            {"name": "sa-token-secret-vol", "secret": {"secretName": SECRET}},
            {"name": "pod-info-vol", "downwardAPI": {"items": facts}},
        ],
        "initContainers": [
            {
                "name": "grove-initc",
                "image": image,
                "args": [f"--podcliques={parent}" for parent in parents],
                "volumeMounts": [
                    {"name": name, "mountPath": path, "readOnly": True}
                    for name, path in mounts.items()
                ],
            }
        ],
    }


def test_a_pod_starts_after_its_parents_are_ready(ground: Ground) -> None:
    probe = {"exec": {"command": ["test", "-e", "/tmp/go"]}, "periodSeconds": 1}
    parent = {**shell("while true; do sleep 1; done"), "readinessProbe": probe}
    extra = waiting_for(ground.initc.name, "demo-0-lead:1")
    ground.apply(
        *access(ground.namespace),
        a_member("lead", "demo-0-lead", parent, terminationGracePeriodSeconds=0),
        a_member("lead-er", "demo-0-lead-er", shell("while true; do sleep 1; done")),
        a_member("crew", "demo-0-crew", shell("true"), **extra),
    )
    # The other clique's pod is ready, and its name begins like the parent's.
    ground.wait("condition=Ready", "pod/lead-er")
    ground.wait("jsonpath={.status.initContainerStatuses[0].started}=true", "pod/crew")
    assert ground.get("pod", "crew")["status"]["phase"] == "Pending"
    ground.kubectl("exec", "lead", "--", "touch", "/tmp/go")
    ground.wait("jsonpath={.status.phase}=Succeeded", "pod/crew")
    lines = ground.kubectl("logs", "crew", "-c", "grove-initc").splitlines()
    assert lines == ["waiting: demo-0-lead has 0 of 1 ready pods", "all parents are ready"]
    assert _ready_at(ground, "lead") <= _init(ground, "crew")["finishedAt"]


def test_a_waiter_ends_at_once_when_its_pod_is_deleted(ground: Ground) -> None:
    extra = waiting_for(ground.initc.name, "demo-0-never:1")
    ground.apply(*access(ground.namespace), a_member("crew", "demo-0-crew", shell("true"), **extra))
    ground.wait("jsonpath={.status.initContainerStatuses[0].started}=true", "pod/crew")
    # Its grace is 30 s; a waiter that were deaf would use all of it.
    ground.kubectl("delete", "pod", "crew", "--timeout=15s")


def _ready_at(ground: Ground, pod: str) -> str:
    conditions = ground.get("pod", pod)["status"]["conditions"]
    when: str = next(c["lastTransitionTime"] for c in conditions if c["type"] == "Ready")
    return when


def _init(ground: Ground, pod: str) -> dict[str, str]:
    status = ground.get("pod", pod)["status"]["initContainerStatuses"][0]
    ended: dict[str, str] = status["state"]["terminated"]
    print(f"\nthe waiter of {pod}: {json.dumps(ended)}")  # noqa: T201  a figure
    return ended
