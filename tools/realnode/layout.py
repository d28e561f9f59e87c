"""Where the node keeps its things, and what everything of it is called.

All names are fixed: netfilter rules and cgroups are machine-wide, so a machine has one such node,
and ending it can remove everything by name, whatever an interrupted run left.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

NAME: Final = "grove-realnode"
BRIDGE: Final = "grove-cni0"
NODE_IP: Final = "10.185.0.1"
POD_RANGE: Final = "10.185.0.0/24"
SERVICE_RANGE: Final = "10.186.0.0/24"
KUBERNETES_IP: Final = "10.186.0.1"
PROXY_TABLES: Final = (("ip", "kube-proxy"), ("ip6", "kube-proxy"))
CNI_PLUGINS: Final = Path("/usr/lib/cni")
CGROUPS: Final = Path("/sys/fs/cgroup")
NAMESPACE: Final = "k8s.io"
"""containerd's own namespace for what a kubelet runs."""


@dataclass(frozen=True)
class NodeLayout:
    root: Path = Path("/var/lib") / NAME
    state: Path = Path("/run") / NAME

    @property
    def bin(self) -> Path:
        """Programs are started through links in here, so a process tells whose it is."""
        return self.root / "bin"

    @property
    def socket(self) -> Path:
        return self.state / "containerd.sock"

    @property
    def lock(self) -> Path:
        return self.state.with_suffix(".lock")

    @property
    def forwarding(self) -> Path:
        """What the machine's ip_forward was before."""
        return self.state / "ip_forward"

    def log(self, program: str) -> Path:
        return self.root / f"{program}.log"
