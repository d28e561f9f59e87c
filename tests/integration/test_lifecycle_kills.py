"""The operator killed in the middle of updates and restarts of gangs: the outcome is the same.

No other operator may run meanwhile, so these tests stand apart from those of a module's operator.
"""

import asyncio

from tests.integration.conftest import Stage
from tests.integration.sets import conditions
from tests.integration.test_recovery import SET_EVENT, breached, crews, fall_ill, uids
from tests.integration.test_updates import (
    PATIENCE,
    change_image,
    fleet,
    images,
    progress,
    updated,
)
from tests.integration.timeline import timeline
from tests.support.operator import OperatorProcess


async def test_kills_in_the_middle_change_nothing(stage: Stage, mortal: OperatorProcess) -> None:
    """Ten of them; floors hold, no pod is replaced twice."""
    await stage.create(fleet(2))
    await stage.settled()
    with timeline(stage.seen) as line:
        await change_image(stage, "fleet", "registry.example/x:2", 0, 1, 2)
        for _ in range(10):
            goal = stage.seen.changes + 9
            await stage.seen.until(
                lambda goal=goal: (
                    stage.seen.changes >= goal  # type: ignore[misc]
                    or "updateEndedAt" in progress(stage, "fleet")
                ),
                "nine changes",
                PATIENCE,
            )
            await asyncio.to_thread(mortal.kill)
            await asyncio.to_thread(mortal.start)
        await updated(stage, "fleet", 2 * PATIENCE)
        assert max(line.out.values()) == 1
        assert min(line.lowest[f"fleet-{index}-router"] for index in range(2)) >= 1
        assert max(line.born.values()) == 1
    assert images(stage) == {"registry.example/x:2"}


async def test_a_breach_before_a_restart_of_the_operator_counts(
    stage: Stage, mortal: OperatorProcess
) -> None:
    """It is dead for longer than the delay; the gang is restarted as soon as it is back."""
    await stage.create(crews())
    await stage.settled()
    before = uids(stage)
    with timeline(stage.seen):
        await fall_ill(stage, "boat-0-router", 2)
        await breached(stage, "PodClique", "boat-0-router")
        await asyncio.to_thread(mortal.kill)
        condition = conditions(stage.seen.named("PodClique", "boat-0-router"))
        since = condition["MinAvailableBreached"]["lastTransitionTime"]
        await stage.seen.stays_quiet(5)
        assert uids(stage) == before
        await asyncio.to_thread(mortal.start)
        await stage.seen.until(lambda: not uids(stage) & before, "everything is restarted", 45)
        await stage.settled()
    event = await stage.wait_event("PodCliqueSet", SET_EVENT)
    assert event["firstTimestamp"] >= since


async def test_kills_around_a_restart_leave_a_whole_gang(
    stage: Stage, mortal: OperatorProcess
) -> None:
    """Ten of them, from the breach on; no index has two pods, and all is well in the end."""
    await stage.create(crews(replicas=2))
    await stage.settled()
    before = uids(stage, "boat-0-")
    with timeline(stage.seen):
        await fall_ill(stage, "boat-0-router", 2)
        await breached(stage, "PodClique", "boat-0-router")
        await stage.seen.until(lambda: not before <= uids(stage), "it begins")
        for step in range(10):
            goal = stage.seen.changes + 1 + step
            await stage.seen.until(
                lambda goal=goal: (
                    stage.seen.changes >= goal  # type: ignore[misc]
                    or stage.problems() == []
                ),
                "some changes",
            )
            await asyncio.to_thread(mortal.kill)
            await asyncio.to_thread(mortal.start)
        await stage.settled(90)
        assert not uids(stage) & before
