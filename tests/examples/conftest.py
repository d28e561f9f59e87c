"""One operator process for the examples of a file, and nodes with GPUs."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ControlPlane
from tests.support.operator import OperatorProcess
from tests.support.privileges import operator_kubeconfig
from tools.demo.crds import install_crds
from tools.localcluster import NodeShape

GPU_NODES = 12


# Not for the package: pytest takes that for all of tests/, and a second operator would be at work
# under the tests that follow.
@pytest.fixture(scope="module")
def operator(
    control_plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Path]:
    """Gives the kubeconfig of a cluster in which the operator works and GPU nodes are ready."""
    if control_plane.local is None:
        pytest.skip("the examples need simulated GPU nodes, so a local cluster")
    install_crds(control_plane.local)
    control_plane.local.create_nodes(GPU_NODES, NodeShape(racks=2, prefix="gpu"))
    kubeconfig = operator_kubeconfig(control_plane.local)
    settings = {"GROVE_TOPOLOGY_AWARE_SCHEDULING__ENABLED": "true"}
    with OperatorProcess(kubeconfig, tmp_path_factory.mktemp("operator"), **settings):
        yield control_plane.kubeconfig
