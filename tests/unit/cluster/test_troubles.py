"""What is said of a pod that is not ready, and that it stays the same from round to round."""

import json
from typing import Any

import pytest

from grove_operator.cluster.records import decode_pod
from grove_operator.observed import Pod

NOT_READY = {"type": "Ready", "status": "False", "lastTransitionTime": "2026-01-01T00:00:00Z"}


def pod(**status: Any) -> Pod:
    body = {
        "metadata": {"name": "p", "uid": "u", "resourceVersion": "7"},
        "spec": {"nodeName": "n"},
        "status": {"conditions": [NOT_READY]} | status,
    }
    return decode_pod(json.dumps(body).encode())


def waiting(reason: str, message: str = "", **more: Any) -> dict[str, Any]:
    state = {"waiting": {"reason": reason, "message": message}}
    return {"name": "main", "image": "harbor:9", "state": state} | more


def ended(code: int, reason: str = "Error", at: str = "2026-01-01T00:00:09Z") -> dict[str, Any]:
    return {"terminated": {"exitCode": code, "reason": reason, "finishedAt": at}}


def running(**more: Any) -> dict[str, Any]:
    return {
        "name": "main",
        "state": {"running": {"startedAt": "2026-01-01T00:00:05Z"}},
        "started": True,
    } | more


TROUBLES: dict[str, tuple[dict[str, Any], str]] = {
    "nothing known yet": ({}, ""),
    "containers being made": ({"containerStatuses": [waiting("ContainerCreating")]}, ""),
    "waiting for init containers": ({"containerStatuses": [waiting("PodInitializing")]}, ""),
    "running, not yet ready": ({"containerStatuses": [running()]}, ""),
    "restarted after a good end": (
        {"containerStatuses": [running(lastState=ended(0, "Completed"), restartCount=1)]},
        "",
    ),
    "an init container that has done its work": (
        {"initContainerStatuses": [{"name": "init", "state": ended(0, "Completed")}]},
        "",
    ),
    "image being refused": (
        {"containerStatuses": [waiting("ErrImagePull", "harbor:9: not found")]},
        "ImagePullBackOff: container main: harbor:9: not found",
    ),
    "image refused, waiting to try again": (
        {
            "containerStatuses": [
                waiting(
                    "ImagePullBackOff",
                    'Back-off pulling image "harbor:9": ErrImagePull: harbor:9: not found',
                )
            ]
        },
        "ImagePullBackOff: container main: harbor:9: not found",
    ),
    "image without a word": (
        {"containerStatuses": [waiting("ErrImagePull")]},
        "ImagePullBackOff: container main: harbor:9",
    ),
    "image name that is none": (
        {"containerStatuses": [waiting("InvalidImageName", "couldn't parse")]},
        "InvalidImageName: container main: couldn't parse",
    ),
    "missing config map": (
        {"containerStatuses": [waiting("CreateContainerConfigError", 'configmap "a" not found')]},
        'CreateContainerConfigError: container main: configmap "a" not found',
    ),
    "long message": (
        {"containerStatuses": [waiting("RunContainerError", "x\n" * 500)]},
        f"RunContainerError: container main: {'x ' * 91}x…",
    ),
    "first crash, down": (
        {"containerStatuses": [{"name": "main", "state": ended(3)}]},
        "ContainerFailed: container main ended with exit code 3",
    ),
    "first crash, up again": (
        {"containerStatuses": [running(lastState=ended(3), restartCount=1)]},
        "ContainerFailed: container main ended with exit code 3",
    ),
    "crash loop, waiting": (
        {
            "containerStatuses": [
                waiting("CrashLoopBackOff", "back-off 40s", lastState=ended(3), restartCount=3)
            ]
        },
        "CrashLoopBackOff: container main ended with exit code 3",
    ),
    "crash loop, running": (
        {"containerStatuses": [running(lastState=ended(3), restartCount=3)]},
        "CrashLoopBackOff: container main ended with exit code 3",
    ),
    "crash loop, just ended": (
        {
            "containerStatuses": [
                {"name": "main", "state": ended(3), "lastState": ended(3), "restartCount": 3}
            ]
        },
        "CrashLoopBackOff: container main ended with exit code 3",
    ),
    "crash loop of a container that ends well": (
        {
            "containerStatuses": [
                waiting("CrashLoopBackOff", lastState=ended(0, "Completed"), restartCount=3)
            ]
        },
        "CrashLoopBackOff: container main ended with exit code 0",
    ),
    "out of memory": (
        {"containerStatuses": [waiting("CrashLoopBackOff", lastState=ended(137, "OOMKilled"))]},
        "CrashLoopBackOff: container main ended with exit code 137 (OOMKilled)",
    ),
    "init container crashes, before the main one": (
        {
            "initContainerStatuses": [{"name": "init", "state": ended(1)}],
            "containerStatuses": [waiting("ErrImagePull", "x")],
        },
        "ContainerFailed: container init ended with exit code 1",
    ),
    "evicted": (
        {"phase": "Failed", "reason": "Evicted", "message": "The node was low on resource: memory"},
        "Evicted: The node was low on resource: memory",
    ),
    "failed by its container": (
        {"phase": "Failed", "containerStatuses": [{"name": "main", "state": ended(2)}]},
        "Failed: ContainerFailed: container main ended with exit code 2",
    ),
    "failed without a word": ({"phase": "Failed"}, "Failed: no container tells why"),
    "node lost": (
        {"phase": "Running", "reason": "NodeLost", "message": "Node n is unresponsive"},
        "NodeLost: Node n is unresponsive",
    ),
    "succeeded": (
        {
            "phase": "Succeeded",
            "containerStatuses": [{"name": "main", "state": ended(0, "Completed")}],
        },
        "",
    ),
}


@pytest.mark.parametrize(("status", "expected"), TROUBLES.values(), ids=TROUBLES)
def test_the_trouble_of_a_pod(status: dict[str, Any], expected: str) -> None:
    assert pod(**status).trouble == expected


def test_a_ready_pod_has_no_trouble_whatever_it_went_through() -> None:
    ready = NOT_READY | {"status": "True"}
    record = pod(
        conditions=[ready], containerStatuses=[running(lastState=ended(3), restartCount=9)]
    )
    assert (record.trouble, record.ready_since) == ("", "2026-01-01T00:00:00Z")
    assert record.running_since == ""


TIMES: dict[str, tuple[dict[str, Any], str, str]] = {
    "running": ({"phase": "Running", "containerStatuses": [running()]}, "", "2026-01-01T00:00:05Z"),
    "one container does not run": (
        {"phase": "Running", "containerStatuses": [running(), waiting("ContainerCreating")]},
        "",
        "",
    ),
    "failed, by the last container": (
        {
            "phase": "Failed",
            "containerStatuses": [
                {"name": "a", "state": ended(1, at="2026-01-01T00:00:02Z")},
                {"name": "b", "state": ended(1, at="2026-01-01T00:00:03Z")},
            ],
        },
        "2026-01-01T00:00:03Z",
        "",
    ),
    "evicted before it ran": (
        {"phase": "Failed", "reason": "Evicted"},
        "2026-01-01T00:00:00Z",
        "",
    ),
}


@pytest.mark.parametrize(("status", "end", "since"), TIMES.values(), ids=TIMES)
def test_times(status: dict[str, Any], end: str, since: str) -> None:
    record = pod(**status)
    assert (record.ended, record.running_since, record.ready_since) == (end, since, "")
