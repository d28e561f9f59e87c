"""What people or programs change or delete by hand is put right; what is theirs is left alone."""

from typing import Any

import pytest

from tests.integration.conftest import Stage
from tests.integration.sets import conditions, tide
from tests.support.controlplane import JSON_PATCH
from tests.support.operator import OperatorProcess

OURS = {"app.kubernetes.io/managed-by": None, "app.kubernetes.io/part-of": None}
WRONG_SPEC = {"spec": {"roleName": "somebody-else"}}
CLIQUE = "tide-0-crew-1-oar"
NO_RULES = [{"op": "replace", "path": "/rules/0/verbs", "value": ["get"]}]
TAKEN = "grove.io/podcliqueset-replica-index"

EDITS: list[tuple[str, str, Any]] = [
    ("Service", "tide-0", {"spec": {"selector": {"app.kubernetes.io/part-of": "other"}}}),
    ("Service", "tide-0", {"spec": {"selector": {"example.org/none": "fits"}}}),
    ("Service", "tide-0", {"spec": {"publishNotReadyAddresses": False}}),
    ("HorizontalPodAutoscaler", "tide-0-router", {"spec": {"maxReplicas": 50}}),
    ("HorizontalPodAutoscaler", "tide-0-crew", {"spec": {"minReplicas": 1}}),
    ("PodClique", CLIQUE, WRONG_SPEC),
    ("PodClique", CLIQUE, {"spec": {"minAvailable": 2}}),
    ("PodClique", CLIQUE, {"metadata": {"labels": {"grove.io/podgang": "elsewhere"}}}),
    ("PodClique", CLIQUE, {"metadata": {"finalizers": None}}),
    ("PodCliqueScalingGroup", "tide-0-crew", {"spec": {"minAvailable": 1}}),
    ("PodGang", "tide-0", {"spec": {"podgroups": []}}),
    ("PodGang", "tide-0", {"metadata": {"labels": {"grove.io/scheduler-name": "mine"}}}),
    (
        "PodGroup",
        CLIQUE,
        {"spec": {"schedulingPolicy": {"gang": {"minCount": 7}}}},
    ),
    ("Role", "grove.io:pcs:tide", NO_RULES),
    ("RoleBinding", "grove.io:pcs:tide", {"subjects": None}),
    ("ServiceAccount", "tide", {"automountServiceAccountToken": False}),
    ("PodCliqueSet", "tide", {"metadata": {"finalizers": None}}),
]
LABELLED = [
    ("Service", "tide-0"),
    ("HorizontalPodAutoscaler", "tide-0-crew"),
    ("PodCliqueScalingGroup", "tide-0-crew"),
    ("PodClique", "tide-0-router"),
    ("PodClique", CLIQUE),
    ("PodGang", "tide-0"),
    ("PodGang", "tide-0-crew-0"),
    ("PodGroup", CLIQUE),
    ("CompositePodGroup", "tide-0"),
    ("Workload", "tide"),
    ("Role", "grove.io:pcs:tide"),
    ("RoleBinding", "grove.io:pcs:tide"),
    ("ServiceAccount", "tide"),
    ("Pod", ""),
]


@pytest.fixture
async def sea(stage: Stage, operator: OperatorProcess) -> Stage:
    del operator
    await stage.create(tide())
    await stage.settled()
    return stage


def _name(stage: Stage, kind: str, name: str) -> str:
    if name:
        return name
    first: str = stage.seen.of(kind)[0]["metadata"]["name"]
    return first


async def test_every_edit_is_undone(sea: Stage) -> None:
    for kind, name, patch in EDITS:
        await sea.edit(kind, name, patch)
        try:
            await sea.settled(15)
        except AssertionError as error:
            raise AssertionError(f"{kind} {name} after {patch}: {error}") from None


async def test_labels_by_which_we_find_things_are_put_back(sea: Stage) -> None:
    """Without them an object leaves our watches; still it is found, and never made twice."""
    for kind, name in LABELLED:
        await sea.edit(kind, _name(sea, kind, name), {"metadata": {"labels": OURS}})
        try:
            await sea.settled(15)
        except AssertionError as error:
            raise AssertionError(f"{kind} {name}: {error}") from None


async def test_a_pods_own_labels_are_put_back(sea: Stage) -> None:
    pod = sea.seen.of("Pod")[0]["metadata"]["name"]
    for label in ("grove.io/podclique", "grove.io/podgang", TAKEN, "app.kubernetes.io/name"):
        await sea.edit("Pod", pod, {"metadata": {"labels": {label: None}}})
        await sea.settled(15)


@pytest.mark.parametrize(
    "kind",
    [
        "Service",
        "ServiceAccount",
        "Secret",
        "Role",
        "RoleBinding",
        "HorizontalPodAutoscaler",
        "PodGang",
        "CompositePodGroup",
        "Workload",
        "Pod",
    ],
)
async def test_deleted_children_come_back(sea: Stage, kind: str) -> None:
    for child in [item for item in sea.seen.of(kind) if item["metadata"]["name"] != "default"]:
        await sea.delete(kind, child["metadata"]["name"], propagationPolicy="Background")
    await sea.settled(20)


async def test_a_workload_that_nothing_asks_for_goes(sea: Stage) -> None:
    [ours] = sea.seen.of("Workload")
    kept = {key: ours["metadata"][key] for key in ("labels", "ownerReferences")}
    stray = {
        "apiVersion": "scheduling.k8s.io/v1beta1",
        "kind": "Workload",
        "metadata": kept | {"name": "tide-left-over"},
        "spec": ours["spec"],
    }
    await sea.seen.caught_up("Workload", await sea.kube.create(sea.path("Workload"), stray))
    await sea.settled(15)


async def test_what_users_add_stays(sea: Stage) -> None:
    mine = {"labels": {"example.org/mine": "1"}, "annotations": {"example.org/note": "mine"}}
    targets = [
        ("PodClique", CLIQUE),
        ("PodCliqueScalingGroup", "tide-0-crew"),
        ("Service", "tide-0"),
        ("HorizontalPodAutoscaler", "tide-0-crew"),
        ("Pod", sea.seen.of("Pod")[0]["metadata"]["name"]),
    ]
    for kind, name in targets:
        await sea.edit(kind, name, {"metadata": mine})
    await sea.edit("PodCliqueSet", "tide", {"metadata": {"labels": {"team": "lake"}}})
    await sea.seen.until(
        lambda: all(g["metadata"]["labels"].get("team") == "lake" for g in sea.seen.of("PodGang")),
        "the gangs carry the new label",
    )
    for kind, name in targets:
        found = sea.seen.named(kind, name)
        assert found is not None
        assert found["metadata"]["labels"]["example.org/mine"] == "1", f"{kind} {name}"
        assert found["metadata"]["annotations"]["example.org/note"] == "mine", f"{kind} {name}"


async def test_conditions_of_others_stay(sea: Stage) -> None:
    """A scheduler's words on a PodGang, and a disruption, outlive our own status writes."""
    foreign = [
        {
            "type": kind,
            "status": "True",
            "reason": "SaidByATest",
            "message": "",
            "lastTransitionTime": "2026-01-01T00:00:00Z",
        }
        for kind in ("DisruptionTarget", "example.org/Placed")
    ]
    add = [{"op": "add", "path": "/status/conditions/-", "value": item} for item in foreign]
    await sea.kube.patch(f"{sea.path('PodGang', 'tide-0')}/status", add, JSON_PATCH)
    await sea.scale("PodClique", "tide-0-router", 4)
    await sea.settled()
    await sea.scale("PodClique", "tide-0-router", 0)
    await sea.settled()
    found = conditions(sea.seen.named("PodGang", "tide-0"))
    assert [found[item["type"]]["reason"] for item in foreign] == ["SaidByATest"] * 2
