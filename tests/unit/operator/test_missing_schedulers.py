"""A scheduler that the cluster does not have: sets say so, and its arrival is looked for."""

from grove_operator.observed import Kind
from grove_operator.scheduling.native import Capabilities
from grove_operator.scheduling.profiles import EVERYTHING, Profiles
from tests.support.builders import a_set
from tests.unit.operator.test_reconcile import at_work


async def test_a_missing_scheduler_is_asked_for_until_it_is_there() -> None:
    """Discovery looks often from the first set that lacks one to the last."""
    asked: list[str] = []
    async with at_work() as operator:
        reconciler = operator.reconciler
        reconciler.on_lack = lambda: asked.append("again")
        reconciler.capabilities = Capabilities(profiles=Profiles(EVERYTHING.enabled))
        for name in ("tide", "ebb"):
            spec = {"schedulerName": "volcano"}
            operator.cluster.apply(a_set(name).with_clique("w", pod_spec=spec).manifest())
        await operator.settle()
        condition = operator.condition("GangGuarantee")
        assert (condition["status"], condition["reason"]) == ("False", "SchedulerUnavailable")
        assert {family.name for family in reconciler.lacking} == {"tide", "ebb"}
        assert asked == ["again"]
        for name in ("tide", "ebb"):
            operator.cluster.remove(Kind.SET, name)
        await operator.settle()
        assert not reconciler.lacking
