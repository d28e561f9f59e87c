"""Specs that cannot work and clusters that refuse: told to users, and no harm to others."""

import pytest

from tests.integration.conftest import Stage
from tests.integration.sets import Body, a_clique, a_group, a_set, conditions, has, plain
from tests.support.controlplane import path_of
from tests.support.operator import OperatorProcess

pytestmark = pytest.mark.unguarded
"""Admission would refuse most of these sets; here they have got past it."""


def too_small() -> Body:
    """A minimum above the count, which no schema can refuse."""
    return a_set("wrong", [a_clique("main", 2, 3)])


def unknown_clique() -> Body:
    return a_set("wrong", [a_clique("main")], [a_group("crew", ["nobody"])])


def in_a_circle() -> Body:
    cliques = [
        a_clique("left", startsAfter=["right"]),
        a_clique("right", startsAfter=["left"]),
    ]
    body = a_set("wrong", cliques)
    body["spec"]["template"]["cliqueStartupType"] = "CliqueStartupTypeExplicit"
    return body


def without_end() -> Body:
    """More than any memory holds."""
    return a_set("wrong", [a_clique("main", 2**31 - 1, 1)], replicas=2**31 - 1)


WRONG = {
    "minimum too high": too_small,
    "unknown clique": unknown_clique,
    "circle": in_a_circle,
    "more than fits": without_end,
}


def rejected(stage: Stage) -> bool:
    return has(stage.seen.named("PodCliqueSet", "wrong"), "SpecAccepted", "False")


@pytest.mark.parametrize("name", WRONG)
async def test_a_wrong_spec_is_explained_and_can_be_mended(
    stage: Stage, operator: OperatorProcess, name: str
) -> None:
    del operator
    await stage.create(WRONG[name]())
    await stage.seen.until(lambda: rejected(stage), "SpecAccepted is False")
    told = conditions(stage.seen.named("PodCliqueSet", "wrong"))["SpecAccepted"]
    assert "spec." in told["message"]
    assert (await stage.wait_event("PodCliqueSet", "InvalidSpec"))["type"] == "Warning"
    assert stage.seen.of("Pod") == []
    sound = plain("wrong")
    await stage.edit("PodCliqueSet", "wrong", {"spec": sound["spec"]})
    if name == "unknown clique":
        await stage.edit(
            "PodCliqueSet", "wrong", {"spec": {"template": {"podCliqueScalingGroups": []}}}
        )
    await stage.settled()
    assert "SpecAccepted" not in conditions(stage.seen.named("PodCliqueSet", "wrong"))


async def test_a_running_set_that_becomes_wrong_keeps_running(
    stage: Stage, operator: OperatorProcess
) -> None:
    await stage.create(plain("wrong"))
    await stage.settled()
    pods = {pod["metadata"]["uid"] for pod in stage.seen.of("Pod")}
    spec = [{"op": "replace", "path": "/spec/template/cliques/0/spec/minAvailable", "value": 9}]
    await stage.edit("PodCliqueSet", "wrong", spec)
    await stage.seen.until(lambda: rejected(stage), "SpecAccepted is False")
    await stage.alone()
    before = operator.requests()
    await stage.create(plain("right"))
    await stage.seen.until(
        lambda: has(stage.seen.named("PodGang", "right-0"), "Ready"), "another set comes up"
    )
    await stage.seen.stays_quiet(3)
    assert operator.requests() - before < 100
    assert pods <= {pod["metadata"]["uid"] for pod in stage.seen.of("Pod")}


async def test_a_count_beyond_all_bounds_stops_nobody_else(
    stage: Stage, operator: OperatorProcess
) -> None:
    """The scale subresource asks no webhook. What runs goes on, and so it does when mended."""
    await stage.create(a_set("wrong", [a_clique("main", 2)], replicas=1))
    await stage.settled()
    pods = {pod["metadata"]["uid"] for pod in stage.seen.of("Pod")}
    await stage.scale("PodClique", "wrong-0-main", 2**31 - 1)
    await stage.seen.until(
        lambda: "PodClique wrong-0-main is scaled to" in _last_error(stage), "it is told"
    )
    await stage.create(plain("right"))
    await stage.seen.until(
        lambda: has(stage.seen.named("PodGang", "right-0"), "Ready"), "another set comes up"
    )
    assert pods <= {pod["metadata"]["uid"] for pod in stage.seen.of("Pod")}
    await stage.scale("PodCliqueSet", "wrong", 2**31 - 1)
    await stage.seen.until(lambda: rejected(stage), "SpecAccepted is False")
    await stage.scale("PodCliqueSet", "wrong", 1)
    await stage.scale("PodClique", "wrong-0-main", 3)
    await stage.settled()
    assert _last_error(stage) == ""
    assert pods <= {pod["metadata"]["uid"] for pod in stage.seen.of("Pod")}
    assert operator.running


def _last_error(stage: Stage) -> str:
    stored = stage.seen.named("PodCliqueSet", "wrong")
    status = stored.get("status", {}) if stored else {}
    return " ".join(error["description"] for error in status.get("lastErrors") or ())


async def test_a_wrong_set_can_be_deleted(stage: Stage, operator: OperatorProcess) -> None:
    del operator
    await stage.create(too_small())
    await stage.seen.until(lambda: rejected(stage), "SpecAccepted is False")
    await stage.delete("PodCliqueSet", "wrong", propagationPolicy="Background")
    await stage.gone()


async def test_a_quota_is_told_and_waited_for(stage: Stage, operator: OperatorProcess) -> None:
    """Other sets go on, requests stay few, and lifting the quota is enough."""
    quotas = path_of("v1", "resourcequotas", stage.namespace)
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "few"}}
    await stage.kube.create(quotas, quota | {"spec": {"hard": {"pods": "2"}}})
    await stage.kube.wait_for(f"{quotas}/few", lambda q: q and q.get("status", {}).get("hard"))
    await stage.create(plain("large", pods=6))
    await stage.seen.until(
        lambda: "exceeded quota" in str(_errors(stage, "large")), "lastErrors tell of the quota"
    )
    event = await stage.wait_event("PodCliqueSet", "PodCreateFailed")
    assert (event["type"], "exceeded quota" in event["message"]) == ("Warning", True)
    await stage.alone()
    before = operator.requests()
    await stage.seen.stays_quiet(5)
    assert operator.requests() - before < 150
    await stage.create(plain("none", pods=0, replicas=0))
    await stage.seen.until(lambda: _observed(stage, "none"), "another set is worked on")
    await stage.kube.delete(f"{quotas}/few")
    await stage.settled(90)
    await stage.seen.until(lambda: _errors(stage, "large") == [], "the error is taken back")


def _errors(stage: Stage, name: str) -> list[Body]:
    found = stage.seen.named("PodCliqueSet", name) or {}
    errors: list[Body] = found.get("status", {}).get("lastErrors", [])
    return errors


def _observed(stage: Stage, name: str) -> bool:
    found = stage.seen.named("PodCliqueSet", name) or {}
    return bool(found.get("status", {}).get("observedGeneration"))


async def test_a_foreign_object_in_the_way_is_named(
    stage: Stage, operator: OperatorProcess
) -> None:
    """It is never taken over; once it is gone, the set goes on by itself."""
    del operator
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "plain-0"}}
    await stage.kube.create(stage.path("Service"), service | {"spec": {"ports": [{"port": 80}]}})
    await stage.create(plain())
    await stage.seen.until(lambda: "plain-0" in str(_errors(stage, "plain")), "lastErrors")
    await stage.kube.delete(stage.path("Service", "plain-0"))
    await stage.settled(90)
