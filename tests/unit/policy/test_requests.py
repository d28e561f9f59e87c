"""What a pod takes of a node."""

from typing import Any

import pytest

from grove_operator.policy.requests import claims_of, pod_requests


def container(cpu: str | None = None, limit: str | None = None, **more: Any) -> dict[str, Any]:
    resources: dict[str, Any] = {}
    if cpu is not None:
        resources["requests"] = {"cpu": cpu}
    if limit is not None:
        resources["limits"] = {"cpu": limit}
    return {"resources": resources} | more


SIDECAR = {"restartPolicy": "Always"}
CASES: dict[str, tuple[dict[str, Any], int]] = {
    "nothing asked for": ({"containers": [{}]}, 0),
    "a request": ({"containers": [container("1")]}, 1000),
    "a limit is a request": ({"containers": [container(limit="2")]}, 2000),
    "a request below its limit": ({"containers": [container("1", "2")]}, 1000),
    "containers run together": ({"containers": [container("1"), container("2")]}, 3000),
    "initialization needs more": (
        {"containers": [container("1")], "initContainers": [container("4"), container("3")]},
        4000,
    ),
    "sidecars stay": (
        {"containers": [container("1")], "initContainers": [container("2", **SIDECAR)]},
        3000,
    ),
    "initialization beside a sidecar": (
        {
            "containers": [container("1")],
            "initContainers": [container("2", **SIDECAR), container("3")],
        },
        5000,
    ),
    "overhead": ({"containers": [container("1")], "overhead": {"cpu": "250m"}}, 1250),
    "for the pod as a whole": (
        {"containers": [container("1")], "resources": {"requests": {"cpu": "3"}}},
        3000,
    ),
}


def test_claims() -> None:
    volumes = [{"name": "a", "persistentVolumeClaim": {"claimName": "x"}}, {"name": "b"}]
    devices = [{"resourceClaimName": "y"}, {"resourceClaimTemplateName": "z"}, {}]
    assert claims_of({"volumes": volumes, "resourceClaims": devices}) == ("x", "y", "z")
    assert claims_of({}) == ()


@pytest.mark.parametrize(("pod_spec", "cpu"), CASES.values(), ids=CASES)
def test_a_pod(pod_spec: dict[str, Any], cpu: int) -> None:
    requests = pod_requests(pod_spec)
    assert (requests.get("cpu", 0), requests["pods"]) == (cpu, 1)
