"""A body of the wrong shape is refused with every field's path and plain words."""

from typing import Any

import pytest

from grove_operator.api.parsing import parse, parse_podcliqueset
from grove_operator.api.topology import ClusterTopologyBinding
from grove_operator.errors import SpecError


def clique(**spec: Any) -> dict[str, Any]:
    pods = {"containers": [{"name": "app", "image": "registry.example/app:1"}]}
    return {"name": "a", "spec": {"roleName": "a", "replicas": 1, "podSpec": pods, **spec}}


def body(*cliques: Any, **template: Any) -> dict[str, Any]:
    return {
        "apiVersion": "grove.io/v1alpha1",
        "kind": "PodCliqueSet",
        "metadata": {"name": "tide"},
        "spec": {"replicas": 1, "template": {"cliques": list(cliques), **template}},
    }


def problems(given: dict[str, Any]) -> list[str]:
    with pytest.raises(SpecError) as caught:
        parse_podcliqueset(given)
    return caught.value.problems


REFUSED = {
    "a text for a number": (
        body(clique(replicas="2")),
        "spec.template.cliques[0].spec.replicas: must be a whole number",
    ),
    "a fraction": (
        body(clique(minAvailable=1.5)),
        "spec.template.cliques[0].spec.minAvailable: must be a whole number",
    ),
    "a truth value for a number": (
        body(clique(replicas=True)),
        "spec.template.cliques[0].spec.replicas: must be a whole number",
    ),
    "a number for a text": (
        body(clique(roleName=1)),
        "spec.template.cliques[0].spec.roleName: must be a text",
    ),
    "a text for a truth value": (
        body(clique(), headlessServiceConfig={"publishNotReadyAddresses": "yes"}),
        "spec.template.headlessServiceConfig.publishNotReadyAddresses: must be true or false",
    ),
    "a name that is missing": (
        body({"spec": clique()["spec"]}),
        "spec.template.cliques[0].name: is required",
    ),
    "a spec of the whole that is missing": ({"metadata": {}}, "spec: is required"),
    "an upper bound that is missing": (
        body(clique(autoScalingConfig={"minReplicas": 1})),
        "spec.template.cliques[0].spec.autoScalingConfig.maxReplicas: is required",
    ),
    "a text for a list": (
        body(clique(startsAfter="b")),
        "spec.template.cliques[0].spec.startsAfter: must be a list",
    ),
    "a list for an object": (
        body(clique(podSpec=[])),
        "spec.template.cliques[0].spec.podSpec: must be an object",
    ),
    "a text for a clique": (body("a"), "spec.template.cliques[0]: must be an object"),
    "an unknown startup type": (
        body(clique(), cliqueStartupType="Anyhow"),
        (
            "spec.template.cliqueStartupType: must be 'CliqueStartupTypeAnyOrder', "
            "'CliqueStartupTypeInOrder' or 'CliqueStartupTypeExplicit'"
        ),
    ),
    "another kind": (body(clique()) | {"kind": "PodGang"}, "kind: must be 'PodCliqueSet'"),
    "an empty domain": (
        body(clique(), topologyConstraint={"packDomain": ""}),
        "spec.template.topologyConstraint.packDomain: must not be empty",
    ),
    "a long domain": (
        body(clique(), topologyConstraint={"packDomain": "r" * 64}),
        "spec.template.topologyConstraint.packDomain: must have at most 63 characters",
    ),
    "a domain with a capital": (
        body(clique(), topologyConstraint={"packDomain": "Rack"}),
        "spec.template.topologyConstraint.packDomain: must match ^[a-z][a-z0-9-]*$",
    ),
    "a label that is no text": (
        body(clique() | {"labels": {"tier": 1}}),
        "spec.template.cliques[0].labels.tier: must be a text",
    ),
}


@pytest.mark.parametrize(("given", "expected"), REFUSED.values(), ids=REFUSED)
def test_is_refused(given: dict[str, Any], expected: str) -> None:
    assert problems(given) == [expected]


def test_all_problems_are_told_at_once() -> None:
    given = body(clique(replicas="x"), {"name": "b"}, terminationDelay=5)
    assert problems(given) == [
        "spec.template.cliques[0].spec.replicas: must be a whole number",
        "spec.template.cliques[1].spec: is required",
        "spec.template.terminationDelay: must be a text",
    ]


def test_the_error_reads_as_one_text() -> None:
    with pytest.raises(SpecError, match=r"^spec\.template: is required$"):
        parse_podcliqueset({"spec": {}})


def test_something_that_is_no_object_at_all() -> None:
    with pytest.raises(SpecError, match=r"^object: must be an object$"):
        parse(ClusterTopologyBinding, [])  # type: ignore[arg-type]


def test_a_list_that_is_too_short() -> None:
    with pytest.raises(SpecError, match=r"^spec\.levels: must have at least 1 entries$"):
        parse(ClusterTopologyBinding, {"spec": {"levels": []}})


def test_a_set_of_the_right_shape_is_read() -> None:
    pcs = parse_podcliqueset(body(clique()))
    assert pcs.metadata.name == "tide"
    assert pcs.spec.template.cliques[0].spec.min_available is None
