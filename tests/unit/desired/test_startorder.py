"""The init container that waits: where it stands, and that it changes nothing else of the pod."""

from typing import Any

import pytest

from grove_operator.desired.startorder import image_reference, read_needs, tell_needs, with_waiter

IMAGE = "registry.example/grove-initc:1"
AMOUNTS = {"cpu": "2", "memory": "1Gi"}
SIDECAR = {"name": "mesh", "image": "registry.example/mesh:1", "restartPolicy": "Always"}


def a_spec(asks: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    main = {"name": "app", "image": "registry.example/app:1"}
    return {"containers": [main | ({"resources": asks} if asks else {})], **fields}


def waiter_of(spec: dict[str, Any]) -> dict[str, Any]:
    made = with_waiter(spec, "tide", IMAGE, [("tide-0-a", 2), ("tide-0-b", 1)])
    container: dict[str, Any] = made["initContainers"][-1]
    return container


def test_it_comes_last_and_the_users_order_stays() -> None:
    prep = {"name": "prep", "image": "registry.example/prep:1"}
    spec = a_spec(initContainers=[SIDECAR, prep], volumes=[{"name": "data"}])
    made = with_waiter(spec, "tide", IMAGE, [("tide-0-a", 2)])
    assert made["initContainers"][:2] == [SIDECAR, prep]
    assert [item["name"] for item in made["initContainers"]] == ["mesh", "prep", "grove-initc"]
    assert [item["name"] for item in made["volumes"]] == [
        "data",
        "sa-token-secret-vol",
        "pod-info-vol",
    ]
    assert made["volumes"][1]["secret"] == {"secretName": "tide-ic-sat", "defaultMode": 420}
    assert len(spec["initContainers"]) == 2
    assert len(spec["volumes"]) == 1


def test_what_it_waits_for() -> None:
    container = waiter_of(a_spec(initContainers=None, volumes=None))
    assert container["image"] == IMAGE
    assert container["args"] == ["--podcliques=tide-0-a:2", "--podcliques=tide-0-b:1"]
    assert [(item["name"], item["mountPath"]) for item in container["volumeMounts"]] == [
        ("pod-info-vol", "/var/grove/pod-info"),
        ("sa-token-secret-vol", "/var/run/secrets/kubernetes.io/serviceaccount"),
    ]


LIMITED = {"cpu": "100m", "memory": "64Mi"}
MODEST = {"cpu": "10m", "memory": "32Mi"}
SERVICE: dict[str, tuple[dict[str, Any], Any]] = {
    "a guaranteed pod": (a_spec({"limits": AMOUNTS}), {"requests": LIMITED, "limits": LIMITED}),
    "a pod with requests": (a_spec({"requests": {"cpu": "1"}}), {"requests": MODEST}),
    "a pod with one limit": (a_spec({"limits": {"memory": "1Gi"}}), {"requests": MODEST}),
    "a guaranteed pod but for an init container": (
        a_spec({"limits": AMOUNTS}, initContainers=[SIDECAR]),
        {"requests": MODEST},
    ),
    "a pod of best effort": (a_spec(), None),
    "a pod that asks for devices only": (a_spec({"limits": {"nvidia.com/gpu": "1"}}), None),
    "a pod with resources as a whole": (a_spec({"limits": AMOUNTS}, resources=AMOUNTS), None),
}


@pytest.mark.parametrize(("spec", "resources"), SERVICE.values(), ids=SERVICE)
def test_the_quality_of_service_stays(spec: dict[str, Any], resources: Any) -> None:
    assert waiter_of(spec).get("resources") == resources


USERS: dict[str, tuple[Any, Any]] = {
    "nothing said": (None, None),
    "an ordinary user": ({"runAsUser": 1000}, None),
    "root": ({"runAsUser": 0}, 65532),
}


@pytest.mark.parametrize(("context", "user"), USERS.values(), ids=USERS)
def test_it_is_never_root_and_fits_the_restricted_standard(context: Any, user: Any) -> None:
    security = waiter_of(a_spec(securityContext=context))["securityContext"]
    assert security.get("runAsUser") == user
    assert security["runAsNonRoot"] is True
    assert security["allowPrivilegeEscalation"] is False
    assert security["capabilities"] == {"drop": ["ALL"]}
    assert security["seccompProfile"] == {"type": "RuntimeDefault"}


IMAGES = {
    "not configured": ("", ""),
    "a plain name": ("grove-initc", "grove-initc:0.9"),
    "a registry with a port": ("registry:5001/grove-initc", "registry:5001/grove-initc:0.9"),
    "a tag of its own": ("registry:5001/grove-initc:dev", "registry:5001/grove-initc:dev"),
    "a digest": ("grove-initc@sha256:12", "grove-initc@sha256:12"),
}


@pytest.mark.parametrize(("image", "expected"), IMAGES.values(), ids=IMAGES)
def test_the_version_is_the_tag(image: str, expected: str) -> None:
    assert image_reference(image, "0.9") == expected


def test_needs_are_read_as_they_were_told() -> None:
    needs = [("tide-0-a", 2), ("tide-0-crew-0-b", 10)]
    assert list(read_needs(tell_needs(needs)).items()) == needs


LONG = "x:" + "9" * 5000


@pytest.mark.parametrize("text", ["", "x", ":1", "x:", "x:-1", "x:1²", ",,", LONG])
def test_spoilt_needs_say_nothing(text: str) -> None:
    assert read_needs(text) == {}
