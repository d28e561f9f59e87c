"""Manifests from files, directories and stdin, with the line of every field.

Reads YAML as kubectl does, which in places is not as PyYAML does: dates and `12:30` are texts, `y`
is a boolean, keys are texts. Objects of lists count one by one. Refuses to know any kind.
"""

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Final

import yaml
from typing_extensions import override

Body = dict[str, Any]

STDIN: Final = "-"
SUFFIXES: Final = frozenset({".yaml", ".yml", ".json"})
_MAX_DEPTH: Final = 200
_MAX_VALUES: Final = 2_000_000
"""Far above what etcd takes; aliases of aliases get there with a few lines."""
_TOO_DEEP: Final = "is nested too deeply, or refers to itself"


class UnreadableError(Exception):
    """A file that cannot be read, is not YAML, or holds nothing. Its name comes first."""


@dataclass(frozen=True)
class Manifest:
    """One object. `document` counts the parts of a file from 1."""

    file: str
    document: int
    body: Body
    repeated_keys: tuple[tuple[str, int], ...]
    """Path and line of keys that an object has twice; the last one counts."""
    _node: yaml.Node = field(repr=False)

    def line_of(self, path: str) -> int:
        """Line of the field, or of the nearest one around it that exists."""
        return _nearest(self._node, path)[1]


def read_manifests(names: Iterable[str], stdin: BinaryIO) -> Iterator[Manifest | UnreadableError]:
    """What the files, directories and `-` hold. What is unreadable stops nothing else."""
    for name in names:
        try:
            files = [name] if name == STDIN else list(_files(Path(name)))
        except UnreadableError as error:
            yield error
            continue
        found = False
        for item in (item for file in files for item in _read(file, stdin)):
            found = True
            yield item
        if not found:
            yield UnreadableError(f"{shown_name(name)}: no object in it")


def _files(path: Path) -> Iterator[str]:
    if not path.is_dir():
        yield str(path)
        return
    found = sorted(
        file
        for file in path.rglob("*")
        if file.suffix in SUFFIXES and not _is_hidden(file.relative_to(path)) and file.is_file()
    )
    if not found:
        raise UnreadableError(f"{shown_name(str(path))}: no *.yaml, *.yml or *.json files in it")
    yield from map(str, found)


def _is_hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def shown_name(file: str) -> str:
    """For people: also a name that is not text can be printed."""
    if file == STDIN:
        return "<stdin>"
    return file.encode(errors="backslashreplace").decode()


def _read(file: str, stdin: BinaryIO) -> Iterator[Manifest | UnreadableError]:
    shown = shown_name(file)
    try:
        content = stdin.read() if file == STDIN else Path(file).read_bytes()
        yield from _manifests(shown, content.decode("utf-8-sig"))
    except OSError as error:
        yield UnreadableError(f"{shown}: cannot be read: {error.strerror or error}")
    except UnicodeDecodeError:
        yield UnreadableError(f"{shown}: is not UTF-8 text")
    except yaml.YAMLError as error:
        yield UnreadableError(f"{shown}{_where(error)}: is not YAML: {_why(error)}")
    except _ShapeError as error:
        yield UnreadableError(f"{shown}: {error}")


def _where(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    return f":{mark.line + 1}" if mark is not None else ""


def _why(error: yaml.YAMLError) -> str:
    return str(getattr(error, "problem", None) or getattr(error, "reason", None) or error)


def _manifests(file: str, text: str) -> Iterator[Manifest]:
    loader = _Loader(_json_as_yaml(text) if text.lstrip()[:1] in {"{", "["} else text)
    try:
        number = 0
        while loader.check_node():
            number += 1
            reading = _Reading()
            node = loader.get_node()
            value = reading.value(node)
            for item, its_node, place in _objects(value, node, ""):
                repeated = tuple(_inside(place, reading.repeated))
                yield Manifest(file, number, item, repeated, its_node)
    finally:
        loader.dispose()


_SURROGATES: Final = re.compile(
    r"(?<!\\)((?:\\\\)*)((?:\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})+)"
)


def _json_as_yaml(text: str) -> str:
    """Without the two things of JSON that are not YAML: tabs between values, pairs of surrogates.

    Tabs cannot stand inside texts of JSON. Lines stay where they are.
    """
    spaced = text.replace("\t", " ")
    return _SURROGATES.sub(lambda pair: pair[1] + str(json.loads(f'"{pair[2]}"')), spaced)


def _objects(value: Any, node: Any, place: str) -> Iterator[tuple[Body, yaml.Node, str]]:
    """The object itself, or what is in a list of objects, and where in the document it stands."""
    if value is None:
        return
    if not isinstance(value, dict):
        raise _ShapeError("must hold objects, not lists or texts")
    items = value.get("items")
    if str(value.get("kind", "")).endswith("List") and isinstance(items, list):
        inner, _ = _nearest(node, "items")
        # Items that came through a merge key have no lines of their own.
        nodes = inner.value if isinstance(inner, yaml.SequenceNode) else [node] * len(items)
        for index, (item, its_node) in enumerate(zip(items, nodes, strict=True)):
            yield from _objects(item, its_node, f"{place}items[{index}].")
    else:
        yield value, node, place


def _inside(place: str, keys: Iterable[tuple[str, int]]) -> Iterator[tuple[str, int]]:
    for path, line in keys:
        if path.startswith(place):
            yield path.removeprefix(place), line


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """Composes nodes with Kubernetes' idea of what a plain word is."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012  PyYAML's own way
    _depth = 0

    @override
    def descend_resolver(self, current_node: Any, current_index: Any) -> None:
        """Called at each node, before those in it: too many would end the process, not raise."""
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise _ShapeError(_TOO_DEEP)
        super().descend_resolver(current_node, current_index)

    @override
    def ascend_resolver(self) -> None:
        self._depth -= 1
        super().ascend_resolver()


_INT: Final = r"[-+]?(0[bB][01_]+|0[xX][0-9a-fA-F_]+|0[oO]?[0-7_]+|[1-9][0-9_]*|0)"
_FLOAT: Final = r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?"
_TRUE: Final = r"y|Y|yes|Yes|YES|true|True|TRUE|on|On|ON"
_FALSE: Final = r"n|N|no|No|NO|false|False|FALSE|off|Off|OFF"
_TAG: Final = "tag:yaml.org,2002:"


def read_plain_words_as_kubernetes(loader_or_dumper: Any) -> None:
    """Teach a PyYAML class what an unquoted word is; a dumper quotes texts that look like it."""
    for name, pattern, first in (
        ("bool", f"{_TRUE}|{_FALSE}", "yYnNtTfFoO"),
        ("int", _INT, "-+0123456789"),
        ("float", _FLOAT, "-+0123456789."),
        ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
        ("merge", "<<", "<"),
    ):
        plain = re.compile(f"(?:{pattern})\\Z")
        loader_or_dumper.add_implicit_resolver(_TAG + name, plain, list(first))


read_plain_words_as_kubernetes(_Loader)


class _ShapeError(Exception):
    """A document that is not made of objects of a sensible size."""


@dataclass
class _Reading:
    """From the nodes of one document to values. Aliased parts are read, and then shared."""

    repeated: list[tuple[str, int]] = field(default_factory=list)
    _read: dict[int, tuple[Any, int]] = field(default_factory=dict)

    def value(self, node: Any) -> Any:
        return self._weighed(node, "", 0)[0]

    def _weighed(self, node: Any, path: str, depth: int) -> tuple[Any, int]:
        """The value, and how many values it is when aliases are written out."""
        if depth > _MAX_DEPTH:
            raise _ShapeError(_TOO_DEEP)
        known = self._read.get(id(node))
        if known is None:
            known = self._read[id(node)] = self._fresh(node, path, depth)
        if known[1] > _MAX_VALUES:
            raise _ShapeError("becomes too big when its aliases are written out")
        return known

    def _fresh(self, node: Any, path: str, depth: int) -> tuple[Any, int]:
        if isinstance(node, yaml.ScalarNode):
            return _scalar(node), 1
        if isinstance(node, yaml.SequenceNode):
            pairs = [
                self._weighed(item, f"{path}[{index}]", depth + 1)
                for index, item in enumerate(node.value)
            ]
            return [value for value, _ in pairs], 1 + sum(weight for _, weight in pairs)
        return self._mapping(node, path, depth)

    def _mapping(self, node: Any, path: str, depth: int) -> tuple[Body, int]:
        own: Body = {}
        merged: Body = {}
        total = 1
        for key_node, value_node in node.value:
            if key_node.tag == f"{_TAG}merge":
                value, weight = self._weighed(value_node, path, depth + 1)
                for part in reversed(value if isinstance(value, list) else [value]):
                    merged |= part if isinstance(part, dict) else {}
            else:
                key = _key(key_node)
                place = f"{path}.{key}" if path else key
                if key in own:
                    self.repeated.append((place, _line(key_node)))
                own[key], weight = self._weighed(value_node, place, depth + 1)
            total += weight
        return merged | own, total


def _key(node: Any) -> str:
    if not isinstance(node, yaml.ScalarNode):
        raise _ShapeError("must not have lists or objects as keys")
    value = _scalar(node)
    return node.value if value is None or isinstance(value, str) else _as_json(value)


def _as_json(value: bool | float) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _scalar(node: Any) -> Any:
    text: str = node.value
    match node.tag.removeprefix(_TAG):
        case "null":
            return None
        case "bool":
            return re.fullmatch(_TRUE, text) is not None
        case "int":
            return _whole(text)
        case "float" if re.fullmatch(_FLOAT, text):
            number = float(text)
            return int(number) if number.is_integer() else number
        case _:
            return text


def _whole(text: str) -> Any:
    """As Go reads it: a leading zero means octal."""
    octal = re.fullmatch(r"([-+]?)0([0-7_]+)", text)
    try:
        return int(f"{octal[1]}0o{octal[2]}" if octal else text.replace("_", ""), 0)
    except ValueError:
        return text


def _line(node: Any) -> int:
    line: int = node.start_mark.line
    return line + 1


_STEP: Final = re.compile(r"\[(\d+)\]|\.")


def _nearest(node: Any, path: str) -> tuple[Any, int]:
    """The node at the path, as far as there is one, and the line where it is named.

    A key may have dots, as those of annotations do: the longest one that fits is meant.
    """
    line, rest = _line(node), path
    while rest:
        step = _STEP.match(rest)
        if step is not None and step[1] is not None:
            if not isinstance(node, yaml.SequenceNode) or int(step[1]) >= len(node.value):
                break
            node, rest = node.value[int(step[1])], rest[step.end() :]
            line = _line(node)
            continue
        rest = rest.removeprefix(".")
        entry = _entry(node, rest)
        if entry is None:
            break
        key, node = entry
        line, rest = _line(key), rest[len(key.value) :]
    return node, line


def _entry(node: Any, rest: str) -> tuple[Any, Any] | None:
    if not isinstance(node, yaml.MappingNode):
        return None
    fitting = [
        (key, value)
        for key, value in node.value
        if isinstance(key, yaml.ScalarNode)
        and key.value
        and rest.startswith(key.value)
        and rest[len(key.value) : len(key.value) + 1] in {"", ".", "["}
    ]
    # Of a repeated key the last one counts.
    return max(reversed(fitting), key=lambda entry: len(entry[0].value), default=None)
