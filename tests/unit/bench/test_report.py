import io
import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from bench.measure import Measurement
from bench.report import print_report, write_json

FLOOR = Measurement("flat", "same objects", 100, {"created": 1.0, "ready": 2.0})
OPERATOR = Measurement(
    "flat",
    "operator",
    100,
    {"created": 1.5, "placed": 2.5, "ready": 3.0, "available": 3.5, "gone": 1.0},
    writes_up=Counter({("create", "pods"): 100, ("patch", "pods"): 50}),
    metrics_writes_up=150,
    cpu_up=0.25,
    scheduler_cpu=1.5,
    memory_peak=80_000_000,
)


def printed(*results: Measurement) -> str:
    console = Console(file=io.StringIO(), width=200)
    print_report(list(results), console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_shows_ratio_writes_and_cost() -> None:
    row = next(line for line in printed(FLOOR, OPERATOR).splitlines() if "│ operator" in line)
    cells = [cell.strip() for cell in row.strip("│").split("│")]
    seconds = ["1.5", "2.5", "3.0", "3.5", "1.0"]
    assert cells[2:] == [*seconds, "1.50", "1.50", "0.00", "0", "2.50", "80"]


def test_says_what_the_scheduler_spent() -> None:
    assert "operator 0.2 s, scheduler 1.5 s" in printed(FLOOR, OPERATOR)


def test_an_update_is_compared_with_both_ways_by_hand() -> None:
    assert "Rolling update" not in printed(FLOOR, OPERATOR)
    alone = replace(FLOOR, who="pods alone", seconds=FLOOR.seconds | {"updated": 10.0})
    same = replace(FLOOR, seconds=FLOOR.seconds | {"updated": 12.0})
    ours = replace(
        OPERATOR,
        seconds=OPERATOR.seconds | {"updated": 15.0},
        writes_update=Counter({("create", "pods"): 100, ("delete", "pods"): 100}),
        cpu_update=0.5,
    )
    text = printed(alone, same, ours)
    row = next(line for line in text.splitlines()[::-1] if "│ operator" in line)
    cells = [cell.strip() for cell in row.strip("│").split("│")]
    assert cells[2:] == ["15.0", "1.50", "1.25", "2.00", "5.00"]
    assert "update, per pod:    create pods 1.00, delete pods 1.00" in text


def test_says_which_writes_they_were_and_whether_the_metrics_agree() -> None:
    text = printed(OPERATOR)
    assert "create pods 1.00, patch pods 0.50" in text
    assert "150 writes at bring-up; the operator's metrics agree" in text


def test_json_keeps_every_number(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder.json"
    write_json([FLOOR, OPERATOR], path)
    [floor, operator] = json.loads(path.read_text())["measurements"]
    assert floor["seconds"] == {"created": 1.0, "ready": 2.0}
    assert operator["writesUp"] == {"create pods": 100, "patch pods": 50}
