"""SIGKILL at random moments of creation, scale-up and deletion: the outcome is always the same."""

import asyncio
import os
import random
from collections.abc import Callable

from tests.integration.conftest import PODS, Stage
from tests.integration.sets import big
from tests.support.inventory import orphans
from tests.support.operator import OperatorProcess

SEED = int(os.environ.get("GROVE_TEST_SEED", "0")) or random.SystemRandom().randrange(1, 10**6)
KILLS = 10
PATIENCE = 60 + PODS / 4


class Killer:
    """Kills and restarts an operator after a random number of changes, so in the thick of it."""

    def __init__(self, stage: Stage, operator: OperatorProcess) -> None:
        self.stage = stage
        self.operator = operator
        self.random = random.Random(SEED)
        self.kills = 0

    async def kill_during(self, work: int, times: int, over: Callable[[], bool]) -> None:
        """`work` is about how many changes the step takes; each kill comes within its share."""
        for _ in range(times):
            if self.operator.running is False:
                await asyncio.to_thread(self.operator.start)
            goal = self.stage.seen.changes + self.random.randrange(1, max(2, work // times))
            await self.stage.seen.until(
                lambda goal=goal: self.stage.seen.changes >= goal or over(),  # type: ignore[misc]
                f"{goal} changes or the end",
                PATIENCE,
            )
            await asyncio.to_thread(self.operator.kill)
            self.kills += 1
        await asyncio.to_thread(self.operator.start)


async def test_kills_leave_no_trace(stage: Stage, mortal: OperatorProcess) -> None:
    """At no time do two live pods share an index; in the end everything is as it should be."""
    print(f"GROVE_TEST_SEED={SEED} GROVE_TEST_PODS={PODS}")  # noqa: T201 - to repeat a failure
    killer = Killer(stage, mortal)
    try:
        await _live(stage, killer)
    except AssertionError as error:
        raise AssertionError(f"seed {SEED}: {error}\n{mortal.tail()}") from error
    finally:
        mortal.kill()


async def _live(stage: Stage, killer: Killer) -> None:
    await stage.create(big(PODS))
    made = PODS * 4  # a pod is created, placed, started and ready
    await killer.kill_during(made // 2, 4, lambda: stage.problems() == [])
    await stage.settled(PATIENCE)
    groups = [item["metadata"]["name"] for item in stage.seen.of("PodCliqueScalingGroup")]
    more = stage.seen.of("PodCliqueScalingGroup")[0]["spec"]["replicas"] + max(2, PODS // 16)
    await stage.scale("PodCliqueScalingGroup", groups[0], more)
    await stage.scale("PodCliqueScalingGroup", groups[1], 1)
    await stage.scale("PodClique", "big-0-front", 1)
    await killer.kill_during(made // 4, 3, lambda: stage.problems() == [])
    await stage.settled(PATIENCE)
    assert orphans(stage.seen) == []
    await stage.delete("PodCliqueSet", "big", propagationPolicy="Background")
    await killer.kill_during(PODS, 3, lambda: not stage.seen.of("Pod"))
    await stage.gone(PATIENCE)
    assert killer.kills == KILLS
