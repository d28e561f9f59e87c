"""Ports that no other cluster on this machine will take.

A free port found by binding is free only until it is let go, so two runs could find the same one.
Each choice is therefore recorded in a folder shared by all runs of a user, under a lock, for as
long as the cluster's own folder exists. The range lies below the ephemeral ports, so that no
outgoing connection grabs the port of an API server that is stopped for a moment.
"""

import os
import random
import socket
import tempfile
from collections.abc import Iterable
from contextlib import AbstractContextManager, closing
from pathlib import Path

from tools.localcluster.cache import locked
from tools.localcluster.errors import ClusterError

FIRST, LAST = 20000, 29999
LOOPBACK = "127.0.0.1"


class PortRegistry:
    """Reservations of ports, each owned by a folder; a gone folder means a free port."""

    def __init__(self, folder: Path | None = None, span: range | None = None) -> None:
        self._folder = folder or _shared_folder()
        self._span = span or range(FIRST, LAST + 1)

    def reserve(self, owner: Path, count: int) -> list[int]:
        """Ports that are free now and reserved for `owner`, which must be an existing folder."""
        with self._locked():
            taken = self._taken()
            chosen: list[int] = []
            for port in random.sample(self._span, len(self._span)):
                if port not in taken and is_free(port):
                    chosen.append(port)
                if len(chosen) == count:
                    break
            else:
                raise ClusterError(
                    f"fewer than {count} free ports from {self._span[0]} to {self._span[-1]}"
                )
            for port in chosen:
                (self._folder / str(port)).write_text(str(owner))
            return chosen

    def release(self, owner: Path) -> None:
        with self._locked():
            for file in self._files():
                if file.read_text() == str(owner):
                    file.unlink()

    def owners(self) -> list[Path]:
        """Folders of all clusters of this user that hold ports, wherever they are."""
        with self._locked():
            return sorted({Path(file.read_text()) for file in self._files()})

    def _locked(self) -> AbstractContextManager[None]:
        return locked(self._folder / "lock", "choosing ports")

    def _files(self) -> Iterable[Path]:
        return [file for file in self._folder.iterdir() if file.name.isdigit()]

    def _taken(self) -> set[int]:
        taken = set()
        for file in self._files():
            if Path(file.read_text()).is_dir():
                taken.add(int(file.name))
            else:
                file.unlink()
        return taken


def is_free(port: int) -> bool:
    with closing(socket.socket(socket.AF_INET, socket.SOCK_STREAM)) as probe:
        # As servers do it: a port with only closing connections left on it counts as free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def _shared_folder() -> Path:
    folder = Path(tempfile.gettempdir()) / f"grove-localcluster-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.stat().st_uid != os.getuid():
        raise ClusterError(f"{folder} belongs to somebody else; remove it")
    return folder
