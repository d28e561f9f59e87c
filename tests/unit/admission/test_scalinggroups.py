"""Rules about scaling groups: what passes, what does not, and in which words."""

from typing import Any

import pytest

from tests.unit.admission.manifest import (
    CLIQUES,
    GROUPS,
    NAME_WORDS,
    a_set,
    clique,
    errors,
    group,
    grouped,
    scale,
    scaled,
)

FIRST = f"{GROUPS}[0]"
MINIMUM = f"{FIRST}.minAvailable: Invalid value"


def combined(length: int, pcs: str, name: str, member: str) -> list[str]:
    detail = (
        f"combined resource name length {length} exceeds 45-character limit: PodCliqueSet "
        f'"{pcs}", PodCliqueScalingGroup "{name}", PodClique "{member}"'
    )
    return [
        f'{FIRST}.cliqueNames[1].name: Invalid value: "{member}": {detail}',
        f'{FIRST}.name: Invalid value: "{name}": {detail}',
        f'metadata.name: Invalid value: "{pcs}": {detail}',
    ]


def crowded(pods: int) -> dict[str, Any]:
    """Names that use up the budget, and as many copies as nobody can have."""
    groups = [group("g" * 10, "a" * 10, replicas=100)]
    made = clique("a" * 10, pods)
    return a_set(made, name="t" * 25, replicas=2_000_000_000, podCliqueScalingGroups=groups)


TOO_MANY_COPIES = "spec.replicas: Invalid value: 2000000000: must not be more than 100000"
CASES: dict[str, tuple[dict[str, Any], list[str]]] = {
    "groups that share no clique": (grouped(group("g", "a", "b"), group("h", "c")), []),
    "a group without members": (grouped(group("g" * 60)), []),
    "a group at its minimum": (grouped(group("g", "a", replicas=2, minAvailable=2)), []),
    "a group that may grow": (grouped(group("g", "a", scaleConfig=scale(3))), []),
    "a group that may shrink": (
        grouped(group("g", "a", replicas=3, scaleConfig=scale(2, 1))),
        [],
    ),
    "annotations of any syntax": (grouped(group("g", "a", annotations={"a b": "c"})), []),
    "a group without a name": (
        grouped(group("", "a")),
        [f'{FIRST}.name: Invalid value: "": {NAME_WORDS}'],
    ),
    "a group with a dot": (
        grouped(group("g.h", "a")),
        [f'{FIRST}.name: Invalid value: "g.h": {NAME_WORDS}'],
    ),
    "unknown members": (
        grouped(group("g", "zz", "a", "yy")),
        [f'{FIRST}.cliqueNames: Invalid value: "zz,yy": unidentified PodClique names found'],
    ),
    "names of 45 characters together": (
        grouped(group("g" * 10, "a" * 10), cliques="a" * 10, name="t" * 25),
        [],
    ),
    "names of 46 characters together": (
        grouped(group("g" * 10, "a", "b" * 10), cliques=f"a {'b' * 10}", name="t" * 26),
        combined(46, "t" * 26, "g" * 10, "b" * 10),
    ),
    "a hostname of 63 characters, by counts alone": (crowded(10), [TOO_MANY_COPIES]),
    "a hostname of 64 characters, by counts alone": (
        crowded(11),
        [
            TOO_MANY_COPIES,
            (
                f'{CLIQUES}[0].name: Invalid value: "{"a" * 10}": hostname '
                f'"{"t" * 25}-1999999999-{"g" * 10}-99-{"a" * 10}-10" would have 64 characters, '
                "at most 63 are possible"
            ),
        ],
    ),
    "no copies": (
        grouped(group("g", "a", replicas=0)),
        [
            f"{FIRST}.replicas: Invalid value: 0: must be greater than 0",
            f"{MINIMUM}: 1: minAvailable must not be greater than replicas",
        ],
    ),
    "a minimum of nothing": (
        grouped(group("g", "a", minAvailable=0)),
        [f"{MINIMUM}: 0: must be greater than 0"],
    ),
    "a minimum above the copies": (
        grouped(group("g", "a", minAvailable=2)),
        [f"{MINIMUM}: 2: minAvailable must not be greater than replicas"],
    ),
    "an autoscaler that goes below the minimum": (
        grouped(group("g", "a", replicas=2, minAvailable=2, scaleConfig=scale(3, 1))),
        [
            (
                f"{FIRST}.scaleConfig.minReplicas: Invalid value: 1: must not be less than "
                "minAvailable, which is 2"
            )
        ],
    ),
    "an autoscaler whose bounds cross": (
        grouped(group("g", "a", scaleConfig=scale(0))),
        [
            (
                f"{FIRST}.scaleConfig.maxReplicas: Invalid value: 0: must not be less than "
                "minReplicas, which is 1"
            )
        ],
    ),
    "two groups of one name": (
        grouped(group("g", "a"), group("g", "b")),
        [f'{GROUPS}.name: Duplicate value: ["g"]'],
    ),
    "a clique in two groups": (
        grouped(group("g", "a", "b"), group("h", "b", "a")),
        [f'{GROUPS}.cliqueNames: Duplicate value: ["b","a"]'],
    ),
    "a clique twice in one group": (
        grouped(group("g", "a", "a")),
        [f'{GROUPS}.cliqueNames: Duplicate value: ["a"]'],
    ),
    "a member with an autoscaler of its own": (
        a_set(scaled(5), podCliqueScalingGroups=[group("g", "a")]),
        [
            (
                f'{GROUPS}: Invalid value: "a": a clique of a scaling group must not have an '
                'autoScalingConfig of its own: use scaleConfig of "g"'
            )
        ],
    ),
    "another clique with an autoscaler": (
        a_set(scaled(5), clique("b"), podCliqueScalingGroups=[group("g", "b")]),
        [],
    ),
}


@pytest.mark.parametrize(("body", "expected"), CASES.values(), ids=CASES)
def test_a_group(body: dict[str, Any], expected: list[str]) -> None:
    assert errors(body) == expected


SHARED_NAMES: dict[str, tuple[dict[str, Any], list[str]]] = {
    "a clique and a group of one name": (grouped(group("b", "a")), []),
    "the same, the group alone autoscaled": (grouped(group("b", "a", scaleConfig=scale(2))), []),
    "a group named after its member": (grouped(group("a", "a", scaleConfig=scale(2))), []),
    "two autoscalers of one name": (
        a_set(
            scaled(5), clique("b"), podCliqueScalingGroups=[group("a", "b", scaleConfig=scale(2))]
        ),
        [
            (
                f'{FIRST}.name: Invalid value: "a": clique "a" has the same name, so that two '
                "autoscalers would be one"
            )
        ],
    ),
    "a clique named like a member": (
        grouped(group("g", "b"), cliques="g-0-b b"),
        [
            (
                f'{CLIQUES}[0].name: Invalid value: "g-0-b": would be the name of clique "b" in '
                'group "g", too'
            )
        ],
    ),
    "a clique named like a member, with more indices": (
        grouped(group("g-1", "2-b"), cliques="g-1-0-2-b 2-b"),
        [
            (
                f'{CLIQUES}[0].name: Invalid value: "g-1-0-2-b": would be the name of clique '
                '"2-b" in group "g-1", too'
            )
        ],
    ),
    "names that only look alike": (
        grouped(group("a", "b"), cliques="b a-b a-x-b a-00-b a-0-bb aa-0-b a-0"),
        [],
    ),
    "members of two groups of one name": (
        grouped(group("g", "1-b"), group("g-0", "b"), cliques="1-b b"),
        [
            (
                f'{GROUPS}[1].name: Invalid value: "g-0": clique "b" in it could have the same '
                'PodClique as clique "1-b" of group "g"'
            )
        ],
    ),
    "the same with more in between": (
        grouped(group("g-10-x", "b"), group("g", "x-7-b"), cliques="x-7-b b"),
        [
            (
                f'{FIRST}.name: Invalid value: "g-10-x": clique "b" in it could have the same '
                'PodClique as clique "x-7-b" of group "g"'
            )
        ],
    ),
    "members of two groups that only look alike": (
        grouped(group("g", "1-c"), group("g-0", "b"), group("g-x", "d"), cliques="1-c b d"),
        [],
    ),
}


@pytest.mark.parametrize(("body", "expected"), SHARED_NAMES.values(), ids=SHARED_NAMES)
def test_names_that_meet(body: dict[str, Any], expected: list[str]) -> None:
    assert errors(body) == expected
