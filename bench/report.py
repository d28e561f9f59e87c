"""Turns measurements into one table for people and one JSON file for comparison."""

import json
import os
import platform
from collections import Counter
from datetime import datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench.measure import GOALS, UPDATED, Measurement

RATIO_GOAL = "ready"
_NOTHING = "-"


def print_report(results: list[Measurement], console: Console) -> None:
    console.print(build_table(results))
    if any(UPDATED in result.seconds for result in results):
        console.print(build_update_table(results))
    for result in results:
        if not result.is_operator:
            continue
        console.print(f"\n[bold]{result.shape}: the operator's writes")
        console.print(f"  bring-up, per pod:  {_per_pod(result, result.writes_up)}")
        if UPDATED in result.seconds:
            console.print(f"  update, per pod:    {_per_pod(result, result.writes_update)}")
        console.print(f"  deletion, per pod:  {_per_pod(result, result.writes_down)}")
        console.print(f"  idle, in all:       {_counts(result.writes_idle)}")
        if result.refused:
            console.print(f"  refused, in all:    {_counts(result.refused)}")
        console.print(f"  CPU until available: {_shares(result, _floor(results, result))}")
        counted, logged = result.metrics_writes_up, result.writes_up.total()
        agreement = "agree" if counted == logged else f"say {counted}: they do not agree"
        console.print(
            f"  audit log: {logged} writes at bring-up; the operator's metrics {agreement}"
        )


def build_table(results: list[Measurement]) -> Table:
    pods = ", ".join(f"{shape} {count}" for shape, count in _pods(results).items())
    table = Table(title=f"Seconds until all pods are … ({pods} pods)", title_justify="left")
    table.add_column("shape")
    table.add_column("who")
    for goal in GOALS:
        table.add_column(goal, justify="right")
    for header in ("ready, x floor", "writes/pod up", "down", "idle", "CPU ms/pod", "peak MB"):
        table.add_column(header, justify="right")
    for result in results:
        table.add_row(*_row(result, _floor(results, result)))
    return table


def _row(result: Measurement, floor: Measurement | None) -> list[str]:
    seconds = [
        f"{result.seconds[goal]:.1f}" if goal in result.seconds else _NOTHING for goal in GOALS
    ]
    ratio = _ratio(result, floor, RATIO_GOAL)
    cost = [_NOTHING] * 5
    if result.is_operator:
        cost = [
            f"{result.per_pod(result.writes_up):.2f}",
            f"{result.per_pod(result.writes_down):.2f}",
            str(result.writes_idle.total()),
            f"{1000 * result.cpu_up / result.pods:.2f}",
            f"{result.memory_peak / 1e6:.0f}",
        ]
    return [result.shape, result.who, *seconds, ratio, *cost]


def _shares(result: Measurement, floor: Measurement | None) -> str:
    text = f"operator {result.cpu_up:.1f} s, scheduler {result.scheduler_cpu:.1f} s"
    if floor is not None:
        text += f" (for the same objects without an operator: {floor.scheduler_cpu:.1f} s)"
    return text


def build_update_table(results: list[Measurement]) -> Table:
    title = "Rolling update: seconds from the change until every pod is new and ready"
    table = Table(title=title, title_justify="left")
    table.add_column("shape")
    table.add_column("who")
    for header in ("updated", "x pods alone", "x same objects", "writes/pod", "CPU ms/pod"):
        table.add_column(header, justify="right")
    for result in results:
        if UPDATED in result.seconds:
            table.add_row(*_update_row(results, result))
    return table


def _update_row(results: list[Measurement], result: Measurement) -> list[str]:
    ratios = [
        _ratio(result, _floor(results, result, who), UPDATED)
        for who in ("pods alone", "same objects")
    ]
    cost = [_NOTHING] * 2
    if result.is_operator:
        cost = [
            f"{result.per_pod(result.writes_update):.2f}",
            f"{1000 * result.cpu_update / result.pods:.2f}",
        ]
    return [result.shape, result.who, f"{result.seconds[UPDATED]:.1f}", *ratios, *cost]


def _ratio(result: Measurement, floor: Measurement | None, goal: str) -> str:
    if floor is None or goal not in floor.seconds:
        return _NOTHING
    return f"{result.seconds[goal] / floor.seconds[goal]:.2f}"


def _floor(
    results: list[Measurement], result: Measurement, who: str = "same objects"
) -> Measurement | None:
    """A floor of the same shape; by default B, what the cluster needs for the same objects."""
    floors = [r for r in results if r.shape == result.shape and r.who == who]
    return floors[0] if floors else None


def _pods(results: list[Measurement]) -> dict[str, int]:
    return {result.shape: result.pods for result in results}


def _per_pod(result: Measurement, writes: Counter[tuple[str, str]]) -> str:
    shares = [
        f"{verb} {resource} {count / result.pods:.2f}"
        for (verb, resource), count in writes.most_common()
    ]
    return ", ".join(shares) or "none"


def _counts(writes: Counter[tuple[str, str]]) -> str:
    counts = [f"{verb} {resource} {count}" for (verb, resource), count in writes.most_common()]
    return ", ".join(counts) or "none"


def write_json(results: list[Measurement], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    document = {
        "takenAt": datetime.now().astimezone().isoformat(timespec="seconds"),
        "cpus": os.cpu_count(),
        "python": platform.python_version(),
        "loadAtEnd": os.getloadavg()[0],
        "measurements": [result.as_json() for result in results],
    }
    path.write_text(json.dumps(document, indent=2) + "\n")
