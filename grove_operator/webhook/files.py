"""Certificates in mode `manual`: tls.crt and tls.key in a folder, as a mounted Secret has them.

Owns when they are read again. The standard library cannot be told of a change in a folder, so the
files' identity is looked at every two seconds, which costs two system calls; a mounted Secret is
itself a minute late. A pair that does not fit, perhaps half written, is tried again at each look
while the old one is served. Refuses to touch the webhook configurations.
"""

import asyncio
import logging
from pathlib import Path
from typing import Final

from grove_operator import metrics
from grove_operator.webhook.serving import Served

_LOG = logging.getLogger(__name__)
_INTERVAL: Final = 2.0

Identity = tuple[tuple[int, int, int], ...]


class FileCertificates:
    def __init__(self, folder: str, interval: float = _INTERVAL) -> None:
        self._paths = (Path(folder) / "tls.crt", Path(folder) / "tls.key")
        self._interval = interval
        self._loaded: Identity | None = None
        self._trouble: str | None = None
        self._served = Served()
        self.context = self._served.context
        self.ready = self._served.ready

    def problem(self) -> str | None:
        """For the readiness probe. A trouble counts only while nothing good is served."""
        problem = self._served.problem()
        return f"{problem}: {self._trouble}" if problem and self._trouble else problem

    async def run(self) -> None:
        while True:
            self.look()
            await asyncio.sleep(self._interval)

    def look(self) -> None:
        """Load the files if they are others than those that are served."""
        try:
            # Taken first: what changes while it is read is seen as a change at the next look.
            identity = tuple(_identity(path) for path in self._paths)
            if identity == self._loaded:
                return
            chain, key = (path.read_bytes() for path in self._paths)
        except OSError as error:
            self._reject(f"{error.filename}: {error.strerror}")
            return
        if problem := self._served.load(chain, key):
            self._reject(problem)
            return
        self._loaded, self._trouble = identity, None
        _LOG.info(
            "certificate is loaded",
            extra={"file": str(self._paths[0]), "expires": str(self._served.expires)},
        )

    def _reject(self, problem: str) -> None:
        if problem == self._trouble:
            return
        self._trouble = problem
        metrics.count_certificate("rejected")
        what = "the old certificate stays" if self.ready.is_set() else "waiting for a certificate"
        _LOG.warning(what, extra={"why": problem, "folder": str(self._paths[0].parent)})


def _identity(path: Path) -> tuple[int, int, int]:
    found = path.stat()
    return (found.st_ino, found.st_mtime_ns, found.st_size)
