"""The dashboard as Grafana imports it. Three panels in a row, numbers six; a screen holds all."""

from collections.abc import Iterator
from itertools import count
from typing import Any, Final

from tools.dashboard.panels import ROWS, Panel

_SOURCE: Final = {"type": "prometheus", "uid": "${datasource}"}
_WIDTH: Final = 24
_NUMBER: Final = (4, 3)
_LINES: Final = (8, 6)

Body = dict[str, Any]


def document() -> Body:
    """All of it."""
    return {
        "title": "Grove operator",
        "uid": "grove-operator",
        "tags": ["grove", "kubernetes"],
        "schemaVersion": 39,
        "version": 1,
        "editable": True,
        "graphTooltip": 1,
        "refresh": "30s",
        "time": {"from": "now-1h", "to": "now"},
        "timezone": "browser",
        "templating": {"list": [_source_variable()]},
        "annotations": {"list": []},
        "panels": list(_panels()),
    }


def _source_variable() -> Body:
    return {
        "name": "datasource",
        "label": "Data source",
        "type": "datasource",
        "query": "prometheus",
        "current": {},
        "hide": 0,
    }


def _panels() -> Iterator[Body]:
    numbers = count(1)
    y = 0
    for row in ROWS:
        place = {"x": 0, "y": y, "w": _WIDTH, "h": 1}
        yield {
            "id": next(numbers),
            "type": "row",
            "title": row.title,
            "collapsed": False,
            "gridPos": place,
            "panels": [],
        }
        y += 1
        x = height = 0
        for panel in row.panels:
            width, height = _NUMBER if panel.number else _LINES
            if x + width > _WIDTH:
                x, y = 0, y + height
            place = {"x": x, "y": y, "w": width, "h": height}
            yield {"id": next(numbers), "gridPos": place} | _panel(panel)
            x += width
        y += height


def _panel(panel: Panel) -> Body:
    defaults: Body = {"unit": panel.unit}
    if panel.number:
        options: Body = {
            "colorMode": "none",
            "graphMode": "area",
            "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        }
    else:
        defaults |= {"min": 0, "custom": {"lineWidth": 1, "fillOpacity": 8, "showPoints": "never"}}
        options = {
            "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
            "tooltip": {"mode": "multi", "sort": "desc"},
        }
    return {
        "type": "stat" if panel.number else "timeseries",
        "title": panel.title,
        "description": panel.text,
        "datasource": _SOURCE,
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "options": options,
        "targets": [
            {
                "refId": chr(ord("A") + index),
                "datasource": _SOURCE,
                "expr": target.query,
                "legendFormat": target.legend,
                "range": True,
            }
            for index, target in enumerate(panel.targets)
        ],
    }
