"""What names, labels, annotations and variables may look like, as Kubernetes has it.

Pure text: each function gives what is wrong with a text, or None. Refuses to know where it stands.
"""

import re
from typing import Final

MAX_LABEL: Final = 63
MAX_SUBDOMAIN: Final = 253
_LABEL: Final = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_SUBDOMAIN: Final = re.compile(rf"{_LABEL.pattern}(\.{_LABEL.pattern})*")
_QUALIFIED: Final = re.compile(r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]")
_VARIABLE: Final = re.compile(r"[-._a-zA-Z][-._a-zA-Z0-9]*")

_LABEL_WORDS: Final = (
    "must consist of lower case letters, digits and dashes, and start and end with a letter or "
    "digit, as it becomes part of hostnames"
)
_QUALIFIED_WORDS: Final = (
    "must consist of letters, digits, '-', '_' or '.', and start and end with a letter or digit"
)
_PREFIX_WORDS: Final = "must consist of lower case letters, digits, '-' or '.'"
_VARIABLE_WORDS: Final = (
    "must consist of letters, digits, '-', '_' or '.', and not start with a digit or '..'"
)


def hostname_label_problem(text: str) -> str | None:
    return None if _LABEL.fullmatch(text) else _LABEL_WORDS


def is_label(text: str) -> bool:
    """What a namespace's name must be."""
    return len(text) <= MAX_LABEL and bool(_LABEL.fullmatch(text))


def is_subdomain(text: str) -> bool:
    """Labels with dots between them, of any length."""
    return bool(_SUBDOMAIN.fullmatch(text))


def key_problem(key: str) -> str | None:
    """Of the key of a label or annotation: `name` or `prefix/name`."""
    prefix, slash, name = key.rpartition("/")
    if slash and not prefix:
        return "the part before '/' must not be empty"
    if len(prefix) > MAX_SUBDOMAIN:
        return f"the part before '/' must be no more than {MAX_SUBDOMAIN} characters"
    if prefix and not is_subdomain(prefix):
        return f"the part before '/' {_PREFIX_WORDS}"
    if not name:
        return "the name must not be empty"
    return _short_qualified(name, "the name")


def label_value_problem(value: str) -> str | None:
    return _short_qualified(value, "a label value") if value else None


def _short_qualified(text: str, what: str) -> str | None:
    if len(text) > MAX_LABEL:
        return f"{what} must be no more than {MAX_LABEL} characters"
    return None if _QUALIFIED.fullmatch(text) else f"{what} {_QUALIFIED_WORDS}"


def variable_problem(name: str) -> str | None:
    """Of the name of an environment variable."""
    fine = _VARIABLE.fullmatch(name) and name != "." and not name.startswith("..")
    return None if fine else f"a variable name {_VARIABLE_WORDS}"
