"""The file that settings are read from: its keys, and the words when one of them is wrong.

Owns how a key of ours is written in the file. Refuses to know which keys there are: `settings.py`
does.
"""

from pathlib import Path
from typing import Any, Final, get_args

import yaml
from pydantic import BaseModel, ValidationError
from pydantic.alias_generators import to_camel

from grove_operator.errors import SettingsError

API_VERSION: Final = "operator.config.grove.io/v1alpha1"
KIND: Final = "OperatorConfiguration"
_ODD_NAMES: Final = {"auto_mnnvl_enabled": "autoMNNVLEnabled"}
"""Keys of the file that are not simply the camel case of our names."""


def read_file(path: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read: {error.strerror or error}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: is not YAML: {error}") from error
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise SettingsError(f"{path}: must hold one object with the keys of {KIND}")
    for key, expected in (("apiVersion", API_VERSION), ("kind", KIND)):
        if content.pop(key, expected) != expected:
            raise SettingsError(f"{path}: {key} must be {expected}")
    return content


def known_values(
    model: type[BaseModel], content: dict[str, Any], prefix: str, unknown: list[str]
) -> dict[str, Any]:
    """Translate the file's keys into ours; null means absent, as in Go; strangers are noted."""
    fields = {file_key(name): (name, field) for name, field in model.model_fields.items()}
    values: dict[str, Any] = {}
    for key, value in content.items():
        if key not in fields:
            unknown.append(f"{prefix}{key}")
            continue
        name, field = fields[key]
        section = section_of(field.annotation)
        if value is None:
            continue
        if section is not None and isinstance(value, dict):
            values[name] = known_values(section, value, f"{prefix}{key}.", unknown)
        elif section is not None and isinstance(value, list):
            values[name] = [
                known_values(section, entry, f"{prefix}{key}[{index}].", unknown)
                if isinstance(entry, dict)
                else entry
                for index, entry in enumerate(value)
            ]
        else:
            values[name] = value
    return values


def section_of(annotation: Any) -> type[BaseModel] | None:
    """Find the model inside `Model`, `Model | None` and `tuple[Model, ...]`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for arg in get_args(annotation) if (found := section_of(arg))), None)


def file_key(name: str) -> str:
    """Give the key as it is written in the file."""
    return _ODD_NAMES.get(name, to_camel(name))


def explain(error: ValidationError) -> str:
    """One sentence per wrong key, named as in the file."""
    return "; ".join(f"{_where(problem['loc'])}: {_what(problem)}" for problem in error.errors())


def _where(location: tuple[int | str, ...]) -> str:
    path = ""
    for part in location:
        path += f"[{part}]" if isinstance(part, int) else f".{file_key(part)}"
    return path.removeprefix(".") or "configuration"


def _what(problem: Any) -> str:
    message: str = problem["msg"].removeprefix("Value error, ")
    message = message.replace("Input should be", "must be")
    return f"{message} (is {problem['input']!r})" if problem["type"] != "value_error" else message
