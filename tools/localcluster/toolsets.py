"""Versions and origins of every binary, in one table.

A tool set is what one Go module builds: metrics-server has a module of its own, so that its
versions don't fight with the control plane's. A further tool is one more entry here and one more
go.mod beside the others.
"""

import hashlib
import platform
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

KUBERNETES_VERSION = "1.37.2"
KWOK_VERSION = "0.8.0"
ETCD_VERSION = "3.7.0"
METRICS_SERVER_VERSION = "0.9.0"
HELM_VERSION = "3.22.0"

_MAJOR, _MINOR, _ = KUBERNETES_VERSION.split(".")

KUBERNETES_DOWNLOADS = "https://dl.k8s.io"
GITHUB_DOWNLOADS = "https://github.com"

TOOLS_FOLDER = Path(__file__).resolve().parents[1]

_MACHINES = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}


@dataclass(frozen=True)
class Platform:
    """Operating system and processor, in Go's words."""

    os: str
    arch: str

    @classmethod
    def current(cls) -> "Platform":
        machine = platform.machine().lower()
        return cls(os=sys.platform, arch=_MACHINES.get(machine, machine))


@dataclass(frozen=True)
class ReleaseFile:
    """An officially published file. `member` is set when the binary lies inside a tar archive."""

    binary: str
    url: str
    checksum_url: str
    member: str = ""


@dataclass(frozen=True)
class ToolSet:
    """Binaries that are acquired, built and checked together.

    `binaries` maps our name to the name that `go install` gives. `stamps` are linker variables:
    without them a Kubernetes server reports no version and clients misbehave.
    """

    name: str
    module: Path
    binaries: Mapping[str, str]
    versions: Mapping[str, str]
    stamps: Mapping[str, str] = field(default_factory=dict)
    released: bool = False

    def digest(self, target: Platform) -> str:
        """Key of the cache: changes with anything that changes the binaries."""
        seen = hashlib.sha256()
        for part in (
            self.name,
            f"{target.os}/{target.arch}",
            *(f"{k}={v}" for k, v in sorted(self.versions.items())),
            *(f"{k}={v}" for k, v in sorted(self.stamps.items())),
            *(f"{k}={v}" for k, v in sorted(self.binaries.items())),
        ):
            seen.update(part.encode() + b"\0")
        for name in ("go.mod", "go.sum"):
            seen.update((self.module / name).read_bytes() + b"\0")
        return seen.hexdigest()[:16]

    def release_files(self, target: Platform) -> tuple[ReleaseFile, ...]:
        """Official files for a platform; none where the projects publish none."""
        if not self.released or target.os != "linux":
            return ()
        return _control_plane_files(target)


CONTROL_PLANE = ToolSet(
    name="control-plane",
    module=TOOLS_FOLDER,
    binaries={
        "etcd": "server",
        "kube-apiserver": "kube-apiserver",
        "kube-controller-manager": "kube-controller-manager",
        "kube-scheduler": "kube-scheduler",
        "kubectl": "kubectl",
        "kwok": "kwok",
        "kwokctl": "kwokctl",
    },
    versions={"kubernetes": KUBERNETES_VERSION, "kwok": KWOK_VERSION, "etcd": ETCD_VERSION},
    stamps={
        "k8s.io/component-base/version.gitVersion": f"v{KUBERNETES_VERSION}",
        "k8s.io/component-base/version.gitMajor": _MAJOR,
        "k8s.io/component-base/version.gitMinor": _MINOR,
    },
    released=True,
)

METRICS_SERVER = ToolSet(
    name="metrics-server",
    module=TOOLS_FOLDER / "metrics-server",
    binaries={"metrics-server": "metrics-server"},
    versions={"metrics-server": METRICS_SERVER_VERSION},
    stamps={"sigs.k8s.io/metrics-server/pkg/version.Version": f"v{METRICS_SERVER_VERSION}"},
)

HELM = ToolSet(
    name="helm",
    module=TOOLS_FOLDER / "helm",
    binaries={"helm": "helm"},
    versions={"helm": HELM_VERSION},
    # Without the last ones `helm template` renders for Kubernetes 1.20.
    stamps={
        "helm.sh/helm/v3/internal/version.version": f"v{HELM_VERSION}",
        "helm.sh/helm/v3/pkg/chartutil.k8sVersionMajor": _MAJOR,
        "helm.sh/helm/v3/pkg/chartutil.k8sVersionMinor": _MINOR,
        "helm.sh/helm/v3/pkg/lint/rules.k8sVersionMajor": _MAJOR,
        "helm.sh/helm/v3/pkg/lint/rules.k8sVersionMinor": _MINOR,
    },
)

TOOLSETS = {toolset.name: toolset for toolset in (CONTROL_PLANE, METRICS_SERVER, HELM)}


def _control_plane_files(target: Platform) -> tuple[ReleaseFile, ...]:
    kubernetes = f"{KUBERNETES_DOWNLOADS}/v{KUBERNETES_VERSION}/bin/{target.os}/{target.arch}"
    kwok = f"{GITHUB_DOWNLOADS}/kubernetes-sigs/kwok/releases/download/v{KWOK_VERSION}"
    etcd = f"{GITHUB_DOWNLOADS}/etcd-io/etcd/releases/download/v{ETCD_VERSION}"
    folder = f"etcd-v{ETCD_VERSION}-{target.os}-{target.arch}"
    return (
        *(
            ReleaseFile(name, f"{kubernetes}/{name}", f"{kubernetes}/{name}.sha256")
            for name in ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubectl")
        ),
        *(
            ReleaseFile(
                name,
                f"{kwok}/{name}-{target.os}-{target.arch}",
                f"{kwok}/{name}-{target.os}-{target.arch}.sha256",
            )
            for name in ("kwok", "kwokctl")
        ),
        ReleaseFile(
            "etcd", f"{etcd}/{folder}.tar.gz", f"{etcd}/SHA256SUMS", member=f"{folder}/etcd"
        ),
    )
