"""What is filled in, what is left alone, and that nothing makes the defaulter fail."""

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from grove_operator.admission.defaulting import default_podcliqueset
from tests.support.mutations import mutated

PIER: dict[str, Any] = yaml.safe_load(
    (Path(__file__).parents[2] / "support" / "manifests" / "pier.yaml").read_text()
)
SERVICE = {"publishNotReadyAddresses": True}


def template(given: Any) -> Any:
    return default_podcliqueset({"spec": {"template": given}})["spec"]["template"]


def clique_spec(given: Any) -> Any:
    return template({"cliques": [{"spec": given}]})["cliques"][0]["spec"]


def group(given: Any) -> Any:
    return template({"podCliqueScalingGroups": [given]})["podCliqueScalingGroups"][0]


def test_a_template_gets_a_delay_and_a_service() -> None:
    assert template({}) == {"terminationDelay": "4h0m0s", "headlessServiceConfig": SERVICE}


def test_null_is_absent() -> None:
    filled = template({"terminationDelay": None, "headlessServiceConfig": None})
    assert filled == {"terminationDelay": "4h0m0s", "headlessServiceConfig": SERVICE}


@pytest.mark.parametrize(
    ("metadata", "namespace"),
    [({}, "default"), ({"namespace": ""}, "default"), ({"namespace": "harbor"}, "harbor")],
)
def test_a_set_is_in_some_namespace(metadata: dict[str, Any], namespace: str) -> None:
    assert default_podcliqueset({"metadata": metadata})["metadata"]["namespace"] == namespace


@pytest.mark.parametrize(
    ("given", "canonical"),
    [
        ("90m", "1h30m0s"),
        ("1.5h", "1h30m0s"),
        ("1500us", "1.5ms"),
        ("1m60s", "2m0s"),
        ("100000h", "100000h0m0s"),
        ("0", "0s"),
        ("-1s", "-1s"),
        ("4h0m0s", "4h0m0s"),
        ("soon", "soon"),
        ("", ""),
        ("1d", "1d"),
        ("3000000h", "3000000h"),
        ("1h" * 200_000, "1h" * 200_000),
        (7, 7),
        (["1h"], ["1h"]),
    ],
    ids=lambda value: str(value)[:12] or "empty",
)
def test_a_delay_is_canonical_where_it_is_one(given: Any, canonical: Any) -> None:
    assert template({"terminationDelay": given})["terminationDelay"] == canonical


COUNTS = {
    "nothing given": ({}, {"replicas": 1, "minAvailable": 0}),
    "null": ({"replicas": None}, {"replicas": 1, "minAvailable": 0}),
    "none": ({"replicas": 0}, {"replicas": 1, "minAvailable": 0}),
    "none, at least one": (
        {"replicas": 0, "minAvailable": 1},
        {"replicas": 1, "minAvailable": 1},
    ),
    "three": ({"replicas": 3}, {"replicas": 3, "minAvailable": 3}),
    "three, at least null": (
        {"replicas": 3, "minAvailable": None},
        {"replicas": 3, "minAvailable": 3},
    ),
    "three, at least none": (
        {"replicas": 3, "minAvailable": 0},
        {"replicas": 3, "minAvailable": 0},
    ),
    "fewer than none": ({"replicas": -1}, {"replicas": -1, "minAvailable": -1}),
    "a text": ({"replicas": "3"}, {"replicas": "3"}),
    "a fraction": ({"replicas": 1.5}, {"replicas": 1.5}),
    "a truth": ({"replicas": True}, {"replicas": True}),
    "too many": ({"replicas": 2**31}, {"replicas": 2**31}),
    "an autoscaler": (
        {"replicas": 3, "autoScalingConfig": {"maxReplicas": 5}},
        {
            "replicas": 3,
            "minAvailable": 3,
            "autoScalingConfig": {"maxReplicas": 5, "minReplicas": 3},
        },
    ),
    "an autoscaler without replicas": (
        {"minAvailable": 1, "autoScalingConfig": {"maxReplicas": 5}},
        {
            "replicas": 1,
            "minAvailable": 1,
            "autoScalingConfig": {"maxReplicas": 5, "minReplicas": 0},
        },
    ),
    "an autoscaler that says null": (
        {"replicas": 3, "autoScalingConfig": None},
        {"replicas": 3, "minAvailable": 3, "autoScalingConfig": None},
    ),
}


@pytest.mark.parametrize(("given", "expected"), COUNTS.values(), ids=COUNTS)
def test_counts_of_a_clique(given: Any, expected: Any) -> None:
    assert clique_spec(given) == {"roleName": "", **expected}


PODS = {
    "nothing": ({}, {"restartPolicy": "Always", "terminationGracePeriodSeconds": 30}),
    "a blank": (
        {"restartPolicy": ""},
        {"restartPolicy": "Always", "terminationGracePeriodSeconds": 30},
    ),
    "whatever is given": (
        {"restartPolicy": "Maybe", "terminationGracePeriodSeconds": -1},
        {"restartPolicy": "Maybe", "terminationGracePeriodSeconds": -1},
    ),
    "no grace": (
        {"restartPolicy": "Never", "terminationGracePeriodSeconds": 0},
        {"restartPolicy": "Never", "terminationGracePeriodSeconds": 0},
    ),
    "quantities as typed": (
        {"containers": [{"resources": {"limits": {"cpu": "1000m"}}}]},
        {
            "containers": [{"resources": {"limits": {"cpu": "1000m"}}}],
            "restartPolicy": "Always",
            "terminationGracePeriodSeconds": 30,
        },
    ),
}


@pytest.mark.parametrize(("given", "expected"), PODS.values(), ids=PODS)
def test_pods_of_a_clique(given: Any, expected: Any) -> None:
    assert clique_spec({"podSpec": given})["podSpec"] == expected


@pytest.mark.parametrize(("given", "expected"), [(None, ""), ("", ""), ("lead", "lead"), (1, 1)])
def test_the_role_is_a_text(given: Any, expected: Any) -> None:
    assert clique_spec({"roleName": given})["roleName"] == expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, {}),
        ({"scaleConfig": {}}, {"scaleConfig": {"minReplicas": 1}}),
        (
            {"replicas": 3, "scaleConfig": {"minReplicas": None}},
            {"replicas": 3, "scaleConfig": {"minReplicas": 3}},
        ),
        (
            {"replicas": 3, "scaleConfig": {"minReplicas": 0}},
            {"replicas": 3, "scaleConfig": {"minReplicas": 0}},
        ),
        ({"replicas": "3", "scaleConfig": {}}, {"replicas": "3", "scaleConfig": {}}),
    ],
)
def test_the_bound_of_a_group(given: Any, expected: Any) -> None:
    assert group(given) == expected


def test_a_whole_set() -> None:
    filled = default_podcliqueset(PIER)
    made = filled["spec"]["template"]
    router, leader, worker = (item["spec"] for item in made["cliques"])
    assert made["terminationDelay"] == "20m0s"
    assert router["autoScalingConfig"]["minReplicas"] == 2
    assert (leader["minAvailable"], worker["minAvailable"]) == (1, 1)
    assert made["podCliqueScalingGroups"][0]["scaleConfig"]["minReplicas"] == 3
    assert (
        worker["podSpec"]["initContainers"]
        == PIER["spec"]["template"]["cliques"][2]["spec"]["podSpec"]["initContainers"]
    )


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=10,
)


@given(mutated(PIER))
def test_any_json_passes_unchanged_or_filled_and_once_is_enough(body: dict[str, Any]) -> None:
    before = copy.deepcopy(body)
    once = default_podcliqueset(body)
    assert body == before
    assert default_podcliqueset(once) == once


@given(st.dictionaries(st.sampled_from(["metadata", "spec", "x"]), anything))
def test_any_top_passes(body: dict[str, Any]) -> None:
    once = default_podcliqueset(body)
    assert set(once) == set(body)
    assert default_podcliqueset(once) == once


@given(anything, anything, anything)
def test_any_part_passes(whole: Any, cliques: Any, groups: Any) -> None:
    for given_template in (whole, {"cliques": cliques, "podCliqueScalingGroups": groups}):
        for body in ({"spec": {"template": given_template}}, {"spec": given_template}):
            once = default_podcliqueset(body)
            assert default_podcliqueset(once) == once


@given(anything, anything, anything)
def test_any_clique_and_group_passes(config: Any, count: Any, pod_spec: Any) -> None:
    spec = {"autoScalingConfig": config, "replicas": count, "podSpec": pod_spec}
    member = {"scaleConfig": config, "replicas": count}
    once = template({"cliques": [{"spec": spec}], "podCliqueScalingGroups": [member]})
    assert template(once) == once


def test_a_part_that_is_deep_passes() -> None:
    deep: Any = {}
    for _ in range(100_000):
        deep = {"down": deep}
    filled = template({"deep": deep})
    assert filled["deep"] is deep
    while deep:  # taken apart step by step, as the interpreter itself would go too deep
        deep = deep.pop("down")
