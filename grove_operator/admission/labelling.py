"""Labels and annotations as Kubernetes checks them, wherever they stand.

Owns the walk over the pairs and the limit of size. Syntax of a single key or value is in
`syntax.py`.
"""

from collections.abc import Iterator, Mapping
from typing import Final

from grove_operator.admission.fields import FieldError, invalid, too_long
from grove_operator.admission.syntax import key_problem, label_value_problem

_MAX_ANNOTATIONS: Final = 256 * 1024
"""Bytes of all keys and values together."""


def label_errors(path: str, labels: Mapping[str, str]) -> Iterator[FieldError]:
    for key, value in labels.items():
        if problem := key_problem(key):
            yield invalid(path, key, problem)
        if problem := label_value_problem(value):
            yield invalid(path, value, problem)


def annotation_errors(path: str, annotations: Mapping[str, str]) -> Iterator[FieldError]:
    for key in annotations:
        if problem := key_problem(key.lower()):
            yield invalid(path, key, problem)
    texts = (text for pair in annotations.items() for text in pair)
    if sum(len(text.encode(errors="surrogatepass")) for text in texts) > _MAX_ANNOTATIONS:
        yield too_long(path, f"may not be more than {_MAX_ANNOTATIONS} bytes")
