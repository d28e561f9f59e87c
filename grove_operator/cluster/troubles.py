"""What is wrong with a pod that is not ready, in words that stay the same while it is wrong.

A container that crashes goes round through three states, and an image that cannot be pulled through
two: each round must read the same, or every one would be told again. Read only for pods that are
not ready. A pod that is merely starting has no trouble.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

LONGEST: Final = 200
"""Characters of what a container runtime says; it may repeat itself for pages."""
_IMAGE: Final = frozenset({"ErrImagePull", "ImagePullBackOff"})
_STARTING: Final = frozenset({"", "ContainerCreating", "PodInitializing"})
_CRASHING: Final = "CrashLoopBackOff"
_RESTARTS: Final = 2
"""A container that was restarted so often is crashing, also while it happens to run."""


class _EndJson(msgspec.Struct, rename="camel"):
    exit_code: int = 0
    reason: str = ""
    message: str = ""
    finished_at: str | None = None


class _WaitingJson(msgspec.Struct):
    reason: str = ""
    message: str = ""


class _RunningJson(msgspec.Struct, rename="camel"):
    started_at: str | None = None


class _StateJson(msgspec.Struct):
    waiting: _WaitingJson | None = None
    running: _RunningJson | None = None
    terminated: _EndJson | None = None


_NO_STATE: Final = _StateJson()


class ContainerJson(msgspec.Struct, rename="camel"):
    """One container's status."""

    name: str = ""
    image: str = ""
    ready: bool = False
    started: bool | None = None
    restart_count: int = 0
    state: _StateJson | None = None
    last_state: _StateJson | None = None

    @property
    def failed(self) -> bool:
        """Whether it ended with an error the last time that it ran."""
        last = self.last_state
        return last is not None and last.terminated is not None and last.terminated.exit_code != 0


@dataclass(frozen=True, slots=True)
class Statement:
    """What a pod says of itself as a whole."""

    phase: str
    reason: str
    message: str


decode_containers = msgspec.json.Decoder(list[ContainerJson] | None).decode


def trouble_of(says: Statement, containers: Iterable[ContainerJson]) -> str:
    """The reason, then `: ` and what it is about; empty for a pod that is fine or starting.

    Give the containers of initialization first: what they lack, all others wait for.
    """
    found = next(filter(None, map(_trouble_of_container, containers)), "")
    if says.phase == "Failed" or says.reason == "NodeLost":
        reason = says.reason or "Failed"
        return _sentence(reason, says.message or found or "no container tells why")
    return found


def _trouble_of_container(container: ContainerJson) -> str:
    state = container.state or _NO_STATE
    waiting, ended = state.waiting, state.terminated
    subject = f"container {container.name}"
    if waiting is not None and waiting.reason in _IMAGE:
        # The second state quotes the first one's message, in releases that tell it at all.
        told = waiting.message.rpartition("ErrImagePull: ")[2]
        return _sentence("ImagePullBackOff", f"{subject}: {told or container.image}")
    if waiting is not None and waiting.reason not in _STARTING | {_CRASHING}:
        return _sentence(waiting.reason, f"{subject}: {waiting.message}")
    crashing = waiting is not None and waiting.reason == _CRASHING
    last = ended or (container.last_state or _NO_STATE).terminated
    if crashing or (last is not None and last.exit_code != 0):
        many = crashing or container.restart_count >= _RESTARTS
        return _sentence(_CRASHING if many else "ContainerFailed", f"{subject}{_end(last)}")
    return ""


def _end(last: _EndJson | None) -> str:
    if last is None:
        return ""
    reason = "" if last.reason in ("", "Error", "Completed") else f" ({last.reason})"
    told = f": {last.message}" if last.message else ""
    return f" ended with exit code {last.exit_code}{reason}{told}"


def _sentence(reason: str, text: str) -> str:
    line = " ".join(text.split()).rstrip(": ")
    cut = line if len(line) <= LONGEST else f"{line[: LONGEST - 1]}…"
    return f"{reason}: {cut}" if cut else reason


def end_of(containers: Sequence[ContainerJson]) -> str:
    """When the last of the containers ended; empty if none says."""
    ends = (container.state.terminated for container in containers if container.state)
    return max((end.finished_at or "" for end in ends if end), default="")


def started_at(containers: Sequence[ContainerJson]) -> str:
    """When the last of the containers started; empty unless all of them run."""
    runs = [(container.state or _NO_STATE).running for container in containers]
    if not all(runs):
        return ""
    return max((run.started_at or "" for run in runs if run), default="")
