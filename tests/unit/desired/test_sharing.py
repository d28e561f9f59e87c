"""Who shares which claim, where its spec comes from, and which NVLink group a clique is in."""

from typing import Any

import pytest

from grove_operator.api import labels
from tests.support.builders import NATIVE, Body, SetBuilder, a_set

SPEC = {"devices": {"requests": [{"name": "r", "exactly": {"deviceClassName": "c"}}]}}
OWN = {"resourceClaimTemplates": [{"name": "nic", "templateSpec": {"spec": SPEC}}]}


def entry(name: str = "nic", scope: str = "AllReplicas", **rest: Any) -> Body:
    return {"name": name, "scope": scope, **rest}


def fleet(*entries: Body) -> SetBuilder:
    """`gate` alone, `lead` and `oar` in the group `crew`."""
    return (
        a_set(template=OWN | {"resourceSharing": list(entries)})
        .with_clique("gate")
        .with_clique("lead")
        .with_clique("oar")
        .with_group("crew", "lead", "oar")
    )


FILTERS: dict[str, tuple[Body | None, set[str]]] = {
    "none": (None, {"gate", "lead", "oar"}),
    "a clique": ({"childCliqueNames": ["oar"]}, {"oar"}),
    "a group": ({"childScalingGroupNames": ["crew"]}, {"lead", "oar"}),
    "both": (
        {"childCliqueNames": ["gate"], "childScalingGroupNames": ["crew"]},
        {"gate"} | {"lead", "oar"},
    ),
}


@pytest.mark.parametrize(("given", "expected"), FILTERS.values(), ids=FILTERS)
def test_filters_of_the_set(given: Body | None, expected: set[str]) -> None:
    blueprint = fleet(entry() | ({"filter": given} if given else {})).blueprint()
    [claim] = blueprint.claims
    assert claim.cliques == expected == blueprint.claiming


def test_a_clique_named_like_a_group_is_not_taken_for_it() -> None:
    builder = (
        a_set(template=OWN | {"resourceSharing": [entry(filter={"childScalingGroupNames": ["w"]})]})
        .with_clique("w")
        .with_clique("oar")
        .with_group("w", "oar")
    )
    assert builder.blueprint().claiming == {"oar"}


def test_filters_of_a_group() -> None:
    builder = a_set(template=OWN).with_clique("lead").with_clique("oar")
    some = entry(filter={"childCliqueNames": ["oar"]})
    blueprint = builder.with_group("crew", "lead", "oar", resourceSharing=[some]).blueprint()
    [claim] = blueprint.groups[0].claims
    assert claim.cliques == {"oar"} == blueprint.claiming


SOURCES: dict[str, tuple[Body, Any, Any]] = {
    "the set's own template": (entry(), SPEC, None),
    "an object beside the set": (entry("other"), None, ("harbor", "other")),
    "an object elsewhere": (entry("other", namespace="pool"), None, ("pool", "other")),
}


@pytest.mark.parametrize(("given", "spec", "source"), SOURCES.values(), ids=SOURCES)
def test_where_the_spec_comes_from(given: Body, spec: Any, source: Any) -> None:
    blueprint = fleet(given).blueprint()
    [claim] = blueprint.claims
    assert (claim.spec, claim.source) == (spec, source)
    assert blueprint.claim_sources == ({source} if source else set())


def test_claims_for_all_copies_come_first() -> None:
    given = (entry("b", "PerReplica"), entry("a"), entry("c", "PerReplica"), entry("d"))
    assert [claim.template for claim in fleet(*given).blueprint().claims] == ["a", "d", "b", "c"]


LAYERS: dict[str, tuple[str | None, str | None, str | None, str]] = {
    "nowhere": (None, None, None, ""),
    "at the set": ("s", None, None, "s"),
    "nearer at the group": ("s", "g", None, "g"),
    "nearest at the clique": ("s", "g", "c", "c"),
    "none at the clique stops the search": ("s", "g", "none", ""),
    "none at the group stops it, too": ("s", "none", None, ""),
    "the clique overrules none": ("none", "none", "c", "c"),
}


@pytest.mark.parametrize(("top", "middle", "bottom", "expected"), LAYERS.values(), ids=LAYERS)
def test_nvlink_group(
    top: str | None, middle: str | None, bottom: str | None, expected: str
) -> None:
    def note(value: str | None) -> dict[str, str]:
        return {} if value is None else {labels.MNNVL_GROUP: value}

    builder = a_set(annotations=note(top)).with_clique("oar", annotations=note(bottom))
    builder = builder.with_group("crew", "oar", annotations=note(middle))
    assert builder.blueprint().by_name["oar"].mnnvl_group == expected


def test_a_plain_set_asks_for_nothing() -> None:
    blueprint = a_set().with_clique("w").blueprint()
    assert blueprint.claims == ()
    assert blueprint.claiming == frozenset()
    assert blueprint.claim_sources == frozenset()


ALL, EACH = entry(), entry(scope="PerReplica")
MINE = {"resourceClaims": [{"name": "x", "resourceClaimName": "mine"}]}
YOURS = {"resourceClaims": [{"name": "x", "resourceClaimName": "yours"}]}
SPANS: dict[str, tuple[SetBuilder, bool]] = {
    "nothing": (fleet(), False),
    "the whole set": (fleet(ALL), True),
    "each replica of the set": (fleet(EACH), True),
    "one clique": (fleet(ALL | {"filter": {"childCliqueNames": ["gate"]}}), False),
    "a group's clique that is in the gang once": (
        fleet(ALL | {"filter": {"childCliqueNames": ["oar"]}}),
        False,
    ),
    "two cliques of a group replica": (
        fleet().with_group("crew", "lead", "oar", resourceSharing=[EACH]),
        True,
    ),
    "one clique of each group replica": (
        a_set(template=OWN)
        .with_clique("oar")
        .with_group("crew", "oar", replicas=2, min_available=2, resourceSharing=[EACH]),
        False,
    ),
    "two replicas of a group in one gang": (
        a_set(template=OWN)
        .with_clique("oar")
        .with_group("crew", "oar", replicas=2, min_available=2, resourceSharing=[ALL]),
        True,
    ),
    "a claim of the user's that two cliques name": (
        a_set().with_clique("a", pod_spec=MINE).with_clique("b", pod_spec=MINE),
        True,
    ),
    "a claim of the user's that two replicas of a group name": (
        a_set()
        .with_clique("oar", pod_spec=MINE)
        .with_group("crew", "oar", replicas=2, min_available=2),
        True,
    ),
    "two claims of the user's": (
        a_set().with_clique("a", 3, pod_spec=MINE).with_clique("b", pod_spec=YOURS),
        False,
    ),
    "replicas of a group that are gangs of their own": (
        a_set(template=OWN)
        .with_clique("oar")
        .with_group("crew", "oar", replicas=2, resourceSharing=[ALL]),
        False,
    ),
}


@pytest.mark.parametrize(("builder", "expected"), SPANS.values(), ids=SPANS)
def test_podcliques_of_a_gang_that_share(builder: SetBuilder, *, expected: bool) -> None:
    """The stock scheduler can place them only as one group."""
    blueprint = builder.blueprint()
    assert blueprint.shares_between_cliques is expected
    assert NATIVE.for_set(blueprint).composite_groups is not expected
