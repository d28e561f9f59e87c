"""Helm itself, and value sets that between them switch everything on."""

from pathlib import Path

import pytest

from tests.charts.helm import Helm
from tools.localcluster import AcquisitionError
from tools.localcluster.helm import find_helm


@pytest.fixture(scope="session")
def helm_binary() -> Path:
    try:
        return find_helm()
    except AcquisitionError as error:
        pytest.skip(f"no helm: {error}")


@pytest.fixture(scope="session")
def helm(helm_binary: Path, tmp_path_factory: pytest.TempPathFactory) -> Helm:
    """Without a cluster."""
    return Helm(helm_binary, tmp_path_factory.mktemp("helm"))
