"""Installs the project's CRDs into a local cluster and waits until they are served."""

import json
import time
from pathlib import Path

from tools.localcluster import ClusterError, LocalCluster

CRDS = Path(__file__).resolve().parents[2] / "crds"
PATIENCE = 30.0


def install_crds(cluster: LocalCluster) -> list[str]:
    """Gives their names. `kubectl wait` fails on a CRD that has no conditions yet, so poll."""
    cluster.kubectl("apply", "--server-side", "-f", str(CRDS))
    deadline = time.monotonic() + PATIENCE
    while waiting := _not_served(cluster):
        if time.monotonic() > deadline:
            raise ClusterError(f"not served after {PATIENCE:.0f} s: {', '.join(waiting)}")
        time.sleep(0.1)
    return sorted(_names(cluster))


def _not_served(cluster: LocalCluster) -> list[str]:
    return [name for name, served in _names(cluster).items() if not served]


def _names(cluster: LocalCluster) -> dict[str, bool]:
    items = json.loads(cluster.kubectl("get", "-f", str(CRDS), "-o", "json"))["items"]
    return {
        item["metadata"]["name"]: any(
            condition["type"] == "Established" and condition["status"] == "True"
            for condition in item.get("status", {}).get("conditions") or ()
        )
        for item in items
    }
