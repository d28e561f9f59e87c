"""Files of the real node and of the images, and what is said where they cannot be used."""

import json
import re
import tomllib
from pathlib import Path

import pytest

from tools import kind
from tools.realnode import prerequisites
from tools.realnode.configuration import (
    cluster_options,
    containerd_configuration,
    kubelet_configuration,
    network_configuration,
)
from tools.realnode.layout import NODE_IP, NodeLayout

ROOT = Path(__file__).resolve().parents[3]


def test_all_that_the_node_writes_lies_below_two_folders() -> None:
    """Ending it removes these; anything elsewhere would stay."""
    layout = NodeLayout(Path("/var/lib/one"), Path("/run/one"))
    own = (str(layout.root), str(layout.state))
    settings = tomllib.loads(containerd_configuration(layout))
    cri = settings["plugins"]["io.containerd.grpc.v1.cri"]
    assert settings["root"].startswith(own)
    assert settings["state"].startswith(own)
    assert cri["cni"]["conf_dir"].startswith(own)
    [bridge] = json.loads(network_configuration(layout))["plugins"]
    assert bridge["ipam"]["dataDir"].startswith(own)
    kubelet = kubelet_configuration(layout, Path("/pki/ca.crt"))
    for key in ("podLogsDir", "volumePluginDir"):
        assert kubelet[key].startswith(own)


def test_kubelet_serves_only_those_whom_the_cluster_has_certified() -> None:
    kubelet = kubelet_configuration(NodeLayout(), Path("/pki/ca.crt"))
    assert kubelet["authentication"]["anonymous"] == {"enabled": False}
    assert kubelet["authentication"]["x509"] == {"clientCAFile": "/pki/ca.crt"}
    assert kubelet["address"] == NODE_IP
    flags = cluster_options(Path("/pki")).extra_args["kube-apiserver"]
    assert flags["kubelet-client-certificate"] == "/pki/admin.crt"


def test_a_machine_without_the_programs_is_told_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("os.geteuid", lambda: 0)
    assert "buildah" in prerequisites.lacking()
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert prerequisites.lacking() == "root is needed"


def test_without_docker_kind_says_so_and_ends_well(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert kind.main() == 0
    assert "not installed: docker, kind, kubectl" in capsys.readouterr().out


def test_the_image_has_the_versions_that_are_tested() -> None:
    tested = _pins(ROOT / "requirements.lock")
    shipped = _pins(ROOT / "requirements-image.lock")
    assert {name: tested.get(name) for name in shipped} == shipped
    assert "kopf" in shipped
    assert "pytest" not in shipped


def _pins(lock: Path) -> dict[str, str]:
    return dict(re.findall(r"(?m)^([a-z0-9._-]+)==(\S+)", lock.read_text()))
