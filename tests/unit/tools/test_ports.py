"""Ports: two clusters never get the same one, and a removed cluster gives its own back."""

import socket
from pathlib import Path

import pytest

from tools.localcluster.errors import ClusterError
from tools.localcluster.ports import LOOPBACK, PortRegistry


@pytest.fixture
def owner(tmp_path: Path) -> Path:
    folder = tmp_path / "cluster"
    folder.mkdir()
    return folder


@pytest.fixture
def registry(tmp_path: Path) -> PortRegistry:
    (tmp_path / "ports").mkdir()
    return PortRegistry(tmp_path / "ports", range(23000, 23010))


def test_no_port_is_given_twice(registry: PortRegistry, owner: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    first, second = registry.reserve(owner, 4), registry.reserve(other, 4)
    assert len({*first, *second}) == 8


def test_released_ports_are_given_again(registry: PortRegistry, owner: Path) -> None:
    registry.reserve(owner, 8)
    registry.release(owner)
    assert len(registry.reserve(owner, 8)) == 8


def test_a_gone_owner_holds_no_ports(registry: PortRegistry, owner: Path, tmp_path: Path) -> None:
    registry.reserve(owner, 8)
    owner.rmdir()
    other = tmp_path / "other"
    other.mkdir()
    assert len(registry.reserve(other, 8)) == 8


def test_a_port_in_use_is_passed_over(tmp_path: Path, owner: Path) -> None:
    (tmp_path / "ports").mkdir()
    with socket.create_server((LOOPBACK, 0)) as server:
        used = server.getsockname()[1]
        registry = PortRegistry(tmp_path / "ports", range(used, used + 1))
        with pytest.raises(ClusterError, match="fewer than 1 free ports"):
            registry.reserve(owner, 1)
