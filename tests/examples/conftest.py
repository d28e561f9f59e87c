"""One operator process for all examples, started as users start it, and nodes with GPUs."""

import os
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ControlPlane
from tests.support.privileges import operator_kubeconfig
from tools.demo.background import PROGRAM, free_port
from tools.demo.crds import CRDS, install_crds
from tools.localcluster import NodeShape

START_PATIENCE = 30.0
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
    assert CRDS.is_dir()
    install_crds(control_plane.local)
    control_plane.local.create_nodes(GPU_NODES, NodeShape(racks=2, prefix="gpu"))
    log = tmp_path_factory.mktemp("operator") / "log"
    port = free_port()
    environ = {
        **os.environ,
        "KUBECONFIG": str(operator_kubeconfig(control_plane.local)),
        "GROVE_SERVER__HEALTH_PROBES__PORT": str(port),
        "GROVE_SERVER__METRICS__PORT": str(free_port()),
    }
    with log.open("wb") as out:
        process = subprocess.Popen([PROGRAM, "run"], env=environ, stdout=out, stderr=out)
    try:
        _wait_until_ready(process, f"http://127.0.0.1:{port}/readyz", log)
        yield control_plane.kubeconfig
    finally:
        process.terminate()
        code = process.wait(30)
    assert code == 0, f"the operator ended with {code}\n{log.read_text()[-2000:]}"


def _wait_until_ready(process: subprocess.Popen[bytes], probe: str, log: Path) -> None:
    deadline = time.monotonic() + START_PATIENCE
    while process.poll() is None and time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(probe, timeout=2):
                return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.1)
    pytest.fail(f"the operator is not ready:\n{log.read_text()[-2000:]}")
