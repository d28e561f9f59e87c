"""Warnings that help: when they are given, when they would be noise, and what they say."""

from typing import Any

import pytest

from tests.unit.admission.manifest import (
    CLIQUES,
    EXPLICIT,
    GROUPS,
    a_set,
    clique,
    group,
    pods,
    scale,
    warnings,
)

Body = dict[str, Any]
CPU = {"resources": {"requests": {"cpu": "1"}}}
SPARE = (
    "so updates go below it, one at a time, and any loss breaks it; "
    "lower it now, as it cannot be changed later"
)
SCALER = f"{CLIQUES}[0].spec.autoScalingConfig"
FIX = "requests none, so it cannot scale; add requests or other metrics"


def roomy(name: str = "a", **spec: Any) -> Body:
    """A clique that no hint is about."""
    return clique(name, minAvailable=1, **spec)


def autoscaled(metrics: list[Body] | None = None, *containers: Body, **pod_spec: Any) -> Body:
    config = scale(5, 1) | ({} if metrics is None else {"metrics": metrics})
    named = [{"name": f"c{index}", **body} for index, body in enumerate(containers)]
    return a_set(roomy(autoScalingConfig=config, **pods(containers=named, **pod_spec)))


def resource(name: str, target: str = "Utilization") -> Body:
    return {"type": "Resource", "resource": {"name": name, "target": {"type": target}}}


def team(**fields: Any) -> Body:
    first = clique("a", **pods(containers=[{"name": "one", **CPU}, {"name": "two"}]))
    return a_set(first, clique("b"), podCliqueScalingGroups=[group("g", "a", "b", **fields)])


CASES: dict[str, tuple[Body, list[str]]] = {
    "nothing to say": (a_set(roomy()), []),
    "one pod cannot be fewer": (a_set(clique(replicas=1)), []),
    "all pods are needed": (
        a_set(clique("a"), roomy("b"), clique("c")),
        [f"{CLIQUES}: minAvailable equals replicas in a, c, {SPARE}"],
    ),
    "all pods of many cliques are needed": (
        a_set(*(clique(name * 15) for name in "abcde")),
        [
            (
                f"{CLIQUES}: minAvailable equals replicas in {'a' * 15}, {'b' * 15}, {'c' * 15} "
                f"and 2 more, {SPARE}"
            )
        ],
    ),
    "members of a group need each other": (team(replicas=2), []),
    "all copies are needed": (
        team(replicas=2, minAvailable=2),
        [f"{GROUPS}: minAvailable equals replicas in g, {SPARE}"],
    ),
    "an order that nobody reads": (
        a_set(roomy("a"), roomy("b", startsAfter=["a"])),
        [
            (
                f"{CLIQUES}: startsAfter of b is ignored with cliqueStartupType "
                "CliqueStartupTypeAnyOrder; for it to count, say CliqueStartupTypeExplicit"
            )
        ],
    ),
    "an order that is read": (a_set(roomy("a"), roomy("b", startsAfter=["a"]), **EXPLICIT), []),
    "cpu by default, requested": (autoscaled(None, CPU), []),
    "cpu by default, limited": (autoscaled(None, {"resources": {"limits": {"cpu": "1"}}}), []),
    "cpu by default, for the whole pod": (autoscaled(None, {}, **CPU), []),
    "cpu by default, not requested": (
        autoscaled(None, CPU, {}),
        [(f"{SCALER}: watches the utilization of cpu (the default), but a/c1 {FIX}")],
    ),
    "memory, not requested": (
        autoscaled([resource("memory")], CPU),
        [f"{SCALER}: watches the utilization of memory, but a/c0 {FIX}"],
    ),
    "an amount of memory": (autoscaled([resource("memory", "AverageValue")], {}), []),
    "what has no utilization": (autoscaled([resource("nvidia.com/gpu")], {}), []),
    "cpu, said twice": (
        autoscaled([resource("cpu"), resource("cpu")], {}),
        [f"{SCALER}: watches the utilization of cpu, but a/c0 {FIX}"],
    ),
    "another metric": (autoscaled([{"type": "Pods", "pods": {}}], {}), []),
    "odd metrics": (autoscaled([{"type": "Resource", "resource": 3}, {}], {}), []),
    "odd resources": (
        autoscaled(None, {"resources": []}),
        [(f"{SCALER}: watches the utilization of cpu (the default), but a/c0 {FIX}")],
    ),
    "a group, not requested": (
        team(scaleConfig=scale(3)),
        [
            (
                f"{GROUPS}[0].scaleConfig: watches the utilization of cpu (the default), but "
                f"a/two, b/app {FIX}"
            )
        ],
    ),
    "a group above its bound": (
        team(replicas=3, scaleConfig=scale(2, 1) | {"metrics": [{"type": "Pods"}]}),
        [
            (
                f"{GROUPS}[0].scaleConfig.maxReplicas: is below replicas, so the autoscaler will "
                "remove copies at once; raise it or lower replicas"
            )
        ],
    ),
    "hasty termination": (
        a_set(roomy(), terminationDelay="299s"),
        [
            (
                "spec.template.terminationDelay: 4m59s is less than many models take to load, so a "
                "gang may be deleted while a lost pod is being replaced; consider 5m or more"
            )
        ],
    ),
    "patient termination": (a_set(roomy(), terminationDelay="5m"), []),
    "no termination delay to speak of": (a_set(roomy(), terminationDelay="0s"), []),
    "a delay that is none": (a_set(roomy(), terminationDelay="soon"), []),
}


@pytest.mark.parametrize(("body", "expected"), CASES.values(), ids=CASES)
def test_hints(body: Body, expected: list[str]) -> None:
    assert warnings(body) == expected


def test_no_hint_about_what_can_no_longer_be_changed() -> None:
    body = a_set(clique("a"), clique("b", startsAfter=["a"]), terminationDelay="1m")
    old = a_set(clique("a"), clique("b", startsAfter=["a"]))
    assert len(warnings(body)) == 3
    (text,) = warnings(body, old)
    assert text.startswith("spec.template.terminationDelay: ")


def test_no_hint_is_longer_than_the_api_server_passes_on() -> None:
    names = [f"{'n' * 39}{index}" for index in range(20)]
    cliques = [clique(name, startsAfter=["x"], autoScalingConfig=scale(5)) for name in names]
    groups = [group(f"{name}g", replicas=2, minAvailable=2) for name in names]
    found = warnings(a_set(*cliques, name="pcs", podCliqueScalingGroups=groups))
    assert len(found) == 23
    assert [text for text in found if len(text) > 256] == []
