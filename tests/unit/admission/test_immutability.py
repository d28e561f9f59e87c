"""What an update must leave as it is: the verdict, the path, and what the user is told."""

import json
from typing import Any

import pytest

from grove_operator.admission.immutability import immutable_fields
from grove_operator.api.podcliqueset import PodCliqueSet
from tests.unit.admission.submitting import CLIQUES, GROUPS, a_set, clique, group, submit

IN_ORDER: dict[str, Any] = {"cliqueStartupType": "CliqueStartupTypeInOrder"}
EXPLICIT: dict[str, Any] = {"cliqueStartupType": "CliqueStartupTypeExplicit"}
FIXED = "field is immutable"


def updated(old: PodCliqueSet, new: PodCliqueSet) -> list[str]:
    return [str(error) for error in immutable_fields(submit(new, old))]


def grouped(*groups: dict[str, Any]) -> PodCliqueSet:
    return a_set(clique("a"), clique("b"), podCliqueScalingGroups=list(groups))


def shared(name: str = "gpu", **fields: Any) -> list[dict[str, Any]]:
    return [{"name": name, "scope": "AllReplicas", **fields}]


def claim(device: str, **fields: Any) -> list[dict[str, Any]]:
    requests = [{"name": "gpu", "exactly": {"deviceClassName": device}}]
    return [
        {"name": "gpu", "templateSpec": {"spec": {"devices": {"requests": requests}}, **fields}}
    ]


A, B = clique("a"), clique("b")
MUTABLE: dict[str, tuple[PodCliqueSet, PodCliqueSet]] = {
    "nothing": (a_set(A, B), a_set(A, B)),
    "the order while any will do": (a_set(A, B), a_set(B, A)),
    "replicas beside a minAvailable": (a_set(A), a_set(clique("a", spec_replicas=9))),
    "labels, annotations, pods, scaling": (
        a_set(A),
        a_set(
            clique(
                "a",
                {"priorityClassName": "high", "terminationGracePeriodSeconds": 5},
                labels={"x": "y"},
                annotations={"x": "y"},
                spec_autoScalingConfig={"maxReplicas": 5},
            )
        ),
    ),
    "of the template": (
        a_set(A),
        a_set(
            A,
            terminationDelay="1h",
            priorityClassName="high",
            headlessServiceConfig={"publishNotReadyAddresses": False},
        ),
    ),
    "of groups": (
        grouped(group("g", "a")),
        grouped(
            group("g", "a", replicas=3, annotations={"x": "y"}, scaleConfig={"maxReplicas": 5})
        ),
    ),
    "the order of groups": (
        grouped(group("g", "a"), group("h", "b")),
        grouped(group("h", "b"), group("g", "a")),
    ),
    "a minAvailable that is written out": (
        a_set(clique("a", spec_minAvailable=None)),
        a_set(clique("a", spec_minAvailable=2)),
    ),
    "empty lists and absent ones": (
        a_set(A),
        a_set(
            clique("a", spec_startsAfter=[], resourceSharing=[]),
            resourceSharing=[],
            resourceClaimTemplates=[],
            podCliqueScalingGroups=[],
        ),
    ),
    "a scheduler that is empty": (a_set(A), a_set(clique("a", {"schedulerName": ""}))),
    "empty parts of a claim": (
        a_set(A, resourceClaimTemplates=claim("gpu.example")),
        a_set(A, resourceClaimTemplates=claim("gpu.example", metadata={})),
    ),
    "an empty namespace of a claim": (
        a_set(A, resourceSharing=shared()),
        a_set(A, resourceSharing=shared(namespace="")),
    ),
    "the startup type that is the default": (
        a_set(A),
        a_set(A, cliqueStartupType="CliqueStartupTypeAnyOrder"),
    ),
}


@pytest.mark.parametrize(("old", "new"), MUTABLE.values(), ids=MUTABLE)
def test_what_may_change(old: PodCliqueSet, new: PodCliqueSet) -> None:
    assert updated(old, new) == []


def stays(field: str, value: str, who: str, was: str) -> str:
    return f"{CLIQUES}.spec.{field}: Invalid value: {value}: {FIXED}, {who} was created with {was}"


FORBIDDEN = "Forbidden: not allowed to change clique composition"
MOVED = "clique order cannot be changed, it is"
OF_CLIQUES: dict[str, tuple[PodCliqueSet, PodCliqueSet, list[str]]] = {
    "one is gone": (
        a_set(A, B),
        a_set(B),
        [f'{CLIQUES}: {FORBIDDEN}, it is ["a", "b"]'],
    ),
    "one is new": (
        a_set(A),
        a_set(B, A, **IN_ORDER),
        [
            f'{CLIQUES}: {FORBIDDEN}, it is ["a"]',
            f'{CLIQUES}.name: {FORBIDDEN}, "b" is new',
            f'spec.template.cliqueStartupType: Invalid value: "CliqueStartupTypeInOrder": {FIXED}',
        ],
    ),
    "one has another name": (
        a_set(A, B, **IN_ORDER),
        a_set(A, clique("c"), **IN_ORDER),
        [f'{CLIQUES}.name: {FORBIDDEN}, "c" is new'],
    ),
    "their order, in order": (
        a_set(A, B, clique("c"), **IN_ORDER),
        a_set(B, A, clique("c"), **IN_ORDER),
        [
            f'{CLIQUES}: Invalid value: "b": {MOVED} ["a", "b", "c"]',
            f'{CLIQUES}: Invalid value: "a": {MOVED} ["a", "b", "c"]',
        ],
    ),
    "their order, explicit": (
        a_set(A, B, **EXPLICIT),
        a_set(B, A, **EXPLICIT),
        [
            f'{CLIQUES}: Invalid value: "b": {MOVED} ["a", "b"]',
            f'{CLIQUES}: Invalid value: "a": {MOVED} ["a", "b"]',
        ],
    ),
    "roles": (
        a_set(clique("a", spec_roleName="x")),
        a_set(A),
        [stays("roleName", '""', 'clique "a"', '"x"')],
    ),
    "dependencies, though unused": (
        a_set(clique("a", spec_startsAfter=["b", "c"])),
        a_set(clique("a", spec_startsAfter=["c", "b"])),
        [stays("startsAfter", '["c","b"]', 'clique "a"', '["b", "c"]')],
    ),
    "the default scheduler is written out": (
        a_set(A),
        a_set(clique("a", {"schedulerName": "default-scheduler"})),
        [stays("podSpec.schedulerName", '"default-scheduler"', 'clique "a"', '""')],
    ),
    "shared claims": (
        a_set(A, B),
        a_set(clique("b", resourceSharing=shared()), A),
        [
            f"{CLIQUES}[0].resourceSharing: Invalid value: "
            f'[{{"name":"gpu","scope":"AllReplicas"}}]: {FIXED}'
        ],
    ),
}


@pytest.mark.parametrize(("old", "new", "expected"), OF_CLIQUES.values(), ids=OF_CLIQUES)
def test_what_stays_of_cliques(old: PodCliqueSet, new: PodCliqueSet, expected: list[str]) -> None:
    assert updated(old, new) == expected


def test_a_forgotten_minimum_says_which_clique_and_what_to_write() -> None:
    old = a_set(clique("a", spec_minAvailable=2), clique("b", spec_minAvailable=2))
    raised: dict[str, Any] = {"spec_replicas": 5, "spec_minAvailable": 5}
    told = (
        "was created with 2: write minAvailable: 2, because without it minAvailable becomes "
        "equal to replicas"
    )
    path = f"{CLIQUES}.spec.minAvailable"
    assert updated(old, a_set(clique("a", **raised), clique("b", **raised))) == [
        f'{path}: Invalid value: 5: {FIXED}, clique "a" {told}',
        f'{path}: Invalid value: 5: {FIXED}, clique "b" {told}',
    ]


COMPOSITION = "Forbidden: not allowed to change scaling group composition"
OF_GROUPS: dict[str, tuple[PodCliqueSet, PodCliqueSet, list[str]]] = {
    "one is new, and nothing else is said": (
        grouped(group("g", "a")),
        grouped(group("g", "b"), group("h")),
        [f'{GROUPS}: {COMPOSITION}, it is ["g"]'],
    ),
    "the last is gone": (
        grouped(group("g", "a")),
        grouped(),
        [f'{GROUPS}: {COMPOSITION}, it is ["g"]'],
    ),
    "one has another name": (
        grouped(group("g", "a")),
        grouped(group("h", "a")),
        [f'{GROUPS}.name: {COMPOSITION}, "h" is new'],
    ),
    "the order of members": (
        grouped(group("g", "a", "b")),
        grouped(group("g", "b", "a")),
        [
            f'{GROUPS}.cliqueNames: Invalid value: ["b","a"]: {FIXED}, '
            'scaling group "g" was created with ["a", "b"]'
        ],
    ),
    "the minimum": (
        grouped(group("g", "a", minAvailable=2)),
        grouped(group("g", "a")),
        [f'{GROUPS}.minAvailable: Invalid value: 1: {FIXED}, scaling group "g" was created with 2'],
    ),
    "shared claims": (
        grouped(group("g", "a", resourceSharing=shared())),
        grouped(group("g", "a", resourceSharing=shared(filter={"childCliqueNames": ["a"]}))),
        [
            f"{GROUPS}.resourceSharing: Invalid value: "
            '[{"name":"gpu","scope":"AllReplicas","filter":{"childCliqueNames":["a"]}}]: '
            f'{FIXED}, scaling group "g" was created with '
            '[{"name": "gpu", "scope": "AllReplicas"}]'
        ],
    ),
}


@pytest.mark.parametrize(("old", "new", "expected"), OF_GROUPS.values(), ids=OF_GROUPS)
def test_what_stays_of_groups(old: PodCliqueSet, new: PodCliqueSet, expected: list[str]) -> None:
    assert updated(old, new) == expected


CLAIM_Y = json.dumps(claim("y"), separators=(",", ":"))
OF_TEMPLATE: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "an omitted startup type": (
        IN_ORDER,
        {},
        f'cliqueStartupType: Invalid value: "CliqueStartupTypeAnyOrder": {FIXED}',
    ),
    "another device": (
        {"resourceClaimTemplates": claim("x")},
        {"resourceClaimTemplates": claim("y")},
        f"resourceClaimTemplates: Invalid value: {CLAIM_Y}: {FIXED}",
    ),
    "a removed claim": (
        {"resourceClaimTemplates": claim("x")},
        {},
        f"resourceClaimTemplates: Invalid value: []: {FIXED}",
    ),
    "a sharing": (
        {"resourceSharing": shared("x")},
        {"resourceSharing": shared("y")},
        f'resourceSharing: Invalid value: [{{"name":"y","scope":"AllReplicas"}}]: {FIXED}',
    ),
}


@pytest.mark.parametrize(("was", "becomes", "expected"), OF_TEMPLATE.values(), ids=OF_TEMPLATE)
def test_what_stays_of_the_template(
    was: dict[str, Any], becomes: dict[str, Any], expected: str
) -> None:
    assert updated(a_set(A, **was), a_set(A, **becomes)) == [f"spec.template.{expected}"]


def test_errors_come_in_the_order_of_the_fields() -> None:
    old = a_set(A, podCliqueScalingGroups=[group("g", "a")], **IN_ORDER)
    new = a_set(clique("a", spec_roleName="x"), resourceSharing=shared())
    assert [error.split(":")[0].removeprefix("spec.template.") for error in updated(old, new)] == [
        "cliques.spec.roleName",
        "cliqueStartupType",
        "podCliqueScalingGroups",
        "resourceSharing",
    ]


def test_a_new_set_has_nothing_to_keep() -> None:
    assert list(immutable_fields(submit(a_set(A)))) == []
