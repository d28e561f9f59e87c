"""Broken gangs are restarted as a whole, ended pods are replaced later and later."""

import pytest

from grove_operator.api import labels
from tests.integration.conftest import Stage
from tests.integration.handrun import STRATEGIC_PATCH, containers, moment
from tests.integration.sets import Body, a_clique, a_group, a_set, conditions, has
from tests.integration.timeline import timeline
from tests.support.controlplane import Object
from tests.support.follow import collection, is_live

DELAY = "4s"
SET_EVENT = "PodCliqueSetReplicaDeleteSuccessful"
GROUP_EVENT = "PodCliqueScalingGroupReplicaDeleteSuccessful"


def crews(groups: int = 3, minimum: int = 1, replicas: int = 1, delay: str = DELAY) -> Body:
    cliques = [a_clique("router", 2, 1), a_clique("lead"), a_clique("oar", 2, 2)]
    group = a_group("crew", ["lead", "oar"], groups, minimum)
    body = a_set("boat", cliques, [group], replicas)
    body["spec"]["template"]["terminationDelay"] = delay
    return body


def pods_of(stage: Stage, clique: str) -> list[Object]:
    found = stage.seen.of("Pod")
    return [
        pod
        for pod in found
        if pod["metadata"]["labels"][labels.PODCLIQUE] == clique and is_live(pod)
    ]


def uids(stage: Stage, clique: str = "") -> set[str]:
    return {
        pod["metadata"]["uid"]
        for pod in stage.seen.of("Pod")
        if pod["metadata"]["labels"][labels.PODCLIQUE].startswith(clique) and is_live(pod)
    }


async def report(stage: Stage, pod: Object, status: Body) -> None:
    """Say of a pod what its kubelet would."""
    path = collection("Pod", stage.namespace, pod["metadata"]["name"])
    await stage.kube.patch(f"{path}/status", {"status": status}, STRATEGIC_PATCH)


async def fall_ill(stage: Stage, clique: str, count: int = 1) -> None:
    """Their containers run and are not ready any more."""
    running = {"running": {"startedAt": moment()}}
    for pod in pods_of(stage, clique)[:count]:
        await report(stage, pod, containers(state=running, started=True))


async def breached(stage: Stage, kind: str, name: str) -> None:
    await stage.seen.until(
        lambda: has(stage.seen.named(kind, name), "MinAvailableBreached"), f"{name} is breached"
    )


@pytest.mark.usefixtures("operator")
async def test_a_broken_group_replica_is_restarted_alone(stage: Stage) -> None:
    await stage.create(crews())
    await stage.settled()
    before, broken = uids(stage), uids(stage, "boat-0-crew-1-")
    with timeline(stage.seen):
        await fall_ill(stage, "boat-0-crew-1-oar")
        await breached(stage, "PodClique", "boat-0-crew-1-oar")
        assert uids(stage) == before
        await stage.seen.until(lambda: not uids(stage) & broken, "the replica is restarted")
        await stage.settled()
        assert uids(stage) & before == before - broken
    assert not has(stage.seen.named("PodClique", "boat-0-crew-1-oar"), "MinAvailableBreached")
    assert (
        "replica 1 of boat-0-crew"
        in (await stage.wait_event("PodCliqueSet", GROUP_EVENT))["message"]
    )


@pytest.mark.usefixtures("operator")
async def test_a_broken_clique_restarts_its_replica_of_the_set_and_no_other(stage: Stage) -> None:
    """Counts that somebody scaled to survive, and so do the objects that hold them."""
    await stage.create(crews(replicas=2))
    await stage.settled()
    await stage.scale("PodClique", "boat-0-router", 3)
    await stage.scale("PodCliqueScalingGroup", "boat-0-crew", 2)
    await stage.settled()
    broken, others = uids(stage, "boat-0-"), uids(stage, "boat-1-")
    with timeline(stage.seen):
        await fall_ill(stage, "boat-0-router", 3)
        await breached(stage, "PodClique", "boat-0-router")
        await stage.seen.until(lambda: not uids(stage) & broken, "the replica is restarted")
        await stage.settled()
        assert uids(stage, "boat-1-") == others
        assert len(pods_of(stage, "boat-0-router")) == 3
    event = await stage.wait_event("PodCliqueSet", SET_EVENT)
    assert "restarted replica 0: boat-0-router" in event["message"]
    group = stage.seen.named("PodCliqueScalingGroup", "boat-0-crew")
    assert "GangTerminationInProgress" not in conditions(group)


@pytest.mark.usefixtures("operator")
async def test_a_group_without_enough_replicas_restarts_the_set_replica(stage: Stage) -> None:
    await stage.create(crews(groups=2, minimum=2))
    await stage.settled()
    before = uids(stage)
    with timeline(stage.seen):
        await fall_ill(stage, "boat-0-crew-0-lead")
        await breached(stage, "PodCliqueScalingGroup", "boat-0-crew")
        await stage.seen.until(lambda: not uids(stage) & before, "everything is restarted")
        await stage.settled()


@pytest.mark.usefixtures("operator")
async def test_what_recovers_in_time_is_left_alone(stage: Stage) -> None:
    await stage.create(crews(delay="6s"))
    await stage.settled()
    before = uids(stage)
    await fall_ill(stage, "boat-0-router", 2)
    await breached(stage, "PodClique", "boat-0-router")
    for pod in pods_of(stage, "boat-0-router"):
        running = {"running": {"startedAt": moment()}}
        await report(stage, pod, containers(True, state=running, started=True))
    await stage.seen.until(
        lambda: has(
            stage.seen.named("PodClique", "boat-0-router"), "MinAvailableBreached", "False"
        ),
        "the breach is over",
    )
    await stage.settled()
    assert await stage.seen.stays_quiet(8) == []
    assert uids(stage) == before


@pytest.mark.usefixtures("operator")
async def test_an_ended_pod_is_replaced_and_the_next_one_later(stage: Stage) -> None:
    body = a_set("web", [a_clique("main", 2, 1)])
    await stage.create(body)
    await stage.settled()
    [first, other] = pods_of(stage, "web-0-main")
    with timeline(stage.seen):
        await report(stage, first, {"phase": "Failed", "reason": "Evicted"})
        await stage.seen.until(lambda: "as try 1" in _notice(stage), "the first try waits")
        assert first["metadata"]["name"] in _notice(stage)
        await stage.seen.until(lambda: len(pods_of(stage, "web-0-main")) == 2, "it is replaced")
        await stage.settled()
        [again] = [
            pod
            for pod in pods_of(stage, "web-0-main")
            if pod["metadata"]["uid"] != other["metadata"]["uid"]
        ]
        assert again["metadata"]["annotations"][labels.TRIES] == "1"
        assert (
            again["metadata"]["labels"][labels.POD_INDEX]
            == first["metadata"]["labels"][labels.POD_INDEX]
        )
        await report(stage, again, {"phase": "Failed", "reason": "Evicted"})
        await stage.seen.until(lambda: "as try 2" in _notice(stage), "the second try waits")


def _notice(stage: Stage) -> str:
    found = conditions(stage.seen.named("PodClique", "web-0-main"))
    return str(found.get("PodReplacementWaits", {}).get("message", ""))
