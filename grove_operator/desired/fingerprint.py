"""Hashes of pod templates: when one changes, its pods are out of date.

What counts is what reaches a pod: labels, annotations and pod spec of the clique template, with
the set's priority class in place of the pod's own. Counts, order of start and autoscaling do not.
The hash is opaque; Grove's own cannot be reproduced outside Go.
"""

import hashlib
import json
from collections.abc import Iterable
from typing import Any

_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"
_LENGTH = 10


def pod_template_hash(
    labels: dict[str, str],
    annotations: dict[str, str],
    pod_spec: dict[str, Any],
    priority_class: str,
) -> str:
    """Ten characters that are safe in a label and spell no word."""
    return _digest([labels, annotations, pod_spec | {"priorityClassName": priority_class}])


def generation_hash(pod_hashes: Iterable[str]) -> str:
    """Hash of all cliques' templates, in the order of the cliques."""
    return _digest(list(pod_hashes))


def instance_hash(pod_hashes: Iterable[str]) -> str:
    """Hash of the templates of one replica of a scaling group, in the group's own order."""
    return _digest(["instance", *pod_hashes])


def _digest(value: object) -> str:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    number = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")
    characters = []
    for _ in range(_LENGTH):
        number, index = divmod(number, len(_ALPHABET))
        characters.append(_ALPHABET[index])
    return "".join(characters)
