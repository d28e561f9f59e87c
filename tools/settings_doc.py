"""Writes docs/settings.md from the settings themselves: `python -m tools.settings_doc`.

Keys, defaults and texts are those of grove_operator/settings.py. A test fails when the page
differs, or when a key has no text.
"""

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, get_origin

from pydantic import BaseModel, BeforeValidator
from pydantic.fields import FieldInfo

from grove_operator.api.durations import Duration, format_duration
from grove_operator.settings import ENV_DELIMITER, ENV_PREFIX, NoEffect, Settings
from grove_operator.settings_file import API_VERSION, KIND, file_key, section_of

PAGE: Final = Path(__file__).resolve().parents[1] / "docs" / "settings.md"

HEAD: Final = f"""\
<!-- Written by `make docs` from grove_operator/settings.py. -->
# Settings

The operator and the webhook read one file, named by `--config`, when they start. Its form is that
of Grove's `OperatorConfiguration`:

```yaml
apiVersion: {API_VERSION}
kind: {KIND}
logLevel: debug
leaderElection:
  enabled: true
```

In the [chart](install.md) it is the value `config`, whose defaults differ in places. Durations are
texts as `15s` or `1m30s`.

A variable of the environment overrides its key. It is called `{ENV_PREFIX}` and the key's words in
capitals, with `{ENV_DELIMITER}` between the parts: `GROVE_SERVER__HEALTH_PROBES__PORT`. Lists are
written as JSON there.

A wrong value ends the process with exit code 2 and the key's name. A key that does not exist, and
one that has no effect, is a warning at start; `grove-operator lint --config FILE` tells of both.
"""


@dataclass(frozen=True)
class Entry:
    """One key as it stands in the file."""

    key: str
    default: str
    text: str


def entries() -> list[Entry]:
    """Every key, in the order of the settings."""
    return list(_entries(Settings, Settings(), ""))


def _entries(model: type[BaseModel], defaults: BaseModel | None, prefix: str) -> Iterator[Entry]:
    for name, field in model.model_fields.items():
        key, inner = f"{prefix}{file_key(name)}", section_of(field.annotation)
        value = getattr(defaults, name) if defaults is not None else _own_default(field)
        if inner is None:
            yield Entry(key, _shown(value, field), _text(field))
        elif get_origin(field.annotation) is tuple:
            yield Entry(key, _shown(_own_default(field), field), _text(field))
            yield from _entries(inner, None, f"{key}[].")
        else:
            yield from _entries(inner, value, f"{key}.")


def _own_default(field: FieldInfo) -> Any:
    """What is not there by default has parts with defaults all the same."""
    if field.is_required():
        return None
    return field.get_default(call_default_factory=True, validated_data={})


def _text(field: FieldInfo) -> str:
    idle = [f"No effect: {mark.why}." for mark in field.metadata if isinstance(mark, NoEffect)]
    text = idle[0] if idle else field.description
    if not text:
        raise LookupError(f"{field!r} has no text")
    return " ".join(text.split())


def _shown(value: Any, field: FieldInfo) -> str:
    if value in (None, "", (), {}):
        return ""
    if any(isinstance(mark, BeforeValidator) for mark in field.metadata):
        return f"`{format_duration(Duration(round(value * 1_000_000_000)))}`"
    return f"`{value if isinstance(value, str) else json.dumps(value)}`"


def page() -> str:
    """The whole text."""
    rows = [f"| `{entry.key}` | {entry.default} | {entry.text} |" for entry in entries()]
    return "\n".join((HEAD, "| key | default | |", "|---|---|---|", *rows, ""))


def main() -> int:
    PAGE.write_text(page(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
