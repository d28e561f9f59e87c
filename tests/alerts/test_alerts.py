"""The alerts fire when they should and keep quiet when they should, as promtool sees it."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from grove_operator import metrics
from tests.alerts.cases import CASES, Series
from tests.alerts.conftest import RULES, Promtool, alerts

RUNBOOKS = RULES.parents[3] / "docs" / "runbooks"
ALERTS = alerts()
SECTIONS = ("## What it means", "## What to look at", "## What to do")


def test_the_rule_file_is_valid(promtool: Promtool) -> None:
    done = promtool("check", "rules", RULES)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_has_its_cases() -> None:
    assert set(CASES) == set(ALERTS)


@pytest.mark.parametrize("name", CASES)
def test_it_fires(name: str, promtool: Promtool, tmp_path: Path) -> None:
    case = CASES[name]
    expected = {
        "exp_labels": ALERTS[name]["labels"] | case.labels,
        "exp_annotations": _annotations(name, case.labels) | {"description": case.description},
    }
    _judge(promtool, tmp_path, case.fires, name, {case.at: [expected]})


@pytest.mark.parametrize("name", CASES)
def test_it_keeps_quiet(name: str, promtool: Promtool, tmp_path: Path) -> None:
    moments = [f"{minute}m" for minute in range(1, 60)]
    if name in {"GroveOperatorDown", "GroveAdmissionDown"}:
        moments = moments[:25]  # the course of events ends, and then silence is what they are for
    _judge(promtool, tmp_path, CASES[name].quiet, name, {moment: [] for moment in moments})


@pytest.mark.parametrize("name", ALERTS)
def test_it_says_what_to_do(name: str) -> None:
    rule = ALERTS[name]
    assert rule["labels"]["severity"] in {"critical", "warning"}
    assert set(rule["annotations"]) == {"summary", "description", "runbook_url"}
    assert rule["annotations"]["runbook_url"] == f"${{RUNBOOKS}}/{name}.md"
    page = (RUNBOOKS / f"{name}.md").read_text()
    assert page.startswith(f"# {name}\n")
    assert [section for section in SECTIONS if section not in page] == []


def test_there_is_no_page_without_an_alert() -> None:
    pages = {path.stem for path in RUNBOOKS.glob("*.md")} - {"README"}
    assert pages == set(ALERTS)


def test_the_index_lists_every_alert_with_its_severity() -> None:
    index = (RUNBOOKS / "README.md").read_text()
    rows = dict(re.findall(r"^\| \[(\w+)\]\(\w+\.md\) \| (\w+) \|", index, re.MULTILINE))
    assert rows == {name: rule["labels"]["severity"] for name, rule in ALERTS.items()}


@pytest.mark.parametrize("name", ALERTS)
def test_it_asks_for_metrics_that_exist(name: str) -> None:
    rule = ALERTS[name]
    asked = set(re.findall(r"grove_operator_\w+", str(rule["expr"]) + str(rule["annotations"])))
    served = set(re.findall(r"(?m)^# TYPE (\S+)", metrics.render().decode()))
    known = served | {f"{item}_bucket" for item in served}
    assert asked
    assert asked <= known


def _judge(
    promtool: Promtool, folder: Path, series: Series, alert: str, expected: dict[str, list[Any]]
) -> None:
    document = {
        "rule_files": [str(RULES)],
        "evaluation_interval": "1m",
        "tests": [
            {
                "interval": "1m",
                "input_series": [{"series": k, "values": v} for k, v in series.items()],
                "alert_rule_test": [
                    {"eval_time": moment, "alertname": alert, "exp_alerts": firing}
                    for moment, firing in expected.items()
                ],
            }
        ],
    }
    path = folder / "test.yaml"
    path.write_text(yaml.safe_dump(document))
    done = promtool("test", "rules", path)
    assert done.returncode == 0, done.stdout + done.stderr


def _annotations(name: str, labels: dict[str, str]) -> dict[str, str]:
    """Those of the rule file, with the labels put in."""
    found: dict[str, str] = {}
    for key, text in ALERTS[name]["annotations"].items():
        found[key] = re.sub(r"\{\{ \$labels\.(\w+) \}\}", lambda match: labels[match[1]], text)
    return found
