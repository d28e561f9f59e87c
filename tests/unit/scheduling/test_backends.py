"""Which backend a set gets, what it promises, and what it makes of what a scheduler says."""

from typing import Any

import pytest

from grove_operator.admission.schedulers import KAI, LPX, VOLCANO
from grove_operator.desired.blueprint import build_blueprint
from grove_operator.observed import Child, Kind, ReplicaSnapshot
from grove_operator.scheduling.backend import NOTHING, Backend
from grove_operator.scheduling.backends import backend_of
from grove_operator.scheduling.native import Capabilities
from grove_operator.scheduling.profiles import EVERYTHING, Profiles
from tests.support.builders import NATIVE, PLAIN, SUMS, SetBuilder, a_meta, a_set

DEFAULT = "default-scheduler"
PULL = Profiles(EVERYTHING.enabled, EVERYTHING.served, pod_grouper=True)
MISSING = Profiles(EVERYTHING.enabled)
OLD = Profiles(EVERYTHING.enabled, outdated=frozenset({VOLCANO}))
QUEUE = {"kai.scheduler/queue": "test"}
DOCK = {"scheduling.grove.io/volcano-queue": "dock"}


def for_scheduler(name: str, **fields: Any) -> SetBuilder:
    builder = a_set(**fields)
    for clique in ("gate", "oar"):
        builder = builder.with_clique(clique, pod_spec={"schedulerName": name})
    return builder


def backend(builder: SetBuilder, profiles: Profiles = EVERYTHING) -> Backend:
    return backend_of(builder.blueprint(), Capabilities(profiles=profiles))


PROMISES: dict[str, tuple[SetBuilder, Capabilities, str, bool | None]] = {
    "native gangs": (for_scheduler(DEFAULT), NATIVE, "NativeGangScheduling", True),
    "sums only": (for_scheduler(DEFAULT), SUMS, "SumOfMinimums", False),
    "no groups": (for_scheduler(DEFAULT), PLAIN, "GangSchedulingUnavailable", False),
    "KAI": (
        for_scheduler(KAI, labels=QUEUE),
        Capabilities(profiles=EVERYTHING),
        "KaiGangScheduling",
        True,
    ),
    "KAI by its pod grouper": (
        for_scheduler(KAI, labels=QUEUE),
        Capabilities(profiles=PULL),
        "KaiPodGrouper",
        True,
    ),
    "KAI is not installed": (
        for_scheduler(KAI, labels=QUEUE),
        Capabilities(profiles=MISSING),
        "SchedulerUnavailable",
        False,
    ),
    "KAI without a queue": (
        for_scheduler(KAI),
        Capabilities(profiles=EVERYTHING),
        "QueueUnresolved",
        False,
    ),
    "KAI is not enabled": (for_scheduler(KAI, labels=QUEUE), NATIVE, "SchedulerNotEnabled", False),
    "Volcano": (
        for_scheduler(VOLCANO),
        Capabilities(profiles=EVERYTHING),
        "VolcanoGangScheduling",
        True,
    ),
    "Volcano is not installed": (
        for_scheduler(VOLCANO),
        Capabilities(profiles=MISSING),
        "SchedulerUnavailable",
        False,
    ),
    "Volcano is too old": (
        for_scheduler(VOLCANO),
        Capabilities(profiles=OLD),
        "SchedulerUnavailable",
        False,
    ),
    "Volcano with two queues": (
        for_scheduler(VOLCANO).with_clique(
            "oar", annotations=DOCK, pod_spec={"schedulerName": VOLCANO}
        ),
        Capabilities(profiles=EVERYTHING),
        "QueueUnresolved",
        False,
    ),
    "LPX": (for_scheduler(LPX), Capabilities(profiles=EVERYTHING), "LeftToScheduler", None),
    "an unknown one": (
        for_scheduler("mine"),
        Capabilities(profiles=EVERYTHING),
        "SchedulerNotEnabled",
        False,
    ),
}


@pytest.mark.parametrize(("builder", "offered", "reason", "holds"), PROMISES.values(), ids=PROMISES)
def test_what_a_set_may_expect(
    builder: SetBuilder, offered: Capabilities, reason: str, *, holds: bool | None
) -> None:
    blueprint = builder.blueprint()
    promise = backend_of(blueprint, offered).promise(blueprint)
    assert (promise.reason, promise.holds) == (reason, holds)


def test_what_is_missing_is_named() -> None:
    blueprint = for_scheduler(VOLCANO).blueprint()
    promise = backend_of(blueprint, Capabilities(profiles=MISSING)).promise(blueprint)
    assert "install Volcano 1.14" in promise.message


@pytest.mark.parametrize(
    ("profiles", "lacking"),
    [
        (EVERYTHING, set()),
        (MISSING, {KAI, VOLCANO}),
        (OLD, {KAI, VOLCANO}),
        (Profiles(frozenset({DEFAULT})), set()),
    ],
    ids=["all there", "none there", "too old counts as missing", "not enabled is not missed"],
)
def test_whose_arrival_is_worth_looking_for(profiles: Profiles, lacking: set[str]) -> None:
    assert {name for name in (DEFAULT, KAI, VOLCANO, LPX) if profiles.lacks(name)} == lacking


def test_cliques_that_name_no_scheduler_go_to_the_default_profile() -> None:
    model = a_set(labels=QUEUE).with_clique("gate").model()
    blueprint = build_blueprint(model, KAI)
    assert blueprint.scheduler == KAI
    assert backend_of(blueprint, Capabilities(profiles=EVERYTHING)).group_kind is Kind.KAI_POD_GROUP


def test_what_pods_carry() -> None:
    kai, volcano = for_scheduler(KAI, labels=QUEUE), for_scheduler(VOLCANO)
    wanted = backend(kai).prepare_pod(kai.slot("tide-0-oar"))
    assert wanted.labels == {"kai.scheduler/subgroup-name": "tide-0-oar"}
    assert wanted.annotations == {
        "kai.scheduler/skip-podgrouper": "true",
        "pod-group-name": "tide-0",
    }
    wanted = backend(volcano).prepare_pod(volcano.slot("tide-0-oar"))
    assert wanted.annotations == {
        "scheduling.volcano.sh/group-name": "tide-0",
        "scheduling.k8s.io/group-name": "tide-0",
    }
    lpx = for_scheduler(LPX)
    wanted = backend(lpx).prepare_pod(lpx.slot("tide-0-oar"))
    assert wanted == NOTHING


def test_the_pod_grouper_is_left_to_do_its_work() -> None:
    """It finds pods by the PodGang, and the queue by the PodGang's label."""
    builder = a_set().with_clique("gate", labels=QUEUE, pod_spec={"schedulerName": KAI})
    found = backend(builder, PULL)
    assert found.group_kind is None
    wanted = found.prepare_pod(builder.slot("tide-0-gate"))
    assert wanted == NOTHING
    assert found.prepare_gang(builder.blueprint()).labels == QUEUE
    assert not found.prepare_gang(builder.blueprint()).annotations


def kai_says(name: str, **condition: Any) -> ReplicaSnapshot:
    said = {"type": "UnschedulableOnNodePool", "nodePool": "default", **condition}
    group = Child(meta=a_meta(name), status={"schedulingConditions": [said]})
    gang = Child(meta=a_meta("tide-0", uid="1234"))
    return ReplicaSnapshot(gangs={"tide-0": gang}, kai_groups={name: group})


KAI_SAYS: dict[str, tuple[ReplicaSnapshot, dict[str, str]]] = {
    "in a message": (kai_says("tide-0", status="True", message="why"), {"tide-0": "why"}),
    "in reasons": (
        kai_says("tide-0", reasons=[{"message": "no GPUs"}, {"reason": "QueueDoesNotExist"}]),
        {"tide-0": "no GPUs; QueueDoesNotExist"},
    ),
    "of a group of the pod grouper": (
        kai_says("pg-tide-0-1234", message="why"),
        {"tide-0": "why"},
    ),
    "no longer": (kai_says("tide-0", status="False", message="why"), {}),
    "nothing": (ReplicaSnapshot(kai_groups={"tide-0": Child(meta=a_meta("tide-0"))}), {}),
}


@pytest.mark.parametrize(("seen", "told"), KAI_SAYS.values(), ids=KAI_SAYS)
def test_what_kai_says(seen: ReplicaSnapshot, told: dict[str, str]) -> None:
    assert backend(for_scheduler(KAI, labels=QUEUE)).refusals(seen) == told


def test_what_volcano_says() -> None:
    said = [
        {"type": "Scheduled", "status": "True", "message": "no"},
        {"type": "Unschedulable", "status": "True", "message": "2/3 tasks in gang unschedulable"},
    ]
    group = Child(meta=a_meta("tide-0"), status={"conditions": said})
    seen = ReplicaSnapshot(volcano_groups={"tide-0": group})
    found = backend(for_scheduler(VOLCANO)).refusals(seen)
    assert found == {"tide-0": "2/3 tasks in gang unschedulable"}
