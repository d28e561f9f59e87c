"""Reads verb and resource out of a Kubernetes request, as the API server's own filter does."""

from collections.abc import Mapping
from dataclasses import dataclass

WRITES = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
TRUE = frozenset({"1", "true", "True"})


@dataclass(frozen=True)
class KubeRequest:
    """`resource` is the plural, with the subresource after a slash; "" outside of resources."""

    verb: str
    resource: str
    namespace: str = ""
    name: str = ""


def parse_request(method: str, path: str, query: Mapping[str, str]) -> KubeRequest:
    parts = [part for part in path.split("/") if part]
    match parts:
        case ["api", _, *rest]:
            pass
        case ["apis", _, _, *rest]:
            pass
        case _:
            rest = []
    if not rest:
        return KubeRequest(WRITES.get(method, "get"), "")
    namespace = ""
    if rest[0] == "namespaces" and len(rest) > 2:
        namespace, rest = rest[1], rest[2:]
    name = rest[1] if len(rest) > 1 else ""
    resource = "/".join([rest[0], *rest[2:3]])
    return KubeRequest(_verb(method, name, query), resource, namespace, name)


def _verb(method: str, name: str, query: Mapping[str, str]) -> str:
    if method in {"GET", "HEAD"}:
        if query.get("watch") in TRUE:
            return "watch"
        return "get" if name else "list"
    if method == "DELETE" and not name:
        return "deletecollection"
    return WRITES.get(method, method.lower())
