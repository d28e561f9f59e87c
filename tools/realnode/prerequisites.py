"""Whether a real node can run on this machine; if not, why, in words for whoever reads it."""

import os
import shutil
import sys
from collections.abc import Iterator

from tools.realnode.commands import succeeds
from tools.realnode.layout import CGROUPS, CNI_PLUGINS, PROXY_TABLES

PROGRAMS = {
    "containerd": "containerd",
    "ctr": "containerd",
    "runc": "runc",
    "buildah": "buildah",
    "mmdebstrap": "mmdebstrap",
    "busybox": "busybox-static",
    "nft": "nftables",
    "iptables": "iptables",
    "ip": "iproute2",
}
"""Program, and Debian's package that has it."""


def lacking() -> str:
    """Empty when a real node can run."""
    return "; ".join(_reasons())


def _reasons() -> Iterator[str]:
    if not sys.platform.startswith("linux"):
        yield "a real node needs Linux"
        return
    if os.geteuid() != 0:
        yield "root is needed"
        return
    packages = {package for program, package in PROGRAMS.items() if shutil.which(program) is None}
    if not (CNI_PLUGINS / "bridge").exists():
        packages.add("containernetworking-plugins")
    if packages:
        yield f"not installed: {', '.join(sorted(packages))}"
        return
    if not os.access(CGROUPS, os.W_OK):
        yield "cgroups cannot be written"
    if not succeeds("nft", "list", "tables"):
        yield "netfilter rules cannot be listed"


def foreign_rules() -> str:
    """Another kube-proxy's rules must not be mixed with ours, nor removed with them."""
    found = [f"{family} {table}" for family, table in PROXY_TABLES if _exists(family, table)]
    return f"another kube-proxy has rules on this machine: {', '.join(found)}" if found else ""


def _exists(family: str, table: str) -> bool:
    return succeeds("nft", "list", "table", family, table)
