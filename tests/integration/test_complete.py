"""A PodCliqueSet becomes exactly what it should: every object, nothing else, and full statuses."""

import re

import pytest

from tests.integration.conftest import Stage
from tests.integration.sets import Body, a_clique, a_set, conditions, has, plain, tide
from tests.support.operator import OperatorProcess

pytestmark = pytest.mark.usefixtures("operator")


@pytest.fixture
async def sea(stage: Stage) -> Stage:
    """A stage on which `tide` is up."""
    await stage.create(tide())
    await stage.settled()
    return stage


async def test_every_object_exists_and_nothing_else(sea: Stage) -> None:
    """`settled` compares with what is planned; these numbers are counted by hand."""
    numbers = {kind: len(found) for kind, found in sea.seen.objects.items()}
    assert numbers["PodClique"] == 7
    assert numbers["PodCliqueScalingGroup"] == 1
    assert numbers["PodGang"] == 2
    assert numbers["Pod"] == 11
    assert numbers["HorizontalPodAutoscaler"] == 2
    assert numbers["CompositePodGroup"] == 2
    assert numbers["PodGroup"] == 7


async def test_statuses_are_complete(sea: Stage) -> None:
    gangs = [
        {"name": "tide-0", "phase": "Running"},
        {"name": "tide-0-crew-0", "phase": "Running"},
    ]
    await sea.seen.until(lambda: _status(sea).get("podGangStatuses") == gangs, "gangs listed")
    [pcs] = sea.seen.of("PodCliqueSet")
    status = pcs["status"]
    assert status["observedGeneration"] == pcs["metadata"]["generation"]
    assert (status["replicas"], status["availableReplicas"], status["updatedReplicas"]) == (1, 1, 1)
    assert status["currentGenerationHash"]
    assert "lastErrors" not in status
    assert has(pcs, "GangGuarantee")


def _status(stage: Stage) -> Body:
    status: Body = stage.seen.of("PodCliqueSet")[0]["status"]
    return status


async def test_podclique_statuses_agree_with_their_pods(sea: Stage) -> None:
    for clique in sea.seen.of("PodClique"):
        wanted, status = clique["spec"]["replicas"], clique["status"]
        counters = ("replicas", "readyReplicas", "scheduledReplicas", "updatedReplicas")
        assert {name: status[name] for name in counters} == dict.fromkeys(counters, wanted)
        assert status["scheduleGatedReplicas"] == 0
        assert status["observedGeneration"] == clique["metadata"]["generation"]
        assert has(clique, "PodCliqueScheduled")
        assert has(clique, "MinAvailableBreached", "False")
        assert ("hpaPodSelector" in status) == ("crew" not in clique["metadata"]["name"])


async def test_scaling_group_status_counts_replicas(sea: Stage) -> None:
    [group] = sea.seen.of("PodCliqueScalingGroup")
    status = group["status"]
    counters = ("replicas", "scheduledReplicas", "availableReplicas", "updatedReplicas")
    assert {name: status[name] for name in counters} == dict.fromkeys(counters, 3)
    assert has(group, "MinAvailableBreached", "False")
    assert "grove.io/podcliquescalinggroup=tide-0-crew" in status["selector"]


async def test_gangs_run_with_all_conditions(sea: Stage) -> None:
    for gang in sea.seen.of("PodGang"):
        assert gang["status"]["phase"] == "Running"
        found = {name: item["status"] for name, item in conditions(gang).items()}
        assert found == {
            "Initialized": "True",
            "Scheduled": "True",
            "Ready": "True",
            "Unhealthy": "False",
        }


async def test_pods_are_named_and_addressed_by_their_place(sea: Stage) -> None:
    for pod in sea.seen.of("Pod"):
        labels, spec = pod["metadata"]["labels"], pod["spec"]
        clique, index = labels["grove.io/podclique"], labels["grove.io/podclique-pod-index"]
        assert re.fullmatch(rf"{clique}-[a-z2-7]{{5}}", pod["metadata"]["name"])
        assert (spec["hostname"], spec["subdomain"]) == (f"{clique}-{index}", "tide-0")
        assert not spec.get("schedulingGates")
        scaled = labels["grove.io/podgang"] == "tide-0-crew-0"
        assert labels.get("grove.io/base-podgang") == ("tide-0" if scaled else None)


async def test_a_set_with_several_replicas_is_several_of_everything(stage: Stage) -> None:
    await stage.create(tide(3, autoscaled=False))
    await stage.settled()
    assert len(stage.seen.of("PodGang")) == 6
    assert len(stage.seen.of("Service")) == 3


async def test_two_sets_whose_names_begin_alike_do_not_mix(stage: Stage) -> None:
    """`plain` replica 1 and `plain-1` replica 0 have names that look related."""
    await stage.create(plain("plain", replicas=2))
    await stage.create(a_set("plain-1", [a_clique("in"), a_clique("main-in")]))
    await stage.settled()


async def test_a_set_without_replicas_is_available_and_empty(stage: Stage) -> None:
    await stage.create(plain(replicas=0))
    await stage.settled()
    assert stage.seen.of("Pod") == []


async def test_a_settled_set_is_left_alone(sea: Stage, operator: OperatorProcess) -> None:
    """No write for ten seconds, whatever the API server and its controllers do meanwhile."""
    await sea.alone()
    await sea.seen.stays_quiet(2)
    before = operator.writes()
    changed = await sea.seen.stays_quiet(10)
    assert operator.writes() == before
    assert [text for text in changed if not text.startswith("HorizontalPodAutoscaler")] == []
