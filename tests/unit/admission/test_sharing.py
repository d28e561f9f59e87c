"""Rules about resource claims: what passes, what does not, at all three levels."""

from typing import Any

import pytest

from tests.unit.admission.manifest import CLIQUES, GROUPS, a_set, clique, errors, group

CLAIMS = "spec.template.resourceClaimTemplates"
SHARING = "spec.template.resourceSharing"
NAME = "Required value: a name is required"
NOTHING = f"{SHARING}[0].filter: Required value: a filter names"

Body = dict[str, Any]


def claim(name: str = "link", requests: Any = ({"name": "nic"},)) -> Body:
    return {"name": name, "templateSpec": {"spec": {"devices": {"requests": list(requests)}}}}


def entry(name: str = "link", **fields: Any) -> Body:
    return {"name": name, "scope": "PerReplica", **fields}


def of_set(*entries: Body) -> Body:
    return a_set(
        clique("a"),
        clique("b"),
        podCliqueScalingGroups=[group("g", "b")],
        resourceClaimTemplates=[claim()],
        resourceSharing=list(entries),
    )


def of_group(*entries: Body) -> Body:
    body = of_set()
    body["spec"]["template"]["podCliqueScalingGroups"][0]["resourceSharing"] = list(entries)
    return body


def of_clique(*entries: Body) -> Body:
    body = of_set()
    body["spec"]["template"]["cliques"][1]["resourceSharing"] = list(entries)
    return body


def claims(*templates: Body) -> Body:
    return a_set(clique(), resourceClaimTemplates=list(templates))


def narrowed(**names: list[str]) -> Body:
    return entry(filter=names)


def no_requests(index: int) -> str:
    path = f"{CLAIMS}[{index}].templateSpec.spec.devices.requests"
    return f"{path}: Required value: a claim requests at least one device"


TEMPLATES: dict[str, tuple[Body, list[str]]] = {
    "two templates": (claims(claim("x"), claim("y")), []),
    "no name": (claims(claim("")), [f"{CLAIMS}[0].name: {NAME}"]),
    "one name twice": (
        claims(claim("x"), claim("y"), claim("x")),
        [f'{CLAIMS}[2].name: Duplicate value: "x"'],
    ),
    "no requests": (claims(claim("x"), claim("y", ())), [no_requests(1)]),
    "nothing in the template": (claims({"name": "x", "templateSpec": {}}), [no_requests(0)]),
    "odd things in the template": (
        claims({"name": "x", "templateSpec": {"spec": [1]}}),
        [no_requests(0)],
    ),
    "what only Kubernetes judges": (claims(claim("x", [{}, {}])), []),
}


@pytest.mark.parametrize(("body", "expected"), TEMPLATES.values(), ids=TEMPLATES)
def test_claim_templates(body: Body, expected: list[str]) -> None:
    assert errors(body) == expected


@pytest.mark.parametrize(
    ("made", "path"),
    [
        (of_set, SHARING),
        (of_group, f"{GROUPS}[0].resourceSharing"),
        (of_clique, f"{CLIQUES}[1].resourceSharing"),
    ],
    ids=["set", "group", "clique"],
)
def test_entries_at_any_level(made: Any, path: str) -> None:
    assert errors(made(entry("link"), entry("other", namespace="harbor"))) == []
    assert errors(made(entry(""), entry(""))) == [
        f"{path}[0].name: {NAME}",
        f"{path}[1].name: {NAME}",
    ]
    again = entry("x", namespace="harbor") | {"scope": "AllReplicas"}
    assert errors(made(entry("x"), again)) == [f'{path}[1].name: Duplicate value: "x"']
    assert errors(made(entry("link", namespace="harbor"))) == [
        (
            f'{path}[0].namespace: Invalid value: "harbor": must be empty for a template of '
            "resourceClaimTemplates"
        )
    ]


FILTERS: dict[str, tuple[Body, list[str]]] = {
    "of the set, a clique": (of_set(narrowed(childCliqueNames=["a", "a"])), []),
    "of the set, a group": (of_set(narrowed(childScalingGroupNames=["g"])), []),
    "of the set, nothing": (
        of_set(narrowed()),
        [f"{NOTHING} a clique or a scaling group at least"],
    ),
    "of the set, unknown ones": (
        of_set(narrowed(childCliqueNames=["a", "g"], childScalingGroupNames=["b"])),
        [
            f'{SHARING}[0].filter.childCliqueNames[1]: Not found: "g"',
            f'{SHARING}[0].filter.childScalingGroupNames[0]: Not found: "b"',
        ],
    ),
    "of a group, its clique": (of_group(narrowed(childCliqueNames=["b"])), []),
    "of a group, nothing": (
        of_group(narrowed()),
        [
            (
                f"{GROUPS}[0].resourceSharing[0].filter: Required value: a filter names a clique "
                "of the group at least"
            )
        ],
    ),
    "of a group, another's clique": (
        of_group(narrowed(childCliqueNames=["a"])),
        [f'{GROUPS}[0].resourceSharing[0].filter.childCliqueNames[0]: Not found: "a"'],
    ),
}


@pytest.mark.parametrize(("body", "expected"), FILTERS.values(), ids=FILTERS)
def test_filters(body: Body, expected: list[str]) -> None:
    assert errors(body) == expected
