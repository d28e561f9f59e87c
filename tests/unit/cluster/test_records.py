"""Decoding: every field that planning reads, from what the API server sends."""

import json
from typing import Any

import pytest

from grove_operator.cluster.records import (
    DECODERS,
    decode_child,
    decode_clique,
    decode_group,
    decode_pod,
    decode_scheduler_group,
)
from grove_operator.observed import Kind, Pod


def pod(**parts: Any) -> Pod:
    body = {"metadata": {"name": "p", "uid": "u", "resourceVersion": "7"}, "spec": {}}
    return decode_pod(json.dumps(body | parts).encode())


def condition(type_: str, status: str, **more: str) -> dict[str, str]:
    return {"type": type_, "status": status, **more}


def status(*conditions: dict[str, str], **more: Any) -> dict[str, Any]:
    return {"conditions": list(conditions), **more}


FAILED = {"ready": False, "lastState": {"terminated": {"exitCode": 137}}}
ENDED_WELL = {"ready": False, "lastState": {"terminated": {"exitCode": 0}}}
STARTED = {"ready": False, "started": True}
READY = condition("Ready", "True")

PODS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "without a status": ({}, {"ready": False, "scheduled": False, "phase": ""}),
    "ready": ({"status": status(READY, phase="Running")}, {"ready": True, "phase": "Running"}),
    "not ready": ({"status": status(condition("Ready", "False"))}, {"ready": False}),
    "placed, by its condition": (
        {"status": status(condition("PodScheduled", "True"))},
        {"scheduled": True},
    ),
    "placed, by its node": ({"spec": {"nodeName": "n"}}, {"scheduled": True, "node": "n"}),
    "not placeable": (
        {
            "status": status(
                condition("PodScheduled", "False", reason="Unschedulable", message="no")
            )
        },
        {"scheduled": False, "verdict": "no"},
    ),
    "gated": (
        {
            "spec": {"schedulingGates": [{"name": "a"}, {"name": "b"}]},
            "status": status(condition("PodScheduled", "False", reason="SchedulingGated")),
        },
        {"gates": ("a", "b"), "verdict": ""},
    ),
    "failing": ({"status": {"containerStatuses": [FAILED]}}, {"failing": True}),
    "failing before its main container": (
        {"status": {"initContainerStatuses": [FAILED]}},
        {"failing": True, "started_unready": False},
    ),
    "restarted after a good end": (
        {"status": {"containerStatuses": [ENDED_WELL]}},
        {"failing": False},
    ),
    "started, not ready": ({"status": {"containerStatuses": [STARTED]}}, {"started_unready": True}),
    "ready after a failure": (
        {"status": status(READY, containerStatuses=[FAILED])},
        {"failing": False, "ready": True},
    ),
    "with lists that are null": (
        {"status": {"conditions": None, "containerStatuses": None}},
        {"ready": False},
    ),
}


@pytest.mark.parametrize(("parts", "expected"), PODS.values(), ids=PODS)
def test_a_pod(parts: dict[str, Any], expected: dict[str, Any]) -> None:
    record = pod(**parts)
    assert {key: getattr(record, key) for key in expected} == expected


def test_metadata() -> None:
    owners = [
        {"uid": "x", "name": "other", "controller": False},
        {"uid": "o", "name": "owner", "controller": True},
    ]
    meta = pod(
        metadata={
            "name": "p",
            "namespace": "harbor",
            "uid": "u",
            "resourceVersion": "12345678901",
            "generation": 4,
            "creationTimestamp": "2026-01-01T00:00:00Z",
            "deletionTimestamp": "2026-01-02T00:00:00Z",
            "labels": {"a": "1"},
            "annotations": {"b": "2"},
            "finalizers": ["f"],
            "ownerReferences": owners,
        }
    ).meta
    assert (meta.namespace, meta.name, meta.uid) == ("harbor", "p", "u")
    assert (meta.version, meta.generation, meta.deleting) == (12345678901, 4, True)
    assert (meta.labels, meta.annotations, meta.finalizers) == ({"a": "1"}, {"b": "2"}, ("f",))
    assert (meta.owner_uid, meta.owner_name) == ("o", "owner")


def test_a_clique_keeps_its_count_apart_from_its_spec() -> None:
    spec = {
        "roleName": "r",
        "replicas": 3,
        "minAvailable": 2,
        "startsAfter": ["x"],
        "podSpec": {"containers": [{"name": "a"}]},
        "autoScalingConfig": {"maxReplicas": 9},
    }
    body = {"metadata": {"name": "c"}, "spec": spec, "status": {"replicas": 3}}
    record = decode_clique(json.dumps(body).encode())
    assert record.replicas == 3
    assert record.spec == {key: value for key, value in spec.items() if key != "replicas"}
    assert record.status == {"replicas": 3}


def test_equal_pod_specs_are_one_object() -> None:
    body = json.dumps({"metadata": {"name": "c"}, "spec": {"podSpec": {"containers": []}}}).encode()
    assert decode_clique(body).spec["podSpec"] is decode_clique(body).spec["podSpec"]


def test_a_clique_at_zero() -> None:
    assert decode_clique(b'{"metadata":{"name":"c"},"spec":{"roleName":"r"}}').replicas == 0


def test_a_group() -> None:
    body = {
        "metadata": {"name": "g"},
        "spec": {"replicas": 0, "minAvailable": 2, "cliqueNames": ["a", "b"]},
    }
    record = decode_group(json.dumps(body).encode())
    assert (record.replicas, record.min_available, record.clique_names) == (0, 2, ("a", "b"))


def test_a_child_keeps_all_but_its_envelope() -> None:
    body = {
        "apiVersion": "v1",
        "kind": "X",
        "metadata": {"name": "x", "resourceVersion": "3"},
        "spec": {"a": 1},
        "rules": [],
        "status": {"phase": "Running"},
    }
    record = decode_child(json.dumps(body).encode())
    assert record.body == {"spec": {"a": 1}, "rules": []}
    assert record.status == {"phase": "Running"}


def test_of_what_a_scheduler_says_neither_time_nor_number_of_tries_counts() -> None:
    said = {
        "type": "UnschedulableOnNodePool",
        "nodePool": "default",
        "status": "True",
        "transitionID": "17",
        "lastTransitionTime": "2026-03-01T10:00:00Z",
        "reasons": [{"reason": "Unschedulable", "message": "no GPUs", "details": {"x": 1}}],
    }
    status = {"phase": "Pending", "running": 3, "schedulingConditions": [said]}
    body = {"metadata": {"name": "x", "resourceVersion": "3"}, "spec": {}, "status": status}
    record = decode_scheduler_group(json.dumps(body).encode())
    kept = {key: said[key] for key in ("type", "nodePool", "status")}
    reasons = [{"reason": "Unschedulable", "message": "no GPUs"}]
    assert record.status == {"schedulingConditions": [kept | {"reasons": reasons}]}


def test_every_kind_of_a_set_has_a_decoder_but_the_one_that_is_never_read() -> None:
    assert set(DECODERS) == set(Kind) - {Kind.SECRET, Kind.TOPOLOGY_BINDING}
