"""What is said of the configuration before anything runs."""

from pathlib import Path

import pytest

from grove_operator.process.launch import warn_of_keys
from grove_operator.settings import load_settings


def test_keys_that_mean_nothing_are_warnings(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("logLevl: debug\nlogLevel: debug\ndebugging: {enableProfiling: true}\n")
    warn_of_keys(load_settings(file, {}))
    told = [(record.levelname, record.msg, vars(record)["key"]) for record in caplog.records]
    assert told == [
        ("WARNING", "unknown key in the configuration file", "logLevl"),
        ("WARNING", "a key of the configuration has no effect", "debugging.enableProfiling"),
    ]
