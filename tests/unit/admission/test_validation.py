"""Which rules speak when, in which order, and what they cost."""

import sys
from typing import Any

import pytest

from grove_operator.admission.submission import Facts, Found, Policy, Submission
from grove_operator.admission.validation import (
    ESSENTIAL,
    STRUCTURE,
    essential_problems,
    is_exempt,
    validate_podcliqueset,
    wanted_facts,
)
from grove_operator.api.parsing import parse_podcliqueset
from tests.unit.admission.manifest import (
    CLIQUES,
    EXPLICIT,
    GROUPS,
    a_set,
    clique,
    errors,
    group,
    pods,
    scale,
    submission,
    warnings,
)

Body = dict[str, Any]
MNNVL = "grove.io/mnnvl-group"


def everything_wrong() -> Body:
    """Each kind of mistake once, as far as they can be had together."""
    claim = {"name": "", "templateSpec": {}}
    sharing = [{"name": "x", "scope": "PerReplica", "filter": {}}]
    bad_pods = pods(
        nodeName="n",
        schedulerName="who",
        containers=[{"name": "c", "env": [{"name": "1"}]}],
        initContainers=[{"name": "i", "env": [{"name": "2"}]}],
    )
    first = clique(
        "A",
        replicas=-1,
        minAvailable=0,
        roleName="r",
        startsAfter=["", "A", "zz", "zz", "b"],
        autoScalingConfig={"minReplicas": -2, "maxReplicas": -3},
        **bad_pods,
    ) | {
        "labels": {"-": "ok"},
        "annotations": {"+": "", MNNVL: "No"},
        "resourceSharing": [{"name": "", "scope": "PerReplica"}],
        "topologyConstraint": {"topologyName": "t", "pack": {"required": "rack"}},
    }
    second = clique("b", roleName="r", startsAfter=["A"])
    lone = clique("c" * 50)
    groups = [
        group("G", "A", "zz", replicas=0, scaleConfig=scale(-1, 0), resourceSharing=sharing),
        group("G", "A", "l" * 50),
    ]
    return a_set(
        first,
        second,
        lone,
        resourceClaimTemplates=[claim],
        resourceSharing=sharing,
        podCliqueScalingGroups=groups,
        terminationDelay="0s",
        **EXPLICIT,
    )


ORDER = [
    f"{CLIQUES}[0].topologyConstraint",
    "spec.template.resourceClaimTemplates[0].name",
    "spec.template.resourceClaimTemplates[0].templateSpec.spec.devices.requests",
    "spec.template.resourceSharing[0].filter",
    f"{CLIQUES}[0].name",
    f"{CLIQUES}[0].labels",
    f"{CLIQUES}[0].annotations",
    f"{CLIQUES}[0].resourceSharing[0].name",
    f"{CLIQUES}[0].spec.replicas",
    f"{CLIQUES}[0].spec.minAvailable",
    f"{CLIQUES}[0].spec.startsAfter",
    f"{CLIQUES}[0].spec.autoScalingConfig.minReplicas",
    f"{CLIQUES}[0].spec.autoScalingConfig.maxReplicas",
    f"{CLIQUES}[0].spec.podSpec.spec.nodeName",
    f"{CLIQUES}[0].spec.podSpec.spec.containers[0].env[0].name",
    f"{CLIQUES}[0].spec.podSpec.spec.initContainers[0].env[0].name",
    f"{CLIQUES}[2].name",
    "metadata.name",
    f"{CLIQUES}.roleName",
    f"{CLIQUES}.spec.podSpec.schedulerName",
    f"{CLIQUES}.startsAfter",
    CLIQUES,
    f"{GROUPS}[0].name",
    f"{GROUPS}[0].cliqueNames",
    f"{GROUPS}[0].replicas",
    f"{GROUPS}[0].minAvailable",
    f"{GROUPS}[0].scaleConfig.minReplicas",
    f"{GROUPS}[0].scaleConfig.maxReplicas",
    f"{GROUPS}[0].resourceSharing[0].filter",
    f"{GROUPS}[1].name",
    f"{GROUPS}[1].cliqueNames",
    f"{GROUPS}[1].cliqueNames[1].name",
    f"{GROUPS}.name",
    f"{GROUPS}.cliqueNames",
    GROUPS,
    "spec.template.terminationDelay",
    f"{CLIQUES}[0].annotations.{MNNVL}",
    "spec",
]


def test_all_rules_speak_at_once_in_the_known_order() -> None:
    paths = [error.split(": ")[0] for error in errors(everything_wrong())]
    assert list(dict.fromkeys(paths)) == ORDER


def test_what_reads_the_same_is_said_once() -> None:
    long = "t" * 44
    found = errors(a_set(clique("aa"), clique("aa"), name=long))
    assert len(found) == len(set(found))
    assert f'{CLIQUES}[1]: Duplicate value: {{"name":"aa"}}' in found


def test_essential_rules_are_rules_of_admission() -> None:
    parts = (
        STRUCTURE.before,
        STRUCTURE.clique,
        STRUCTURE.between,
        STRUCTURE.group,
        STRUCTURE.after,
    )
    assert {rule for part in parts for rule in part} > ESSENTIAL


def test_immutability_is_asked_only_of_what_is_sound_by_itself() -> None:
    old = a_set(clique("a"))
    moved = a_set(clique("b"))
    assert [error.split(":")[0] for error in errors(moved, old)] == [f"{CLIQUES}.name"]
    unsound = a_set(clique("b", minAvailable=3))
    assert [error.split(":")[0] for error in errors(unsound, old)] == [
        f"{CLIQUES}[0].spec.minAvailable"
    ]


def test_topology_is_asked_of_a_sound_update() -> None:
    constrained = clique() | {
        "topologyConstraint": {"topologyName": "t", "pack": {"required": "rack"}}
    }
    (error,) = errors(a_set(constrained), old=a_set(clique()))
    assert error.startswith(f"{CLIQUES}[0].topologyConstraint: Forbidden")


def test_warnings_come_with_refusals_as_well() -> None:
    body = a_set(clique(minAvailable=3, **pods(restartPolicy="Never")))
    assert errors(body)
    assert any("restartPolicy" in text for text in warnings(body))


def stored(body: Body, **metadata: Any) -> Body:
    return body | {"metadata": body["metadata"] | metadata}


WRONG = a_set(clique(minAvailable=3))
GOING = {"deletionTimestamp": "2026-03-01T10:00:00Z", "finalizers": ["a"]}


@pytest.mark.parametrize(
    ("new", "old", "exempt"),
    [
        pytest.param(WRONG, None, False, id="created"),
        pytest.param(stored(WRONG, **GOING), WRONG, True, id="on its way out"),
        pytest.param(stored(WRONG, finalizers=["a"]), WRONG, True, id="finalizer"),
        pytest.param(stored(WRONG, ownerReferences=[]), WRONG, True, id="owner"),
        pytest.param(stored(WRONG, labels={"a": "b"}), WRONG, False, id="label"),
        pytest.param(stored(WRONG, annotations={"a": "b"}), WRONG, False, id="annotation"),
        pytest.param(a_set(clique(minAvailable=3), replicas=2), WRONG, False, id="spec"),
    ],
)
def test_who_is_exempt(new: Body, old: Body | None, exempt: bool) -> None:
    made = submission(new, old)
    assert is_exempt(made) is exempt
    assert validate_podcliqueset(made).allowed is exempt
    if exempt:
        assert validate_podcliqueset(made).warnings == ()


def test_what_to_look_up() -> None:
    body = a_set(clique(**pods(schedulerName="volcano")))
    body["spec"]["template"]["topologyConstraint"] = {
        "topologyName": "hall",
        "pack": {"required": "rack"},
    }
    policy = Policy(profiles=("default-scheduler", "volcano"), topology_enabled=True)
    wanted = wanted_facts(Submission(parse_podcliqueset(body), policy=policy))
    assert wanted.topologies == {"hall"}
    assert wanted.volcano_queues == {"default"}


def test_facts_reach_the_rules() -> None:
    body = a_set(clique(**pods(schedulerName="volcano")))
    policy = Policy(profiles=("default-scheduler", "volcano"))
    closed = Facts(volcano_queues={"default": Found(("Closed",))})
    judged = validate_podcliqueset(Submission(parse_podcliqueset(body), None, policy, closed))
    assert [error.path for error in judged.errors] == ["spec"]


def crowd(size: int) -> Body:
    """Names that invite every comparison: all could be PodCliques of a group called g."""
    cliques = [clique(f"g-{index}-x", startsAfter=["x"]) for index in range(size)]
    members = [clique(f"{index}-x") for index in range(size)]
    fields = {"scaleConfig": scale(3), "resourceSharing": [{"name": "y", "scope": "PerReplica"}]}
    groups = [group(f"g-{index}", f"{index}-x", **fields) for index in range(size)]
    outer = group("g", *(f"{index}-x" for index in range(size)))
    return a_set(*cliques, *members, podCliqueScalingGroups=[outer, *groups], **EXPLICIT)


def calls(body: Body) -> int:
    """Function calls of the whole validation: a cost that no busy machine changes."""
    count = 0

    def counted(_frame: Any, event: str, _argument: Any) -> None:
        nonlocal count
        count += event in {"call", "c_call"}

    made = submission(body)
    sys.setprofile(counted)
    try:
        validate_podcliqueset(made)
        essential_problems(made.new)
    finally:
        sys.setprofile(None)
    return count


def test_cost_grows_with_the_size_only() -> None:
    small, large = calls(crowd(40)), calls(crowd(160))
    assert large < 6 * small
