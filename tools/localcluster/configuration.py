"""What a local cluster is made of: its options and the kwokctl configuration they become.

Everything goes into one configuration file rather than flags: some settings (etcd's peer port)
have no flag, and `--extra-args` of kwokctl 0.8 crashes for some orders of its arguments.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tools.localcluster.acquire import Binaries
from tools.localcluster.nodes import FAKE_NODE
from tools.localcluster.toolsets import KUBERNETES_VERSION

GANG_FEATURE_GATES = (
    "GenericWorkload",
    "TopologyAwareWorkloadScheduling",
    "CompositePodGroup",
    "DRAWorkloadResourceClaims",
)

PORT_OPTIONS = (
    "kubeApiserverPort",
    "etcdPort",
    "etcdPeerPort",
    "kubeControllerManagerPort",
    "kubeSchedulerPort",
    "kwokControllerPort",
    "metricsServerPort",
)

SIMULATOR_PARALLELISM = 16

_COMPONENT_BINARIES = {
    "etcdBinary": "etcd",
    "kubeApiserverBinary": "kube-apiserver",
    "kubeControllerManagerBinary": "kube-controller-manager",
    "kubeSchedulerBinary": "kube-scheduler",
    "kwokControllerBinary": "kwok",
    "kubectlBinary": "kubectl",
}


@dataclass(frozen=True)
class ClusterOptions:
    """How a cluster differs from the usual one.

    `audit` logs every write, `audited_users` every request of these users. `extra_args` maps a
    component to flags without the leading dashes, added last; `certificate_names` are further names
    and addresses in the API server's certificate. `durable` makes
    etcd sync each write to disk, as in production; without it a cluster is faster and loses
    nothing short of a power failure.
    """

    audit: bool = False
    audited_users: tuple[str, ...] = ()
    metrics_server: bool = False
    durable: bool = False
    feature_gates: Mapping[str, bool] = field(default_factory=dict)
    extra_args: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    certificate_names: tuple[str, ...] = ()

    def all_feature_gates(self) -> dict[str, bool]:
        return {**dict.fromkeys(GANG_FEATURE_GATES, True), **self.feature_gates}


@dataclass(frozen=True)
class Parts:
    """Where the pieces that a configuration names lie."""

    control_plane: Binaries
    metrics_server: Binaries | None
    audit_policy: Path
    metrics_manifests: Path


def build_configuration(
    options: ClusterOptions, parts: Parts, ports: Mapping[str, int]
) -> dict[str, Any]:
    """The KwokctlConfiguration document of one cluster."""
    gates = ",".join(f"{k}={str(v).lower()}" for k, v in options.all_feature_gates().items())
    settings: dict[str, Any] = {
        "runtime": "binary",
        "kubeVersion": f"v{KUBERNETES_VERSION}",
        "bindAddress": "127.0.0.1",
        "kubeFeatureGates": gates,
        "kubeRuntimeConfig": "api/all=true",
        "disableQPSLimits": True,
        **{key: str(parts.control_plane[name]) for key, name in _COMPONENT_BINARIES.items()},
        **ports,
    }
    if options.certificate_names:
        settings["kubeApiserverCertSANs"] = list(options.certificate_names)
    if options.audit or options.audited_users:
        settings["kubeAuditPolicy"] = str(parts.audit_policy)
    if parts.metrics_server is not None:
        settings["enable"] = ["metrics-server"]
        settings["metricsServerBinary"] = str(parts.metrics_server["metrics-server"])
        settings["metricsServerManifests"] = [str(parts.metrics_manifests)]
    return {
        "apiVersion": "config.kwok.x-k8s.io/v1alpha1",
        "kind": "KwokctlConfiguration",
        "options": settings,
        "componentsPatches": _patches(options),
    }


def simulator_configuration() -> dict[str, Any]:
    """KWOK works on four pods at a time unless told otherwise; it must not be what is measured."""
    return {
        "apiVersion": "config.kwok.x-k8s.io/v1alpha1",
        "kind": "KwokConfiguration",
        "options": {
            "podPlayStageParallelism": SIMULATOR_PARALLELISM,
            "nodePlayStageParallelism": SIMULATOR_PARALLELISM,
            "nodeLeaseParallelism": SIMULATOR_PARALLELISM,
        },
    }


def _patches(options: ClusterOptions) -> list[dict[str, Any]]:
    added: dict[str, dict[str, str]] = {name: dict(f) for name, f in options.extra_args.items()}
    if not options.durable:
        added.setdefault("etcd", {}).setdefault("unsafe-no-fsync", "true")
    # What a test makes without the annotation is the test's: no simulator answers for it.
    simulator = added.setdefault("kwok-controller", {})
    simulator.setdefault("manage-all-nodes", "false")
    simulator.setdefault("manage-nodes-with-annotation-selector", f"{FAKE_NODE}=fake")
    if options.metrics_server:
        # Often enough that a test sees an autoscaler act within seconds of a new usage.
        server = added.setdefault("metrics-server", {})
        server.setdefault("metric-resolution", "10s")
        server.setdefault("kubelet-request-timeout", "5s")
        manager = added.setdefault("kube-controller-manager", {})
        manager.setdefault("horizontal-pod-autoscaler-sync-period", "2s")
        manager.setdefault("horizontal-pod-autoscaler-initial-readiness-delay", "1s")
        manager.setdefault("horizontal-pod-autoscaler-cpu-initialization-period", "1s")
    return [
        {
            "name": name,
            "extraArgs": [{"key": k, "value": v} for k, v in flags.items()],
        }
        for name, flags in sorted(added.items())
    ]


def audit_policy(options: ClusterOptions) -> dict[str, Any]:
    """What the API server notes: who asked for what and the answer's code, never contents."""
    rules: list[dict[str, Any]] = []
    if options.audited_users:
        rules.append({"level": "Metadata", "users": list(options.audited_users)})
    if options.audit:
        verbs = ["create", "update", "patch", "delete", "deletecollection"]
        rules.append({"level": "Metadata", "verbs": verbs})
    return {
        "apiVersion": "audit.k8s.io/v1",
        "kind": "Policy",
        "omitStages": ["RequestReceived"],
        "rules": [*rules, {"level": "None"}],
    }
