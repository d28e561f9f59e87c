"""From a JSON body to a model, or all that is wrong with its shape in plain words.

Owns the words. Refuses to judge whether a model makes sense: `admission/` does. Every problem
starts with a field's path.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ValidationError

from grove_operator.api.podcliqueset import PodCliqueSet
from grove_operator.errors import SpecError

Model = TypeVar("Model", bound=BaseModel)


def parse_podcliqueset(body: dict[str, Any]) -> PodCliqueSet:
    """Reads a PodCliqueSet. Raises SpecError with all problems of its shape."""
    return parse(PodCliqueSet, body)


def parse(model: type[Model], body: dict[str, Any]) -> Model:
    """Reads any model. Raises SpecError with all problems of its shape."""
    try:
        return model.model_validate(body)
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=False)
        raise SpecError([f"{_path(item['loc'])}: {_in_words(item)}" for item in details]) from error


def _path(location: Sequence[int | str]) -> str:
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location)
    return path.removeprefix(".") or "object"


_WORDS: Final = {
    "missing": "is required",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "string_type": "must be a text",
    "bool_type": "must be true or false",
    "list_type": "must be a list",
    "dict_type": "must be an object",
    "model_type": "must be an object",
    "model_attributes_type": "must be an object",
    "enum": "must be {expected}",
    "literal_error": "must be {expected}",
    "string_too_short": "must not be empty",
    "string_too_long": "must have at most {max_length} characters",
    "string_pattern_mismatch": "must match {pattern}",
    "too_short": "must have at least {min_length} entries",
}


def _in_words(error: Mapping[str, Any]) -> str:
    words: str = _WORDS.get(error["type"], error["msg"])
    return words.format(**error["ctx"]) if "ctx" in error else words
