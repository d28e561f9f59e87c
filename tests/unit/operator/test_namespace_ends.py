"""A set in a namespace that is being deleted costs next to nothing."""

from grove_operator.cluster.store import WHOLE_SET
from grove_operator.observed import Kind
from grove_operator.operator.attention import Key
from grove_operator.policy.pacing import Pace
from tests.support.builders import a_set
from tests.support.fakecluster import FakeCluster, namespace_ends
from tests.unit.operator.test_reconcile import Operator


async def test_nothing_is_told_and_little_is_tried() -> None:
    operator = Operator(FakeCluster(), 1, Pace(0, 0, 0))
    for kind in operator.cluster.objects:
        operator.cluster.fail("create", kind, namespace_ends)
    operator.cluster.apply(a_set().with_clique("w", 3).manifest())
    keys = [Key("harbor", "tide", WHOLE_SET), Key("harbor", "tide", 0)]
    for key in keys * 3:
        await operator.reconciler.reconcile(key)
        operator.cluster.tick()
        assert operator.queue.failures(key)
    assert operator.cluster.get(Kind.SET, "tide").get("status") is None
    assert operator.reasons() == []
    tried = operator.cluster.writes()
    assert len(tried) == len(set(tried)), "once, by the first pass"
