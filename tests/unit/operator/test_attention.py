"""How long news and looks may wait while the API server is slow."""

import pytest

from grove_operator.cluster.store import WHOLE_SET, Family, Store
from grove_operator.operator.attention import Attention, Key
from grove_operator.operator.families import Known
from grove_operator.operator.queue import WorkQueue
from grove_operator.policy.pacing import REST, Pace
from tests.unit.operator.test_queue import FakeTimers

AT_EASE, SLOW = 0.01, 0.05
PACE = Pace(quiet=0.25, longest=1.0)
FAMILY = Family("harbor", "tide")


class Watch:
    """What decides about looks, with a clock that the test moves."""

    def __init__(self, latency: float) -> None:
        self.timers = FakeTimers()
        self.queue: WorkQueue[Key] = WorkQueue(timers=self.timers)
        store = Store(lambda *_: None)
        self.attention = Attention(store, self.queue, PACE, lambda: "", lambda: latency)

    def updates(self, turn: int | None) -> None:
        self.attention.known[FAMILY] = Known(turn=turn)


async def test_news_may_pile_up_while_the_server_is_slow() -> None:
    assert 0.0 < Watch(SLOW).attention.rest() <= REST
    assert Watch(AT_EASE).attention.rest() == 0.0


async def test_an_update_sees_everything_at_once() -> None:
    watch = Watch(SLOW)
    watch.updates(turn=0)
    assert watch.attention.rest() == 0.0
    watch.updates(turn=None)
    assert watch.attention.rest() > 0.0


@pytest.mark.parametrize(
    ("latency", "at_once", "delay"),
    [
        pytest.param(AT_EASE, False, PACE.quiet, id="soon"),
        pytest.param(SLOW, False, PACE.longest, id="when its status could be written"),
        pytest.param(SLOW, True, 0.0, id="an update's next step: now"),
    ],
)
async def test_a_set_is_looked_at_after_its_replicas(
    latency: float, *, at_once: bool, delay: float
) -> None:
    watch = Watch(latency)
    watch.attention.touch_set(Key(*FAMILY, 3), at_once=at_once)
    whole = Key(*FAMILY, WHOLE_SET)
    if delay:
        watch.timers.advance(delay - 0.05)
        assert watch.queue.depth == 0
        watch.timers.advance(0.05)
    assert list(watch.queue._ready_since) == [whole]
