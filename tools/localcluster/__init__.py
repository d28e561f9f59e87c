"""A real Kubernetes control plane as plain processes, without a container engine.

`kwokctl` starts etcd, the API server, the controller manager, the scheduler and simulated nodes in
a few seconds. This package finds or makes the binaries for it (`acquire`) and runs clusters that
never meet (`cluster`). Command line: `python -m tools.localcluster --help`.
"""

from tools.localcluster.acquire import ensure
from tools.localcluster.cluster import LocalCluster
from tools.localcluster.configuration import ClusterOptions
from tools.localcluster.errors import AcquisitionError, ClusterError, LocalClusterError
from tools.localcluster.nodes import NodeShape, create_nodes

__all__ = [
    "AcquisitionError",
    "ClusterError",
    "ClusterOptions",
    "LocalCluster",
    "LocalClusterError",
    "NodeShape",
    "create_nodes",
    "ensure",
]
