"""What makes a set impossible to carry out: each rule refuses what it should, and nothing more."""

from typing import Any

import pytest

from grove_operator.api.parsing import check_podcliqueset
from grove_operator.api.podcliqueset import PodCliqueSet

CLIQUES = "spec.template.cliques"
GROUPS = "spec.template.podCliqueScalingGroups"
EXPLICIT: dict[str, Any] = {"cliqueStartupType": "CliqueStartupTypeExplicit"}


def clique(name: str = "a", replicas: int = 2, **spec: Any) -> dict[str, Any]:
    pods = {"containers": [{"name": "app", "image": "registry.example/app:1"}]}
    return {"name": name, "spec": {"replicas": replicas, "podSpec": pods, **spec}}


def group(name: str = "g", *members: str, **fields: Any) -> dict[str, Any]:
    return {"name": name, "cliqueNames": list(members), **fields}


def pcs(
    *cliques: dict[str, Any], name: str = "tide", replicas: int = 1, **template: Any
) -> PodCliqueSet:
    return PodCliqueSet.model_validate(
        {
            "metadata": {"name": name},
            "spec": {"replicas": replicas, "template": {"cliques": list(cliques), **template}},
        }
    )


def grouped(*groups: dict[str, Any], cliques: str = "a b c", name: str = "tide") -> PodCliqueSet:
    made = [clique(member) for member in cliques.split()]
    return pcs(*made, name=name, podCliqueScalingGroups=list(groups))


def scale(upper: int, lower: int | None = None) -> dict[str, Any]:
    return {"maxReplicas": upper, **({} if lower is None else {"minReplicas": lower})}


def scaled(upper: int, lower: int | None = None, **spec: Any) -> dict[str, Any]:
    return clique(autoScalingConfig=scale(upper, lower), **spec)


def too_long(hostname: str) -> str:
    return (
        f'{CLIQUES}[0].name: hostname "{hostname}" would have {len(hostname)} characters, '
        "at most 63 are possible"
    )


LONG_A, LONG_B = "a" * 30, "b" * 28

ACCEPTED = {
    "one clique": pcs(clique()),
    "no copies": pcs(clique(), replicas=0),
    "no pods given, which means one": pcs(clique(replicas=0)),
    "as few as one of two": pcs(clique(minAvailable=1)),
    "all of them": pcs(clique(minAvailable=2)),
    "a lower bound at the minimum": pcs(scaled(5, 1, minAvailable=1)),
    "a lower bound above the replicas": pcs(scaled(5, 4)),
    "an upper bound below the replicas": pcs(scaled(1, 1, minAvailable=1)),
    "a group without members": grouped(group()),
    "groups that share no clique": grouped(group("g", "a", "b"), group("h", "c")),
    "a group at its minimum": grouped(group("g", "a", replicas=2, minAvailable=2)),
    "a group of fixed size that may grow": grouped(group("g", "a", scaleConfig=scale(3))),
    "dependencies that end": pcs(
        clique("a"), clique("b", startsAfter=["a"]), clique("c", startsAfter=["a", "b"]), **EXPLICIT
    ),
    "unknown dependencies that nobody uses": pcs(clique(startsAfter=["z", "a"])),
    "a circle that nobody uses": pcs(
        clique("a", startsAfter=["b"]), clique("b", startsAfter=["a"])
    ),
    "a delay": pcs(clique(), terminationDelay="1ns"),
    "names that start with a digit": pcs(clique("1"), name="0"),
    "a hostname of 63 characters": pcs(clique(LONG_A), name=LONG_B),
    "a clique and a group of one name": grouped(group("b", "a")),
    "the same, the group alone autoscaled": grouped(group("b", "a", scaleConfig=scale(2))),
    "a group named after its autoscaled-with-it member": grouped(
        group("a", "a", scaleConfig=scale(2))
    ),
    "names that only look alike": grouped(group("a", "b"), cliques="b a-b a-x-b"),
}


@pytest.mark.parametrize("given", ACCEPTED.values(), ids=ACCEPTED)
def test_can_be_carried_out(given: PodCliqueSet) -> None:
    assert check_podcliqueset(given) == []


REFUSED = {
    "fewer than no copies": (
        pcs(clique(), replicas=-1),
        ["spec.replicas: must not be negative, is -1"],
    ),
    "no cliques": (pcs(), [f"{CLIQUES}: must have at least one clique"]),
    "two cliques of one name": (
        pcs(clique("a"), clique("b"), clique("a")),
        [f'{CLIQUES}[2].name: "a" is used twice'],
    ),
    "two groups of one name": (
        grouped(group("g", "a"), group("g", "b")),
        [f'{GROUPS}[1].name: "g" is used twice'],
    ),
    "a group of an unknown clique": (
        grouped(group("g", "a", "z")),
        [f'{GROUPS}[0].cliqueNames[1]: there is no clique "z"'],
    ),
    "a clique in two groups": (
        grouped(group("g", "a"), group("h", "b", "a")),
        [f'{GROUPS}[1].cliqueNames[1]: "a" is already in group "g"'],
    ),
    "a clique twice in one group": (
        grouped(group("g", "a", "a")),
        [f'{GROUPS}[0].cliqueNames[1]: "a" is already in group "g"'],
    ),
    "fewer than no pods": (
        pcs(clique(replicas=-1)),
        [f"{CLIQUES}[0].spec.replicas: must not be negative, is -1"],
    ),
    "a minimum of nothing": (
        pcs(clique(minAvailable=0)),
        [f"{CLIQUES}[0].spec.minAvailable: must be at least 1, is 0"],
    ),
    "a minimum above the replicas": (
        pcs(clique(minAvailable=3)),
        [f"{CLIQUES}[0].spec.minAvailable: must not be greater than replicas, is 3 of 2"],
    ),
    "a minimum above the one pod that none means": (
        pcs(clique(replicas=0, minAvailable=2)),
        [f"{CLIQUES}[0].spec.minAvailable: must not be greater than replicas, is 2 of 1"],
    ),
    "an autoscaler that goes down to nothing": (
        pcs(scaled(5, 0)),
        [f"{CLIQUES}[0].spec.autoScalingConfig.minReplicas: must be at least 1, is 0"],
    ),
    "an autoscaler that goes below the minimum": (
        pcs(scaled(5, 1)),
        [
            (
                f"{CLIQUES}[0].spec.autoScalingConfig.minReplicas: must not be below minAvailable, "
                "is 1 of 2"
            )
        ],
    ),
    "an autoscaler whose bounds cross": (
        pcs(scaled(2, 3)),
        [f"{CLIQUES}[0].spec.autoScalingConfig.maxReplicas: must be at least 3, is 2"],
    ),
    "an upper bound below the default of the lower one": (
        pcs(scaled(1)),
        [f"{CLIQUES}[0].spec.autoScalingConfig.maxReplicas: must be at least 2, is 1"],
    ),
    "a group without copies": (
        grouped(group("g", "a", replicas=0)),
        [f"{GROUPS}[0].replicas: must be at least 1, is 0"],
    ),
    "a group with a minimum of nothing": (
        grouped(group("g", "a", minAvailable=0)),
        [f"{GROUPS}[0].minAvailable: must be at least 1, is 0"],
    ),
    "a group with a minimum above its copies": (
        grouped(group("g", "a", minAvailable=2)),
        [f"{GROUPS}[0].minAvailable: must not be greater than replicas, is 2 of 1"],
    ),
    "a group whose autoscaler goes below the minimum": (
        grouped(group("g", "a", replicas=2, minAvailable=2, scaleConfig=scale(3, 1))),
        [f"{GROUPS}[0].scaleConfig.minReplicas: must not be below minAvailable, is 1 of 2"],
    ),
    "a group whose autoscaler has no upper bound": (
        grouped(group("g", "a", scaleConfig=scale(0))),
        [f"{GROUPS}[0].scaleConfig.maxReplicas: must be at least 1, is 0"],
    ),
    "a member with an autoscaler of its own": (
        pcs(scaled(5), podCliqueScalingGroups=[group("g", "a")]),
        [
            (
                f"{CLIQUES}[0].spec.autoScalingConfig: the clique scales with its group, so put it "
                'into scaleConfig of "g"'
            )
        ],
    ),
    "a dependency on an unknown clique": (
        pcs(clique(startsAfter=["z"]), **EXPLICIT),
        [f'{CLIQUES}[0].spec.startsAfter[0]: there is no clique "z"'],
    ),
    "a dependency on itself": (
        pcs(clique("a"), clique("b", startsAfter=["a", "b"]), **EXPLICIT),
        [f"{CLIQUES}[1].spec.startsAfter[1]: a clique cannot start after itself"],
    ),
    "a circle": (
        pcs(clique("a", startsAfter=["b"]), clique("b", startsAfter=["a"]), **EXPLICIT),
        [f"{CLIQUES}: startsAfter goes in a circle: a before b before a"],
    ),
    "a delay that is none": (
        pcs(clique(), terminationDelay="soon"),
        ['spec.template.terminationDelay: time: invalid duration "soon"'],
    ),
    "a delay of nothing": (
        pcs(clique(), terminationDelay="0s"),
        ["spec.template.terminationDelay: must be greater than 0"],
    ),
    "a hostname of 64 characters": (
        pcs(clique(LONG_A), name=f"{LONG_B}b"),
        [too_long(f"{LONG_B}b-0-{LONG_A}-1")],
    ),
    "a hostname that an autoscaler makes too long": (
        pcs(clique(LONG_A, autoScalingConfig=scale(11)), name=LONG_B),
        [too_long(f"{LONG_B}-0-{LONG_A}-10")],
    ),
    "a hostname that an eleventh copy makes too long": (
        pcs(clique(LONG_A), name=LONG_B, replicas=11),
        [too_long(f"{LONG_B}-10-{LONG_A}-1")],
    ),
    "a hostname that a group makes too long": (
        grouped(group("g" * 22, "a" * 10), cliques="a" * 10, name="t" * 24),
        [too_long(f"{'t' * 24}-0-{'g' * 22}-0-{'a' * 10}-1")],
    ),
    "an autoscaled clique and an autoscaled group of one name": (
        pcs(scaled(5), clique("b"), podCliqueScalingGroups=[group("a", "b", scaleConfig=scale(2))]),
        [
            (
                f'{GROUPS}[0].name: clique "a" has the same name, so that their two autoscalers '
                "would be one"
            )
        ],
    ),
    "a clique named like a member of a group": (
        grouped(group("g", "b"), cliques="g-0-b b"),
        [f'{CLIQUES}[0].name: "g-0-b" would be the name of clique "b" in group "g", too'],
    ),
    "members of two groups of one name": (
        grouped(group("g", "1-b"), group("g-0", "b"), cliques="1-b b"),
        [f'{GROUPS}[1].name: "g-0-1-b" would be a PodClique of group "g", too'],
    ),
}


@pytest.mark.parametrize(("given", "expected"), REFUSED.values(), ids=REFUSED)
def test_cannot_be_carried_out(given: PodCliqueSet, expected: list[str]) -> None:
    assert check_podcliqueset(given) == expected


@pytest.mark.parametrize("bad", ["A", "a.b", "-a", "a-", "a_b", "", "a b", "a\n"])
def test_a_name_is_a_dns_label(bad: str) -> None:
    given = pcs(clique(bad), name=bad, podCliqueScalingGroups=[group(bad)])
    paths = [problem.split(":")[0] for problem in check_podcliqueset(given)]
    assert paths == ["metadata.name", f"{CLIQUES}[0].name", f"{GROUPS}[0].name"]


def test_all_rules_speak_at_once() -> None:
    given = pcs(clique("A", minAvailable=3), terminationDelay="5", replicas=-1)
    assert len(check_podcliqueset(given)) == 4
