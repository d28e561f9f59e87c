"""A real Prometheus that scrapes the operator's processes, and what tests ask of it.

    with PrometheusProcess(programs, folder, [operator.metrics_address], RULES) as prometheus:
        prometheus.query("sum(grove_operator_leader)")

It keeps its data in `folder` and ends with the block.
"""

import json
import math
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import yaml

from tests.support.operator import free_ports
from tools.prometheus import Programs

INTERVAL: Final = "1s"
_GLANCE: Final = 0.1
_PATIENCE: Final = 30.0


@dataclass(frozen=True)
class Series:
    """One series of an answer."""

    labels: dict[str, str]
    points: tuple[tuple[float, float], ...]

    @property
    def tells(self) -> bool:
        """Whether it holds any number."""
        return any(math.isfinite(value) for _, value in self.points)


class PrometheusProcess:
    """Scrapes `addresses` each second and evaluates `rules` as often."""

    def __init__(
        self, programs: Programs, folder: Path, addresses: Sequence[str], rules: Path
    ) -> None:
        (self.port,) = free_ports(1)
        self.folder = folder
        self.log = folder / "prometheus.log"
        self._programs = programs
        self._process: subprocess.Popen[bytes] | None = None
        configuration = {
            "global": {"scrape_interval": INTERVAL, "evaluation_interval": INTERVAL},
            "rule_files": [str(rules)],
            "scrape_configs": [
                {"job_name": "grove-operator", "static_configs": [{"targets": list(addresses)}]}
            ],
        }
        self._file = folder / "prometheus.yaml"
        self._file.write_text(yaml.safe_dump(configuration))

    def __enter__(self) -> Self:
        command = [
            str(self._programs.prometheus),
            f"--config.file={self._file}",
            f"--storage.tsdb.path={self.folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{self.port}",
            "--log.level=warn",
        ]
        with self.log.open("wb") as out:
            self._process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT)
        try:
            self.wait_until(self._is_ready, "ready")
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end()

    def _end(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def _is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self._root}/-/ready", timeout=5):
                return True
        except (urllib.error.URLError, ConnectionError):
            return False

    @property
    def _root(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def query(self, query: str) -> list[Series]:
        """What holds now."""
        found = self._get("query", query=query)
        return [Series(item["metric"], _points([item["value"]])) for item in found["result"]]

    def query_range(self, query: str, start: float, end: float) -> list[Series]:
        """What held, second by second."""
        found = self._get("query_range", query=query, start=start, end=end, step="1")
        return [Series(item["metric"], _points(item["values"])) for item in found["result"]]

    def targets(self) -> dict[str, str]:
        """Health by address."""
        found = self._get("targets")["activeTargets"]
        return {item["labels"]["instance"]: item["health"] for item in found}

    def rules(self) -> dict[str, dict[str, Any]]:
        """Every alert that it evaluates, by name."""
        groups = self._get("rules")["groups"]
        return {rule["name"]: rule for group in groups for rule in group["rules"]}

    def wait_until(self, check: Callable[[], bool], what: str, patience: float = _PATIENCE) -> None:
        """Ask again and again; there is nothing to watch on Prometheus."""
        deadline = time.monotonic() + patience
        while not check():
            assert self._process is not None
            assert self._process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, f"not {what} after {patience:g} s"
            time.sleep(_GLANCE)

    def _get(self, what: str, **query: Any) -> dict[str, Any]:
        url = f"{self._root}/api/v1/{what}?{urllib.parse.urlencode(query)}"
        try:
            with urllib.request.urlopen(url, timeout=10) as answer:
                found = json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                reason = error.read().decode()
            raise AssertionError(f"{what} {query}: {reason}") from error
        data: dict[str, Any] = found["data"]
        return data


def _points(values: Sequence[Sequence[Any]]) -> tuple[tuple[float, float], ...]:
    return tuple((float(moment), float(value)) for moment, value in values)
