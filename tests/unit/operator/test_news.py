"""A restart is told of when it was carried out, whatever becomes of what comes after it."""

from collections.abc import Callable

import pytest

from grove_operator.api.times import after
from grove_operator.cluster.applier import Report
from grove_operator.errors import UnavailableError
from grove_operator.observed import Kind
from grove_operator.plan.actions import Delete, Patch, Rank
from tests.support.builders import NOW, a_set
from tests.support.fakecluster import FakeCluster, forbidden
from tests.unit.operator.test_reconcile import Operator, at_work

RESTARTED = "PodCliqueSetReplicaDeleteSuccessful"
LATER = after(NOW, 3601)


async def fall_ill(operator: Operator) -> None:
    """One pod does, and that is noted; then an hour passes."""
    cluster = operator.cluster
    name = next(name for name in cluster.names(Kind.POD) if "router" in name)
    status = dict(cluster.get(Kind.POD, name)["status"])
    status["conditions"] = [
        {"type": "PodScheduled", "status": "True"},
        {"type": "Ready", "status": "False"},
    ]
    running = {"running": {"startedAt": NOW}}
    status["containerStatuses"] = [
        {"name": "app", "started": True, "ready": False, "state": running}
    ]
    cluster.set_status(Kind.POD, name, status)
    await operator.quiet()
    cluster.now = LATER
    operator.reconciler.now = lambda: LATER
    operator.reconciler.attention.look_at_everything()


Fail = Callable[[FakeCluster], object]
FAULTS: dict[str, Fail] = {
    "nothing fails": lambda _: None,
    "a new pod is refused": lambda cluster: cluster.fail("create", "Pod", forbidden, times=1),
    "one deletion fails at first": lambda cluster: cluster.fail(
        "delete", "Pod", forbidden, times=1
    ),
}


@pytest.mark.parametrize("fail", FAULTS.values(), ids=FAULTS)
async def test_a_restart_is_told_of_once(fail: Fail) -> None:
    builder = a_set().with_clique("router", 2, minAvailable=2).with_clique("w", 2)
    cluster = FakeCluster(now=NOW)
    async with at_work(cluster) as operator:
        cluster.apply(builder.with_template(terminationDelay="1h").manifest())
        await operator.settle()
        before = set(cluster.names(Kind.POD))
        fail(cluster)
        await fall_ill(operator)
        await operator.settle()
        assert not before & set(cluster.names(Kind.POD))
        assert operator.reasons().count(RESTARTED) == 1


REFUSED = UnavailableError("delete Pod p", 0, "", "connection lost")
POD = Delete(Rank.REMOVE, Kind.POD, "p", "u", "")
GANG = Patch(Rank.REMOVE, Kind.GANG, "g", "u", {}, "")
REPORTS: dict[str, tuple[int, list[Delete | Patch], bool]] = {
    "all pods went": (3, [], True),
    "all pods went, and something else failed": (3, [GANG], True),
    "a pod is left": (2, [POD], False),
    "no pod had to go": (0, [], False),
}


@pytest.mark.parametrize(("gone", "failed", "removed"), REPORTS.values(), ids=REPORTS)
def test_whether_pods_were_removed(gone: int, failed: list[Delete | Patch], removed: bool) -> None:
    report = Report(failures=[(action, REFUSED) for action in failed])
    report.done["Delete", Kind.POD] = gone
    assert report.pods_removed is removed
