"""The dashboard's panels as one SVG picture, from the answers of a real Prometheus.

For the docs, where no Grafana is at hand. Owns the drawing; refuses to ask for data.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

from tools.dashboard.panels import ROWS, Panel

_WIDTH: Final = 1440
_GAP: Final = 12
_HEAD: Final = 30
_NUMBER: Final = (6, 92)
_LINES: Final = (3, 232)
_LEGEND: Final = 15
_COLOURS: Final = (
    "#2f6fdd", "#d9822b", "#2e8b57", "#c23b5a", "#7d55c7",
    "#0f97a6", "#9a7b16", "#6b7280", "#b0427f", "#4f7f2a",
)  # fmt: skip
_STYLE: Final = """\
text { font-family: ui-sans-serif, "Segoe UI", "DejaVu Sans", Arial, sans-serif; fill: #24292f }
.page { fill: #f3f4f6 } .panel { fill: #ffffff; stroke: #d8dbe0 }
.row { font-size: 15px; font-weight: 600 } .title { font-size: 13px; font-weight: 600 }
.small { font-size: 10.5px; fill: #57606a } .big { font-size: 30px; font-weight: 600 }
.grid { stroke: #e6e8eb } .line { fill: none; stroke-width: 1.6 }"""

Points = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Drawn:
    """One series: its name, and pairs of seconds and value."""

    name: str
    points: Points


@dataclass(frozen=True)
class _Box:
    x: float
    y: float
    width: float
    height: float


def draw(series: Mapping[str, Sequence[Drawn]]) -> str:
    """All panels; `series` is by panel title."""
    shapes: list[str] = []
    y: float = _GAP
    for row in ROWS:
        shapes.append(_text(_GAP, y + 16, row.title, "row"))
        y += _HEAD
        columns, height = _NUMBER if row.panels[0].number else _LINES
        width = (_WIDTH - _GAP * (columns + 1)) / columns
        for index, panel in enumerate(row.panels):
            line, column = divmod(index, columns)
            box = _Box(
                _GAP + column * (width + _GAP), y + line * (height + _GAP), width, float(height)
            )
            shapes += _panel(panel, series.get(panel.title, ()), box)
        y += math.ceil(len(row.panels) / columns) * (height + _GAP)
    shape = "\n".join(shapes)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {y:.0f}" '
        f'width="{_WIDTH}" height="{y:.0f}">\n<style>{_STYLE}</style>\n'
        f'<rect class="page" width="{_WIDTH}" height="{y:.0f}"/>\n{shape}\n</svg>\n'
    )


def _panel(panel: Panel, series: Sequence[Drawn], box: _Box) -> Iterator[str]:
    yield (
        f'<rect class="panel" x="{box.x:.1f}" y="{box.y:.1f}" width="{box.width:.1f}" '
        f'height="{box.height:.1f}" rx="4"/>'
    )
    yield _text(box.x + 10, box.y + 19, panel.title, "title")
    if panel.number:
        value = series[0].points[-1][1] if series and series[0].points else math.nan
        yield _text(box.x + 10, box.y + 62, readable(value, panel.unit), "big")
        yield _text(box.x + 10, box.y + 82, panel.text, "small")
    else:
        yield from _lines(panel, series, box)


def _lines(panel: Panel, series: Sequence[Drawn], box: _Box) -> Iterator[str]:
    rows = _legend_rows(series, box.width - 20)
    plot = _Box(box.x + 54, box.y + 32, box.width - 66, box.height - 58 - _LEGEND * len(rows))
    points = [point for item in series for point in item.points if math.isfinite(point[1])]
    top = _round_up(max((value for _, value in points), default=1.0))
    first = min((moment for moment, _ in points), default=0.0)
    last = max((moment for moment, _ in points), default=1.0)
    span = max(last - first, 1.0)
    for step in range(5):
        y = plot.y + plot.height * (1 - step / 4)
        yield f'<path class="grid" d="M{plot.x:.1f} {y:.1f}h{plot.width:.1f}"/>'
        text = readable(top * step / 4, panel.unit)
        yield _text(plot.x - 6, y + 3.5, text, "small", anchor="end")
    yield _text(plot.x, plot.y + plot.height + 14, "0 s", "small")
    end = readable(span, "s")
    yield _text(plot.x + plot.width, plot.y + plot.height + 14, end, "small", anchor="end")
    for index, item in enumerate(series):
        path = " ".join(_path(item.points, plot, first, span, top))
        yield f'<path class="line" stroke="{_colour(index)}" d="{path}"/>'
    for number, row in enumerate(rows):
        y = box.y + box.height - 8 - _LEGEND * (len(rows) - 1 - number)
        x = box.x + 10
        for index, name in row:
            place = f'x="{x:.1f}" y="{y - 8:.1f}" width="9" height="9"'
            yield f'<rect {place} fill="{_colour(index)}"/>'
            yield _text(x + 13, y, name, "small")
            x += _legend_width(name)


def _path(points: Points, plot: _Box, first: float, span: float, top: float) -> Iterator[str]:
    """A gap where there is no value."""
    pen = "M"
    for moment, value in points:
        if not math.isfinite(value):
            pen = "M"
            continue
        x = plot.x + plot.width * (moment - first) / span
        y = plot.y + plot.height * (1 - value / top)
        yield f"{pen}{x:.1f} {y:.1f}"
        pen = "L"


def _legend_rows(series: Sequence[Drawn], width: float) -> list[list[tuple[int, str]]]:
    rows: list[list[tuple[int, str]]] = []
    used = width
    for index, item in enumerate(series):
        needed = _legend_width(item.name)
        if used + needed > width:
            rows.append([])
            used = 0
        rows[-1].append((index, item.name))
        used += needed
    return rows


def _legend_width(name: str) -> float:
    return 13 + 5.7 * len(name) + 12


def _colour(index: int) -> str:
    return _COLOURS[index % len(_COLOURS)]


def _round_up(value: float) -> float:
    """The next of 1, 2, 4, 5, 8, 10, 20, … that is enough."""
    if value <= 0:
        return 1.0
    power: float = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in (1, 2, 4, 5, 8, 10) if step * power >= value * 0.999)


def readable(value: float, unit: str) -> str:
    """A value with its unit, short."""
    if not math.isfinite(value):
        return "no data"
    if unit == "percentunit":
        return f"{value * 100:.3g} %"
    if unit == "s":
        return _duration(value)
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"


def _duration(seconds: float) -> str:
    for size, name in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.3g} {name}"
    return f"{seconds * 1000:.3g} ms" if 0 < seconds < 1 else f"{seconds:.3g} s"


def _text(x: float, y: float, text: str, style: str, anchor: str = "start") -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" class="{style}" text-anchor="{anchor}">'
        f"{escape(text)}</text>"
    )
