"""Shared ResourceClaims and ComputeDomains on the real API server, with the real scheduler."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.conftest import Stage
from tests.integration.devices import DRA, REAL, a_spec, a_template, publish
from tests.integration.sets import Body, a_clique, a_group, a_set, conditions
from tests.support.controlplane import Object, path_of
from tests.support.operator import OperatorProcess
from tests.support.privileges import operator_kubeconfig
from tests.support.webhook import BYPASS
from tools.localcluster import LocalCluster

CRD = Path(__file__).parents[1] / "support" / "manifests" / "computedomain-crd.yaml"
NVIDIA = "resource.nvidia.com/v1beta1"
MISSING = "nowhere.example.org"
"""A device class of which there are no devices."""


@pytest.fixture(scope="module")
def operator(
    ground: LocalCluster, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[OperatorProcess]:
    folder = tmp_path_factory.mktemp("operator")
    kubeconfig = operator_kubeconfig(ground)
    with OperatorProcess(kubeconfig, folder, GROVE_NETWORK__AUTO_MNNVL_ENABLED="true") as process:
        yield process
        assert process.running, process.tail()
        assert process.metric("grove_operator_errors_total", reason="bug") == 0, process.tail()


@pytest.fixture
async def devices(stage: Stage) -> Stage:
    await publish(stage.kube)
    return stage


def shared(name: str, scope: str, **rest: Any) -> Body:
    return {"name": name, "scope": scope, **rest}


def reef(replicas: int = 1, device_class: str = REAL) -> Body:
    """A gate of two pods, and two crews of one pod; claims at all levels, of both scopes."""
    both = [shared("a", "AllReplicas"), shared("p", "PerReplica")]
    gate = a_clique("gate", 2, 1) | {"resourceSharing": both}
    crew = a_group("crew", ["oar"], 2, 1, resourceSharing=both)
    body = a_set("reef", [gate, a_clique("oar")], [crew], replicas)
    template = body["spec"]["template"]
    template["resourceClaimTemplates"] = [
        {"name": name, "templateSpec": a_spec(device_class)} for name in ("a", "p")
    ]
    only = {"childCliqueNames": ["gate"]}
    template["resourceSharing"] = [
        shared("a", "AllReplicas"),
        shared("p", "PerReplica", filter=only),
    ]
    return body


def claims_of(replica: int, pods: int = 2, crews: int = 2) -> list[str]:
    name = f"reef-{replica}"
    return [
        f"{name}-p",
        f"{name}-gate-all-a",
        *(f"{name}-gate-{index}-p" for index in range(pods)),
        f"{name}-crew-all-a",
        *(f"{name}-crew-{index}-p" for index in range(crews)),
    ]


def path(stage: Stage, name: str | None = None) -> str:
    return path_of(DRA, "resourceclaims", stage.namespace, name)


async def until_claims(stage: Stage, names: Iterable[str]) -> dict[str, Object]:
    """The claims by name, once there are exactly these."""
    wanted = set(names)

    def are_there(items: list[Object]) -> bool:
        return {item["metadata"]["name"] for item in items} == wanted

    found = await stage.kube.wait_for(path(stage), are_there, 60)
    return {item["metadata"]["name"]: item for item in found}


async def another(stage: Stage, path: str, before: Object) -> None:
    """Until there is a new object in the place of this one."""
    uid = before["metadata"]["uid"]

    def is_new(item: Object | None) -> bool:
        return item is not None and bool(item["metadata"]["uid"] != uid)

    await stage.kube.wait_for(path, is_new)


def used_by(pod: Object) -> list[str]:
    spec = pod["spec"]
    names = [item["resourceClaimName"] for item in spec.get("resourceClaims") or ()]
    for container in spec["containers"]:
        assert [item["name"] for item in container["resources"].get("claims") or ()] == names
    return names


async def test_claims_of_all_levels(devices: Stage, operator: OperatorProcess) -> None:
    """Made, owned by their level, used by the right pods, which get their devices and run."""
    stage = devices
    await stage.create(reef(2))
    found = await until_claims(stage, ["reef-all-a", *claims_of(0), *claims_of(1)])
    await stage.settled()
    owners = {
        name: (item["metadata"]["ownerReferences"][0]["kind"], len(item["metadata"]["labels"]))
        for name, item in found.items()
    }
    assert owners["reef-all-a"] == ("PodCliqueSet", 3)
    assert owners["reef-1-p"] == ("PodCliqueSet", 4)
    assert owners["reef-1-crew-all-a"] == ("PodCliqueScalingGroup", 4)
    assert owners["reef-1-crew-1-p"] == ("PodCliqueScalingGroup", 5)
    assert owners["reef-1-gate-all-a"] == ("PodClique", 4)
    assert owners["reef-1-gate-1-p"] == ("PodClique", 5)
    used = {
        (labels["grove.io/podclique"], labels["grove.io/podclique-pod-index"]): used_by(pod)
        for pod in stage.seen.of("Pod")
        for labels in [pod["metadata"]["labels"]]
    }
    assert used["reef-1-gate", "1"] == [
        "reef-all-a",
        "reef-1-p",
        "reef-1-gate-all-a",
        "reef-1-gate-1-p",
    ]
    assert used["reef-0-crew-1-oar", "0"] == [
        "reef-all-a",
        "reef-0-crew-all-a",
        "reef-0-crew-1-p",
    ]
    assert told(stage, "reef") == ("True", "NothingInTheWay")
    [group] = [it for it in stage.seen.of("PodGroup") if it["metadata"]["name"] == "reef-1"]
    reserved = [item["resourceClaimName"] for item in group["spec"]["resourceClaims"]]
    assert reserved == ["reef-1-gate-all-a", "reef-1-crew-0-p"]
    assert await holders(stage, "reef-1-gate-all-a") == {("podgroups", "reef-1")}
    assert {kind for kind, _ in await holders(stage, "reef-all-a")} == {"pods"}
    assert {kind for kind, _ in await holders(stage, "reef-1-gate-0-p")} == {"pods"}
    await stage.alone()
    await stage.seen.stays_quiet(2)
    before = operator.writes()
    news = await stage.seen.stays_quiet(8)
    # Kubernetes writes pods and claims in its own time; what the operator writes is counted.
    assert operator.writes() == before, news


async def holders(stage: Stage, claim: str) -> set[tuple[str, str]]:
    """For whom the scheduler has reserved it."""
    found = await stage.kube.get(path(stage, claim))
    return {(item["resource"], item["name"]) for item in found["status"]["reservedFor"]}


async def test_what_is_scaled_in_takes_its_claims_along(
    devices: Stage, operator: OperatorProcess
) -> None:
    del operator
    stage = devices
    await stage.create(reef(2))
    await stage.settled()
    await stage.scale("PodClique", "reef-0-gate", 1)
    await stage.scale("PodCliqueScalingGroup", "reef-0-crew", 1)
    left = claims_of(0, pods=1, crews=1)
    await until_claims(stage, ["reef-all-a", *left, *claims_of(1)])
    await stage.scale("PodCliqueSet", "reef", 1)
    await until_claims(stage, ["reef-all-a", *left])
    await stage.scale("PodClique", "reef-0-gate", 3)
    await until_claims(stage, ["reef-all-a", *claims_of(0, pods=3, crews=1)])
    await stage.settled()
    await stage.delete("PodCliqueSet", "reef")
    await until_claims(stage, [])
    await stage.gone()


async def test_what_somebody_did_to_claims_is_mended(
    stage: Stage, operator: OperatorProcess
) -> None:
    """While the pods wait for devices, nothing protects their claims."""
    del operator
    await stage.create(reef(device_class=MISSING))
    names = ["reef-all-a", *claims_of(0)]
    before = await until_claims(stage, names)
    for name in ("reef-all-a", "reef-0-p", "reef-0-crew-1-p", "reef-0-gate-0-p"):
        await stage.kube.delete(path(stage, name))
        await another(stage, path(stage, name), before[name])
    key = "app.kubernetes.io/component"
    await stage.kube.patch(path(stage, "reef-0-p"), {"metadata": {"labels": {key: "mine"}}})
    await stage.kube.wait_for(
        path(stage, "reef-0-p"), lambda item: item["metadata"]["labels"][key] == "resource-claim"
    )
    await until_claims(stage, names)
    await hide_and_seek(stage, path(stage, "reef-0-gate-1-p"))
    await stage.delete("PodCliqueSet", "reef")
    await until_claims(stage, [])


async def hide_and_seek(stage: Stage, path: str) -> None:
    """Without our labels it is out of sight: then it is found by its name."""
    key = "app.kubernetes.io/managed-by"
    await stage.kube.patch(path, {"metadata": {"labels": {key: None}}})
    await stage.kube.wait_for(path, lambda item: key in item["metadata"]["labels"])


def told(stage: Stage, name: str) -> tuple[str, str]:
    found = conditions(stage.seen.named("PodCliqueSet", name)).get("DevicesAvailable", {})
    return found.get("status", ""), found.get("reason", "")


def errors(stage: Stage, name: str) -> set[str]:
    body = stage.seen.named("PodCliqueSet", name) or {}
    return {item["code"] for item in body.get("status", {}).get("lastErrors") or ()}


def borrowing(level: str) -> Body:
    """Its one clique or group uses a template that is not the set's own."""
    entry = shared("lent", "PerReplica")
    if level == "PCSG":
        return a_set("ebb", [a_clique("w")], [a_group("g", ["w"], resourceSharing=[entry])])
    if level == "PCLQ":
        return a_set("ebb", [a_clique("w") | {"resourceSharing": [entry]}])
    body = a_set("ebb", [a_clique("w")])
    scope = "AllReplicas" if level == "all" else "PerReplica"
    body["spec"]["template"]["resourceSharing"] = [shared("lent", scope)]
    return body


LEVELS = {"all": "ebb-all-lent", "PCS": "ebb-0-lent", "PCSG": "ebb-0-g-0-lent"}
LEVELS["PCLQ"] = "ebb-0-w-0-lent"


@pytest.mark.parametrize(("level", "claim"), LEVELS.items(), ids=LEVELS)
async def test_a_template_that_comes_late(
    devices: Stage, operator: OperatorProcess, level: str, claim: str
) -> None:
    """Until then the set says what it lacks, and another set is not held up."""
    del operator
    stage = devices
    await stage.create(borrowing(level))
    await stage.create(a_set("flow", [a_clique("w")]))
    lacking = ("False", "ResourceClaimsMissing")
    await stage.seen.until(lambda: told(stage, "ebb") == lacking, "the set says what is missing")
    code = "PCS" if level == "all" else level
    assert errors(stage, "ebb") == {f"ERR_SYNC_{code}_RESOURCE_CLAIM"}
    event = await stage.wait_event("PodCliqueSet", lacking[1])
    assert f"ResourceClaim {claim} cannot be made" in event["message"]
    await stage.seen.until(
        lambda: (
            (stage.seen.named("PodCliqueSet", "flow") or {})
            .get("status", {})
            .get("availableReplicas")
        ),
        "the other set runs",
    )
    await a_template(stage.kube, stage.namespace, "lent")
    made = await until_claims(stage, [claim])
    assert made[claim]["spec"]["devices"]["requests"][0]["name"] == "card"
    await stage.settled()
    assert told(stage, "ebb") == ("True", "NothingInTheWay")
    assert errors(stage, "ebb") == set()


def linked(replicas: int = 1) -> Body:
    """Two cliques in one NVLink group, one that opted out, and one without GPUs."""
    gpus = {"cpu": "10m", "nvidia.com/gpu": "4"}
    out = a_clique("out", requests=gpus) | {"annotations": {"grove.io/mnnvl-group": "none"}}
    group = a_group("g", ["w"], 2, 1)
    cliques = [a_clique("p", requests=gpus), a_clique("w", requests=gpus), out, a_clique("cpu")]
    body = a_set("mesh", cliques, [group], replicas)
    body["metadata"]["annotations"] = {"grove.io/mnnvl-group": "fabric"}
    return body


async def test_compute_domains(
    stage: Stage, operator: OperatorProcess, ground: LocalCluster
) -> None:
    """The driver comes while the set waits for it; domains go with replicas and with the set."""
    del operator
    unchecked = {"metadata": {"labels": {BYPASS: "true"}}}
    await stage.kube.patch(path_of("v1", "namespaces", name=stage.namespace), unchecked)
    await stage.create(linked(2))
    waiting = ("False", "ComputeDomainsUnavailable")
    await stage.seen.until(lambda: told(stage, "mesh") == waiting, "the set says what is missing")
    assert errors(stage, "mesh") == {"ERR_SYNC_COMPUTEDOMAIN"}
    await stage.wait_event("PodCliqueSet", "ComputeDomainsUnavailable")
    claims = {
        item["metadata"]["name"]: [
            claim["resourceClaimTemplateName"]
            for claim in item["spec"]["podSpec"].get("resourceClaims") or ()
        ]
        for item in stage.seen.of("PodClique")
        if item["metadata"]["name"].startswith("mesh-1-")
    }
    assert claims == {
        "mesh-1-p": ["mesh-1-fabric"],
        "mesh-1-g-0-w": ["mesh-1-fabric"],
        "mesh-1-g-1-w": ["mesh-1-fabric"],
        "mesh-1-out": [],
        "mesh-1-cpu": [],
    }
    ground.kubectl("apply", "-f", str(CRD))
    try:
        await _domains_come_and_go(stage)
    finally:
        ground.kubectl("delete", "-f", str(CRD))


async def _domains_come_and_go(stage: Stage) -> None:
    path = path_of(NVIDIA, "computedomains", stage.namespace)
    found = await stage.kube.wait_for(path, lambda items: len(items) == 2, 90)
    assert [item["metadata"]["name"] for item in found] == ["mesh-0-fabric", "mesh-1-fabric"]
    assert found[0]["spec"] == {
        "numNodes": 0,
        "channel": {"resourceClaimTemplate": {"name": "mesh-0-fabric"}},
    }
    assert found[0]["metadata"]["finalizers"] == ["grove.io/computedomain-finalizer"]
    available = ("True", "NothingInTheWay")
    await stage.seen.until(lambda: told(stage, "mesh") == available, "nothing is missing any more")
    first = path_of(NVIDIA, "computedomains", stage.namespace, "mesh-0-fabric")
    await stage.kube.delete(first)
    await another(stage, first, found[0])
    await hide_and_seek(stage, first)
    written = await stage.kube.patch(f"{first}/status", {"status": {"status": "Ready"}})
    await stage.seen.stays_quiet(2)
    assert await stage.kube.get(first) == written  # what the driver writes is its own
    await stage.scale("PodCliqueSet", "mesh", 1)
    await stage.kube.wait_for(path, lambda items: len(items) == 1)
    await stage.scale("PodCliqueSet", "mesh", 0)
    await stage.kube.wait_for(path, lambda items: not items)
    await stage.scale("PodCliqueSet", "mesh", 1)
    await stage.kube.wait_for(path, lambda items: len(items) == 1)
    await stage.delete("PodCliqueSet", "mesh")
    await stage.kube.wait_for(path, lambda items: not items)
