"""Counts write requests in the API server's audit log, by who made them.

The log is the judge: it holds what really arrived, whatever a client counts by itself.
"""

from collections import Counter
from pathlib import Path

import msgspec

OPERATOR_AGENTS = ("grove-operator/", "kopf/", "OpenAPI-Generator/")
LEASES = "leases"


class _Reference(msgspec.Struct):
    resource: str = ""
    subresource: str = ""


class _Status(msgspec.Struct):
    code: int = 0


class _Entry(msgspec.Struct, rename="camel"):
    verb: str = ""
    user_agent: str = ""
    object_ref: _Reference | None = None
    response_status: _Status | None = None


_entry = msgspec.json.Decoder(_Entry)

Writes = Counter[tuple[str, str]]
"""Number of requests by verb and resource (`podcliques/status`)."""


class AuditLog:
    """Reads the log piece by piece; each `operator_writes` starts where the last one ended."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0
        self.refused: Writes = Counter()
        """Requests of the operator that were answered with an error, since the last look."""

    def skip(self) -> None:
        """Forget what was written so far."""
        self._offset = self._path.stat().st_size

    def operator_writes(self) -> Writes:
        writes: Writes = Counter()
        self.refused = Counter()
        if self._path.stat().st_size < self._offset:
            self._read(self._set_aside(), writes)
            self._offset = 0
        self._read(self._path, writes)
        return writes

    def _set_aside(self) -> Path:
        """The API server starts a new file when the log is full, and renames the old one."""
        earlier = self._path.parent.glob(f"{self._path.stem}-*{self._path.suffix}")
        return max(earlier, key=lambda path: path.stat().st_mtime)

    def _read(self, path: Path, writes: Writes) -> None:
        with path.open("rb") as log:
            log.seek(self._offset)
            for line in log:
                if not line.endswith(b"\n"):
                    break
                self._offset += len(line)
                self._count(_entry.decode(line), writes)

    def _count(self, entry: _Entry, writes: Writes) -> None:
        reference = entry.object_ref
        if reference is None or not entry.user_agent.startswith(OPERATOR_AGENTS):
            return
        if reference.resource == LEASES:
            return  # renewing leadership costs the same however many pods there are
        name = reference.resource
        if reference.subresource:
            name += f"/{reference.subresource}"
        writes[(entry.verb, name)] += 1
        if entry.response_status is not None and entry.response_status.code >= 400:
            self.refused[(entry.verb, name)] += 1
