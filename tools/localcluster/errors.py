"""What can go wrong on the way to a local cluster.

LocalClusterError
├── AcquisitionError   no way to get the binaries; lists every way and why it failed
├── DownloadError      one file could not be fetched or does not match its checksum
├── BuildError         Go could not build a tool set
└── ClusterError       kwokctl or a component of the cluster failed
"""

from collections.abc import Sequence
from dataclasses import dataclass


class LocalClusterError(Exception):
    """Base of all errors of this package; the text is meant for the person at the keyboard."""


class DownloadError(LocalClusterError):
    pass


class BuildError(LocalClusterError):
    pass


class ClusterError(LocalClusterError):
    pass


@dataclass(frozen=True)
class Attempt:
    """One way that was tried to get the binaries, and why it did not work."""

    way: str
    reason: str


class AcquisitionError(LocalClusterError):
    def __init__(self, toolset: str, attempts: Sequence[Attempt]) -> None:
        self.attempts = tuple(attempts)
        lines = [f"no way to get the {toolset} binaries; tried, in this order:"]
        for number, attempt in enumerate(self.attempts, start=1):
            reason = attempt.reason.strip().replace("\n", "\n       ")
            lines.append(f"  {number}. {attempt.way}: {reason}")
        super().__init__("\n".join(lines))
