"""ClusterTopologyBindings and KAI's Topologies, looked after on an API server in memory."""

import json
from typing import Any, cast

import pytest

from grove_operator.cluster.connection import Api
from grove_operator.cluster.events import Recorder
from grove_operator.cluster.records import decode_child
from grove_operator.cluster.resources import TOPOLOGY_BINDINGS, Resource
from grove_operator.cluster.topologies import KAI_TOPOLOGIES
from grove_operator.errors import ForbiddenError
from grove_operator.observed import Child
from grove_operator.operator.topologies import TopologyKeeper
from grove_operator.settings import Settings
from tests.support.builders import NOW

Body = dict[str, Any]
SERVED = frozenset({(KAI_TOPOLOGIES.group, KAI_TOPOLOGIES.version, KAI_TOPOLOGIES.plural)})
KEYS = {"zone": "k/zone", "rack": "k/rack"}


def binding(version: int = 1, status: Body | None = None, **keys: str) -> Child:
    levels = [{"domain": domain, "key": key} for domain, key in (KEYS | keys).items()]
    meta = {"name": "dc", "uid": "u", "resourceVersion": str(version), "generation": 1}
    body = {"metadata": meta, "spec": {"levels": levels}, "status": status or {}}
    return decode_child(json.dumps(body).encode())


class FakeCluster:
    """Notes what it is asked for; `refuses` makes it refuse creations."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.refuses = False
        self.version = 10
        self.statuses: list[Body] = []

    def _answer(self, body: Body) -> bytes:
        self.version += 1
        meta = {"name": "dc", "uid": "t", **body.get("metadata", {})}
        meta["resourceVersion"] = str(self.version)
        return json.dumps(body | {"metadata": meta}).encode()

    async def create(self, resource: Resource, namespace: str | None, body: bytes) -> bytes:
        del namespace
        if self.refuses:
            raise ForbiddenError("create Topology dc", 403, "Forbidden", "not today")
        self.asked.append(f"create {resource.kind}")
        return self._answer(json.loads(body))

    async def delete(
        self, resource: Resource, namespace: str | None, name: str, *, uid: str
    ) -> bytes:
        del namespace
        self.asked.append(f"delete {resource.kind} {name} {uid}")
        return b"{}"

    async def merge_patch(
        self, resource: Resource, namespace: str | None, name: str, body: bytes, subresource: str
    ) -> bytes:
        del namespace
        self.asked.append(f"patch {resource.kind} {name} {subresource}")
        self.statuses.append(json.loads(body)["status"])
        meta = {"uid": "u", "generation": 1}
        levels = [{"domain": domain, "key": key} for domain, key in KEYS.items()]
        spec = {"levels": levels}
        return self._answer({"metadata": meta, "spec": spec, "status": self.statuses[-1]})


class Keeping:
    def __init__(self, *, enabled: bool = True) -> None:
        self.cluster = FakeCluster()
        self.changes: list[str] = []
        api = cast(Api, self.cluster)
        settings = Settings.model_validate(
            {
                "topology_aware_scheduling": {"enabled": enabled},
                "scheduler": {"profiles": [{"name": "kai-scheduler"}]},
            }
        )
        self.recorder = Recorder(api, lambda: NOW)
        self.keeper = TopologyKeeper(api, settings, self.recorder, lambda: NOW, self.changes.append)

    def serve_kai(self) -> None:
        self.keeper.serve(SERVED)
        self.keeper.kai_informer.synced.set()

    def events(self) -> list[str]:
        queue = self.recorder._queue
        return [queue.get_nowait()[1].reason for _ in range(queue.qsize())]


@pytest.fixture
async def keeping() -> Keeping:
    return Keeping()


async def test_planning_is_told_of_levels_and_of_nothing_else(keeping: Keeping) -> None:
    sink = keeping.keeper.bindings
    sink.upsert(binding(1))
    sink.upsert(binding(2, {"conditions": []}))
    assert keeping.changes == ["dc"]
    assert keeping.keeper.offer().bindings == {"dc": KEYS}
    sink.upsert(binding(3, rack="k/cage"))
    sink.delete(binding(3))
    assert keeping.changes == ["dc"] * 3
    assert keeping.keeper.offer().bindings == {}


async def test_the_order_of_levels_counts(keeping: Keeping) -> None:
    sink = keeping.keeper.bindings
    sink.upsert(binding(1))
    body = {"spec": {"levels": binding().body["spec"]["levels"][::-1]}}
    sink.upsert(Child(meta=binding(2).meta, body=body))
    assert keeping.changes == ["dc"] * 2


async def test_an_old_state_does_not_come_back(keeping: Keeping) -> None:
    keeping.keeper.bindings.upsert(binding(5))
    keeping.keeper.bindings.upsert(binding(4, rack="k/cage"))
    assert keeping.keeper.offer().bindings == {"dc": KEYS}


async def test_what_a_list_lacks_is_gone(keeping: Keeping) -> None:
    keeping.keeper.bindings.upsert(binding())
    keeping.keeper.bindings.replace([], "9")
    assert keeping.changes == ["dc"] * 2


async def test_nothing_is_offered_while_it_is_off() -> None:
    keeping = Keeping(enabled=False)
    keeping.keeper.bindings.upsert(binding())
    assert not keeping.keeper.offer().enabled
    assert keeping.keeper.offer().bindings == {}


async def test_a_topology_is_made_and_told_of(keeping: Keeping) -> None:
    keeping.serve_kai()
    keeping.keeper.bindings.upsert(binding())
    await keeping.keeper.reconcile("dc")
    made = ["create Topology", "patch ClusterTopologyBinding dc status"]
    assert keeping.cluster.asked == made
    [status] = keeping.cluster.statuses
    assert status["schedulerTopologyStatuses"][0]["inSync"]
    assert keeping.events() == ["TopologyInSync"]
    await keeping.keeper.reconcile("dc")
    assert keeping.cluster.asked == made, "a second look writes nothing"


async def test_other_levels_mean_another_topology(keeping: Keeping) -> None:
    keeping.serve_kai()
    keeping.keeper.bindings.upsert(binding())
    await keeping.keeper.reconcile("dc")
    keeping.cluster.asked.clear()
    keeping.keeper.bindings.upsert(binding(99, rack="k/cage"))
    await keeping.keeper.reconcile("dc")
    assert keeping.cluster.asked[:2] == ["delete Topology dc t", "create Topology"]


async def test_a_refusal_is_told_and_tried_again(keeping: Keeping) -> None:
    keeping.serve_kai()
    keeping.cluster.refuses = True
    keeping.keeper.bindings.upsert(binding())
    await keeping.keeper.reconcile("dc")
    [status] = keeping.cluster.statuses
    assert "not today" in status["schedulerTopologyStatuses"][0]["message"]
    assert "observedGeneration" not in status
    assert keeping.events() == ["TopologyDriftDetected"]
    assert keeping.keeper.queue.failures("dc") == 1


async def test_nothing_is_said_of_a_scheduler_that_is_not_installed(keeping: Keeping) -> None:
    keeping.keeper.bindings.upsert(binding())
    await keeping.keeper.reconcile("dc")
    assert keeping.cluster.asked == ["patch ClusterTopologyBinding dc status"]
    assert keeping.cluster.statuses == [{"observedGeneration": 1}]


async def test_nothing_is_written_before_the_topologies_are_listed(keeping: Keeping) -> None:
    keeping.keeper.serve(SERVED)
    keeping.keeper.bindings.upsert(binding())
    await keeping.keeper.reconcile("dc")
    assert keeping.cluster.asked == []


async def test_a_topology_that_changes_is_compared(keeping: Keeping) -> None:
    keeping.serve_kai()
    keeping.keeper.bindings.upsert(binding())
    await keeping.keeper.reconcile("dc")
    before = keeping.keeper.queue.depth
    owner = {"uid": "u", "name": "dc", "controller": True}
    meta = {"name": "dc", "uid": "t", "resourceVersion": "50", "ownerReferences": [owner]}
    body = {"metadata": meta, "spec": {"levels": []}}
    keeping.keeper.kai_topologies.upsert(decode_child(json.dumps(body).encode()))
    assert keeping.keeper.queue.depth >= before
    await keeping.keeper.reconcile("dc")
    assert "delete Topology dc t" in keeping.cluster.asked


def test_the_kinds_are_cluster_scoped() -> None:
    assert TOPOLOGY_BINDINGS.path(None, "dc").endswith("/clustertopologybindings/dc")
    assert KAI_TOPOLOGIES.path(None, "dc") == "/apis/kai.scheduler/v1alpha1/topologies/dc"
