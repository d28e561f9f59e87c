"""What the models make of a body: fields, defaults, and what the defaulter would have filled in."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from grove_operator.admission.validation import essential_problems
from grove_operator.api.durations import Duration, hours
from grove_operator.api.parsing import parse_podcliqueset
from grove_operator.api.podclique import AutoScalingConfig, PodClique, PodCliqueSpec
from grove_operator.api.podcliqueset import (
    CliqueTemplate,
    PodCliqueSet,
    PodCliqueSetTemplate,
    ScalingGroupConfig,
    StartupType,
    UpdateStrategyType,
)
from grove_operator.api.podgang import PodGang, PodGangSpec, PodGroup
from grove_operator.api.scalinggroup import PodCliqueScalingGroup
from grove_operator.api.topology import PackConstraint, TopologyConstraint

PODS: dict[str, Any] = {"containers": [{"name": "app", "image": "registry.example/app:1"}]}

PIER = Path(__file__).parents[2] / "support" / "manifests" / "pier.yaml"


@pytest.fixture
def body() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(PIER.read_text())
    return loaded


def test_a_body_comes_back_as_it_was(body: dict[str, Any]) -> None:
    assert PodCliqueSet.model_validate(body).as_dict() == body


def test_a_set_that_uses_most_of_the_api_can_be_carried_out(body: dict[str, Any]) -> None:
    assert essential_problems(parse_podcliqueset(body)) == []


def test_fields_are_reached_by_their_python_names(body: dict[str, Any]) -> None:
    pcs = PodCliqueSet.model_validate(body)
    template = pcs.spec.template
    worker = template.cliques[2]
    assert pcs.metadata.labels == {"team": "sea"}
    assert template.clique_startup_type is StartupType.EXPLICIT
    assert worker.spec.starts_after == ["leader", "router"]
    assert worker.topology_constraint is not None
    assert worker.topology_constraint.required_domain == "rack"
    assert template.clique("worker") is worker
    assert template.group_of("worker") is template.pod_clique_scaling_groups[0]
    assert template.group_of("router") is None


def test_unknown_fields_and_nulls_are_dropped(body: dict[str, Any]) -> None:
    expected = PodCliqueSet.model_validate(body)
    body["spec"]["template"] |= {"unheardOf": 1, "headlessServiceConfig": None}
    body["status"] = None
    assert PodCliqueSet.model_validate(body).as_dict() == expected.as_dict()


def minimal(**template: Any) -> PodCliqueSetTemplate:
    clique = CliqueTemplate(name="a", spec=PodCliqueSpec(pod_spec=PODS, replicas=1))
    return PodCliqueSetTemplate.model_validate({"cliques": [clique], **template})


def test_a_short_manifest_has_the_documented_defaults() -> None:
    pcs = PodCliqueSet.model_validate({"spec": {"template": minimal().as_dict()}})
    template = pcs.spec.template
    assert pcs.spec.replicas == 0
    assert pcs.spec.update_strategy.type is UpdateStrategyType.ROLLING_RECREATE
    assert template.clique_startup_type is StartupType.ANY_ORDER
    assert template.headless_service_config.publish_not_ready_addresses
    assert template.effective_termination_delay == hours(4)
    assert template.priority_class_name == ""
    assert pcs.status.available_replicas == 0


def test_a_group_has_one_copy_by_default() -> None:
    group = ScalingGroupConfig(name="g", clique_names=["a"])
    assert (group.replicas, group.min_available) == (1, 1)


MINIMUMS = {
    "the replicas by default": (3, None, 3),
    "one for no replicas": (0, None, 1),
    "what is given": (3, 2, 2),
    "what is given, even if it is wrong": (3, 0, 0),
}


@pytest.mark.parametrize(("replicas", "given", "expected"), MINIMUMS.values(), ids=MINIMUMS)
def test_a_clique_needs_at_least(replicas: int, given: int | None, expected: int) -> None:
    spec = PodCliqueSpec(pod_spec=PODS, replicas=replicas, min_available=given)
    assert spec.effective_min_available == expected


@pytest.mark.parametrize(
    ("given", "replicas", "expected"),
    [(None, 3, 3), (None, 0, 1), (2, 3, 2)],
    ids=["the replicas by default", "one for no replicas", "what is given"],
)
def test_an_autoscaler_goes_down_to(given: int | None, replicas: int, expected: int) -> None:
    config = AutoScalingConfig(min_replicas=given, max_replicas=5)
    assert config.effective_min_replicas(replicas) == expected


def test_a_termination_delay_is_a_duration() -> None:
    assert minimal(terminationDelay="90s").effective_termination_delay == Duration(90 * 10**9)


DOMAINS = {
    "none": (TopologyConstraint(), []),
    "the old spelling": (TopologyConstraint(pack_domain="rack"), ["rack"]),
    "required before preferred": (
        TopologyConstraint(pack=PackConstraint(required="zone", preferred="rack")),
        ["zone", "rack"],
    ),
    "preferred alone": (TopologyConstraint(pack=PackConstraint(preferred="rack")), ["rack"]),
    "one domain for both": (
        TopologyConstraint(pack=PackConstraint(required="rack", preferred="rack")),
        ["rack"],
    ),
    "the new spelling before the old": (
        TopologyConstraint(pack_domain="rack", pack=PackConstraint(required="zone")),
        ["zone"],
    ),
}


@pytest.mark.parametrize(("constraint", "expected"), DOMAINS.values(), ids=DOMAINS)
def test_referenced_domains(constraint: TopologyConstraint, expected: list[str]) -> None:
    assert constraint.referenced_domains == expected


def test_models_are_read_only() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        minimal().termination_delay = "1h"  # type: ignore[misc]


def test_a_changed_copy_leaves_the_original_alone() -> None:
    old = minimal()
    assert old.replace(termination_delay="1h").termination_delay == "1h"
    assert old.termination_delay is None


def test_a_gang_spells_podgroups_in_lower_case() -> None:
    group = PodGroup(name="pier-0-router", pod_references=[], min_replicas=1)
    gang = PodGang(spec=PodGangSpec(pod_groups=[group]))
    assert gang.as_dict() == {
        "apiVersion": "scheduler.grove.io/v1alpha1",
        "kind": "PodGang",
        "spec": {"podgroups": [{"name": "pier-0-router", "podReferences": [], "minReplicas": 1}]},
    }


def test_children_read_their_status() -> None:
    clique = PodClique.model_validate(
        {"spec": {"podSpec": PODS, "replicas": 0}, "status": {"readyReplicas": 2}}
    )
    group = PodCliqueScalingGroup.model_validate({"spec": {"cliqueNames": ["a"]}})
    assert clique.status.ready_replicas == 2
    assert clique.spec.replicas == 0
    assert group.spec.replicas == 1
    assert group.status.conditions == []


def test_the_controller_is_the_owner_that_controls() -> None:
    owner = {"apiVersion": "v1", "kind": "Node", "uid": "1"}
    owners = [owner | {"name": "a"}, owner | {"name": "b", "controller": True}]
    clique = PodClique.model_validate(
        {"metadata": {"ownerReferences": owners}, "spec": {"podSpec": PODS}}
    )
    assert clique.metadata.controller is not None
    assert clique.metadata.controller.name == "b"
