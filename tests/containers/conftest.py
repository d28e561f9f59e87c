"""One real node for all tests here, with the project's images on it.

Left out of `make test`: it needs root and Debian packages, and while it runs its netfilter rules
hold for the whole machine. `make test-containers` asks for it.
"""

import json
import os
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.charts.helm import Helm
from tests.conftest import LOCAL
from tools.localcluster import AcquisitionError, LocalCluster
from tools.localcluster.helm import find_helm
from tools.realnode import Built, ImageShop, RealNode, lacking
from tools.realnode.images import BUSYBOX_IMAGE

ASKED = "GROVE_TEST_CONTAINERS"
TAG = "test"
WORKDIR = LOCAL / "realnode-tests"
Body = dict[str, Any]

RESTRICTED: Mapping[str, Any] = {
    "runAsNonRoot": True,
    "readOnlyRootFilesystem": True,
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
}


@dataclass
class Ground:
    """A cluster with a real node, the images that are on it, and a namespace in it."""

    cluster: LocalCluster
    operator: Built
    initc: Built
    namespace: str = ""

    def apply(self, *bodies: Body) -> None:
        for body in bodies:
            self.kubectl("apply", "-f", "-", stdin=json.dumps(body))

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        return self.cluster.kubectl("--namespace", self.namespace, *arguments, stdin=stdin)

    def get(self, *what: str) -> Body:
        found: Body = json.loads(self.kubectl("get", *what, "-o", "json"))
        return found

    def wait(self, condition: str, *what: str, patience: int = 60) -> None:
        """`kubectl wait`, which watches."""
        self.kubectl("wait", f"--for={condition}", f"--timeout={patience}s", *what)


@pytest.fixture(scope="session")
def shop() -> ImageShop:
    if not os.environ.get(ASKED):
        pytest.skip("containers on a real node: `make test-containers` runs them, as root")
    if reason := lacking():
        pytest.skip(f"no real node: {reason}")
    return ImageShop(WORKDIR / "images")


@pytest.fixture(scope="session")
def images(shop: ImageShop) -> tuple[Built, Built]:
    shop.base()
    return shop.project("operator", TAG), shop.project("initc", TAG)


@pytest.fixture(scope="session")
def session_ground(shop: ImageShop, images: tuple[Built, Built]) -> Iterator[Ground]:
    operator, initc = images
    try:
        node = RealNode.start(WORKDIR, shop)
    except AcquisitionError as error:
        pytest.skip(f"no real node: {error}")
    with node:
        node.load(BUSYBOX_IMAGE, shop.busybox())
        for built in images:
            node.load(built.name, built.archive)
        yield Ground(node.cluster, operator, initc)


@pytest.fixture
def ground(session_ground: Ground) -> Ground:
    """A fresh namespace; what is in it goes with the node."""
    name = f"test-{uuid.uuid4().hex[:8]}"
    session_ground.cluster.kubectl("create", "namespace", name)
    return Ground(session_ground.cluster, session_ground.operator, session_ground.initc, name)


@pytest.fixture
def helm(session_ground: Ground, tmp_path: Path) -> Helm:
    try:
        return Helm(find_helm(), tmp_path, session_ground.cluster.kubeconfig)
    except AcquisitionError as error:
        pytest.skip(f"no helm: {error}")


def a_pod(name: str, container: Body, **spec: Any) -> Body:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {"containers": [{"name": "main", **container}], "restartPolicy": "Never", **spec},
    }


def shell(script: str) -> Body:
    """A container that runs a shell script."""
    return {"image": BUSYBOX_IMAGE, "command": ["sh", "-c", script]}
