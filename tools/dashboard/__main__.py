"""`python -m tools.dashboard` writes the chart's dashboard file."""

import json
import sys
from pathlib import Path
from typing import Final

from tools.dashboard.grafana import document

FILE: Final = (
    Path(__file__).resolve().parents[2] / "charts" / "grove-operator" / "files" / "dashboard.json"
)


def text() -> str:
    return json.dumps(document(), indent=2) + "\n"


def main() -> int:
    FILE.write_text(text())
    return 0


if __name__ == "__main__":
    sys.exit(main())
