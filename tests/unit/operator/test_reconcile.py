"""The real reconciler, applier, queue and store on an API server in memory."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from grove_operator.api import labels
from grove_operator.cluster.applier import Applier
from grove_operator.cluster.events import Recorder
from grove_operator.cluster.store import WHOLE_SET, Place, Store
from grove_operator.observed import Kind, Record
from grove_operator.operator.attention import Key
from grove_operator.operator.queue import Handle, WorkQueue
from grove_operator.operator.reconcile import Reconciler
from grove_operator.policy.pacing import Pace
from tests.support.builders import NATIVE, NOW, a_set, the_crew
from tests.support.fakecluster import (
    FakeCluster,
    FakeConnection,
    conflict,
    forbidden,
    unavailable,
)

_FASTER = 20
"""How much faster the queue's clock runs, so that back-off takes no time."""


class FastTimers:
    def __init__(self, faster: float) -> None:
        self.loop = asyncio.get_running_loop()
        self.faster = faster

    def time(self) -> float:
        return self.loop.time() * self.faster

    def call_at(self, when: float, callback: Callable[[], Any], /) -> Handle:
        return self.loop.call_at(when / self.faster, callback)


class Operator:
    """What the composition root wires up, but the cluster's watch feeds the store."""

    def __init__(self, cluster: FakeCluster, faster: float, pace: Pace) -> None:
        api = FakeConnection(cluster)
        self.cluster = cluster
        self.store = cluster.store = Store(self._changed)
        self.queue: WorkQueue[Key] = WorkQueue(timers=FastTimers(faster), jitter=lambda: 0.0)
        self.recorder = Recorder(api, lambda: NOW)
        applier = Applier(api, self.store)
        self.reconciler = Reconciler(
            self.store, applier, self.queue, self.recorder, lambda: NOW, pace
        )
        self.reconciler.capabilities = NATIVE

    def _changed(self, place: Place, kind: Kind, old: Record | None, new: Record | None) -> None:
        self.reconciler.attention.changed(place, kind, old, new)

    async def quiet(self) -> None:
        """Wait until the queue holds nothing but keys that wait for their back-off."""
        async with asyncio.timeout(1.5):
            while True:
                await asyncio.sleep(0.001)
                busy = self.queue.depth or self.queue.running
                retrying = len(self.queue._failures)
                # What waits for time to pass, should nothing else happen, is at rest.
                far = self.queue._timers.time() + 60
                soon = sum(when < far for when in self.queue._due.values())
                if not busy and soon <= retrying:
                    return

    async def settle(self) -> None:
        """Let operator, garbage collector and scheduler take turns until nothing changes."""
        for _ in range(50):
            await self.quiet()
            if not self.cluster.tick():
                return
        pytest.fail("the cluster does not come to rest")

    def status(self, name: str = "tide") -> dict[str, Any]:
        found: dict[str, Any] = self.cluster.get(Kind.SET, name)["status"]
        return found

    def condition(self, type_: str, name: str = "tide") -> dict[str, Any]:
        conditions = self.status(name)["conditions"]
        return next(item for item in conditions if item["type"] == type_)

    def reasons(self) -> list[str]:
        return [event["reason"] for event in self.cluster.events]


@asynccontextmanager
async def at_work(
    cluster: FakeCluster | None = None,
    faster: float = _FASTER,
    pace: Pace = Pace(quiet=0.004, longest=0.02, debounce=0.001),  # noqa: B008 - frozen
) -> AsyncIterator[Operator]:
    operator = Operator(cluster or FakeCluster(), faster, pace)
    events = asyncio.create_task(operator.recorder.run())
    work = asyncio.create_task(operator.queue.run(operator.reconciler.reconcile, 4))
    try:
        yield operator
    finally:
        operator.queue.stop()
        work.cancel()
        events.cancel()
        await asyncio.gather(work, events, return_exceptions=True)
        for _, alarm in [operator.queue._alarm or (0, None)]:
            if alarm:
                alarm.cancel()


async def test_a_set_comes_up() -> None:
    async with at_work() as operator:
        operator.cluster.apply(the_crew().manifest())
        await operator.settle()
        cluster = operator.cluster
        assert cluster.names(Kind.GANG) == ["tide-0", "tide-0-crew-0"]
        assert len(cluster.names(Kind.POD)) == 11
        assert len(cluster.names(Kind.CLIQUE)) == 7
        phases = {
            name: cluster.get(Kind.GANG, name)["status"]["phase"]
            for name in cluster.names(Kind.GANG)
        }
        assert phases == {"tide-0": "Running", "tide-0-crew-0": "Running"}
        status = operator.status()
        assert (status["availableReplicas"], status["updatedReplicas"]) == (1, 1)
        assert status["podGangStatuses"] == [
            {"name": "tide-0", "phase": "Running"},
            {"name": "tide-0-crew-0", "phase": "Running"},
        ]


async def test_every_write_is_needed() -> None:
    """Objects are written once; only the scaled gang's pods are touched again, to release them."""
    async with at_work() as operator:
        operator.cluster.apply(the_crew().manifest())
        await operator.settle()
        writes = Counter(item for item in operator.cluster.writes() if " status" not in item)
    assert writes == {
        "create ControllerRevision": 1,
        "create ServiceAccount": 1,
        "create Role": 1,
        "create RoleBinding": 1,
        "create Secret": 1,
        "patch ServiceAccount": 1,
        "create Workload": 1,
        "create Service": 1,
        "create PodCliqueScalingGroup": 1,
        "create PodClique": 7,
        "create PodGang": 2,
        "create CompositePodGroup": 2,
        "create PodGroup": 7,
        "create Pod": 11,
        "patch Pod": 3,
        "patch PodCliqueSet": 1,
    }


async def test_statuses_of_a_burst_are_merged() -> None:
    async with at_work() as operator:
        operator.cluster.apply(a_set().with_clique("w", 40).manifest())
        await operator.settle()
        statuses = Counter(item for item in operator.cluster.writes() if " status" in item)
        pods = len(operator.cluster.names(Kind.POD))
    assert pods == 40
    assert statuses["patch status PodClique"] <= 4
    assert statuses["patch status PodGang"] <= 4
    assert statuses["patch status PodCliqueSet"] <= 6


async def test_a_settled_set_costs_no_writes() -> None:
    async with at_work() as operator:
        operator.cluster.apply(the_crew().manifest())
        await operator.settle()
        operator.cluster.requests.clear()
        operator.reconciler.attention.look_at_everything()
        await operator.settle()
        assert operator.cluster.writes() == []


async def test_a_new_process_finds_a_settled_set_and_writes_nothing() -> None:
    async with at_work() as first:
        first.cluster.apply(the_crew().manifest())
        await first.settle()
        cluster = first.cluster
    cluster.requests.clear()
    async with at_work(cluster) as second:
        for kind in Kind:
            for body in list(cluster.objects[kind].values()):
                cluster._notify("MODIFIED", kind, body)
        await second.settle()
    assert cluster.writes() == []


async def test_a_new_process_counts_every_replica_before_it_tells_of_any() -> None:
    async with at_work() as first:
        first.cluster.apply(the_crew().manifest())
        await first.settle()
        cluster, store = first.cluster, first.reconciler.store
        whole = Key(*next(store.families()), WHOLE_SET)
        first.reconciler.attention.known.clear()
        cluster.requests.clear()
        await first.reconciler.reconcile(whole)
        assert cluster.writes() == []
        await first.settle()
        assert cluster.writes() == []


async def test_a_lost_answer_makes_no_second_object() -> None:
    """The object is found to be ours, although the request that made it seemed to fail."""
    async with at_work() as operator:
        operator.cluster.held = []
        for kind in ("PodClique", "PodGang", "Pod", "Service"):
            operator.cluster.fail("create", kind, unavailable, times=1, lost=True)
        operator.cluster.apply(a_set().with_clique("w", 2).manifest())
        operator.cluster.deliver()
        await operator.settle()
        assert len(operator.cluster.names(Kind.POD)) == 2
        assert operator.status()["availableReplicas"] == 1
        assert "lastErrors" not in operator.status()


async def test_a_foreign_object_in_the_way_is_told_and_the_rest_goes_on() -> None:
    async with at_work() as operator:
        service = {"kind": "Service", "metadata": {"name": "tide-1", "namespace": "harbor"}}
        operator.cluster.insert(Kind.SERVICE, service)
        operator.cluster.apply(a_set(replicas=2).with_clique("w", 1).manifest())
        await operator.settle()
        status = operator.status()
        assert operator.cluster.names(Kind.GANG) == ["tide-0"]
        assert status["availableReplicas"] == 1
        [error] = status["lastErrors"]
        assert error["code"] == "ERR_CREATE_SERVICE"
        assert "tide-1 exists that is not of this PodCliqueSet" in error["description"]
        assert "ServiceCreateFailed" in operator.reasons()
        operator.cluster.remove(Kind.SERVICE, "tide-1")
        await _retried(operator, lambda: "lastErrors" not in operator.status())
        assert operator.status()["availableReplicas"] == 2


async def _retried(operator: Operator, done: Callable[[], bool]) -> None:
    """Give back-off its time."""
    async with asyncio.timeout(3):
        while not done():
            await asyncio.sleep(0.02)
            await operator.settle()


async def test_a_quota_costs_few_requests() -> None:
    """The first refusals end the batch, later passes try one pod at a time."""
    async with at_work() as operator:
        operator.cluster.fail("create", "Pod", forbidden)
        operator.cluster.apply(a_set().with_clique("w", 60).manifest())
        await operator.settle()
        await asyncio.sleep(0.1)
        tries = operator.cluster.writes().count("create Pod")
        assert tries < 60 + 25
        [error] = operator.status()["lastErrors"]
        assert error["description"].endswith("exceeded quota: pods")
        assert "PodCreateFailed" in operator.reasons()


async def test_a_set_recovers_when_the_quota_is_raised() -> None:
    async with at_work() as operator:
        fault = operator.cluster.fail("create", "Pod", forbidden)
        operator.cluster.apply(a_set().with_clique("w", 60).manifest())
        await operator.settle()
        fault.times = 0
        await _retried(operator, lambda: len(operator.cluster.names(Kind.POD)) == 60)
        await _retried(operator, lambda: "lastErrors" not in operator.status())


async def test_more_pods_than_may_be_tried_at_once_are_all_made() -> None:
    async with at_work() as operator:
        operator.cluster.apply(a_set().with_clique("w", 150).manifest())
        await operator.settle()
        assert len(operator.cluster.names(Kind.POD)) == 150


async def test_an_error_of_the_set_itself_is_forgotten_when_it_has_passed() -> None:
    operator = Operator(FakeCluster(), 1, Pace(0, 0, 0))
    keys = [Key("harbor", "tide", WHOLE_SET), Key("harbor", "tide", 0)]
    fault = operator.cluster.fail("create", "ServiceAccount", forbidden)
    operator.cluster.apply(a_set().with_clique("w", 1).manifest())
    for key in keys * 4:
        await operator.reconciler.reconcile(key)
        operator.cluster.tick()
    assert operator.status()["lastErrors"][0]["code"] == "ERR_CREATE_SERVICEACCOUNT"
    fault.times = 0
    await operator.reconciler.reconcile(keys[0])
    assert operator.cluster.names(Kind.SERVICE_ACCOUNT) == ["tide"]
    assert "lastErrors" not in operator.status()


async def test_a_wrong_spec_is_told_and_stops_nobody_else() -> None:
    async with at_work() as operator:
        wrong = a_set("wrong").with_clique("w", 1, minAvailable=2).manifest()
        operator.cluster.apply(wrong)
        operator.cluster.apply(a_set().with_clique("w", 1).manifest())
        await operator.settle()
        condition = operator.condition("SpecAccepted", "wrong")
        assert (condition["status"], condition["reason"]) == ("False", "InvalidSpec")
        assert "minAvailable: Invalid value: 2: " in condition["message"]
        assert operator.status("wrong")["observedGeneration"] == 1
        assert operator.reasons().count("InvalidSpec") == 1
        assert operator.status()["availableReplicas"] == 1


async def test_a_running_set_whose_spec_goes_wrong_runs_on() -> None:
    async with at_work() as operator:
        operator.cluster.apply(a_set().with_clique("w", 2).manifest())
        await operator.settle()
        pods = operator.cluster.names(Kind.POD)
        operator.cluster.apply(a_set().with_clique("w", 1, minAvailable=3).manifest())
        await operator.settle()
        assert operator.condition("SpecAccepted")["status"] == "False"
        assert operator.cluster.names(Kind.POD) == pods
        operator.cluster.apply(a_set().with_clique("w", 2).manifest())
        await operator.settle()
        types = [item["type"] for item in operator.status()["conditions"]]
        assert "SpecAccepted" not in types


async def test_a_wrong_set_can_be_deleted() -> None:
    async with at_work() as operator:
        operator.cluster.apply(a_set().with_clique("w", 1).manifest())
        await operator.settle()
        operator.cluster.apply(a_set().with_clique("w", 1, minAvailable=3).manifest())
        await operator.settle()
        operator.cluster.remove(Kind.SET, "tide")
        await operator.settle()
        assert not any(operator.cluster.objects.values())


async def test_a_conflict_means_look_again() -> None:
    async with at_work() as operator:
        operator.cluster.fail("patch", "PodCliqueSet", conflict, times=2)
        operator.cluster.fail("patch status", "PodGang", conflict, times=2)
        operator.cluster.apply(a_set().with_clique("w", 1).manifest())
        await operator.settle()
        assert operator.cluster.get(Kind.GANG, "tide-0")["status"]["phase"] == "Running"
        assert operator.cluster.get(Kind.SET, "tide")["metadata"]["finalizers"]
        assert "lastErrors" not in operator.status()


async def test_a_namespace_that_is_gone_makes_no_storm() -> None:
    async with at_work(faster=1, pace=Pace()) as operator:
        operator.cluster.gone_namespaces.add("harbor")
        operator.cluster.apply(a_set().with_clique("w", 1).manifest())
        await asyncio.sleep(0.4)
        assert len(operator.cluster.writes()) < 40


@pytest.mark.parametrize("lag", [False, True], ids=["watch at once", "watch late"])
async def test_a_set_is_deleted(*, lag: bool) -> None:
    async with at_work() as operator:
        operator.cluster.apply(the_crew().manifest())
        await operator.settle()
        if lag:
            operator.cluster.held = []
        operator.cluster.remove(Kind.SET, "tide")
        operator.cluster.deliver()
        await operator.settle()
        assert not any(operator.cluster.objects.values())
        assert operator.reconciler.attention.touched == {}


async def test_nothing_is_remembered_of_a_set_that_is_gone() -> None:
    async with at_work() as operator:
        operator.cluster.apply(the_crew().manifest())
        await operator.settle()
        operator.cluster.remove(Kind.SET, "tide")
        await operator.settle()
        assert operator.reconciler.attention.known == {}


async def test_a_set_made_again_under_its_name_gets_objects_of_its_own() -> None:
    async with at_work() as operator:
        operator.cluster.apply(the_crew().manifest())
        await operator.settle()
        operator.cluster.remove(Kind.SET, "tide")
        await operator.quiet()
        operator.cluster.apply(the_crew().manifest())
        await operator.settle()
        cluster = operator.cluster
        uid = cluster.get(Kind.SET, "tide")["metadata"]["uid"]
        for kind in (Kind.GANG, Kind.SERVICE, Kind.SCALING_GROUP, Kind.ROLE):
            for body in cluster.objects[kind].values():
                assert body["metadata"]["ownerReferences"][0]["uid"] == uid
        assert len(cluster.names(Kind.POD)) == 11
        assert operator.status()["availableReplicas"] == 1


@pytest.mark.parametrize(
    "kind", [Kind.SERVICE, Kind.CLIQUE, Kind.GANG, Kind.POD_GROUP, Kind.WORKLOAD, Kind.ROLE]
)
async def test_a_child_deleted_by_hand_comes_back(kind: Kind) -> None:
    async with at_work() as operator:
        operator.cluster.apply(the_crew().manifest())
        await operator.settle()
        names = operator.cluster.names(kind)
        operator.cluster.remove(kind, names[0])
        await operator.settle()
        assert operator.cluster.names(kind) == names
        assert len(operator.cluster.names(Kind.POD)) == 11


@pytest.mark.parametrize("kind", [Kind.SERVICE, Kind.CLIQUE, Kind.GANG, Kind.POD])
async def test_a_child_that_lost_the_label_we_watch_by_is_found_again(kind: Kind) -> None:
    """For the watch it is gone; it is not, and nobody may make a second one in its place."""
    async with at_work() as operator:
        operator.cluster.apply(a_set().with_clique("w", 2).manifest())
        await operator.settle()
        pods = operator.cluster.names(Kind.POD)
        name = operator.cluster.names(kind)[0]
        operator.cluster.change(kind, name, {"metadata": {"labels": {labels.MANAGED_BY: None}}})
        await operator.settle()
        assert operator.cluster.get(kind, name)["metadata"]["labels"][labels.MANAGED_BY]
        assert operator.cluster.names(Kind.POD) == pods
        record = operator.store.get(kind, "harbor", name)
        assert record is not None


async def test_events_tell_what_was_made() -> None:
    async with at_work() as operator:
        operator.cluster.apply(a_set().with_clique("w", 3).manifest())
        await operator.settle()
        messages = {event["reason"]: event["message"] for event in operator.cluster.events}
        assert messages["PodCreateSuccessful"] == "created 3 pods"
        assert messages["PodCliqueCreateSuccessful"] == "created 1 PodCliques"
