"""Direct access to an API server for tests: plain dicts, watches with a deadline, no kubectl.

    async with Kube.from_kubeconfig(path) as kube:
        await kube.create("/api/v1/namespaces/demo/pods", pod)
        pod = await kube.wait_for(
            "/api/v1/namespaces/demo/pods/web-0", is_running, timeout=20
        )

Paths are what the API server itself serves; `path_of` builds them. `wait_for` takes the path of an
object or of a collection, watches it, and fails with what it last saw. Nothing here sleeps.
"""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any, Self

import aiohttp
import yaml

from tools.localcluster.api import read_kubeconfig

Object = dict[str, Any]
Objects = list[Object]
Predicate = Callable[[Any], bool]

MERGE_PATCH = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"

_SHOWN_CHARACTERS = 3000
_PASSING = (HTTPStatus.GONE, HTTPStatus.TOO_MANY_REQUESTS, *range(500, 600))


class ApiError(Exception):
    """The API server refused; `status` is the HTTP code and `reason` its machine-readable word."""

    def __init__(self, method: str, path: str, status: int, body: Object) -> None:
        self.status = status
        self.reason = str(body.get("reason", ""))
        self.body = body
        super().__init__(f"{method} {path}: HTTP {status}: {body.get('message', body)}")


def path_of(
    group_version: str, plural: str, namespace: str | None = None, name: str | None = None
) -> str:
    """`path_of("apps/v1", "deployments", "demo", "web")`; core kinds have the version `v1`."""
    root = f"/apis/{group_version}" if "/" in group_version else f"/api/{group_version}"
    scope = f"/namespaces/{namespace}" if namespace else ""
    return f"{root}{scope}/{plural}" + (f"/{name}" if name else "")


@dataclass(frozen=True)
class Event:
    """One line of a watch: ADDED, MODIFIED, DELETED or BOOKMARK."""

    type: str
    object: Object


class Kube:
    """A small client on aiohttp. Every method raises ApiError for an answer of 400 or more."""

    def __init__(self, server: str, tls: ssl.SSLContext) -> None:
        self._session = aiohttp.ClientSession(
            server,
            connector=aiohttp.TCPConnector(ssl=tls, limit=0),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=10),
        )

    @classmethod
    def from_kubeconfig(cls, path: Path) -> Self:
        return cls(*read_kubeconfig(path))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        await self._session.close()

    async def get(self, path: str) -> Object:
        return await self._request("GET", path)

    async def find(self, path: str) -> Object | None:
        """Like get, but None when there is no such object."""
        try:
            return await self.get(path)
        except ApiError as error:
            if error.status == HTTPStatus.NOT_FOUND:
                return None
            raise

    async def list(self, path: str, **query: str) -> Objects:
        """Items of a collection, e.g. `labelSelector="app=web"`."""
        items: Objects = (await self._request("GET", path, query=query))["items"]
        return items

    async def create(self, path: str, body: Object) -> Object:
        return await self._request("POST", path, body)

    async def replace(self, path: str, body: Object) -> Object:
        return await self._request("PUT", path, body)

    async def patch(self, path: str, body: Any, content_type: str = MERGE_PATCH) -> Object:
        return await self._request("PATCH", path, body, content_type=content_type)

    async def apply(self, path: str, body: Object, manager: str = "test") -> Object:
        """Server-side apply, forced."""
        query = {"fieldManager": manager, "force": "true"}
        return await self._request("PATCH", path, body, content_type=APPLY_PATCH, query=query)

    async def delete(self, path: str, **options: Any) -> Object:
        """Delete an object or, given a collection's path, all of it; options are DeleteOptions."""
        return await self._request("DELETE", path, options or None)

    async def create_all(self, manifests: str, namespace: str | None = None) -> Objects:
        """Create every document of a YAML text, found by discovery; `namespace` overrides."""
        made = []
        for document in yaml.safe_load_all(manifests):
            if document:
                path = await self.collection_of(document, namespace)
                made.append(await self.create(path, document))
        return made

    async def collection_of(self, document: Object, namespace: str | None = None) -> str:
        """The path that a manifest of this kind is posted to."""
        version = document["apiVersion"]
        resources = (await self.get(path_of(version, "").rstrip("/")))["resources"]
        found = next(r for r in resources if r["kind"] == document["kind"] and "/" not in r["name"])
        own = document.get("metadata", {}).get("namespace")
        scope = (namespace or own or "default") if found["namespaced"] else None
        return path_of(version, found["name"], scope)

    @asynccontextmanager
    async def watch(self, path: str, **query: str) -> AsyncIterator[AsyncIterator[Event]]:
        """Events of an object or a collection, from `resourceVersion` if given, else from now.

        It ends when the server ends it. Leaving the block closes the connection.
        """
        collection, selector = watch_target(path)
        query = {**query, **selector, "watch": "true"}
        async with self._session.get(collection, params=query) as response:
            await _check(response, "WATCH", path)
            try:
                yield _events(response)
            finally:
                # A farewell by TLS would wait for the server's, maybe for longer than the loop.
                if response.connection and response.connection.transport:
                    response.connection.transport.abort()

    async def wait_for(
        self,
        path: str,
        predicate: Predicate,
        timeout: float = 30,  # noqa: ASYNC109  the error message needs it
        **query: str,
    ) -> Any:
        """Watch until the predicate holds; returns what fulfilled it.

        For an object the predicate gets the object, or None while there is none; for a collection
        the list of its items, sorted by namespace and name. On time-out the error shows what was
        last seen.
        """
        seen = _Seen(path)
        try:
            async with asyncio.timeout(timeout):
                return await self._follow(path, predicate, seen, query)
        except TimeoutError:
            raise AssertionError(seen.describe(timeout)) from None

    async def wait_gone(
        self,
        path: str,
        timeout: float = 30,  # noqa: ASYNC109  the error message needs it
    ) -> None:
        """Until the object, or every item of the collection, is gone."""
        await self.wait_for(path, lambda found: not found, timeout)

    async def _follow(
        self, path: str, predicate: Predicate, seen: "_Seen", query: Mapping[str, str]
    ) -> Any:
        collection, selector = watch_target(path)
        query = {**query, **selector}
        while True:
            try:
                listing = await self._request("GET", collection, query=query)
                seen.replace(listing["items"])
                if predicate(seen.value()):
                    return seen.value()
                version = listing["metadata"]["resourceVersion"]
                async with self.watch(collection, **query, resourceVersion=version) as events:
                    async for event in events:
                        seen.take(event)
                        if event.type != "BOOKMARK" and predicate(seen.value()):
                            return seen.value()
            except (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError) as error:
                # The API server may be down on purpose; a refused connection costs no time, so
                # give other tasks a turn and try again until the deadline.
                seen.note = repr(error)
                await asyncio.sleep(0.05)
            except ApiError as error:
                if error.status == HTTPStatus.NOT_FOUND:
                    # The kind itself is not served: not yet, or not any more.
                    seen.replace([])
                    if predicate(seen.value()):
                        return seen.value()
                elif error.status not in _PASSING:
                    raise
                seen.note = str(error)
                await asyncio.sleep(0.05)

    async def _request(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        content_type: str = "application/json",
        query: Mapping[str, str] | None = None,
    ) -> Object:
        async with self._session.request(
            method,
            path,
            params=query,
            data=None if body is None else json.dumps(body),
            headers={"Content-Type": content_type},
        ) as response:
            await _check(response, method, path)
            return await _decode(response)


class _Seen:
    """What a wait has seen of its object or collection so far."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._single = bool(watch_target(path)[1])
        self._items: dict[tuple[str, str], Object] = {}
        self._events = 0
        self.note = ""

    def replace(self, items: Objects) -> None:
        self._items = {_key(item): item for item in items}

    def take(self, event: Event) -> None:
        if event.type == "ERROR":
            raise ApiError("WATCH", self._path, int(event.object.get("code", 500)), event.object)
        self._events += 1
        if event.type == "DELETED":
            self._items.pop(_key(event.object), None)
        elif event.type != "BOOKMARK":
            self._items[_key(event.object)] = event.object

    def value(self) -> Any:
        items = [self._items[key] for key in sorted(self._items)]
        if self._single:
            return items[0] if items else None
        return items

    def describe(self, timeout: float) -> str:
        text = yaml.safe_dump(_without_noise(self.value()), sort_keys=False)
        if len(text) > _SHOWN_CHARACTERS:
            text = f"...{text[-_SHOWN_CHARACTERS:]}"
        lines = [f"{self._path}: not as expected after {timeout:g} s and {self._events} events."]
        if self.note:
            lines.append(f"Last trouble: {self.note}")
        return "\n".join([*lines, "Last seen:", text])


def watch_target(path: str) -> tuple[str, dict[str, str]]:
    """A single object is watched through its collection, with a field selector."""
    parts = path.strip("/").split("/")
    rest = parts[2:] if parts[0] == "api" else parts[3:]
    if rest[0] == "namespaces" and len(rest) > 2:
        rest = rest[2:]
    if len(rest) == 1:
        return path, {}
    collection, _, name = path.rpartition("/")
    return collection, {"fieldSelector": f"metadata.name={name}"}


async def _events(response: aiohttp.ClientResponse) -> AsyncIterator[Event]:
    # Not iterated by line: aiohttp refuses lines above 128 kB, and one object may well be larger.
    pending = b""
    async for chunk in response.content.iter_any():
        *lines, pending = (pending + chunk).split(b"\n")
        for line in lines:
            decoded = json.loads(line)
            yield Event(decoded["type"], decoded["object"])


async def _check(response: aiohttp.ClientResponse, method: str, path: str) -> None:
    if response.status >= HTTPStatus.BAD_REQUEST:
        raise ApiError(method, path, response.status, await _decode(response))


async def _decode(response: aiohttp.ClientResponse) -> Object:
    text = await response.text()
    try:
        decoded = json.loads(text)
    except ValueError:
        return {"message": text}
    return decoded if isinstance(decoded, dict) else {"value": decoded}


def _key(item: Object) -> tuple[str, str]:
    metadata = item["metadata"]
    return metadata.get("namespace", ""), metadata["name"]


def _without_noise(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _without_noise(v) for k, v in value.items() if k != "managedFields"}
    if isinstance(value, list):
        return [_without_noise(v) for v in value]
    return value
