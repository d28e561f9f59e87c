"""The node's own binaries: kubelet and kube-proxy, of the same version as the control plane.

They are a tool set like the others, found or made by `tools.localcluster.acquire.ensure`.
"""

from dataclasses import dataclass
from pathlib import Path

from typing_extensions import override

from tools.localcluster.toolsets import (
    CONTROL_PLANE,
    KUBERNETES_DOWNLOADS,
    KUBERNETES_VERSION,
    Platform,
    ReleaseFile,
    ToolSet,
)


@dataclass(frozen=True)
class NodeToolSet(ToolSet):
    """Kubernetes publishes these beside its other binaries."""

    @override
    def release_files(self, target: Platform) -> tuple[ReleaseFile, ...]:
        if target.os != "linux":
            return ()
        root = f"{KUBERNETES_DOWNLOADS}/v{KUBERNETES_VERSION}/bin/{target.os}/{target.arch}"
        return tuple(
            ReleaseFile(name, f"{root}/{name}", f"{root}/{name}.sha256") for name in self.binaries
        )


NODE = NodeToolSet(
    name="node",
    module=Path(__file__).resolve().parent,
    binaries={"kubelet": "kubelet", "kube-proxy": "kube-proxy"},
    versions={"kubernetes": KUBERNETES_VERSION},
    stamps=CONTROL_PLANE.stamps,
    released=True,
)
