"""Rules about one clique: what passes, what does not, and in which words."""

from typing import Any

import pytest

from tests.unit.admission.manifest import CLIQUES, NAME_WORDS, a_set, clique, errors, group, scaled

FIRST = f"{CLIQUES}[0]"
SCALER = f"{FIRST}.spec.autoScalingConfig"
MINIMUM = f"{FIRST}.spec.minAvailable: Invalid value"
QUALIFIED = "must consist of letters, digits, '-', '_' or '.', and start and end with a letter or"


def combined(length: int, pcs: str, name: str) -> list[str]:
    detail = (
        f"combined resource name length {length} exceeds 45-character limit: "
        f'PodCliqueSet "{pcs}", PodClique "{name}"'
    )
    return [
        f'{FIRST}.name: Invalid value: "{name}": {detail}',
        f'metadata.name: Invalid value: "{pcs}": {detail}',
    ]


def marked(**fields: Any) -> dict[str, Any]:
    return a_set(clique() | fields)


CASES: dict[str, tuple[dict[str, Any], list[str]]] = {
    "a blank name": (
        a_set(clique("  "), name="t" * 50),
        [f"{FIRST}.name: Required value: a clique needs a name"],
    ),
    "a name with a capital": (
        a_set(clique("Aa")),
        [f'{FIRST}.name: Invalid value: "Aa": {NAME_WORDS}'],
    ),
    "names of 45 characters together": (a_set(clique("a" * 20), name="t" * 25), []),
    "names of 46 characters together": (
        a_set(clique("a" * 20), name="t" * 26),
        combined(46, "t" * 26, "a" * 20),
    ),
    "a label with a prefix": (marked(labels={"example.org/a_B.c": "v_1"}), []),
    "a label without a value": (marked(labels={"a": ""}), []),
    "a label whose key is no key": (
        marked(labels={"-a": "v"}),
        [f'{FIRST}.labels: Invalid value: "-a": the name {QUALIFIED} digit'],
    ),
    "a label whose key has too much": (
        marked(labels={"a/b/c": "v"}),
        [
            (
                f"{FIRST}.labels: Invalid value: \"a/b/c\": the part before '/' must consist of "
                "lower case letters, digits, '-' or '.'"
            )
        ],
    ),
    "a label whose key has only a prefix": (
        marked(labels={"a/": "v"}),
        [f'{FIRST}.labels: Invalid value: "a/": the name must not be empty'],
    ),
    "a label whose key has an empty prefix": (
        marked(labels={"/a": "v"}),
        [f"{FIRST}.labels: Invalid value: \"/a\": the part before '/' must not be empty"],
    ),
    "a label whose key is long": (
        marked(labels={"a" * 64: "v"}),
        [
            (
                f'{FIRST}.labels: Invalid value: "{"a" * 64}": the name must be no more than 63 '
                "characters"
            )
        ],
    ),
    "a label whose value is no value": (
        marked(labels={"a": "not so"}),
        [f'{FIRST}.labels: Invalid value: "not so": a label value {QUALIFIED} digit'],
    ),
    "a label whose value is long": (
        marked(labels={"a": "v" * 64}),
        [
            (
                f'{FIRST}.labels: Invalid value: "{"v" * 64}": a label value must be no more than '
                "63 characters"
            )
        ],
    ),
    "an annotation with any text": (marked(annotations={"Example.org/A": "any ⚓ text"}), []),
    "an annotation whose key is no key": (
        marked(annotations={"a b": ""}),
        [f'{FIRST}.annotations: Invalid value: "a b": the name {QUALIFIED} digit'],
    ),
    "annotations of 256 KiB": (marked(annotations={"a": "x" * (256 * 1024 - 1)}), []),
    "annotations of a byte more": (
        marked(annotations={"a": "x" * (256 * 1024)}),
        [f"{FIRST}.annotations: Too long: may not be more than 262144 bytes"],
    ),
    "no replicas, at least one": (a_set(clique(replicas=0, minAvailable=1)), []),
    "neither replicas nor minAvailable": (
        a_set(clique(replicas=0)),
        [f"{MINIMUM}: 0: must be greater than 0"],
    ),
    "fewer than no replicas": (
        a_set(clique(replicas=-1, minAvailable=1)),
        [
            f"{FIRST}.spec.replicas: Invalid value: -1: must be greater than 0",
            f"{MINIMUM}: 1: minAvailable must not be greater than replicas",
        ],
    ),
    "one of two at least": (a_set(clique(minAvailable=1)), []),
    "none of two at least": (
        a_set(clique(minAvailable=0)),
        [f"{MINIMUM}: 0: must be greater than 0"],
    ),
    "three of two at least": (
        a_set(clique(minAvailable=3)),
        [f"{MINIMUM}: 3: minAvailable must not be greater than replicas"],
    ),
    "an autoscaler at its bounds": (a_set(scaled(2, 1, minAvailable=1)), []),
    "an autoscaler that begins above the replicas": (a_set(scaled(5, 4)), []),
    "an autoscaler that goes below the minimum": (
        a_set(scaled(5, 1)),
        [
            (
                f"{SCALER}.minReplicas: Invalid value: 1: must not be less than minAvailable, "
                "which is 2"
            )
        ],
    ),
    "an autoscaler that goes down to nothing": (
        a_set(scaled(5, 0, minAvailable=1)),
        [
            (
                f"{SCALER}.minReplicas: Invalid value: 0: must not be less than minAvailable, "
                "which is 1"
            )
        ],
    ),
    "an autoscaler whose bounds cross": (
        a_set(scaled(2, 3)),
        [
            (
                f"{SCALER}.maxReplicas: Invalid value: 2: must not be less than minReplicas, which "
                "is 3"
            )
        ],
    ),
    "an autoscaler that cannot reach the replicas": (
        a_set(scaled(1, 1, minAvailable=1)),
        [f"{SCALER}.maxReplicas: Invalid value: 1: must not be less than replicas, which is 2"],
    ),
    "an autoscaler that can do nothing": (
        a_set(scaled(0)),
        [
            (
                f"{SCALER}.maxReplicas: Invalid value: 0: must not be less than minReplicas, which "
                "is 2"
            ),
            f"{SCALER}.maxReplicas: Invalid value: 0: must not be less than replicas, which is 2",
        ],
    ),
}


@pytest.mark.parametrize(("body", "expected"), CASES.values(), ids=CASES)
def test_a_clique(body: dict[str, Any], expected: list[str]) -> None:
    assert errors(body) == expected


def test_the_name_of_a_member_is_looked_at_with_its_group() -> None:
    member = a_set(clique("a" * 19), name="t" * 26, podCliqueScalingGroups=[group("g", "a" * 19)])
    assert not any(error.startswith(CLIQUES) for error in errors(member))
