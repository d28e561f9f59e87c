"""Puts the CustomResourceDefinitions into a cluster and waits until they are served.

Owns the server-side apply, under the field manager that Grove's own installer has, and what counts
as served. Refuses to delete: what users have made goes with its definition. Nothing is polled: a
definition that is not served yet is watched.
"""

import asyncio
from collections.abc import AsyncGenerator, Iterable
from typing import Any, Final, Literal

import msgspec

from grove_operator.cluster.connection import APPLY_PATCH, JSON, Api
from grove_operator.cluster.resources import DEFINITIONS
from grove_operator.cluster.single import Single
from grove_operator.errors import AlreadyExistsError, ClusterError, ConflictError, UnavailableError

Body = dict[str, Any]

FIELD_MANAGER: Final = "grove-crd-installer"
_REFUSED: Final = frozenset({"MultipleNames", "NameConflict", "ListKindConflict"})
"""Reasons of NamesAccepted=False that no waiting cures."""

_RACES: Final = 4


async def install(api: Api, definitions: Iterable[Body], patience: float) -> AsyncGenerator[str]:
    """Apply one after the other; give the name of each that is served.

    Raises ClusterError for the first that the API server refuses, or does not serve in time.
    """
    for definition in definitions:
        name = str(definition["metadata"]["name"])
        if not is_served(await _apply(api, name, definition)):
            await _wait_served(api, name, patience)
        yield name


def is_served(definition: Body) -> bool:
    """Raises ClusterError if it never will be."""
    conditions = definition.get("status", {}).get("conditions") or ()
    status = {condition["type"]: condition for condition in conditions}
    names = status.get("NamesAccepted", {})
    if names.get("status") == "False" and names.get("reason") in _REFUSED:
        what = f"apply {definition['metadata']['name']}"
        raise ClusterError(what, 0, names["reason"], str(names.get("message")))
    return bool(status.get("Established", {}).get("status") == "True")


async def _apply(api: Api, name: str, definition: Body) -> Body:
    """Again if another replica was faster: what it wrote is the same, or will be."""
    races = 0
    while True:
        try:
            written = await _write(api, "patch", name, definition)
            if _schemas(written) != _schemas(definition):
                # A field that this version lacks stays where Helm or kubectl wrote it, too.
                versions = {"versions": definition["spec"]["versions"]}
                whole = written | {"spec": written["spec"] | versions}
                written = await _write(api, "update", name, whole)
        except (AlreadyExistsError, ConflictError):
            races += 1
            if races > _RACES:
                raise
        else:
            return written


async def _write(api: Api, verb: Literal["patch", "update"], name: str, definition: Body) -> Body:
    applied = {"force": "true"} if verb == "patch" else {}
    answer = await api.request(
        verb,
        DEFINITIONS,
        name=name,
        body=msgspec.json.encode(definition),
        content_type=APPLY_PATCH if applied else JSON,
        query={"fieldManager": FIELD_MANAGER, **applied},
    )
    return msgspec.json.decode(answer, type=Body)


def _schemas(definition: Body) -> Body:
    versions = definition.get("spec", {}).get("versions", ())
    return {version["name"]: version.get("schema") for version in versions}


async def _wait_served(api: Api, name: str, patience: float) -> None:
    single = Single(api, DEFINITIONS, None, name)
    watching = asyncio.create_task(single.run())
    try:
        async with asyncio.timeout(patience):
            while single.body is None or not is_served(single.body):
                await single.changed.wait()
                single.changed.clear()
    except TimeoutError:
        why = "the API server does not serve it"
        raise UnavailableError(
            f"apply {name}", 0, "Timeout", f"{why} after {patience:g} s"
        ) from None
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
