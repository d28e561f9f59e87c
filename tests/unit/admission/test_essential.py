"""What makes a set impossible to carry out, as the reconciler asks for sets that no webhook saw.

The rules are admission's own and have their tables there; here is which of them count.
"""

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import find, given
from hypothesis import strategies as st

from grove_operator.admission.defaulting import default_podcliqueset
from grove_operator.admission.fields import Verdict
from grove_operator.admission.submission import Policy, Submission
from grove_operator.admission.validation import essential_problems, validate_podcliqueset
from grove_operator.api.parsing import parse_podcliqueset
from grove_operator.api.podcliqueset import PodCliqueSet
from grove_operator.errors import SpecError
from tests.support.mutations import mutated
from tests.unit.admission.manifest import (
    CLIQUES,
    EXPLICIT,
    GROUPS,
    a_set,
    clique,
    group,
    grouped,
    pods,
    scale,
    scaled,
)

Body = dict[str, Any]

PIER: Body = yaml.safe_load(
    (Path(__file__).parents[2] / "support" / "manifests" / "pier.yaml").read_text()
)
LONG_A, LONG_B = "a" * 30, "b" * 28


def problems(body: Body) -> list[str]:
    """Without the defaulter, which such a set has not met either."""
    return essential_problems(parse_podcliqueset(body))


def too_long(hostname: str, name: str) -> str:
    return (
        f'{CLIQUES}[0].name: Invalid value: "{name}": hostname "{hostname}" would have '
        f"{len(hostname)} characters, at most 63 are possible"
    )


POSSIBLE: dict[str, Body] = {
    "no pods given, which means one": a_set(clique(replicas=0)),
    "names beyond the budget": a_set(clique(LONG_A), name=LONG_B),
    "an upper bound below the replicas": a_set(scaled(1, 1, minAvailable=1)),
    "roles given twice": a_set(clique("a", roleName=""), clique("b", roleName="")),
    "a dependency given twice": a_set(clique("a", startsAfter=["b", "b"]), clique("b"), **EXPLICIT),
    "labels that are none": a_set(clique() | {"labels": {"-": "-"}}),
    "a node": a_set(clique(**pods(nodeName="n1", schedulerName="who"))),
    "sharing of what is not there": a_set(
        clique(), resourceSharing=[{"name": "", "scope": "PerReplica", "filter": {}}]
    ),
}


@pytest.mark.parametrize("body", POSSIBLE.values(), ids=POSSIBLE)
def test_can_be_carried_out(body: Body) -> None:
    assert problems(body) == []


def test_a_set_that_uses_most_of_the_api_can_be_carried_out() -> None:
    assert problems(PIER) == []


IMPOSSIBLE: dict[str, tuple[Body, list[str]]] = {
    "fewer than no copies": (a_set(clique(), replicas=-1), ["spec.replicas"]),
    "no cliques": (a_set(), [CLIQUES]),
    "two cliques of one name": (a_set(clique("a"), clique("a")), [f"{CLIQUES}[1]"]),
    "two groups of one name": (
        grouped(group("g", "a"), group("g", "b")),
        [f"{GROUPS}.name"],
    ),
    "a group of an unknown clique": (grouped(group("g", "z")), [f"{GROUPS}[0].cliqueNames"]),
    "a clique in two groups": (
        grouped(group("g", "a"), group("h", "a")),
        [f"{GROUPS}.cliqueNames"],
    ),
    "fewer than no pods": (
        a_set(clique(replicas=-1)),
        [f"{CLIQUES}[0].spec.replicas", f"{CLIQUES}[0].spec.minAvailable"],
    ),
    "a minimum above the one pod that none means": (
        a_set(clique(replicas=0, minAvailable=2)),
        [f"{CLIQUES}[0].spec.minAvailable"],
    ),
    "an autoscaler below the minimum": (
        a_set(scaled(5, 1)),
        [f"{CLIQUES}[0].spec.autoScalingConfig.minReplicas"],
    ),
    "an upper bound below the default of the lower one": (
        a_set(scaled(1)),
        [f"{CLIQUES}[0].spec.autoScalingConfig.maxReplicas"],
    ),
    "a group without copies": (
        grouped(group("g", "a", replicas=0)),
        [f"{GROUPS}[0].replicas", f"{GROUPS}[0].minAvailable"],
    ),
    "a group whose autoscaler goes below the minimum": (
        grouped(group("g", "a", replicas=2, minAvailable=2, scaleConfig=scale(3, 1))),
        [f"{GROUPS}[0].scaleConfig.minReplicas"],
    ),
    "a group whose autoscaler has no upper bound": (
        grouped(group("g", "a", scaleConfig=scale(0))),
        [f"{GROUPS}[0].scaleConfig.maxReplicas"],
    ),
    "a member with an autoscaler of its own": (
        a_set(scaled(5), podCliqueScalingGroups=[group("g", "a")]),
        [GROUPS],
    ),
    "containers that are none": (
        a_set(clique(**pods(containers="x"))),
        [f"{CLIQUES}[0].spec.podSpec.spec.containers"],
    ),
    "a dependency on an unknown clique": (
        a_set(clique(startsAfter=["z"]), **EXPLICIT),
        [f"{CLIQUES}.startsAfter"],
    ),
    "a dependency on itself": (
        a_set(clique("a", startsAfter=["a"]), **EXPLICIT),
        [f"{CLIQUES}[0].spec.startsAfter"],
    ),
    "a circle": (
        a_set(clique("a", startsAfter=["b"]), clique("b", startsAfter=["a"]), **EXPLICIT),
        [CLIQUES],
    ),
    "a delay of nothing": (
        a_set(clique(), terminationDelay="0s"),
        ["spec.template.terminationDelay"],
    ),
    "two autoscalers of one name": (
        a_set(
            scaled(5), clique("b"), podCliqueScalingGroups=[group("a", "b", scaleConfig=scale(2))]
        ),
        [f"{GROUPS}[0].name"],
    ),
    "a clique named like a member of a group": (
        grouped(group("g", "b"), cliques="g-0-b b"),
        [f"{CLIQUES}[0].name"],
    ),
    "members of two groups of one name": (
        grouped(group("g", "1-b"), group("g-0", "b"), cliques="1-b b"),
        [f"{GROUPS}[1].name"],
    ),
}


@pytest.mark.parametrize(("body", "paths"), IMPOSSIBLE.values(), ids=IMPOSSIBLE)
def test_cannot_be_carried_out(body: Body, paths: list[str]) -> None:
    assert [problem.split(":")[0] for problem in problems(body)] == paths


HOSTNAMES: dict[str, tuple[Body, list[str]]] = {
    "63 characters": (a_set(clique(LONG_A), name=LONG_B), []),
    "64 characters": (
        a_set(clique(LONG_A), name=f"{LONG_B}b"),
        [too_long(f"{LONG_B}b-0-{LONG_A}-1", LONG_A)],
    ),
    "one more by an autoscaler": (
        a_set(clique(LONG_A, autoScalingConfig=scale(11)), name=LONG_B),
        [too_long(f"{LONG_B}-0-{LONG_A}-10", LONG_A)],
    ),
    "one more by an eleventh copy": (
        a_set(clique(LONG_A), name=LONG_B, replicas=11),
        [too_long(f"{LONG_B}-10-{LONG_A}-1", LONG_A)],
    ),
    "one more by a group": (
        grouped(group("g" * 22, "a" * 10), cliques="a" * 10, name="t" * 24),
        [too_long(f"{'t' * 24}-0-{'g' * 22}-0-{'a' * 10}-1", "a" * 10)],
    ),
    "one more by the autoscaler of a group": (
        grouped(group("g" * 22, "a" * 10, scaleConfig=scale(11)), cliques="a" * 10, name="t" * 23),
        [too_long(f"{'t' * 23}-0-{'g' * 22}-10-{'a' * 10}-1", "a" * 10)],
    ),
}


@pytest.mark.parametrize(("body", "expected"), HOSTNAMES.values(), ids=HOSTNAMES)
def test_hostnames_fit(body: Body, expected: list[str]) -> None:
    assert problems(body) == expected


@pytest.mark.parametrize("bad", ["A", "a.b", "-a", "a-", "a_b", "", "a b", "a\n"])
def test_a_name_is_a_dns_label(bad: str) -> None:
    body = a_set(clique(bad), name=bad, podCliqueScalingGroups=[group(bad)])
    paths = [problem.split(":")[0] for problem in problems(body)]
    assert paths == ["metadata.name", f"{CLIQUES}[0].name", f"{GROUPS}[0].name"]


def test_all_rules_speak_at_once() -> None:
    assert len(problems(a_set(clique("A", minAvailable=3), terminationDelay="5", replicas=-1))) == 4


NAMES = st.sampled_from(["a", "b", "g", "g-0", "0-a", "g-0-a", "1-b", "A"])
COUNTS = st.integers(-1, 3)
SCALES = st.none() | st.builds(scale, COUNTS, st.none() | COUNTS)


@st.composite
def plausible(draw: st.DrawFn) -> Body:
    """Sets of the right shape, with names and counts that often get into each other's way."""
    names = draw(st.lists(NAMES, min_size=1, max_size=4, unique=draw(st.booleans())))
    optional = {"minAvailable": st.none() | COUNTS, "autoScalingConfig": SCALES}
    after = st.lists(st.sampled_from(names), max_size=2)
    cliques = [
        clique(
            name,
            draw(COUNTS),
            roleName=str(index),
            **draw(st.fixed_dictionaries({}, optional=optional | {"startsAfter": after})),
        )
        for index, name in enumerate(names)
    ]
    counts = {"replicas": COUNTS, "minAvailable": COUNTS, "scaleConfig": SCALES}
    left = list(dict.fromkeys(names))
    groups = []
    for name in draw(st.lists(NAMES, max_size=2)):
        members = [left.pop() for _ in range(draw(st.integers(0, 2))) if left]
        groups.append(group(name, *members, **draw(st.fixed_dictionaries({}, optional=counts))))
    template = draw(st.sampled_from([{}, EXPLICIT, {"terminationDelay": "0s"}]))
    return a_set(*cliques, podCliqueScalingGroups=groups, **template)


def judged(stored: PodCliqueSet) -> Verdict:
    return validate_podcliqueset(Submission(stored, policy=Policy(topology_enabled=True)))


@given(plausible() | mutated(PIER))
def test_what_is_admitted_can_be_carried_out(body: Body) -> None:
    """As stored, and also as its author wrote it."""
    try:
        stored = parse_podcliqueset(default_podcliqueset(body))
        written = parse_podcliqueset(body)
    except SpecError:
        return
    if stored.metadata.deletion_timestamp is not None:
        return
    errors = {str(error) for error in judged(stored).errors}
    assert set(essential_problems(stored)) <= errors
    if not errors:
        assert essential_problems(parse_podcliqueset(stored.as_dict())) == []
        assert essential_problems(written) == []


@pytest.mark.parametrize("allowed", [True, False])
def test_plausible_sets_are_of_both_kinds(allowed: bool) -> None:
    def is_of_this_kind(body: Body) -> bool:
        return judged(parse_podcliqueset(default_podcliqueset(body))).allowed is allowed

    assert find(plausible(), is_of_this_kind)
    assert judged(parse_podcliqueset(default_podcliqueset(PIER))).allowed
