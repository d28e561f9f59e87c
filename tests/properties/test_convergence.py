"""Whatever happens to a set, looking at it often enough puts it right, and then nothing is done."""

import asyncio
from dataclasses import replace as changed
from random import Random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from grove_operator.api import labels
from grove_operator.desired.expansion import expand
from grove_operator.observed import Kind, ReplicaSnapshot
from grove_operator.plan.replica import plan_replica
from grove_operator.scheduling.native import Capabilities
from tests.properties.world import World
from tests.support.builders import NATIVE, NOW, PLAIN, SUMS, SetBuilder, a_set

SCALABLE = (Kind.SET, Kind.CLIQUE, Kind.SCALING_GROUP)
CHILDREN = (
    Kind.CLIQUE,
    Kind.SCALING_GROUP,
    Kind.GANG,
    Kind.SERVICE,
    Kind.ROLE,
    Kind.SECRET,
    Kind.POD_GROUP,
    Kind.COMPOSITE_POD_GROUP,
    Kind.WORKLOAD,
)
EDITED = (Kind.CLIQUE, Kind.SCALING_GROUP, Kind.GANG, Kind.SERVICE, Kind.POD)
USERS_KEY = "example.org/mine"
OUR_KEYS = (labels.PODGANG, labels.TEMPLATE_HASH, labels.COMPONENT, labels.NAME)

capabilities = st.sampled_from([NATIVE, SUMS, PLAIN])


@st.composite
def sets(draw: st.DrawFn) -> SetBuilder:
    builder = a_set(replicas=draw(st.integers(0, 2)))
    names = ["a", "b", "c"][: draw(st.integers(1, 3))]
    for name in names:
        count = draw(st.integers(1, 3))
        least = draw(st.integers(1, count))
        builder = builder.with_clique(name, count, minAvailable=least)
    members = draw(st.lists(st.sampled_from(names), unique=True, max_size=2))
    if members:
        count = draw(st.integers(1, 3))
        least = draw(st.integers(1, count))
        builder = builder.with_group("g", *members, replicas=count, min_available=least)
    return builder.in_order() if draw(st.booleans()) else builder


class Event(tuple[str, int, int]):
    """What happens, to which of the objects, and how much."""

    __slots__ = ()


WHAT = ("scale", "delete pod", "fail pod", "delete child", "label", "spoil", "offer", "template")
events = st.lists(
    st.builds(
        lambda what, which, much: Event((what, which, much)),
        st.sampled_from(WHAT),
        st.integers(0, 30),
        st.integers(0, 4),
    ),
    max_size=6,
)


class Trouble:
    """Makes events happen and remembers what must survive them."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.labelled: set[tuple[Kind, str, str]] = set()

    def happen(self, event: Event) -> None:
        what, which, much = event
        getattr(self, what.replace(" ", "_"))(which, much)

    def _pick(self, kinds: tuple[Kind, ...], which: int) -> tuple[Kind, str, str] | None:
        objects = self.world.cluster.objects
        found = [(kind, name) for kind in kinds for name in sorted(objects[kind])]
        if not found:
            return None
        kind, name = found[which % len(found)]
        return kind, name, objects[kind][name]["metadata"]["uid"]

    def scale(self, which: int, much: int) -> None:
        if picked := self._pick(SCALABLE, which):
            self.world.cluster.scale(picked[0], picked[1], much)

    def delete_pod(self, which: int, _: int) -> None:
        if picked := self._pick((Kind.POD,), which):
            self.world.cluster.remove(Kind.POD, picked[1])

    def fail_pod(self, which: int, _: int) -> None:
        if picked := self._pick((Kind.POD,), which):
            self.world.cluster.set_status(Kind.POD, picked[1], {"phase": "Failed"})

    def delete_child(self, which: int, _: int) -> None:
        if picked := self._pick(CHILDREN, which):
            self.world.cluster.remove(picked[0], picked[1])

    def label(self, which: int, _: int) -> None:
        if picked := self._pick(EDITED, which):
            self.labelled.add(picked)
            body = {"metadata": {"labels": {USERS_KEY: "kept"}}}
            self.world.cluster.change(picked[0], picked[1], body)

    def spoil(self, which: int, much: int) -> None:
        if picked := self._pick((Kind.CLIQUE, Kind.SCALING_GROUP, Kind.GANG), which):
            key = OUR_KEYS[much % len(OUR_KEYS)]
            body = {"metadata": {"labels": {key: "spoilt"}}}
            self.world.cluster.change(picked[0], picked[1], body)

    def offer(self, which: int, _: int) -> None:
        offered: tuple[Capabilities, ...] = (NATIVE, SUMS, PLAIN)
        self.world.capabilities = offered[which % len(offered)]

    def template(self, _: int, much: int) -> None:
        """A new count in the template, which must not reach who is scaled by others."""
        cluster, name = self.world.cluster, self.world.builder.name
        spec = cluster.get(Kind.SET, name)["spec"]
        cliques = [dict(clique) for clique in spec["template"]["cliques"]]
        first = cliques[0]["spec"]
        cliques[0]["spec"] = first | {"replicas": max(first["minAvailable"], much)}
        template = spec["template"] | {"cliques": cliques}
        cluster.change(Kind.SET, name, {"spec": spec | {"template": template}})


def check_rest(world: World) -> None:
    """What is true of every set at rest."""
    blueprint = world.blueprint
    expected = set()
    for replica in range(blueprint.replicas):
        groups = world.store.snapshot(world.family, replica).groups
        live = {name: group.replicas for name, group in groups.items()}
        expected |= set(expand(blueprint, replica, live).cliques)
    assert set(world.living(Kind.CLIQUE)) == expected
    for name, clique in world.living(Kind.CLIQUE).items():
        pods = world.pods_of(name)
        indices = [pod["metadata"]["labels"][labels.POD_INDEX] for pod in pods]
        assert len(pods) == clique["spec"]["replicas"], name
        assert len(set(indices)) == len(indices), name
    gangs = {
        clique["metadata"]["labels"][labels.PODGANG]
        for clique in world.living(Kind.CLIQUE).values()
    }
    bases = {f"{blueprint.name}-{replica}" for replica in range(blueprint.replicas)}
    assert set(world.living(Kind.GANG)) == gangs | bases
    assert set(world.living(Kind.SERVICE)) == bases
    listed = {
        reference["name"]
        for gang in world.living(Kind.GANG).values()
        for group in gang["spec"]["podgroups"]
        for reference in group["podReferences"]
    }
    assert listed == set(world.living(Kind.POD))


@given(sets(), capabilities, events)
def test_any_trouble_is_put_right(
    builder: SetBuilder, offered: Capabilities, happenings: list[Event]
) -> None:
    async def play() -> None:
        world = World(builder, offered)
        await world.settle()
        check_rest(world)
        trouble = Trouble(world)
        for number, event in enumerate(happenings):
            trouble.happen(event)
            if number % 2:
                await world.settle()
        await world.settle()
        check_rest(world)
        for plan in world.plans():
            assert (plan.actions, plan.statuses, plan.later) == ((), (), ())
        for kind, name, uid in trouble.labelled:
            body = world.living(kind).get(name)
            if body is not None and body["metadata"]["uid"] == uid:
                assert body["metadata"]["labels"][USERS_KEY] == "kept"

    asyncio.run(play())


@given(sets(), capabilities, st.integers(0, 30), st.integers(0, 4), st.integers(1, 4))
def test_a_count_that_somebody_set_is_never_fought(
    builder: SetBuilder, offered: Capabilities, which: int, count: int, template: int
) -> None:
    async def play() -> None:
        world = World(builder.but(replicas=1), offered)
        await world.settle()
        trouble = Trouble(world)
        picked = trouble._pick((Kind.CLIQUE, Kind.SCALING_GROUP), which)
        assert picked is not None
        kind, name, uid = picked
        if count == world.cluster.get(kind, name)["spec"]["replicas"]:
            return  # nobody can tell this from a count that is still ours
        world.cluster.scale(kind, name, count)
        await world.settle()
        trouble.template(0, template)
        await world.settle()
        body = world.living(kind)[name]
        assert (body["metadata"]["uid"], body["spec"]["replicas"]) == (uid, count)

    asyncio.run(play())


@given(sets(), capabilities, events, st.randoms(use_true_random=False))
def test_a_plan_does_not_depend_on_the_order_of_what_is_seen(
    builder: SetBuilder,
    offered: Capabilities,
    happenings: list[Event],
    random: Random,
) -> None:
    async def play() -> None:
        world = World(builder, offered)
        await world.settle()
        trouble = Trouble(world)
        for event in happenings:
            trouble.happen(event)
        for replica in world.store.replicas(world.family):
            seen = world.store.snapshot(world.family, replica)
            plans = [
                plan_replica(world.blueprint, replica, picture, world.capabilities, NOW)
                for picture in (seen, shuffled(seen, random))
            ]
            assert set(map(repr, plans[0].actions)) == set(map(repr, plans[1].actions))
            assert set(map(repr, plans[0].statuses)) == set(map(repr, plans[1].statuses))
            assert plans[0].summary == plans[1].summary

    asyncio.run(play())


def shuffled(seen: ReplicaSnapshot, random: Random) -> ReplicaSnapshot:
    fields: dict[str, Any] = {}
    for name in ("cliques", "groups", "gangs", "services", "hpas", "pod_groups"):
        items = list(getattr(seen, name).items())
        random.shuffle(items)
        fields[name] = dict(items)
    pods = {name: tuple(random.sample(found, len(found))) for name, found in seen.pods.items()}
    return changed(seen, pods=pods, **fields)
