"""The operator killed in the middle of what it does for gangs that live: the outcome is the same.

Updates, restarts and replacements of ended pods: each has ten kills at random moments, which the
environment variable GROVE_TEST_SEED repeats.

No other operator may run meanwhile, so these tests stand apart from those of a module's operator.
"""

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from grove_operator.api import labels
from tests.integration.conftest import Stage
from tests.integration.sets import conditions, plain
from tests.integration.test_kills import KILLS, SEED, Killer
from tests.integration.test_recovery import (
    SET_EVENT,
    breached,
    crews,
    fall_ill,
    pods_of,
    report,
    uids,
)
from tests.integration.test_updates import (
    PATIENCE,
    change_image,
    fleet,
    images,
    progress,
    updated,
)
from tests.integration.timeline import Timeline, timeline
from tests.support.operator import OperatorProcess


@contextmanager
def told(stage: Stage) -> Iterator[Timeline]:
    try:
        with timeline(stage.seen) as line:
            yield line
    except AssertionError as error:
        raise AssertionError(f"GROVE_TEST_SEED={SEED}: {error}") from error


async def test_kills_in_the_middle_change_nothing(stage: Stage, mortal: OperatorProcess) -> None:
    """Floors hold, no pod is replaced twice."""
    await stage.create(fleet(2))
    await stage.settled()
    killer = Killer(stage, mortal)
    with told(stage) as line:
        await change_image(stage, "fleet", "registry.example/x:2", 0, 1, 2)
        await killer.kill_during(180, KILLS, lambda: "updateEndedAt" in progress(stage, "fleet"))
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
    """From the breach on; each pod is replaced, and the other replica is left alone."""
    await stage.create(crews(replicas=2))
    await stage.settled()
    before, others = uids(stage, "boat-0-"), uids(stage, "boat-1-")
    with told(stage) as line:
        await fall_ill(stage, "boat-0-router", 2)
        await breached(stage, "PodClique", "boat-0-router")
        await stage.seen.until(lambda: not before <= uids(stage), "it begins")
        await Killer(stage, mortal).kill_during(100, KILLS, lambda: stage.problems() == [])
        await stage.settled(90)
        assert not uids(stage) & before
        assert others <= uids(stage)
        assert max(line.born.values()) <= 2  # one made before a kill goes with the rest of its gang


async def test_kills_around_a_replacement_make_one_pod_for_each(
    stage: Stage, mortal: OperatorProcess
) -> None:
    """From the end of two pods on, through the ten seconds of waiting."""
    await stage.create(plain("web", pods=4))
    await stage.settled()
    ended = pods_of(stage, "web-0-main")[:2]
    before = {pod["metadata"]["uid"] for pod in ended}
    with told(stage) as line:
        for pod in ended:
            await report(stage, pod, {"phase": "Failed", "reason": "Evicted"})
        over = lambda: len(uids(stage) - before) == 4  # noqa: E731 - asked for twice
        await Killer(stage, mortal).kill_during(20, KILLS, over)
        await stage.seen.until(over, "both are replaced")
        await stage.settled(90)
        indices = [pod["metadata"]["labels"][labels.POD_INDEX] for pod in ended]
        assert line.born == Counter(("web-0-main", index) for index in indices)
    notes = [pod["metadata"].get("annotations", {}) for pod in pods_of(stage, "web-0-main")]
    assert [note[labels.TRIES] for note in notes if labels.TRIES in note] == ["1", "1"]
