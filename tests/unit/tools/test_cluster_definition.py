"""What a cluster is made of: configuration, nodes, names; nothing is started here."""

from pathlib import Path
from typing import Any

import pytest

from tools.localcluster.acquire import Binaries
from tools.localcluster.configuration import (
    PORT_OPTIONS,
    ClusterOptions,
    Parts,
    audit_policy,
    build_configuration,
)
from tools.localcluster.errors import ClusterError
from tools.localcluster.layout import KUBECONFIG_HEADER, Layout, is_ours
from tools.localcluster.nodes import NodeShape, build_node

PORTS = {option: 20000 + number for number, option in enumerate(PORT_OPTIONS)}


def _configuration(options: ClusterOptions) -> dict[str, Any]:
    folder = Path("/binaries")
    extra = Binaries(folder, "test") if options.metrics_server else None
    parts = Parts(Binaries(folder, "test"), extra, Path("/policy"), Path("/manifests"))
    return build_configuration(options, parts, PORTS)


def test_native_gangs_are_switched_on() -> None:
    gates = _configuration(ClusterOptions())["options"]["kubeFeatureGates"].split(",")
    assert {"GenericWorkload=true", "CompositePodGroup=true"} <= set(gates)


def test_a_feature_gate_can_be_switched_off() -> None:
    options = ClusterOptions(feature_gates={"GenericWorkload": False})
    gates = _configuration(options)["options"]["kubeFeatureGates"].split(",")
    assert "GenericWorkload=false" in gates
    assert "GenericWorkload=true" not in gates


def test_every_port_and_binary_is_given() -> None:
    settings = _configuration(ClusterOptions())["options"]
    assert {option: settings[option] for option in PORT_OPTIONS} == PORTS
    assert settings["etcdBinary"] == "/binaries/etcd"
    assert "kubeAuditPolicy" not in settings
    assert "enable" not in settings


AUDITS: dict[str, tuple[ClusterOptions, list[str]]] = {
    "nothing": (ClusterOptions(), []),
    "writes of all": (ClusterOptions(audit=True), ["verbs"]),
    "all of some": (ClusterOptions(audited_users=("somebody",)), ["users"]),
    "both": (ClusterOptions(audit=True, audited_users=("somebody",)), ["users", "verbs"]),
}


@pytest.mark.parametrize(("options", "narrowed"), AUDITS.values(), ids=AUDITS)
def test_what_is_audited(options: ClusterOptions, narrowed: list[str]) -> None:
    """Contents are never logged, and whatever no rule names is not logged at all."""
    *rules, last = audit_policy(options)["rules"]
    assert [key for rule in rules for key in rule if key != "level"] == narrowed
    assert {rule["level"] for rule in rules} <= {"Metadata"}
    assert last == {"level": "None"}
    assert ("kubeAuditPolicy" in _configuration(options)["options"]) is bool(rules)


def test_etcd_syncs_only_when_asked_to() -> None:
    quick = _configuration(ClusterOptions())["componentsPatches"]
    assert {"name": "etcd", "extraArgs": [{"key": "unsafe-no-fsync", "value": "true"}]} in quick
    durable = _configuration(ClusterOptions(durable=True))["componentsPatches"]
    assert [patch["name"] for patch in durable] == ["kwok-controller"]


def test_own_flags_win_over_ours() -> None:
    options = ClusterOptions(extra_args={"etcd": {"unsafe-no-fsync": "false"}})
    patches = _configuration(options)["componentsPatches"]
    assert patches[0]["extraArgs"] == [{"key": "unsafe-no-fsync", "value": "false"}]


def test_racks_never_cross_blocks_nor_blocks_zones() -> None:
    shape = NodeShape(zones=2, blocks=4, racks=8)
    parents: dict[str, set[str]] = {}
    for index in range(64):
        labels = build_node(index, shape)["metadata"]["labels"]
        rack, block, zone = (
            labels[f"topology.kubernetes.io/{k}"] for k in ("rack", "block", "zone")
        )
        parents.setdefault(rack, set()).add(block)
        parents.setdefault(block, set()).add(zone)
    assert len(parents) == 12
    assert all(len(above) == 1 for above in parents.values())


def test_a_node_has_the_size_that_was_asked_for() -> None:
    status = build_node(3, NodeShape(gpus=4, cpu="32", resources={"example.com/nic": "2"}))[
        "status"
    ]
    assert status["capacity"] == status["allocatable"]
    assert status["capacity"] == {
        "cpu": "32",
        "memory": "1Ti",
        "pods": "500",
        "nvidia.com/gpu": "4",
        "example.com/nic": "2",
    }


def test_more_zones_than_racks_make_no_sense() -> None:
    with pytest.raises(ValueError, match="zones <= blocks <= racks"):
        NodeShape(zones=2)


@pytest.mark.parametrize("name", ["", "Upper", "../up", "a b", "-a", "a" * 60])
def test_a_name_that_is_no_folder_name_is_refused(name: str) -> None:
    with pytest.raises(ClusterError, match="no cluster name"):
        Layout(Path("/work"), name)


def test_a_kubeconfig_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "config"
    assert is_ours(path)
    path.write_text(f"{KUBECONFIG_HEADER}kind: Config\n")
    assert is_ours(path)
    path.write_text("kind: Config\n")
    assert not is_ours(path)
