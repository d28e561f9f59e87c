"""How long news and looks may wait while the API server is slow."""

import pytest
from msgspec.structs import replace

from grove_operator.cluster.store import WHOLE_SET, Family, Place, Store
from grove_operator.observed import Child, Kind, Pod
from grove_operator.operator.attention import Attention, Key
from grove_operator.operator.families import Known
from grove_operator.operator.queue import WorkQueue
from grove_operator.policy.pacing import REST, Pace
from tests.support.builders import PLAIN, a_child, a_rest, the_crew
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

    def holds(self, *pods: Pod) -> None:
        self.attention.store.upsert(Kind.SET, a_child(FAMILY.name))
        for pod in pods:
            self.attention.store.upsert(Kind.POD, pod)

    def updates(self, turn: int | None) -> None:
        self.attention.known[FAMILY] = Known(blueprint=the_crew().blueprint(), turn=turn)


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
    ("latency", "turn", "at_once", "delay"),
    [
        pytest.param(AT_EASE, None, False, PACE.quiet, id="soon"),
        pytest.param(SLOW, None, False, PACE.longest, id="when its status could be written"),
        pytest.param(SLOW, 3, False, PACE.quiet, id="in an update: soon"),
        pytest.param(SLOW, 3, True, 0.0, id="an update's next step: now"),
    ],
)
async def test_a_set_is_looked_at_after_its_replicas(
    latency: float, turn: int | None, *, at_once: bool, delay: float
) -> None:
    watch = Watch(latency)
    watch.updates(turn)
    watch.attention.touch_set(Key(*FAMILY, 3), at_once=at_once)
    whole = Key(*FAMILY, WHOLE_SET)
    if delay:
        watch.timers.advance(delay - 0.05)
        assert watch.queue.depth == 0
        watch.timers.advance(0.05)
    assert list(watch.queue._ready_since) == [whole]


LIVING = a_child("tide-0")
GOING = a_child("tide-0", deleting=True)
HELD = a_child("tide-0", deleting=True, finalizers=("grove.io/podclique.grove.io",))


@pytest.mark.parametrize(
    ("known", "old", "new", "delay"),
    [
        pytest.param(Known(), LIVING, HELD, PACE.debounce, id="what we hold is let go of"),
        pytest.param(Known(), LIVING, GOING, PACE.quiet, id="what Kubernetes removes"),
        pytest.param(Known(), LIVING, None, PACE.quiet, id="what it has removed"),
        pytest.param(Known(problems=["x"]), LIVING, None, PACE.debounce, id="a set that stays"),
        pytest.param(None, LIVING, None, PACE.debounce, id="a set not yet known"),
    ],
)
async def test_children_of_a_set_that_ends_may_wait(
    known: Known | None, old: Child, new: Child | None, delay: float
) -> None:
    watch = Watch(AT_EASE)
    if known is not None:
        watch.attention.known[FAMILY] = known
    watch.attention.changed(Place(FAMILY, 0), Kind.SERVICE, old, new)
    watch.timers.advance(delay - 0.015)
    assert watch.queue.depth == 0
    watch.timers.advance(0.015)
    assert watch.queue.depth == 1


@pytest.mark.parametrize(
    ("others", "turn", "delay"),
    [
        pytest.param({"ready": True}, 0, 0.0, id="the last one: now"),
        pytest.param({"ready": False}, 0, PACE.debounce, id="others follow"),
        pytest.param({"ready": True}, 1, PACE.quiet, id="no step waits for it"),
    ],
)
async def test_a_pod_that_becomes_ready_in_an_update(
    others: dict[str, bool], turn: int, delay: float
) -> None:
    watch = Watch(AT_EASE)
    _, seen = a_rest(the_crew(), PLAIN)
    first, *rest = (pod for pods in seen.pods.values() for pod in pods)
    watch.holds(first, *(replace(pod, **others) for pod in rest))
    watch.updates(turn)
    watch.attention.changed(Place(FAMILY, 0), Kind.POD, replace(first, ready=False), first)
    if delay:
        watch.timers.advance(delay - 0.015)
        assert watch.queue.depth == 0
        watch.timers.advance(0.015)
    assert watch.queue.depth == 1
