"""The CRDs: structural, complete, small enough for a plain `kubectl apply`."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from grove_operator.api.schema import build_crd, build_crds, build_root_schema
from grove_operator.api.schema_kinds import KINDS, Kind
from grove_operator.api.schema_kubernetes import definitions

KIND_IDS = [kind.name for kind in KINDS]
each_kind = pytest.mark.parametrize("kind", KINDS, ids=KIND_IDS)
SCHEMAS = {kind.name: build_root_schema(kind.model) for kind in KINDS}


def at(kind: str, path: str) -> dict[str, Any]:
    """The schema of a field; lists are stepped into."""
    node = SCHEMAS[kind]
    for name in path.split("."):
        node = node.get("items", node)["properties"][name]
    return node


def nodes(schema: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    yield path, schema
    for name, field in schema.get("properties", {}).items():
        yield from nodes(field, f"{path}.{name}")
    if "items" in schema:
        yield from nodes(schema["items"], f"{path}[]")
    if "additionalProperties" in schema:
        yield from nodes(schema["additionalProperties"], f"{path}{{}}")


@each_kind
def test_every_node_is_structural(kind: Kind) -> None:
    for path, node in nodes(SCHEMAS[kind.name]):
        assert "$ref" not in node, path
        assert "title" not in node, path
        assert not any(key.startswith("x-grove") for key in node), path
        assert "type" in node or node.get("x-kubernetes-int-or-string"), path


@each_kind
def test_keys_of_list_maps_are_always_there(kind: Kind) -> None:
    for path, node in nodes(SCHEMAS[kind.name]):
        for key in node.get("x-kubernetes-list-map-keys", ()):
            item = node["items"]
            assert key in item.get("required", ()) or "default" in item["properties"][key], path


@each_kind
def test_every_field_of_ours_says_what_it_means(kind: Kind) -> None:
    foreign = ("podSpec", "metrics", "templateSpec")
    for path, node in nodes(SCHEMAS[kind.name]):
        inside = any(f".{name}." in path or f".{name}[" in path for name in foreign)
        plain = path.endswith(("[]", "{}")) or path == ".metadata"
        if not inside and not plain:
            assert node.get("description", "").endswith("."), path


@each_kind
def test_embedded_types_come_without_texts(kind: Kind) -> None:
    for path, node in nodes(SCHEMAS[kind.name]):
        if ".podSpec." in path or ".templateSpec." in path:
            assert "description" not in node, path


@each_kind
def test_is_small_enough_for_client_side_apply(kind: Kind) -> None:
    assert len(json.dumps(build_crd(kind))) < 200_000


@each_kind
def test_only_spec_is_required(kind: Kind) -> None:
    assert SCHEMAS[kind.name]["required"] == ["spec"]


def test_building_twice_gives_the_same_bytes() -> None:
    assert build_crds() == build_crds()


REQUIRED = {
    ("PodCliqueSet", "spec"): ["template"],
    ("PodCliqueSet", "spec.template"): ["cliques"],
    ("PodCliqueSet", "spec.template.cliques"): ["name", "spec"],
    ("PodCliqueSet", "spec.template.cliques.spec"): ["podSpec", "replicas", "roleName"],
    ("PodCliqueSet", "spec.template.cliques.spec.autoScalingConfig"): ["maxReplicas"],
    ("PodCliqueSet", "spec.template.cliques.spec.podSpec"): ["containers"],
    ("PodCliqueSet", "spec.template.cliques.resourceSharing"): ["name", "scope"],
    ("PodCliqueSet", "spec.template.headlessServiceConfig"): ["publishNotReadyAddresses"],
    ("PodCliqueSet", "spec.template.podCliqueScalingGroups"): ["cliqueNames", "name"],
    ("PodCliqueSet", "spec.template.resourceClaimTemplates"): ["name", "templateSpec"],
    ("PodCliqueSet", "status"): ["availableReplicas", "updatedReplicas"],
    ("PodCliqueSet", "status.podGangStatuses"): ["name", "phase"],
    ("PodCliqueSet", "status.updateProgress.currentlyUpdating"): ["replicaIndex"],
    ("PodCliqueScalingGroup", "spec"): ["cliqueNames", "replicas"],
    ("PodCliqueScalingGroup", "status"): [
        "availableReplicas",
        "scheduledReplicas",
        "updatedReplicas",
    ],
    ("PodCliqueScalingGroup", "status.updateProgress"): [
        "podCliqueSetGenerationHash",
        "updateStartedAt",
    ],
    ("PodClique", "spec"): ["podSpec", "replicas", "roleName"],
    ("PodClique", "status"): [
        "readyReplicas",
        "scheduleGatedReplicas",
        "scheduledReplicas",
        "updatedReplicas",
    ],
    ("PodClique", "status.updateProgress"): ["podCliqueSetGenerationHash", "podTemplateHash"],
    ("PodClique", "status.lastErrors"): ["code", "description", "observedAt"],
    ("ClusterTopologyBinding", "spec"): ["levels"],
    ("ClusterTopologyBinding", "spec.levels"): ["domain", "key"],
    ("ClusterTopologyBinding", "spec.schedulerTopologyBindings"): [
        "schedulerName",
        "topologyReference",
    ],
    ("ClusterTopologyBinding", "status.schedulerTopologyStatuses"): [
        "inSync",
        "schedulerName",
        "topologyReference",
    ],
    ("PodGang", "spec"): ["podgroups"],
    ("PodGang", "spec.podgroups"): ["minReplicas", "name", "podReferences"],
    ("PodGang", "spec.topologyConstraintGroupConfigs"): ["name", "podGroupNames"],
    ("PodGang", "status"): ["phase"],
}


@pytest.mark.parametrize(
    ("place", "expected"), REQUIRED.items(), ids=[" ".join(place) for place in REQUIRED]
)
def test_required_fields(place: tuple[str, str], expected: list[str]) -> None:
    node = at(*place)
    assert node.get("items", node)["required"] == expected


def test_our_own_defaults_are_these() -> None:
    found = {
        (kind.name, path.removeprefix(".")): node["default"]
        for kind in KINDS
        for path, node in nodes(SCHEMAS[kind.name])
        if "default" in node and ".podSpec." not in path and ".templateSpec." not in path
    }
    template = "spec.template"
    counts = ("updatedPodCliquesCount", "totalPodCliquesCount")
    group_counts = ("updatedPodCliqueScalingGroupsCount", "totalPodCliqueScalingGroupsCount")
    group = "PodCliqueScalingGroup"
    assert found == {
        ("PodCliqueSet", "spec.replicas"): 0,
        ("PodCliqueSet", "spec.updateStrategy.type"): "RollingRecreate",
        ("PodCliqueSet", f"{template}.cliqueStartupType"): "CliqueStartupTypeAnyOrder",
        ("PodCliqueSet", f"{template}.headlessServiceConfig.publishNotReadyAddresses"): True,
        ("PodCliqueSet", f"{template}.podCliqueScalingGroups[].replicas"): 1,
        ("PodCliqueSet", f"{template}.podCliqueScalingGroups[].minAvailable"): 1,
        ("PodCliqueSet", "status.updatedReplicas"): 0,
        ("PodCliqueSet", "status.availableReplicas"): 0,
        **{("PodCliqueSet", f"status.updateProgress.{name}"): 0 for name in counts},
        **{("PodCliqueSet", f"status.updateProgress.{name}"): 0 for name in group_counts},
        (group, "spec.replicas"): 1,
        (group, "spec.minAvailable"): 1,
        (group, "status.scheduledReplicas"): 0,
        (group, "status.availableReplicas"): 0,
        (group, "status.updatedReplicas"): 0,
        **{(group, f"status.updateProgress.{name}"): 0 for name in counts},
        ("PodClique", "status.readyReplicas"): 0,
        ("PodClique", "status.updatedReplicas"): 0,
        ("PodClique", "status.scheduleGatedReplicas"): 0,
        ("PodClique", "status.scheduledReplicas"): 0,
    }


def test_embedded_defaults_are_these() -> None:
    found = {
        (name.rpartition(".")[2], field): value["default"]
        for name, definition in definitions().items()
        for field, value in definition.get("properties", {}).items()
        if "default" in value and value["default"] != ""
    }
    assert found == {
        ("AzureDiskVolumeSource", "fsType"): "ext4",
        ("AzureDiskVolumeSource", "readOnly"): False,
        ("ContainerPort", "protocol"): "TCP",
        ("DeviceToleration", "operator"): "Equal",
        ("FileKeySelector", "optional"): False,
        ("ISCSIVolumeSource", "iscsiInterface"): "default",
        ("RBDVolumeSource", "keyring"): "/etc/ceph/keyring",
        ("RBDVolumeSource", "pool"): "rbd",
        ("RBDVolumeSource", "user"): "admin",
        ("ScaleIOVolumeSource", "fsType"): "xfs",
        ("ScaleIOVolumeSource", "storageMode"): "ThinProvisioned",
    }


def test_newer_fields_of_a_pod_are_there() -> None:
    fields = at("PodClique", "spec.podSpec")["properties"]
    assert {"schedulingGroup", "resources", "hostnameOverride", "resourceClaims"} <= set(fields)


def test_opaque_driver_parameters_are_kept() -> None:
    path = "spec.template.resourceClaimTemplates.templateSpec.spec.devices.config.opaque.parameters"
    assert at("PodCliqueSet", path) == {
        "type": "object",
        "x-kubernetes-preserve-unknown-fields": True,
    }


def test_conditions_are_no_list_map() -> None:
    for kind in KINDS:
        node = at(kind.name, "status.conditions")
        assert "x-kubernetes-list-type" not in node
        assert node["items"]["properties"]["status"]["enum"] == ["True", "False", "Unknown"]


def test_names_of_the_crds() -> None:
    assert list(build_crds()) == [
        "grove.io_podcliquesets.yaml",
        "grove.io_podcliquescalinggroups.yaml",
        "grove.io_podcliques.yaml",
        "grove.io_clustertopologybindings.yaml",
        "scheduler.grove.io_podgangs.yaml",
    ]
