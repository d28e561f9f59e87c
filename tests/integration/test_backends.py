"""KAI and Volcano beside the operator: their groups on a real API server, a stand-in that places.

The schedulers themselves do not run here. Their CRDs are written from what is known of their APIs.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.integration.conftest import PROFILES, Stage
from tests.integration.schedulers import APIS, StandIn, groups
from tests.integration.sets import Body, a_clique, a_group, a_set, conditions, is_available
from tests.support.controlplane import ApiError, Kube, Object, path_of
from tests.support.operator import OperatorProcess
from tests.support.privileges import operator_kubeconfig
from tools.localcluster import LocalCluster

MANIFESTS = Path(__file__).parents[1] / "support" / "manifests"
KAI_CRDS = MANIFESTS / "kai-crds.yaml"
VOLCANO_CRDS = MANIFESTS / "volcano-crds.yaml"
QUEUE = "kai.scheduler/queue"
VOLCANO_QUEUE = "scheduling.grove.io/volcano-queue"
SOON = 20.0
"""Seconds from the arrival of a scheduler's API to its objects: discovery looks every five."""


@pytest.fixture(scope="module")
def operator(
    ground: LocalCluster, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[OperatorProcess]:
    """Started when neither KAI nor Volcano is there."""
    folder = tmp_path_factory.mktemp("operator")
    kubeconfig = operator_kubeconfig(ground)
    with OperatorProcess(kubeconfig, folder, GROVE_SCHEDULER__PROFILES=PROFILES) as process:
        yield process
        assert process.running, process.tail()
        assert process.metric("grove_operator_errors_total", reason="bug") == 0, process.tail()


def install(cluster: LocalCluster, crds: Path) -> None:
    cluster.kubectl("apply", "-f", str(crds))
    cluster.kubectl("wait", "--for=condition=Established", "-f", str(crds), "--timeout=30s")


@pytest.fixture(scope="module")
def schedulers(ground: LocalCluster, operator: OperatorProcess) -> Iterator[OperatorProcess]:
    """From now on both are there. Those that are there already stay as they are."""
    for crds in (KAI_CRDS, VOLCANO_CRDS):
        install(ground, crds)
    yield operator
    for crds in (KAI_CRDS, VOLCANO_CRDS):
        ground.kubectl("delete", "-f", str(crds), "--ignore-not-found")


def crew(scheduler: str, name: str = "race") -> Body:
    """A base gang of two cliques, and a scaled gang."""
    body = a_set(
        name,
        [a_clique("gate", 2, 1), a_clique("lead"), a_clique("oar", 2, 1)],
        [a_group("crew", ["lead", "oar"], 2, 1)],
    )
    for clique in body["spec"]["template"]["cliques"]:
        clique["spec"]["podSpec"]["schedulerName"] = scheduler
    body["metadata"] |= {"labels": {"team": "sea"}, "annotations": {"example.org/note": "spring"}}
    if scheduler == "kai-scheduler":
        body["metadata"]["labels"][QUEUE] = "test"
    return body


def on_cliques(body: Body, field: str, entries: dict[str, str]) -> Body:
    for clique in body["spec"]["template"]["cliques"]:
        clique[field] = entries
    return body


async def made(
    stage: Stage, scheduler: str, count: int = 2, patience: float = SOON
) -> list[Object]:
    found: list[Object] = await stage.kube.wait_for(
        groups(stage, scheduler), lambda items: len(items) == count, patience
    )
    return found


def reason(stage: Stage, name: str = "race") -> tuple[str, str]:
    found = conditions(stage.seen.named("PodCliqueSet", name)).get("GangGuarantee", {})
    return str(found.get("status")), str(found.get("reason"))


async def promised(stage: Stage, status: str, why: str) -> None:
    await stage.seen.until(lambda: reason(stage) == (status, why), f"GangGuarantee {status} {why}")


def gated(stage: Stage) -> list[bool]:
    return [bool(pod["spec"].get("schedulingGates")) for pod in stage.seen.of("Pod")]


@pytest.fixture
async def stand_in(stage: Stage) -> AsyncIterator[None]:
    task = asyncio.create_task(StandIn(stage).run())
    yield
    failed = task.done() and not task.cancelled() and task.exception()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert not failed, failed


# --- first, while neither is there


@pytest.mark.unguarded
async def test_kai_that_is_not_there_is_told_and_its_arrival_noticed(
    stage: Stage, operator: OperatorProcess, ground: LocalCluster
) -> None:
    await stage.create(crew("kai-scheduler"))
    await unavailable(stage, "install KAI")
    assert operator.running
    await asyncio.to_thread(install, ground, KAI_CRDS)
    await let_go(stage, "kai-scheduler")


@pytest.mark.unguarded
async def test_volcano_that_is_not_there_or_too_old_is_told_and_its_arrival_noticed(
    stage: Stage, operator: OperatorProcess, ground: LocalCluster
) -> None:
    await stage.create(crew("volcano"))
    await unavailable(stage, "install Volcano")
    assert operator.running

    groups_crd, queues_crd = yaml.safe_load_all(VOLCANO_CRDS.read_text())
    schema = groups_crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    del schema["properties"]["spec"]["properties"]["subGroupPolicy"]
    old = yaml.safe_dump_all([groups_crd, queues_crd])
    await asyncio.to_thread(ground.kubectl, "apply", "-f", "-", stdin=old)
    await stage.seen.until(lambda: "subGroupPolicy" in told(stage), "it says what is missing", SOON)
    assert await stage.kube.list(groups(stage, "volcano")) == []

    await asyncio.to_thread(install, ground, VOLCANO_CRDS)
    await let_go(stage, "volcano")


def told(stage: Stage) -> str:
    found = conditions(stage.seen.named("PodCliqueSet", "race")).get("GangGuarantee", {})
    return str(found.get("message", ""))


async def unavailable(stage: Stage, says: str) -> None:
    """Until the set says so, and all pods wait."""
    await promised(stage, "False", "SchedulerUnavailable")
    assert says in told(stage)
    await stage.wait_event("PodGang", "SchedulerUnavailable")
    await stage.seen.until(lambda: len(gated(stage)) == 8, "all pods")
    assert all(gated(stage))


async def let_go(stage: Stage, scheduler: str) -> None:
    """Until the groups are made and the base gang may be placed."""
    await made(stage, scheduler)
    await stage.seen.until(lambda: reason(stage)[0] == "True", "the promise holds", SOON)
    await stage.seen.until(lambda: gated(stage).count(False) == 5, "the base gang is let go")


# --- from here on both are there


async def test_kai_gets_its_groups_and_places_by_them(
    stage: Stage, schedulers: OperatorProcess, stand_in: None
) -> None:
    del stand_in
    await stage.create(crew("kai-scheduler"))
    base, scaled = await made(stage, "kai-scheduler")
    assert {key: base["spec"][key] for key in ("minMember", "queue")} == {
        "minMember": 3,
        "queue": "test",
    }
    assert base["spec"]["subGroups"] == [
        {"name": f"race-0-{name}", "minMember": 1} for name in ("gate", "crew-0-lead", "crew-0-oar")
    ]
    assert [item["name"] for item in scaled["spec"]["subGroups"]] == [
        "race-0-crew-1-lead",
        "race-0-crew-1-oar",
    ]
    await stage.seen.until(
        lambda: is_available(stage.seen.named("PodCliqueSet", "race")), "available"
    )
    await stage.seen.until(lambda: not any(gated(stage)), "the scaled gang is let go, too")
    gang = stage.seen.named("PodGang", "race-0")
    assert gang is not None
    for field in ("labels", "annotations"):
        assert base["metadata"][field] == gang["metadata"][field]
    assert base["metadata"]["annotations"]["kai.scheduler/skip-podgrouper"] == "true"
    [owner] = base["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["uid"]) == ("PodGang", gang["metadata"]["uid"])
    await promised(stage, "True", "KaiGangScheduling")
    await _rests(stage, schedulers)


async def _rests(stage: Stage, operator: OperatorProcess) -> None:
    """Once statuses are written, nothing is."""
    await stage.seen.until(
        lambda: all(
            gang.get("status", {}).get("phase") == "Running" for gang in stage.seen.of("PodGang")
        ),
        "all run",
    )
    await stage.alone()
    await stage.seen.stays_quiet(2.0)
    before = operator.writes()
    assert await stage.seen.stays_quiet(5.0) == []
    assert operator.writes() == before


async def test_what_kai_owns_survives_and_what_is_ours_is_mended(
    stage: Stage, schedulers: OperatorProcess
) -> None:
    del schedulers
    await stage.create(crew("kai-scheduler"))
    await made(stage, "kai-scheduler")
    path = groups(stage, "kai-scheduler", "race-0")
    kais: Body = {
        "metadata": {
            "labels": {QUEUE: "other", "kai.scheduler/node-pool": "blue"},
            "annotations": {"kai.scheduler/last-start-timestamp": "T"},
        },
        "spec": {"queue": "other", "markUnschedulable": True, "schedulingBackoff": -1},
    }
    await stage.kube.patch(path, kais | {"spec": kais["spec"] | {"minMember": 7}})
    mended = await stage.kube.wait_for(path, lambda item: item["spec"]["minMember"] == 3)
    for field in ("labels", "annotations"):
        assert kais["metadata"][field].items() <= mended["metadata"][field].items()
    assert kais["spec"].items() <= mended["spec"].items()

    await stage.scale("PodClique", "race-0-gate", 0)
    await stage.kube.wait_for(path, lambda item: item["spec"]["minMember"] == 2)
    await stage.scale("PodClique", "race-0-gate", 3)
    back = await stage.kube.wait_for(path, lambda item: item["spec"]["minMember"] == 3)
    assert back["spec"]["markUnschedulable"]


def _is_another(before: Object, item: Object | None) -> bool:
    return item is not None and item["metadata"]["uid"] != before["metadata"]["uid"]


@pytest.mark.usefixtures("queues")
async def test_what_somebody_did_to_a_group_is_undone(
    stage: Stage, schedulers: OperatorProcess
) -> None:
    """Without our labels it is out of sight: then it is found by its name."""
    del schedulers
    ours = "app.kubernetes.io/managed-by"
    for scheduler in APIS:
        await stage.create(crew(scheduler, f"{scheduler[:3]}"))
        await made(stage, scheduler)
        path = groups(stage, scheduler, f"{scheduler[:3]}-0")
        await stage.kube.patch(path, {"metadata": {"labels": {ours: None}}})
        await stage.kube.wait_for(path, lambda item: ours in item["metadata"]["labels"])
        before = await stage.kube.get(path)
        await stage.kube.delete(path)
        await stage.kube.wait_for(path, partial(_is_another, before))


async def test_what_kai_says_stands_on_gang_and_clique(
    stage: Stage, schedulers: OperatorProcess
) -> None:
    del schedulers
    await stage.create(crew("kai-scheduler"))
    await made(stage, "kai-scheduler")
    said = {
        "type": "UnschedulableOnNodePool",
        "status": "True",
        "nodePool": "default",
        "reasons": [{"reason": "QueueDoesNotExist", "message": "queue test does not exist"}],
    }
    path = groups(stage, "kai-scheduler", "race-0")
    await stage.kube.patch(f"{path}/status", {"status": {"schedulingConditions": [said]}})

    def quoted(kind: str, name: str, condition: str) -> bool:
        found = conditions(stage.seen.named(kind, name)).get(condition, {})
        return "queue test does not exist" in found.get("message", "")

    await stage.seen.until(
        lambda: (
            quoted("PodGang", "race-0", "Scheduled")
            and quoted("PodClique", "race-0-gate", "PodCliqueScheduled")
        ),
        "KAI is quoted",
    )
    event = await stage.wait_event("PodGang", "Unschedulable")
    assert "queue test does not exist" in event["message"]


@pytest.mark.unguarded
async def test_a_queue_that_cannot_be_found_is_a_condition_and_an_event(
    stage: Stage, schedulers: OperatorProcess
) -> None:
    """With admission such a set is refused; without, nothing is made and all wait."""
    del schedulers
    body = crew("kai-scheduler")
    del body["metadata"]["labels"][QUEUE]
    await stage.create(body)
    await promised(stage, "False", "QueueUnresolved")
    event = await stage.wait_event("PodGang", "KAIBackendMappingFailed")
    assert "no KAI queue" in event["message"]
    assert all(gated(stage))
    await stage.edit("PodCliqueSet", "race", {"metadata": {"labels": {QUEUE: "late"}}})
    base, _ = await made(stage, "kai-scheduler")
    assert base["spec"]["queue"] == "late"
    await promised(stage, "True", "KaiGangScheduling")


@pytest.mark.usefixtures("queues")
@pytest.mark.parametrize("scheduler", APIS)
async def test_groups_go_with_their_gangs(
    stage: Stage, schedulers: OperatorProcess, scheduler: str
) -> None:
    del schedulers
    await stage.create(crew(scheduler))
    await made(stage, scheduler)
    await stage.scale("PodCliqueScalingGroup", "race-0-crew", 1)
    [left] = await made(stage, scheduler, 1)
    assert left["metadata"]["name"] == "race-0"
    await stage.delete("PodCliqueSet", "race")
    await stage.kube.wait_gone(groups(stage, scheduler))


def goldens() -> list[Object]:
    """Every group of KAI or Volcano that a set of the golden tests becomes."""
    folder = Path(__file__).parents[1] / "golden"
    documents: list[Object] = [
        body
        for file in sorted(folder.glob("*/expected.yaml"))
        for body in yaml.safe_load_all(file.read_text(encoding="utf-8"))
    ]
    return [body for body in documents if body["apiVersion"] in APIS.values()]


@pytest.mark.usefixtures("schedulers")
def test_the_api_server_takes_every_group_and_drops_nothing_of_it(ground: LocalCluster) -> None:
    """Subgroup trees and topology constraints among them: their CRD has rules for both."""
    found = goldens()
    assert {body["apiVersion"] for body in found} == set(APIS.values())
    assert any("parent" in leaf for body in found for leaf in body["spec"].get("subGroups", ()))
    for body in found:
        meta = {
            k: v for k, v in body["metadata"].items() if k not in ("namespace", "ownerReferences")
        }
        sent = yaml.safe_dump(body | {"metadata": meta})
        answer = ground.kubectl(
            "create", "--dry-run=server", "--validate=strict", "-o", "yaml", "-f", "-", stdin=sent
        )
        taken = yaml.safe_load(answer)
        assert taken["spec"] == body["spec"]


@pytest.fixture
async def queues(kube: Kube, schedulers: OperatorProcess) -> AsyncIterator[None]:
    """Of Volcano: two that are open, one that is not."""
    del schedulers
    api = APIS["volcano"]
    states = {"default": "Open", "dock": "Open", "quay": "Closed"}
    for name, state in states.items():
        body = {"apiVersion": api, "kind": "Queue", "metadata": {"name": name}, "spec": {}}
        await kube.create(path_of(api, "queues"), body)
        path = f"{path_of(api, 'queues', name=name)}/status"
        await kube.patch(path, {"status": {"state": state}})
    yield
    for name in states:
        await kube.delete(path_of(api, "queues", name=name))


@pytest.mark.usefixtures("queues")
async def test_volcano_gets_its_groups_in_the_queue_that_cliques_name(
    stage: Stage, schedulers: OperatorProcess
) -> None:
    del schedulers
    await stage.create(on_cliques(crew("volcano"), "annotations", {VOLCANO_QUEUE: "dock"}))
    base, _ = await made(stage, "volcano")
    assert (base["spec"]["queue"], base["spec"]["minMember"]) == ("dock", 3)
    assert base["spec"]["subGroupPolicy"][0] == {
        "name": "race-0-gate",
        "labelSelector": {"matchLabels": {"grove.io/podclique": "race-0-gate"}},
        "matchLabelKeys": ["grove.io/podclique"],
        "subGroupSize": 1,
        "minSubGroups": 1,
    }
    await stage.seen.until(lambda: gated(stage).count(False) == 5, "the base gang is let go")
    [pod] = [p for p in stage.seen.of("Pod") if "crew-0-lead" in p["metadata"]["name"]]
    annotations = pod["metadata"]["annotations"]
    assert annotations["scheduling.volcano.sh/group-name"] == "race-0"
    assert annotations["scheduling.k8s.io/group-name"] == "race-0"


def queue_of(body: Body, name: str) -> Body:
    body["metadata"]["annotations"][VOLCANO_QUEUE] = name
    return body


REFUSED: dict[str, tuple[Any, str]] = {
    "KAI without a queue": (
        lambda: on_cliques(crew("kai-scheduler"), "labels", {QUEUE: "another"}),
        "KAI queue on PodCliqueSet",
    ),
    "no such queue": (lambda: queue_of(crew("volcano"), "sea"), 'queue "sea" does not exist'),
    "a closed queue": (lambda: queue_of(crew("volcano"), "quay"), 'queue "quay" is not Open'),
}


@pytest.mark.usefixtures("queues")
@pytest.mark.parametrize(("body", "says"), REFUSED.values(), ids=REFUSED)
async def test_admission_says_so_already(stage: Stage, body: Any, says: str) -> None:
    with pytest.raises(ApiError, match=says):
        await stage.kube.create(stage.path("PodCliqueSet"), body())


async def test_lpx_is_given_pods_that_name_it(stage: Stage, schedulers: OperatorProcess) -> None:
    del schedulers
    await stage.create(crew("lpx-scheduler"))
    await stage.seen.until(lambda: gated(stage).count(False) == 5, "the base gang is let go")
    await promised(stage, "Unknown", "LeftToScheduler")
    assert {pod["spec"]["schedulerName"] for pod in stage.seen.of("Pod")} == {"lpx-scheduler"}
