"""Fetches one official file: resumes what was interrupted, trusts only what matches its checksum.

A download goes to a `.part` file that survives a broken connection or a stopped run; the next try
asks for the rest only. Without a network the first small request, the one for the checksum, fails
within seconds.
"""

import re
import shutil
import tarfile
import urllib.error
import urllib.request
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path

from tools.localcluster.cache import sha256
from tools.localcluster.errors import DownloadError
from tools.localcluster.toolsets import ReleaseFile

CONNECT_TIMEOUT = 10.0
TRIES = 4
_CHUNK = 1 << 20
_HEX_SHA256 = re.compile(r"\b[0-9a-f]{64}\b")


def fetch_release(
    file: ReleaseFile, downloads: Path, target: Path, note: Callable[[str], None]
) -> None:
    """Put the binary of one release file at `target`, verified."""
    name = file.url.rsplit("/", 1)[1]
    expected = expected_checksum(_read_small(file.checksum_url), name, file.checksum_url)
    downloads.mkdir(parents=True, exist_ok=True)
    archive = fetch(file.url, downloads / f"{expected[:16]}-{name}", expected, note)
    if file.member:
        _extract(archive, file.member, target)
    else:
        shutil.copyfile(archive, target)
    archive.unlink()


def fetch(url: str, path: Path, expected: str, note: Callable[[str], None]) -> Path:
    """Download `url` to `path` and verify it; continues a `.part` file of an earlier try."""
    part = path.with_name(f"{path.name}.part")
    failure = ""
    for _ in range(TRIES):
        try:
            _continue(url, part, note)
        except OSError as error:
            failure = f"{url}: {_plain(error)}"
            continue
        found = sha256(part)
        if found == expected:
            part.rename(path)
            return path
        # What is there is wrong, so nothing of it is worth keeping.
        part.unlink()
        failure = f"{url}: checksum {found} does not match the published {expected}"
    raise DownloadError(failure)


def expected_checksum(text: str, name: str, url: str) -> str:
    """The checksum of `name` in a published checksum file: bare, or one line per file."""
    lines = [line for line in text.splitlines() if line.split()[1:] in ([name], [f"*{name}"])]
    found = _HEX_SHA256.search(lines[0] if lines else text)
    listed = len(_HEX_SHA256.findall(text))
    if found is None or (not lines and listed > 1):
        raise DownloadError(f"{url} holds no SHA-256 checksum of {name}")
    return found.group()


def _read_small(url: str) -> str:
    try:
        with urllib.request.urlopen(url, timeout=CONNECT_TIMEOUT) as response:
            body: bytes = response.read(1 << 20)
    except OSError as error:
        raise DownloadError(f"{url}: {_plain(error)}") from error
    return body.decode(errors="replace")


def _continue(url: str, part: Path, note: Callable[[str], None]) -> None:
    have = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    try:
        response = urllib.request.urlopen(request, timeout=CONNECT_TIMEOUT)
    except urllib.error.HTTPError as error:
        with error:
            if error.code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
                return  # all of it is there already; the checksum decides
        raise
    with response:
        resumed = response.status == HTTPStatus.PARTIAL_CONTENT
        length = response.headers.get("Content-Length")
        total = (have if resumed else 0) + int(length) if length else 0
        with part.open("ab" if resumed else "wb") as target:
            _copy(response, target, total, lambda text: note(f"{url.rsplit('/', 1)[1]} {text}"))
    if total and part.stat().st_size < total:
        raise ConnectionError(f"connection closed after {part.stat().st_size} of {total} bytes")


def _copy(source: object, target: object, total: int, note: Callable[[str], None]) -> None:
    read, write, tell = source.read, target.write, target.tell  # type: ignore[attr-defined]  # two file-likes without a common type
    while chunk := read(_CHUNK):
        write(chunk)
        note(f"{tell() >> 20} of {total >> 20} MB" if total else f"{tell() >> 20} MB")


def _extract(archive: Path, member: str, target: Path) -> None:
    with tarfile.open(archive) as tar:
        try:
            source = tar.extractfile(member)
        except KeyError:
            source = None
        if source is None:
            raise DownloadError(f"{archive.name} holds no {member}")
        with source, target.open("wb") as out:
            shutil.copyfileobj(source, out)


def _plain(error: OSError) -> str:
    if isinstance(error, urllib.error.HTTPError):
        return f"HTTP {error.code} {error.reason}"
    if isinstance(error, urllib.error.URLError):
        return str(error.reason)
    return str(error) or type(error).__name__
