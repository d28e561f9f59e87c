"""Downloads: what is resumed, what is refused."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.tools.toolsupport import Site, site
from tools.localcluster.download import expected_checksum, fetch, fetch_release
from tools.localcluster.errors import DownloadError
from tools.localcluster.toolsets import ReleaseFile

CONTENT = bytes(range(256)) * 40


@pytest.fixture
def web() -> Iterator[Site]:
    with site() as running:
        running.publish("tool", CONTENT)
        yield running


def _silent(_: str) -> None:
    pass


def test_a_verified_file_arrives_and_no_part_stays(web: Site, tmp_path: Path) -> None:
    file = ReleaseFile("tool", f"{web.url}/tool", f"{web.url}/tool.sha256")
    fetch_release(file, tmp_path / "downloads", tmp_path / "tool", _silent)
    assert (tmp_path / "tool").read_bytes() == CONTENT
    assert not any((tmp_path / "downloads").iterdir())


def test_a_cut_connection_is_continued_where_it_was_cut(web: Site, tmp_path: Path) -> None:
    web.cuts = [1000]
    fetched = fetch(f"{web.url}/tool", tmp_path / "tool", _digest(CONTENT), _silent)
    assert fetched.read_bytes() == CONTENT
    assert web.ranges == [None, "bytes=1000-"]


def test_a_part_of_an_earlier_run_is_continued(web: Site, tmp_path: Path) -> None:
    (tmp_path / "tool.part").write_bytes(CONTENT[:5000])
    fetched = fetch(f"{web.url}/tool", tmp_path / "tool", _digest(CONTENT), _silent)
    assert fetched.read_bytes() == CONTENT
    assert web.ranges == ["bytes=5000-"]


def test_a_part_that_is_already_whole_needs_no_bytes(web: Site, tmp_path: Path) -> None:
    (tmp_path / "tool.part").write_bytes(CONTENT)
    fetched = fetch(f"{web.url}/tool", tmp_path / "tool", _digest(CONTENT), _silent)
    assert fetched.read_bytes() == CONTENT


def test_a_wrong_part_is_thrown_away_and_fetched_whole(web: Site, tmp_path: Path) -> None:
    (tmp_path / "tool.part").write_bytes(b"x" * 5000)
    fetched = fetch(f"{web.url}/tool", tmp_path / "tool", _digest(CONTENT), _silent)
    assert fetched.read_bytes() == CONTENT
    assert web.ranges == ["bytes=5000-", None]


def test_a_file_that_does_not_match_is_refused(web: Site, tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match="does not match"):
        fetch(f"{web.url}/tool", tmp_path / "tool", _digest(b"other"), _silent)
    assert not any(tmp_path.iterdir())


def test_no_network_fails_at_the_first_small_request(tmp_path: Path) -> None:
    nowhere = "http://127.0.0.1:1"
    file = ReleaseFile("tool", f"{nowhere}/tool", f"{nowhere}/tool.sha256")
    with pytest.raises(DownloadError, match=r"tool\.sha256: .*refused"):
        fetch_release(file, tmp_path, tmp_path / "tool", _silent)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("{0}", id="bare"),
        pytest.param("{0}  tool\n", id="one line"),
        pytest.param("{1}  other\n{0}  tool\n", id="one line per file"),
        pytest.param("{1} *other\n{0} *tool\n", id="binary mode marks"),
    ],
)
def test_checksum_files_are_understood(text: str) -> None:
    right, wrong = "a" * 64, "b" * 64
    assert expected_checksum(text.format(right, wrong), "tool", "url") == right


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("<html>not found</html>", id="no checksum"),
        pytest.param("{0}  one\n{1}  two\n", id="other files only"),
    ],
)
def test_a_checksum_file_without_the_file_is_refused(text: str) -> None:
    with pytest.raises(DownloadError, match="no SHA-256 checksum of tool"):
        expected_checksum(text.format("a" * 64, "b" * 64), "tool", "url")


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
