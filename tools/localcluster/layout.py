"""Where one cluster keeps its things, and the short record of what it is.

`<workdir>/state/<name>` is ours and exists before anything is started; `<workdir>/clusters/<name>`
is kwokctl's. Removing both, and ending the processes that run from the second, undoes a cluster
whatever state its creation was left in.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

from tools.localcluster.errors import ClusterError

_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,40}[a-z0-9])?")
KUBECONFIG_HEADER = "# Written by tools.localcluster; the next start of a cluster replaces it.\n"


@dataclass(frozen=True)
class Layout:
    workdir: Path
    name: str

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ClusterError(f"{self.name!r} is no cluster name: lower case, digits and dashes")

    @property
    def cluster_folder(self) -> Path:
        return self.workdir / "clusters" / self.name

    @property
    def state_folder(self) -> Path:
        return self.workdir / "state" / self.name

    @property
    def record(self) -> Path:
        return self.state_folder / "record.json"

    @property
    def configuration(self) -> Path:
        """Named on kwokctl's command line, so it also tells whose a running kwokctl is."""
        return self.state_folder / "kwokctl.yaml"

    @property
    def lock(self) -> Path:
        return self.workdir / "locks" / f"{self.name}.lock"

    @property
    def audit_log(self) -> Path:
        return self.cluster_folder / "logs" / "audit.log"

    def component_log(self, name: str) -> Path:
        return self.cluster_folder / "logs" / f"{name}.log"


@dataclass(frozen=True)
class Record:
    """What later commands must know of a cluster. Written before its start, again when it is up."""

    kubeconfig: str
    kubectl: str
    owner_pid: int | None = None
    ready: bool = False
    ports: dict[str, int] = field(default_factory=dict)

    def save(self, path: Path) -> None:
        draft = path.with_suffix(".draft")
        draft.write_text(json.dumps(asdict(self), indent=2) + "\n")
        draft.rename(path)

    @classmethod
    def load(cls, path: Path) -> "Record | None":
        try:
            return cls(**json.loads(path.read_text()))
        except (FileNotFoundError, ValueError, TypeError):
            return None


def cluster_names(workdir: Path) -> Iterator[str]:
    """Every cluster that was begun in this work folder, whether it got up or not."""
    found = {
        entry.name
        for parent in ("state", "clusters")
        for entry in (workdir / parent).glob("*")
        if entry.is_dir() and _NAME.fullmatch(entry.name)
    }
    yield from sorted(found)


def is_ours(kubeconfig: Path) -> bool:
    """A kubeconfig that we wrote may be replaced; anybody else's may not."""
    try:
        with kubeconfig.open() as handle:
            return handle.readline() == KUBECONFIG_HEADER
    except FileNotFoundError:
        return True
