"""Where every clique belongs, how it is called and after whom it starts."""

import pytest

from tests.support.builders import SetBuilder, a_set, the_crew

GANGS: dict[str, tuple[dict[str, int], dict[str, list[str]]]] = {
    "as the template says": (
        {},
        {
            "tide-0": [
                "tide-0-gate",
                "tide-0-crew-0-lead",
                "tide-0-crew-0-oar",
                "tide-0-crew-1-lead",
                "tide-0-crew-1-oar",
            ],
            "tide-0-crew-0": ["tide-0-crew-2-lead", "tide-0-crew-2-oar"],
        },
    ),
    "scaled out: numbered from 0 again": (
        {"crew": 4},
        {
            "tide-0": [
                "tide-0-gate",
                "tide-0-crew-0-lead",
                "tide-0-crew-0-oar",
                "tide-0-crew-1-lead",
                "tide-0-crew-1-oar",
            ],
            "tide-0-crew-0": ["tide-0-crew-2-lead", "tide-0-crew-2-oar"],
            "tide-0-crew-1": ["tide-0-crew-3-lead", "tide-0-crew-3-oar"],
        },
    ),
    "scaled in below the minimum": (
        {"crew": 1},
        {"tide-0": ["tide-0-gate", "tide-0-crew-0-lead", "tide-0-crew-0-oar"]},
    ),
    "scaled to zero": ({"crew": 0}, {"tide-0": ["tide-0-gate"]}),
}


@pytest.mark.parametrize(("live", "expected"), GANGS.values(), ids=GANGS)
def test_gangs_and_their_members(live: dict[str, int], expected: dict[str, list[str]]) -> None:
    slots = the_crew().slots(0, **live)
    assert {gang.name: [slot.name for slot in gang.cliques] for gang in slots.gangs} == expected
    for gang in slots.gangs:
        assert gang.base_gang == (None if gang.name == "tide-0" else "tide-0")
        assert {slot.gang for slot in gang.cliques} == {gang.name}


def test_standalone_cliques_come_first_and_groups_in_their_own_order() -> None:
    builder = a_set().with_clique("a").with_clique("b").with_clique("c").with_group("g", "c", "a")
    assert list(builder.slots(4).cliques) == ["tide-4-b", "tide-4-g-0-c", "tide-4-g-0-a"]


def explicit() -> SetBuilder:
    return (
        the_crew()
        .explicit()
        .with_clique("lead", 1, startsAfter=["gate"])
        .with_clique("oar", 2, minAvailable=1, startsAfter=["lead", "gate"])
    )


def grouped_first() -> SetBuilder:
    """A standalone clique that starts after a group's."""
    builder = a_set().with_clique("a", 1).with_clique("b", 1)
    return builder.with_group("g", "a", replicas=3, min_available=2)


BOTH = ("tide-0-crew-0-lead", "tide-0-crew-1-lead")
ORDER: dict[str, tuple[SetBuilder, str, tuple[str, ...]]] = {
    "any order": (the_crew(), "tide-0-crew-0-oar", ()),
    "in order, the first": (the_crew().in_order(), "tide-0-gate", ()),
    "in order, after the one before": (
        the_crew().in_order(),
        "tide-0-crew-0-lead",
        ("tide-0-gate",),
    ),
    "in order, within the group's base replicas": (
        the_crew().in_order(),
        "tide-0-crew-1-oar",
        BOTH,
    ),
    "in order, a parent outside of the scaled gang": (
        the_crew().in_order(),
        "tide-0-crew-2-lead",
        (),
    ),
    "in order, a parent in the scaled gang": (
        the_crew().in_order(),
        "tide-0-crew-2-oar",
        ("tide-0-crew-2-lead",),
    ),
    "explicit, of all base replicas": (
        explicit(),
        "tide-0-crew-0-oar",
        (*BOTH, "tide-0-gate"),
    ),
    "explicit, in a scaled gang": (
        explicit(),
        "tide-0-crew-2-oar",
        ("tide-0-crew-2-lead",),
    ),
    "explicit, nothing of which is in the scaled gang": (explicit(), "tide-0-crew-2-lead", ()),
    "any order, though it says startsAfter": (
        the_crew().with_clique("oar", startsAfter=["gate"]),
        "tide-0-crew-0-oar",
        (),
    ),
    "a standalone clique after a group": (
        grouped_first().in_order(),
        "tide-0-b",
        ("tide-0-g-0-a", "tide-0-g-1-a"),
    ),
}


@pytest.mark.parametrize(("builder", "clique", "after"), ORDER.values(), ids=ORDER)
def test_start_order(builder: SetBuilder, clique: str, after: tuple[str, ...]) -> None:
    assert builder.slot(clique).starts_after == after
