"""Compares a scheduler's object with what we want of it, by the fields that we write.

What else stands there belongs to the scheduler or to its API server and survives.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from grove_operator.api import labels
from grove_operator.desired.blueprint import owner_reference
from grove_operator.observed import Meta


def lacking_fields(
    current: Mapping[str, Any], wanted: Mapping[str, Any], ours: Iterable[str]
) -> dict[str, Any]:
    """The merge patch for `ours`: changed ones as they should be, unwanted ones as null.

    Lists are replaced as a whole.
    """
    patch: dict[str, Any] = {}
    for key in ours:
        if key not in wanted:
            if current.get(key):
                patch[key] = None
        elif not is_as_wanted(current.get(key), wanted[key]):
            patch[key] = _replacement(current.get(key), wanted[key])
    return patch


def is_as_wanted(current: Any, wanted: Any) -> bool:
    """Whether they are the same but for what a server fills in: zeros and empty values."""
    if isinstance(wanted, Mapping):
        if not isinstance(current, Mapping):
            return False
        extra = (current[key] for key in current if key not in wanted)
        return not any(extra) and all(
            is_as_wanted(current.get(key), value) for key, value in wanted.items()
        )
    if isinstance(wanted, list):
        return (
            isinstance(current, list)
            and len(current) == len(wanted)
            and all(map(is_as_wanted, current, wanted))
        )
    return bool(current == wanted)


def _replacement(current: Any, wanted: Any) -> Any:
    """A merge patch only adds to an object: what is not wanted is named."""
    if isinstance(current, Mapping) and isinstance(wanted, Mapping):
        return {key: None for key in current if key not in wanted} | dict(wanted)
    return wanted


def lacking_entries(
    current: Mapping[str, str], wanted: Mapping[str, str], kept: Iterable[str] = ()
) -> dict[str, str]:
    """Labels or annotations to add or change; of `kept` keys any value that is there stays."""
    stays = set(kept) & current.keys()
    return {
        key: value
        for key, value in wanted.items()
        if key not in stays and current.get(key) != value
    }


def lost_owner(meta: Meta, gang: str, gang_uid: str) -> dict[str, Any]:
    """The patch that gives back an object its PodGang, if it has no controller at all."""
    if meta.owner_uid:
        return {}
    return {"ownerReferences": [owner_reference(labels.SCHEDULER_API, "PodGang", gang, gang_uid)]}
