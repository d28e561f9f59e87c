"""Labels, environment and contents of every object that we make."""

from typing import Any

import pytest

from grove_operator.api import labels
from grove_operator.desired.autoscaler import build_autoscalers
from grove_operator.desired.environment import with_environment
from grove_operator.desired.pod import PodTemplate
from grove_operator.desired.podclique import build_clique
from grove_operator.desired.podgang import build_gang
from grove_operator.desired.service import build_service
from tests.support.builders import SetBuilder, a_set, the_crew


def a_body(builder: SetBuilder, clique: str, *, gated: bool = False) -> dict[str, Any]:
    template = PodTemplate(builder.blueprint(), builder.slot(clique), 0, gated, {"extra": 1})
    return template.build(3, "pod-name")


def clique_of(builder: SetBuilder, clique: str) -> dict[str, Any]:
    return build_clique(builder.blueprint(), builder.slot(clique), 0)


OURS = ["GROVE_PCS_NAME", "GROVE_PCS_INDEX", "GROVE_PCLQ_NAME", "GROVE_HEADLESS_SERVICE"]
GROUP = ["GROVE_PCSG_NAME", "GROVE_PCSG_TEMPLATE_NUM_PODS", "GROVE_PCSG_INDEX"]


@pytest.mark.parametrize(
    ("clique", "expected"),
    [
        ("tide-0-gate", [*OURS, "GROVE_PCLQ_POD_INDEX", "MODE"]),
        ("tide-0-crew-0-oar", [*OURS, "GROVE_PCLQ_POD_INDEX", *GROUP, "MODE"]),
    ],
    ids=["standalone", "in a group"],
)
def test_our_variables_come_first_and_win(clique: str, expected: list[str]) -> None:
    env = [{"name": "GROVE_PCS_NAME", "value": "mine"}, {"name": "MODE", "value": "x"}]
    containers = [{"name": "app", "image": "i", "env": env}]
    spec = {"containers": containers, "initContainers": containers}
    builder = the_crew().with_clique("gate", pod_spec=spec).with_clique("oar", pod_spec=spec)
    pod = a_body(builder, clique)["spec"]
    for container in (*pod["containers"], *pod["initContainers"]):
        assert [variable["name"] for variable in container["env"]] == expected
        assert container["env"][0] == {"name": "GROVE_PCS_NAME", "value": "tide"}


def test_the_clique_keeps_what_only_pods_override() -> None:
    env = [{"name": "GROVE_PCS_NAME", "value": "mine"}, {"name": "GROVE_PCSG_INDEX", "value": "7"}]
    spec = {"containers": [{"name": "app", "image": "i", "env": env}]}
    body = clique_of(the_crew().with_clique("oar", pod_spec=spec), "tide-0-crew-0-oar")
    [container] = body["spec"]["podSpec"]["containers"]
    assert [variable["name"] for variable in container["env"]] == [*GROUP, "GROVE_PCS_NAME"]


def test_the_size_of_a_group_replica_counts_the_template() -> None:
    body = clique_of(the_crew(), "tide-0-crew-0-oar")
    [container] = body["spec"]["podSpec"]["containers"]
    assert container["env"][1] == {"name": "GROVE_PCSG_TEMPLATE_NUM_PODS", "value": "3"}


def test_a_pod_spec_is_not_changed_in_place() -> None:
    given = {"containers": [{"name": "app"}]}
    with_environment(given, [{"name": "A", "value": "1"}])
    assert given == {"containers": [{"name": "app"}]}


def test_a_users_label_ranks_below_ours() -> None:
    own = {labels.PODGANG: "mine", labels.PODCLIQUE: "mine", labels.NAME: "mine", "tier": "back"}
    builder = the_crew().with_clique("oar", labels=own)
    pod = a_body(builder, "tide-0-crew-2-oar")["metadata"]["labels"]
    assert pod["tier"] == "back"
    assert pod[labels.PODGANG] == "tide-0-crew-0"
    assert pod[labels.BASE_PODGANG] == "tide-0"
    assert pod[labels.PODCLIQUE] == pod[labels.NAME] == "tide-0-crew-2-oar"
    assert pod[labels.POD_INDEX] == "3"
    assert pod[labels.GROUP_REPLICA_INDEX] == "2"
    assert pod[labels.COMPONENT] == "pcsg-podclique"


@pytest.mark.parametrize(
    ("clique", "has_base"),
    [("tide-0-gate", False), ("tide-0-crew-1-oar", False), ("tide-0-crew-2-oar", True)],
)
def test_only_scaled_gangs_name_their_base_gang(clique: str, *, has_base: bool) -> None:
    body = clique_of(the_crew(), clique)
    assert (labels.BASE_PODGANG in body["metadata"]["labels"]) is has_base


@pytest.mark.parametrize("gated", [True, False])
def test_what_a_pod_may_not_choose(*, gated: bool) -> None:
    given = {"hostname": "mine", "subdomain": "mine", "schedulingGates": [{"name": "mine"}]}
    containers = [{"name": "app", "image": "i"}]
    builder = a_set().with_clique("w", pod_spec={"containers": containers, **given})
    spec = a_body(builder, "tide-0-w", gated=gated)["spec"]
    assert (spec["hostname"], spec["subdomain"]) == ("tide-0-w-3", "tide-0")
    assert spec.get("schedulingGates") == ([{"name": labels.GATE}] if gated else None)
    assert spec["schedulerName"] == "default-scheduler"
    assert spec["extra"] == 1


def test_the_topology_name_stays_with_the_template() -> None:
    notes = {labels.TOPOLOGY_NAME: "x", "note": "y"}
    body = clique_of(a_set().with_clique("w", annotations=notes), "tide-0-w")
    assert body["metadata"]["annotations"].keys() == {"note", labels.LAST_APPLIED}


def test_a_gang_mirrors_the_sets_own_labels_but_not_groves() -> None:
    last = "kubectl.kubernetes.io/last-applied-configuration"
    builder = a_set(
        labels={"team": "sea", "grove.io/x": "1", labels.PART_OF: "mine"},
        annotations={"note": "n", "grove.io/reconcile-trigger": "2", last: "{}"},
    ).with_clique("w")
    body = build_gang(builder.blueprint(), builder.slots().gangs[0], {"tide-0-w": ["b", "a"]})
    assert body["metadata"]["annotations"] == {"note": "n"}
    assert body["metadata"]["labels"] == {
        "team": "sea",
        **labels.default_pair("tide"),
        labels.COMPONENT: "podgang",
        labels.SCHEDULER_NAME: "default-scheduler",
    }
    [group] = body["spec"]["podgroups"]
    assert [pod["name"] for pod in group["podReferences"]] == ["a", "b"]


def test_a_service_finds_all_pods_of_its_replica() -> None:
    builder = the_crew()
    selector = build_service(builder.blueprint(), 0)["spec"]["selector"]
    for clique in builder.slots().cliques:
        assert selector.items() <= a_body(builder, clique)["metadata"]["labels"].items()


@pytest.mark.parametrize("publish", [True, False])
def test_a_service_publishes_as_told(*, publish: bool) -> None:
    config = {"publishNotReadyAddresses": publish}
    builder = a_set().with_clique("w").with_template(headlessServiceConfig=config)
    assert build_service(builder.blueprint(), 0)["spec"]["publishNotReadyAddresses"] is publish


@pytest.mark.parametrize(
    ("config", "least"),
    [({"maxReplicas": 5}, 2), ({"maxReplicas": 5, "minReplicas": 3}, 3)],
    ids=["as many as the template says", "as told"],
)
def test_an_autoscalers_lower_bound(config: dict[str, Any], least: int) -> None:
    builder = a_set().with_clique("w", 2, autoScalingConfig=config)
    [body] = build_autoscalers(builder.blueprint(), 1)
    assert body["metadata"]["name"] == body["spec"]["scaleTargetRef"]["name"] == "tide-1-w"
    assert (body["spec"]["minReplicas"], body["spec"]["maxReplicas"]) == (least, 5)
    assert "metrics" not in body["spec"]


CHANGES: dict[str, tuple[SetBuilder, bool]] = {
    "replicas": (a_set().with_clique("w", 5, minAvailable=1), False),
    "the role": (a_set().with_clique("w", 1, roleName="other"), False),
    "an annotation of the set": (a_set(annotations={"a": "b"}).with_clique("w"), False),
    "a label of the clique": (a_set().with_clique("w", labels={"a": "b"}), True),
    "an annotation of the clique": (a_set().with_clique("w", annotations={"a": "b"}), True),
    "the image": (a_set().with_clique("w", pod_spec={"containers": [{"name": "b"}]}), True),
    "the priority": (a_set().with_clique("w").with_template(priorityClassName="p"), True),
    "the pod's own priority": (
        a_set().with_clique("w", pod_spec={"priorityClassName": "p"}),
        False,
    ),
}


@pytest.mark.parametrize(("builder", "expected"), CHANGES.values(), ids=CHANGES)
def test_what_makes_pods_outdated(builder: SetBuilder, *, expected: bool) -> None:
    before, after = a_set().with_clique("w").blueprint(), builder.blueprint()
    assert (before.generation_hash != after.generation_hash) is expected
    assert (before.by_name["w"].pod_hash != after.by_name["w"].pod_hash) is expected
