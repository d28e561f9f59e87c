"""Clusters for releases: each has its own, because the chart's names are the same everywhere."""

import contextlib
import json
import os
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

from tests.charts.helm import NAMESPACE, Helm
from tests.conftest import WORKDIR
from tests.support.privileges import under_audit
from tools.localcluster import LocalCluster, NodeShape

NODES = 3
ENFORCED = {"pod-security.kubernetes.io/enforce": "restricted"}


@dataclass
class Site:
    """A cluster in whose operator namespace only restricted pods are let in, and its helm."""

    cluster: LocalCluster
    helm: Helm
    folder: Path

    def apply(self, *bodies: object) -> str:
        return self.cluster.kubectl("apply", "-f", "-", stdin=yaml.safe_dump_all(bodies))


@contextlib.contextmanager
def site(helm_binary: Path, folder: Path) -> Iterator[Site]:
    name = f"chart-{os.getpid()}-{uuid.uuid4().hex[:4]}"
    options = under_audit(strict=True)
    with LocalCluster.create(name, WORKDIR, options, owner_pid=os.getpid()) as cluster:
        cluster.create_nodes(NODES, NodeShape(prefix="plain", gpus=1))
        _add_disks(cluster)
        made = Site(cluster, Helm(helm_binary, folder, cluster.kubeconfig), folder)
        metadata = {"name": NAMESPACE, "labels": ENFORCED}
        made.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
        yield made


def _add_disks(cluster: LocalCluster) -> None:
    """Simulated nodes have none, and the operator asks for some ephemeral storage."""
    disk = {"ephemeral-storage": "100Gi"}
    patch = json.dumps({"status": {"allocatable": disk, "capacity": disk}})
    names = cluster.kubectl("get", "nodes", "-o", "name").split()
    cluster.kubectl("patch", *names, "--subresource=status", "--type=merge", "-p", patch)
