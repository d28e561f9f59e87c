"""Texts of the configuration files of one real node, and the control plane's share. Pure."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tools.localcluster import ClusterOptions
from tools.realnode.layout import (
    BRIDGE,
    CNI_PLUGINS,
    KUBERNETES_IP,
    NAME,
    NODE_IP,
    POD_RANGE,
    SERVICE_RANGE,
    NodeLayout,
)

PAUSE_IMAGE = "localhost/grove-pause:1"


def cluster_options(pki: Path) -> ClusterOptions:
    """A control plane that a real node can join; simulated nodes may stand beside it."""
    return ClusterOptions(
        certificate_names=(KUBERNETES_IP, NODE_IP, "kubernetes.default.svc"),
        extra_args={
            "kube-apiserver": {
                # Pods reach it by the node's address, everything else by the loopback.
                "bind-address": "0.0.0.0",  # noqa: S104
                "advertise-address": NODE_IP,
                "service-cluster-ip-range": SERVICE_RANGE,
                "kubelet-client-certificate": str(pki / "admin.crt"),
                "kubelet-client-key": str(pki / "admin.key"),
                "kubelet-preferred-address-types": "InternalIP",
            },
        },
    )


def containerd_configuration(layout: NodeLayout) -> str:
    return f"""version = 2
root = "{layout.root / "containerd"}"
state = "{layout.state / "containerd"}"

[grpc]
  address = "{layout.socket}"

[plugins."io.containerd.internal.v1.opt"]
  path = "{layout.root / "opt"}"

[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{PAUSE_IMAGE}"
  disable_apparmor = true
  # Without CAP_SYS_RESOURCE every sandbox would fail to start.
  restrict_oom_score_adj = true
  # So that what is left of a killed node can be found and unmounted.
  netns_mounts_under_state_dir = true

[plugins."io.containerd.grpc.v1.cri".cni]
  bin_dir = "{CNI_PLUGINS}"
  conf_dir = "{layout.root / "cni"}"
"""


def network_configuration(layout: NodeLayout) -> str:
    bridge = {
        "type": "bridge",
        "bridge": BRIDGE,
        "isGateway": True,
        "hairpinMode": True,
        "ipam": {
            "type": "host-local",
            "ranges": [[{"subnet": POD_RANGE, "gateway": NODE_IP}]],
            "routes": [{"dst": "0.0.0.0/0"}],
            "dataDir": str(layout.state / "addresses"),
        },
    }
    return json.dumps({"cniVersion": "1.0.0", "name": NAME, "plugins": [bridge]}, indent=2)


def kubelet_configuration(layout: NodeLayout, authority: Path) -> Mapping[str, Any]:
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": NODE_IP,
        "healthzPort": 0,
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": False},
            "x509": {"clientCAFile": str(authority)},
        },
        "authorization": {"mode": "AlwaysAllow"},
        "containerRuntimeEndpoint": f"unix://{layout.socket}",
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{NAME}",
        "failCgroupV1": False,
        "failSwapOn": False,
        "podLogsDir": str(layout.root / "pod-logs"),
        "volumePluginDir": str(layout.root / "volume-plugins"),
        "makeIPTablesUtilChains": False,
        # A developer's disk may be fuller than a server's should be.
        "evictionHard": {
            "memory.available": "50Mi",
            "nodefs.available": "1%",
            "nodefs.inodesFree": "1%",
            "imagefs.available": "1%",
        },
        "imageGCHighThresholdPercent": 100,
        "imageGCLowThresholdPercent": 99,
    }


def proxy_configuration(kubeconfig: Path) -> Mapping[str, Any]:
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "nftables",
        "hostnameOverride": NAME,
        "clientConnection": {"kubeconfig": str(kubeconfig)},
        "clusterCIDR": POD_RANGE,
        "healthzBindAddress": f"{NODE_IP}:10256",
        "metricsBindAddress": f"{NODE_IP}:10249",
        # These limits cannot be written on every machine.
        "conntrack": {
            "maxPerCore": 0,
            "min": 0,
            "tcpCloseWaitTimeout": "0s",
            "tcpEstablishedTimeout": "0s",
        },
        # Pods share one bridge: without it an answer would go past the rules that sent the request.
        "nftables": {"masqueradeAll": True, "minSyncPeriod": "0s"},
    }
