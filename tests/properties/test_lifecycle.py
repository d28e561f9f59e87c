"""Whatever happens to a set while it is updated, its roles keep their floors and it gets there."""

import asyncio

from hypothesis import given, settings
from hypothesis import strategies as st

from grove_operator.observed import Kind
from grove_operator.scheduling.native import Capabilities
from tests.properties.life import DELAY, Hardship, Life
from tests.properties.test_convergence import capabilities, check_rest
from tests.support.builders import SetBuilder, a_set

WHAT = ["edit", "edit", "scale", "fail", "sicken", "lose", "restart", "die", "silence"]
Event = tuple[str, int, int, int]

events: st.SearchStrategy[list[Event]] = st.lists(
    st.tuples(st.sampled_from(WHAT), st.integers(0, 30), st.integers(0, 4), st.integers(0, 12)),
    min_size=1,
    max_size=8,
)


hardships = st.builds(Hardship, st.integers(0, 99), st.booleans(), st.booleans())


@st.composite
def sets(draw: st.DrawFn) -> SetBuilder:
    builder = a_set(replicas=draw(st.integers(1, 3))).with_template(terminationDelay=f"{DELAY:g}s")
    names = ["a", "b", "c"][: draw(st.integers(1, 3))]
    for name in names:
        count = draw(st.integers(1, 4))
        builder = builder.with_clique(name, count, minAvailable=draw(st.integers(1, count)))
    members = draw(st.lists(st.sampled_from(names), unique=True, max_size=2))
    if members:
        count = draw(st.integers(1, 3))
        least = draw(st.integers(1, count))
        builder = builder.with_group("g", *members, replicas=count, min_available=least)
    return builder


@settings(max_examples=3 * settings().max_examples)
@given(sets(), capabilities, hardships, events)
def test_updates_keep_floors_and_end_at_the_newest_template(
    builder: SetBuilder, offered: Capabilities, hardship: Hardship, happening: list[Event]
) -> None:
    asyncio.run(_live(Life(builder, offered, hardship), happening))


async def _live(life: Life, happening: list[Event]) -> None:
    await life.rest()
    for what, which, much, pause in happening:
        getattr(life, what)(which, much)
        for _ in range(pause):
            await life.step()
    await life.rest()
    check_rest(life.world)
    assert life.hashes()[False] == 0, life.judge.story()
    nodes = {pod["spec"].get("nodeName") for pod in life.cluster.objects[Kind.POD].values()}
    assert not nodes & (life.cluster.silent | {None}), life.judge.story()
    status = life.world.record.status
    assert status["updatedReplicas"] == status["availableReplicas"] == status["replicas"]
    progress = status.get("updateProgress")
    assert progress is None or ("updateEndedAt" in progress and "currentlyUpdating" not in progress)
    for kind in (Kind.CLIQUE, Kind.SCALING_GROUP):
        for body in life.cluster.objects[kind].values():
            ended = body["status"].get("updateProgress", {"updateEndedAt": ""})
            assert "updateEndedAt" in ended, f"{body['metadata']['name']}\n{life.judge.story()}"
