"""The dashboard's file, its queries, and the picture of it."""

import json
import re
import xml.etree.ElementTree as ET

import pytest

from grove_operator import metrics
from tools.dashboard.__main__ import FILE, text
from tools.dashboard.panels import ROWS, Target, targets
from tools.dashboard.picture import Drawn, draw, readable


def test_the_file_is_what_the_panels_say() -> None:
    assert FILE.read_text() == text(), "run `make docs`"


def test_panels_do_not_overlap_and_fit_one_screen() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in json.loads(text())["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken
        taken |= cells
    assert max(x for x, _ in taken) < 24
    assert max(y for _, y in taken) < 32


def test_every_panel_and_every_number_of_it_is_its_own() -> None:
    panels = json.loads(text())["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    titles = [panel.title for row in ROWS for panel in row.panels]
    assert len(set(titles)) == len(titles)


@pytest.mark.parametrize("target", [target for _, target in targets()], ids=lambda t: t.query)
def test_a_query_asks_for_metrics_that_exist(target: Target) -> None:
    served = set(re.findall(r"(?m)^# TYPE (\S+)", metrics.render().decode()))
    asked = set(re.findall(r"grove_operator_\w+", target.query))
    assert asked
    assert asked <= served | {f"{name}_bucket" for name in served}


def test_a_query_is_asked_over_durations() -> None:
    for _, target in targets():
        assert "$" not in target.asked_over("10s", "5m")


def test_a_legend_takes_its_labels() -> None:
    assert Target("x", "{{kind}} by {{reason}}").name({"kind": "Pod", "reason": "Forbidden"}) == (
        "Pod by Forbidden"
    )


def test_the_picture_holds_every_panel_and_series() -> None:
    points = [(0.0, 1.0), (1.0, float("nan")), (2.0, 4.0)]
    picture = draw({panel.title: [Drawn("a <series>", points)] for panel, _ in targets()})
    root = ET.fromstring(picture)
    texts = {element.text for element in root.iter() if element.tag.endswith("text")}
    assert {panel.title for panel, _ in targets()} <= texts
    assert "a <series>" in texts
    lines = [element.get("d", "") for element in root.iter() if element.get("class") == "line"]
    assert lines
    assert all(line.count("M") == 2 for line in lines)  # a gap where there is no number


def test_a_panel_without_data_says_so() -> None:
    assert "no data" in draw({})


@pytest.mark.parametrize(
    ("value", "unit", "expected"),
    [
        (0.25, "percentunit", "25 %"),
        (0.004, "s", "4 ms"),
        (0.0, "s", "0 s"),
        (90.0, "s", "90 s"),
        (600.0, "s", "10 min"),
        (30 * 86400.0, "s", "30 d"),
        (1234.0, "none", "1234"),
        (12.3456, "reqps", "12.3"),
        (float("nan"), "none", "no data"),
    ],
)
def test_values_read_well(value: float, unit: str, expected: str) -> None:
    assert readable(value, unit) == expected
