"""Where Prometheus is looked for, cheapest first."""

from pathlib import Path

import pytest

from tools import prometheus
from tools.localcluster import AcquisitionError
from tools.prometheus import VARIABLE, find


def programs(folder: Path) -> Path:
    folder.mkdir()
    for name in ("prometheus", "promtool"):
        (folder / name).write_text("#!/bin/sh\n")
        (folder / name).chmod(0o755)
    return folder


def test_the_variable_comes_first(tmp_path: Path) -> None:
    named, on_path = programs(tmp_path / "named"), programs(tmp_path / "path")
    found = find({VARIABLE: str(named), "PATH": str(on_path)})
    assert (found.folder, found.source) == (named, VARIABLE)
    assert found.promtool == named / "promtool"


def test_a_folder_that_was_named_is_not_silently_replaced(tmp_path: Path) -> None:
    on_path = programs(tmp_path / "path")
    with pytest.raises(AcquisitionError, match="lacks prometheus or promtool"):
        find({VARIABLE: str(tmp_path), "PATH": str(on_path)})


def test_then_the_path(tmp_path: Path) -> None:
    on_path = programs(tmp_path / "path")
    assert find({"PATH": str(on_path)}).folder == on_path


def test_one_program_alone_is_not_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    half, local = programs(tmp_path / "half"), programs(tmp_path / "local")
    (half / "prometheus").unlink()
    monkeypatch.setattr(prometheus, "_LOCAL_BIN", local)
    assert find({"PATH": str(half)}).source == ".local/bin"


def test_what_was_unpacked_once_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []

    def run(folder: Path, *command: str) -> None:
        calls.append(command[0])
        if command[0] == "apt-get":
            (folder / "prometheus_1_amd64.deb").touch()
        if command[0] == "dpkg-deb":
            (folder / "unpacked" / "usr").mkdir(parents=True)
            programs(folder / "unpacked" / "usr" / "bin")

    monkeypatch.setattr(prometheus, "_run", run)
    monkeypatch.setattr(prometheus, "_LOCAL_BIN", tmp_path / "nothing")
    environ = {"PATH": "", "GROVE_TOOLS_CACHE": str(tmp_path / "cache")}
    assert find(environ).source == "Debian's package"
    again = find(environ)
    assert again.source == "cache"
    assert again.prometheus.is_file()
    assert calls == ["apt-get", "dpkg-deb", "./prometheus", "./promtool"]
