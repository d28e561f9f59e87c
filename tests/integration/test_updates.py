"""Rolling updates: whole instances in turn, never below a floor, always to the newest template."""

from typing import Any

import pytest

from grove_operator.api import labels
from tests.integration.conftest import Stage
from tests.integration.sets import Body, a_clique, a_group, a_set, conditions, is_available
from tests.integration.timeline import Timeline, timeline
from tests.support.controlplane import Object

PATIENCE = 90


async def change_image(stage: Stage, name: str, image: str, *cliques: int) -> Object:
    """Of the cliques at these places in the template."""
    patch = [
        {
            "op": "replace",
            "path": f"/spec/template/cliques/{place}/spec/podSpec/containers/0/image",
            "value": image,
        }
        for place in cliques
    ]
    return await stage.edit("PodCliqueSet", name, patch)


def progress(stage: Stage, name: str) -> Body:
    found = stage.seen.named("PodCliqueSet", name) or {}
    return dict(found.get("status", {}).get("updateProgress") or {})


def images(stage: Stage, clique: str = "") -> set[str]:
    return {
        pod["spec"]["containers"][0]["image"]
        for pod in stage.seen.of("Pod")
        if pod["metadata"]["labels"][labels.PODCLIQUE].endswith(clique)
    }


async def updated(stage: Stage, name: str, patience: float = PATIENCE) -> Body:
    """Until the update to the present template is over, everywhere."""

    def over() -> bool:
        found = stage.seen.named("PodCliqueSet", name)
        if found is None or not is_available(found):
            return False
        status = found["status"]
        ended = "updateEndedAt" in (status.get("updateProgress") or {})
        noted = all(map(_is_over, [*stage.seen.of("PodClique"), *stage.seen.of(_GROUP)]))
        return bool(ended and noted and status["updatedReplicas"] == found["spec"]["replicas"])

    await stage.seen.until(over, f"{name} is updated", patience)
    await stage.settled(patience)
    return progress(stage, name)


_GROUP = "PodCliqueScalingGroup"


def _is_over(item: Object) -> bool:
    """Whether no update of a PodClique or scaling group is told to be under way."""
    return "updateEndedAt" in item.get("status", {}).get("updateProgress", {"updateEndedAt": ""})


def front(pods: int = 4, minimum: int = 3, replicas: int = 1) -> Body:
    return a_set("front", [a_clique("web", pods, minimum)], replicas=replicas)


def fleet(replicas: int = 1) -> Body:
    """A router, and three crews of which one is vital."""
    cliques = [a_clique("router", 2, 1), a_clique("lead"), a_clique("oar", 2, 2)]
    return a_set("fleet", cliques, [a_group("crew", ["lead", "oar"], 3, 1)], replicas)


@pytest.mark.usefixtures("operator")
async def test_pods_of_a_clique_go_one_at_a_time(stage: Stage) -> None:
    await stage.create(front())
    await stage.settled()
    with timeline(stage.seen) as line:
        await change_image(stage, "front", "registry.example/web:2", 0)
        done = await updated(stage, "front")
        assert line.lowest == {"front-0-web": 3}
        assert set(line.born.values()) == {1}
    assert images(stage) == {"registry.example/web:2"}
    assert done["updatedPodCliquesCount"] == done["totalPodCliquesCount"] == 1
    assert "currentlyUpdating" not in done
    clique = stage.seen.named("PodClique", "front-0-web")
    assert clique is not None
    status = clique["status"]
    assert status["updateProgress"]["updateEndedAt"]
    assert status["updatedReplicas"] == status["replicas"] == 4
    assert status["currentPodTemplateHash"] == clique["metadata"]["labels"][labels.TEMPLATE_HASH]
    assert status["updateProgress"]["podTemplateHash"] == status["currentPodTemplateHash"]
    assert conditions(stage.seen.named("PodCliqueSet", "front"))["Updating"]["reason"] == "Updated"
    assert await stage.seen.stays_quiet(3) == []


@pytest.mark.usefixtures("operator")
async def test_with_no_pod_to_spare_one_at_a_time_is_all_that_can_be_done(stage: Stage) -> None:
    await stage.create(front(2, 2))
    await stage.settled()
    with timeline(stage.seen) as line:
        await change_image(stage, "front", "registry.example/web:2", 0)
        await updated(stage, "front")
        assert line.lowest == {"front-0-web": 1}


@pytest.mark.usefixtures("operator")
async def test_field_managers_are_dropped_only_where_nobody_else_is_one(stage: Stage) -> None:
    """The API server then keeps none, and each later write costs it half."""
    await stage.create(front(replicas=2))
    await stage.settled()
    note = [{"op": "add", "path": "/metadata/annotations/team", "value": "harbor"}]
    await stage.edit("PodClique", "front-0-web", note)
    await change_image(stage, "front", "registry.example/web:2", 0)
    await updated(stage, "front")
    cliques = {item["metadata"]["name"]: item["metadata"] for item in stage.seen.of("PodClique")}
    managers = {entry["manager"] for entry in cliques["front-0-web"]["managedFields"]}
    assert labels.MANAGER in managers
    assert len(managers) == 2
    assert cliques["front-0-web"]["annotations"]["team"] == "harbor"
    assert "managedFields" not in cliques["front-1-web"]


@pytest.mark.usefixtures("operator")
async def test_a_group_replica_is_replaced_as_a_whole(stage: Stage) -> None:
    """The leaders' template does not change, and yet they go with their workers."""
    await stage.create(fleet())
    await stage.settled()
    before = {pod["metadata"]["uid"] for pod in stage.seen.of("Pod")}
    cliques = {item["metadata"]["uid"] for item in stage.seen.of("PodClique")}
    routers = {
        pod["metadata"]["uid"]
        for pod in stage.seen.of("Pod")
        if pod["metadata"]["labels"][labels.PODCLIQUE] == "fleet-0-router"
    }
    with timeline(stage.seen) as line:
        await change_image(stage, "fleet", "registry.example/oar:2", 2)
        done = await updated(stage, "fleet")
        assert line.out == {"fleet-0-crew": 1}
        assert line.lowest["fleet-0-router"] == 2
    after = {pod["metadata"]["uid"] for pod in stage.seen.of("Pod")}
    assert before & after == routers
    assert {item["metadata"]["uid"] for item in stage.seen.of("PodClique")} == cliques
    assert done["updatedPodCliqueScalingGroupsCount"] == 1
    group = stage.seen.named("PodCliqueScalingGroup", "fleet-0-crew")
    assert group is not None
    assert group["status"]["updatedReplicas"] == 3
    assert group["status"]["updateProgress"]["updatedPodCliquesCount"] == 6
    assert len(await stage.events("PodCliqueSet", _REPLACED)) >= 1


_REPLACED = "PodCliqueScalingGroupReplicaDeleteSuccessful"


@pytest.mark.usefixtures("operator")
async def test_set_replicas_go_one_at_a_time(stage: Stage) -> None:
    await stage.create(front(2, 2, replicas=3))
    await stage.settled()
    with timeline(stage.seen) as line:
        together = Together(line)
        stage.seen.listeners.append(together.take)
        await change_image(stage, "front", "registry.example/web:2", 0)
        await updated(stage, "front")
        assert together.most == 1
    assert images(stage) == {"registry.example/web:2"}


class Together:
    """How many replicas of a set were short of a ready pod at the same time."""

    def __init__(self, line: Timeline) -> None:
        self.line = line
        self.most = 0

    def take(self, kind: str, _change: str, _item: Object) -> None:
        if kind == "Pod":
            ready: dict[str, int] = {}
            for pod in self.line.seen.of("Pod"):
                index = pod["metadata"]["labels"][labels.REPLICA_INDEX]
                ready[index] = ready.get(index, 0) + _is_ready(pod)
            self.most = max(self.most, sum(count < 2 for count in ready.values()))


def _is_ready(pod: Object) -> bool:
    found = pod.get("status", {}).get("conditions") or ()
    ready = any(item["type"] == "Ready" and item["status"] == "True" for item in found)
    return ready and "deletionTimestamp" not in pod["metadata"]


@pytest.mark.usefixtures("operator")
async def test_a_second_change_retargets_at_once(stage: Stage) -> None:
    await stage.create(front(6, 4))
    await stage.settled()
    made: dict[str, str] = {}

    def note(kind: str, _: str, item: Body) -> None:
        if kind == "Pod":
            made.setdefault(item["metadata"]["name"], item["spec"]["containers"][0]["image"])

    for pod in stage.seen.of("Pod"):
        note("Pod", "", pod)
    with timeline(stage.seen) as line:
        stage.seen.listeners.append(note)
        await change_image(stage, "front", "registry.example/web:2", 0)
        await stage.seen.until(lambda: "registry.example/web:2" in images(stage), "it moves")
        await change_image(stage, "front", "registry.example/web:3", 0)
        await updated(stage, "front")
        assert images(stage) == {"registry.example/web:3"}
        assert line.lowest["front-0-web"] >= 4
        # How many were of the second one by then is a matter of speed.
        told = list(made.values())
        assert told.count("registry.example/web:3") == 6
        assert set(told[told.index("registry.example/web:3") :]) == {"registry.example/web:3"}


@pytest.mark.usefixtures("operator")
async def test_what_cannot_go_on_says_why_and_goes_on_when_mended(stage: Stage) -> None:
    """The new pods ask for more than any node has; then the template is mended."""
    await stage.create(front(3, 2))
    await stage.settled()
    with timeline(stage.seen) as line:
        path = "/spec/template/cliques/0/spec/podSpec/containers/0/resources/requests/cpu"
        huge = [{"op": "replace", "path": path, "value": "5000"}]
        await stage.edit("PodCliqueSet", "front", huge)

        def told() -> bool:
            found = conditions(stage.seen.named("PodCliqueSet", "front")).get("Updating", {})
            return found.get("reason") == "Waiting" and "front-0-web-" in found["message"]

        await stage.seen.until(told, "the condition names the pod that is waited for")
        assert line.lowest["front-0-web"] == 2
        small = [{"op": "replace", "path": path, "value": "20m"}]
        await stage.edit("PodCliqueSet", "front", small)
        await updated(stage, "front")
        assert line.lowest["front-0-web"] == 2


@pytest.mark.usefixtures("operator")
@pytest.mark.parametrize("counts", [(6, 3), (3, 6)], ids=["in", "out"])
async def test_scaling_during_an_update_ends_right(stage: Stage, counts: tuple[int, int]) -> None:
    before, after = counts
    await stage.create(front(before, 2, replicas=2))
    await stage.settled()
    with timeline(stage.seen) as line:
        await change_image(stage, "front", "registry.example/web:2", 0)
        await stage.seen.until(lambda: "registry.example/web:2" in images(stage), "it moves")
        await stage.scale("PodClique", "front-0-web", after)
        await stage.scale("PodCliqueSet", "front", 3 if after > before else 1)
        await updated(stage, "front")
        # A successor that is not ready yet is the first to go when a clique is scaled in; the index
        # that it leaves is then taken by the successor of another one.
        twice = sum(count - 1 for count in line.born.values())
        assert twice <= (after < before)
    assert images(stage) == {"registry.example/web:2"}


@pytest.mark.usefixtures("operator")
async def test_scaling_a_group_during_an_update_ends_right(stage: Stage) -> None:
    await stage.create(fleet())
    await stage.settled()
    for count in (5, 2):
        image = f"registry.example/oar:{count}"
        with timeline(stage.seen) as line:
            await change_image(stage, "fleet", image, 2)
            await stage.seen.until(lambda: image in images(stage), "it moves")  # noqa: B023 - now
            await stage.scale("PodCliqueScalingGroup", "fleet-0-crew", count)
            await updated(stage, "fleet")
            assert max(line.born.values()) == 1
        assert images(stage, "oar") == {image}


HARMLESS: dict[str, Any] = {
    "counts and delays": {
        "spec": {"replicas": 2, "template": {"terminationDelay": "2h"}},
    },
    "labels of the set": {"metadata": {"labels": {"team": "shore"}}},
    "an autoscaler": [
        {
            "op": "add",
            "path": "/spec/template/cliques/0/spec/autoScalingConfig",
            "value": {"minReplicas": 2, "maxReplicas": 6},
        },
    ],
    "a clique's count": [
        {"op": "replace", "path": "/spec/template/cliques/0/spec/replicas", "value": 5},
    ],
}


@pytest.mark.usefixtures("operator")
@pytest.mark.parametrize("patch", HARMLESS.values(), ids=HARMLESS)
async def test_what_pods_are_not_made_from_restarts_none(stage: Stage, patch: Any) -> None:
    await stage.create(front(2, 1))
    await stage.settled()
    before = {pod["metadata"]["uid"] for pod in stage.seen.of("Pod")}
    await stage.edit("PodCliqueSet", "front", patch)
    await stage.seen.until(
        lambda: is_available(stage.seen.named("PodCliqueSet", "front")), "it is available"
    )
    assert before <= {pod["metadata"]["uid"] for pod in stage.seen.of("Pod")}
    assert progress(stage, "front") == {}


@pytest.mark.usefixtures("operator")
async def test_on_delete_leaves_pods_to_others(stage: Stage) -> None:
    body = fleet()
    body["spec"]["updateStrategy"] = {"type": "OnDelete"}
    await stage.create(body)
    await stage.settled()
    before = {pod["metadata"]["uid"] for pod in stage.seen.of("Pod")}
    await change_image(stage, "fleet", "registry.example/x:2", 0, 2)
    await stage.seen.until(lambda: "updateEndedAt" in progress(stage, "fleet"), "it is noted")
    await stage.seen.until(
        lambda: all("updateProgress" in item["status"] for item in stage.seen.of("PodClique")),
        "each PodClique notes it",
    )
    assert {pod["metadata"]["uid"] for pod in stage.seen.of("Pod")} == before
    for pod in [item for item in stage.seen.of("Pod") if "router" in item["metadata"]["name"]]:
        await stage.delete("Pod", pod["metadata"]["name"])
    await stage.seen.until(
        lambda: images(stage, "router") == {"registry.example/x:2"}, "they come back new"
    )
    assert images(stage, "oar") == {"registry.example/oar:1"}

    def counted() -> int:
        found = stage.seen.named("PodCliqueSet", "fleet") or {}
        return int(found["status"]["updatedReplicas"])

    # One of two pods of a replica is new; then the set takes the work back.
    pods = stage.seen.of("Pod")
    crew = [p for p in pods if p["metadata"]["labels"][labels.PODCLIQUE] == "fleet-0-crew-0-oar"]
    await stage.delete("Pod", crew[0]["metadata"]["name"])
    await stage.seen.until(lambda: len(images(stage, "oar")) == 2, "one replica is mixed")
    await stage.seen.until(lambda: counted() == 0, "it is told not to be at the template")
    patch = [{"op": "replace", "path": "/spec/updateStrategy/type", "value": "RollingRecreate"}]
    await stage.edit("PodCliqueSet", "fleet", patch)
    await stage.seen.until(
        lambda: images(stage, "oar") == {"registry.example/x:2"}, "what was left is updated", 60
    )
    done = await updated(stage, "fleet")
    assert done["updatedPodCliquesCount"] == done["totalPodCliquesCount"]
