"""What is wrong with a field, in the words of Kubernetes' own field errors.

Owns the shapes `path: Invalid value: 3: must be…` and how many errors become one message. Refuses
to know any rule. Used by every rule of `admission/`.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from typing_extensions import override

_SHOWN: Final = 2000
"""Characters of a value that are shown; upstream shows a whole spec."""
IMMUTABLE: Final = "field is immutable"


class Fault(StrEnum):
    """Kinds of field errors; the value is what users read."""

    REQUIRED = "Required value"
    INVALID = "Invalid value"
    DUPLICATE = "Duplicate value"
    NOT_FOUND = "Not found"
    UNSUPPORTED = "Unsupported value"
    FORBIDDEN = "Forbidden"
    TOO_LONG = "Too long"
    INTERNAL = "Internal error"


_WITHOUT_VALUE: Final = frozenset({Fault.REQUIRED, Fault.FORBIDDEN, Fault.TOO_LONG, Fault.INTERNAL})


@dataclass(frozen=True, slots=True)
class FieldError:
    """One problem. Made by the functions below, which know which kinds show a value."""

    fault: Fault
    path: str
    detail: str
    value: Any = None

    @property
    def body(self) -> str:
        """The text without the path, as it stands in a Status's causes."""
        parts = [str(self.fault)]
        if self.fault not in _WITHOUT_VALUE:
            parts.append(_shown(self.value))
        if self.detail:
            parts.append(self.detail)
        return ": ".join(parts)

    @override
    def __str__(self) -> str:
        return f"{self.path}: {self.body}"


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str)
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"


def required(path: str, detail: str) -> FieldError:
    return FieldError(Fault.REQUIRED, path, detail)


def invalid(path: str, value: Any, detail: str) -> FieldError:
    return FieldError(Fault.INVALID, path, detail, value)


def immutable(path: str, value: Any) -> FieldError:
    """`value` is the new one."""
    return FieldError(Fault.INVALID, path, IMMUTABLE, value)


def duplicate(path: str, value: Any) -> FieldError:
    return FieldError(Fault.DUPLICATE, path, "", value)


def not_found(path: str, value: Any) -> FieldError:
    return FieldError(Fault.NOT_FOUND, path, "", value)


def unsupported(path: str, value: Any, supported: Iterable[str]) -> FieldError:
    known = ", ".join(json.dumps(name) for name in supported)
    return FieldError(Fault.UNSUPPORTED, path, f"supported values: {known}", value)


def forbidden(path: str, detail: str) -> FieldError:
    return FieldError(Fault.FORBIDDEN, path, detail)


def too_long(path: str, detail: str) -> FieldError:
    return FieldError(Fault.TOO_LONG, path, detail)


def internal(path: str, detail: str) -> FieldError:
    return FieldError(Fault.INTERNAL, path, detail)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What admission says of an object: refused if there are errors. Warnings go to the user."""

    errors: tuple[FieldError, ...] = ()
    warnings: tuple[str, ...] = field(default=())

    @property
    def allowed(self) -> bool:
        return not self.errors


def verdict(errors: Iterable[FieldError], warnings: Iterable[str] = ()) -> Verdict:
    """Collect; what reads the same is said once."""
    unique = {str(error): error for error in errors}
    return Verdict(tuple(unique.values()), tuple(dict.fromkeys(warnings)))


def aggregate(errors: Iterable[FieldError]) -> str:
    """One message, as Kubernetes joins them."""
    return in_brackets(str(error) for error in errors)


def in_brackets(texts: Iterable[str]) -> str:
    """The text itself, or `[first, second]`; what is repeated is said once."""
    unique = list(dict.fromkeys(texts))
    return unique[0] if len(unique) == 1 else f"[{', '.join(unique)}]"
