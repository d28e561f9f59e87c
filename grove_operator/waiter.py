"""Waits in an init container until the PodCliques that a pod starts after have enough ready pods.

A program of its own, `grove-initc`: standard library only, and nothing of this package, because it
runs on every node before every ordered pod and must start in an instant. One list and one watch
tell it all; it never polls. It refuses to give up: an API server that is away, restarts or says no
is asked again, later and later. Exit codes: 0 all parents are ready, 1 anything else.
"""

import getopt
import json
import os
import random
import re
import signal
import socket
import ssl
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from pathlib import Path
from typing import Any, Final, NamedTuple, NoReturn
from urllib.parse import urlencode

POD_INFO: Final = "/var/grove/pod-info"
CREDENTIALS: Final = "/var/run/secrets/kubernetes.io/serviceaccount"
GANG_LABEL: Final = "grove.io/podgang"
CLIQUE_LABEL: Final = "grove.io/podclique"
WATCH_SECONDS: Final = 300  # give or take a fifth: thousands must not renew at the same moment
FIRST_PAUSE: Final = 0.5
LONGEST_PAUSE: Final = 30.0
GRACE: Final = 15.0
PAGE: Final = 200
_STDERR: Final = 2
_NAME: Final = re.compile(r"[a-z0-9]([-.a-z0-9]*[a-z0-9])?")
_COUNT: Final = re.compile(r"\+?0*[1-9][0-9]{0,8}")

Say = Callable[[str], None]
Connect = Callable[[], HTTPConnection]


class ArgumentError(Exception):
    """What is wrong with the command line or the mounted files; waiting would not help."""


class RefusalError(Exception):
    """The API server answered, but not with what was asked for."""

    def __init__(self, status: int, text: str, after: str | None = None) -> None:
        self.after = min(LONGEST_PAUSE, float(after)) if after and after.isdigit() else 0.0
        super().__init__(f"the API server answered {status}: {' '.join(text.split())[:200]}")


# All that asking and reading may end in; whatever it is, it is asked again.
TROUBLE: Final = (RefusalError, OSError, HTTPException, ValueError, LookupError, TypeError)


class Arguments(NamedTuple):
    parents: dict[str, int]
    pod_info: Path
    credentials: Path


def parse(argv: Sequence[str]) -> Arguments:
    """`--podcliques NAME:MIN`, or -p, once for each parent; the rest is for use outside a pod."""
    try:
        flags, rest = getopt.getopt(list(argv), "p:", ["podcliques=", "pod-info=", "credentials="])
    except getopt.GetoptError as error:
        raise ArgumentError(str(error)) from error
    if rest:
        raise ArgumentError(f"unexpected argument {rest[0]!r}")
    parents: dict[str, int] = {}
    folders = {"--pod-info": POD_INFO, "--credentials": CREDENTIALS}
    for flag, value in flags:
        if flag in folders:
            folders[flag] = value
        # Go programs read `-p=x` like `-p x`.
        elif entry := (value.removeprefix("=") if flag == "-p" else value).strip():
            name, minimum = _parent(entry)
            parents[name] = max(minimum, parents.get(name, 0))
    return Arguments(parents, Path(folders["--pod-info"]), Path(folders["--credentials"]))


def _parent(entry: str) -> tuple[str, int]:
    parts = entry.split(":")
    if len(parts) != 2:
        raise ArgumentError(f"{entry!r} is not of the form <podclique>:<minimum>")
    name, count = (part.strip() for part in parts)
    if not _NAME.fullmatch(name):
        raise ArgumentError(f"{entry!r} does not name a PodClique")
    if not _COUNT.fullmatch(count):
        raise ArgumentError(f"the minimum in {entry!r} is not a number above zero")
    return name, int(count)


class Tally:
    """Which pods of which parent are ready, and what is still missing."""

    def __init__(self, parents: Mapping[str, int]) -> None:
        self._parents = dict(parents)
        self.clear()

    def clear(self) -> None:
        self._ready: dict[str, set[str]] = {name: set() for name in self._parents}

    def take(self, pod: Mapping[str, Any], *, gone: bool = False) -> None:
        """Pods count by their label alone: one PodClique's name may begin with another's."""
        of_parent = self._ready.get(pod["metadata"].get("labels", {}).get(CLIQUE_LABEL))
        if of_parent is not None:
            note = of_parent.add if is_ready(pod) and not gone else of_parent.discard
            note(pod["metadata"]["name"])

    def missing(self) -> str:
        """Empty when every parent has its minimum, all at the same time."""
        return ", ".join(
            f"{name} has {len(self._ready[name])} of {minimum} ready pods"
            for name, minimum in self._parents.items()
            if len(self._ready[name]) < minimum
        )


def is_ready(pod: Mapping[str, Any]) -> bool:
    """A pod that is being deleted does not count: it is about to leave."""
    if "deletionTimestamp" in pod["metadata"]:
        return False
    conditions = pod.get("status", {}).get("conditions") or ()
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


class Pods:
    """The parents' pods, from one list and watches that go on where the last one ended."""

    def __init__(self, connect: Connect, token: Path, path: str, tally: Tally, say: Say) -> None:
        self._connect, self._token, self._path = connect, token, path
        self._tally, self._say = tally, say
        self.version = ""  # where the next watch goes on; empty to list anew

    def follow(self) -> bool:
        """Until all is there (True) or the watch ends (False); raises when it breaks."""
        if not self.version:
            self._list()
        if not self._told():
            self._watch()
        return not self._tally.missing()

    def _list(self) -> None:
        """Page by page: memory is small, and a gang may be large."""
        self._tally.clear()
        query = {"limit": str(PAGE)}
        while True:
            with self._get(query, GRACE) as response:
                listing = json.loads(response.read())
            for pod in listing["items"]:
                self._tally.take(pod)
            if not (following := listing["metadata"].get("continue")):
                break
            query["continue"] = following
        self.version = listing["metadata"]["resourceVersion"]

    def _watch(self) -> None:
        lasting = random.uniform(0.8, 1.2) * WATCH_SECONDS  # noqa: S311  nothing secret
        query = {"watch": "true", "allowWatchBookmarks": "true", "resourceVersion": self.version}
        query["timeoutSeconds"] = str(int(lasting))
        with self._get(query, lasting + GRACE) as response:
            while line := response.readline():
                event = json.loads(line)
                kind, body = event["type"], event["object"]
                if kind == "ERROR":
                    raise RefusalError(int(body.get("code", 500)), str(body.get("message", "")))
                self.version = body["metadata"]["resourceVersion"]
                if kind != "BOOKMARK":
                    self._tally.take(body, gone=kind == "DELETED")
                    if self._told():
                        return

    def _told(self) -> bool:
        missing = self._tally.missing()
        self._say(f"waiting: {missing}" if missing else "all parents are ready")
        return not missing

    @contextmanager
    def _get(self, query: Mapping[str, str], patience: float) -> Iterator[HTTPResponse]:
        """The token is read each time: a mounted one is renewed while we wait."""
        token = self._token.read_text().strip()
        headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}
        connection = self._connect()
        try:
            connection.connect()
            keep_alive(connection.sock)
            connection.sock.settimeout(patience)
            connection.request("GET", f"{self._path}&{urlencode(query)}", headers=headers)
            response = connection.getresponse()
            if response.status != 200:
                text = response.read(2000).decode(errors="replace")
                raise RefusalError(response.status, text, response.getheader("Retry-After"))
            yield response
        finally:
            connection.close()


def wait(pods: Pods, say: Say, pause: Callable[[float], None] = time.sleep) -> None:
    """Return when all parents are ready, however often the API server fails until then."""
    failures = 0
    while True:
        started, at_least = time.monotonic(), 0.0
        try:
            if pods.follow():
                return
        except TROUBLE as trouble:
            # Look at everything again: the watch may have lost what it could not read.
            pods.version = ""
            say(f"cannot follow the pods: {trouble or type(trouble).__name__}")
            at_least = trouble.after if isinstance(trouble, RefusalError) else 0.0
        # What worked for a while is no failure; a watch that ends at once, again and again, is.
        failures = 1 if time.monotonic() - started > LONGEST_PAUSE else failures + 1
        pause(max(at_least, backoff(failures)))


def backoff(failures: int) -> float:
    """Longer each time, and different for each waiter."""
    longest = min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** min(failures - 1, 16))
    return longest * random.uniform(0.5, 1.0)  # noqa: S311  nothing secret


def secure_connection(host: str, port: int, authority: Path) -> HTTPConnection:
    """The authority is read for each connection, as it may be replaced while we wait."""
    context = ssl.create_default_context(cafile=str(authority))
    # Many clusters' authorities lack the fields that Python 3.13 started to insist on.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return HTTPSConnection(host, port, timeout=GRACE, context=context)


def keep_alive(connected: socket.socket) -> None:
    """Without it, a node that has lost its network would wait for a dead connection."""
    connected.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, seconds in (("TCP_KEEPIDLE", 30), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 3)):
        if hasattr(socket, option):  # not on every system that a developer may have
            connected.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), seconds)


def pods_path(namespace: str, gang: str, parents: Mapping[str, int]) -> str:
    """Only pods of this gang's parents are asked for: a gang may be large, and so its pods."""
    selector = f"{GANG_LABEL}={gang},{CLIQUE_LABEL} in ({','.join(sorted(parents))})"
    return f"/api/v1/namespaces/{namespace}/pods?{urlencode({'labelSelector': selector})}"


def once_per_change(write: Say) -> Say:
    """A log has one line for each change, however often the same is said."""
    last = ""

    def say(text: str) -> None:
        nonlocal last
        if text != last:
            write(text)
            last = text

    return say


def run(argv: Sequence[str], env: Mapping[str, str], write: Say) -> None:
    arguments = parse(argv)
    if not arguments.parents:
        write("nothing to wait for")
        return
    namespace, gang = (_fact(arguments.pod_info / name) for name in ("namespace", "podgangname"))
    host, port = env.get("KUBERNETES_SERVICE_HOST", ""), env.get("KUBERNETES_SERVICE_PORT", "")
    if not host or not port.isdigit():
        raise ArgumentError("KUBERNETES_SERVICE_HOST and _PORT do not name an API server")
    authority, token = (arguments.credentials / name for name in ("ca.crt", "token"))
    connect = lambda: secure_connection(host, int(port), authority)  # noqa: E731  used once
    path = pods_path(namespace, gang, arguments.parents)
    say = once_per_change(write)
    wait(Pods(connect, token, path, Tally(arguments.parents), say), say)


def _fact(path: Path) -> str:
    try:
        if found := path.read_text().strip():
            return found
    except OSError as error:
        raise ArgumentError(f"{path}: {error.strerror}") from error
    raise ArgumentError(f"{path} is empty")


def _write(text: str) -> None:
    """Unbuffered, because a signal may come in the middle of a line that is being written.

    Not by `logging`, which would cost a third of the start.
    """
    os.write(_STDERR, f"{text}\n".encode(errors="backslashreplace"))


def _stop(number: int, _frame: object) -> NoReturn:
    _write(f"stopped by {signal.Signals(number).name} before all parents were ready")
    raise SystemExit(1)


def main() -> None:
    # The first process of a container is not ended by a signal unless it asks for it.
    signal.signal(signal.SIGTERM, _stop)
    signal.signal(signal.SIGINT, _stop)
    try:
        run(sys.argv[1:], os.environ, _write)
    except ArgumentError as error:
        _write(str(error))
        raise SystemExit(1) from error


if __name__ == "__main__":
    main()
