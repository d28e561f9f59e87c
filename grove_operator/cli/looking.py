"""Reads sets, and what belongs to them, from a cluster for `kubectl grove`."""

import asyncio
from collections.abc import Iterable
from typing import Final

import msgspec

from grove_operator.api import labels
from grove_operator.cli.picture import Body, Found, labels_of
from grove_operator.cluster.connection import Api
from grove_operator.cluster.resources import (
    NODES,
    POD_CLIQUE_SETS,
    POD_CLIQUES,
    POD_GANGS,
    PODS,
    SCALING_GROUPS,
    Resource,
)
from grove_operator.errors import ForbiddenError

RACK: Final = "topology.kubernetes.io/rack"
_SHORT: Final = {
    "pcs": POD_CLIQUE_SETS,
    "pg": POD_GANGS,
    "pcsg": SCALING_GROUPS,
    "pclq": POD_CLIQUES,
    "po": PODS,
}
KINDS: Final = {
    word: resource
    for short, resource in _SHORT.items()
    for word in (short, resource.kind.lower(), resource.plural)
}
"""What users call the kinds that can be asked for, as with kubectl."""


class _List(msgspec.Struct):
    items: list[Body]


_decode_list = msgspec.json.Decoder(_List).decode


async def read_sets(api: Api, namespace: str | None, name: str | None = None) -> list[Found]:
    """All sets of a namespace, or of all of them; or the one of that name, if there is one.

    Raises ClusterError.
    """
    selector = f"{labels.PART_OF}={name}" if name else f"{labels.MANAGED_BY}={labels.MANAGER}"
    chosen = _of_name(name) if name else {}
    sets, gangs, cliques, pods = await asyncio.gather(
        _list(api, POD_CLIQUE_SETS, namespace, chosen),
        *(
            _list(api, resource, namespace, {"labelSelector": selector})
            for resource in (POD_GANGS, POD_CLIQUES, PODS)
        ),
    )
    gangs_of, cliques_of, pods_of = map(_by_set, (gangs, cliques, pods))
    return [
        Found(
            item,
            gangs_of.get(_key(item), ()),
            cliques_of.get(_key(item), ()),
            pods_of.get(_key(item), ()),
        )
        for item in sets
    ]


async def read_subject(
    api: Api, namespace: str, resource: Resource | None, name: str
) -> tuple[Body, Found] | None:
    """An object and its set; without `resource` the first kind that has the name.

    None if there is no such object, or it is no part of a set. Raises ClusterError.
    """
    for candidate in [resource] if resource else _SHORT.values():
        for body in await _list(api, candidate, namespace, _of_name(name)):
            own = labels_of(body).get(labels.PART_OF, "")
            owner = name if candidate is POD_CLIQUE_SETS else own
            for found in await read_sets(api, namespace, owner) if owner else ():
                return body, found
    return None


async def read_racks(api: Api) -> dict[str, str]:
    """The rack of each node; nothing where nodes may not be read."""
    try:
        nodes = await _list(api, NODES, None, {})
    except ForbiddenError:
        return {}
    return {node["metadata"]["name"]: labels_of(node).get(RACK, "") for node in nodes}


async def _list(
    api: Api, resource: Resource, namespace: str | None, query: dict[str, str]
) -> list[Body]:
    items = _decode_list(await api.list(resource, namespace, query)).items
    return [item | {"kind": resource.kind} for item in items]


def _of_name(name: str) -> dict[str, str]:
    """Objects of one name are listed, too: the operator's own account may list and not get."""
    return {"fieldSelector": f"metadata.name={name}"}


def _key(item: Body) -> tuple[str, str]:
    return item["metadata"]["namespace"], item["metadata"]["name"]


def _by_set(items: Iterable[Body]) -> dict[tuple[str, str], list[Body]]:
    found: dict[tuple[str, str], list[Body]] = {}
    for item in items:
        owner = item["metadata"]["namespace"], labels_of(item).get(labels.PART_OF, "")
        found.setdefault(owner, []).append(item)
    return found
