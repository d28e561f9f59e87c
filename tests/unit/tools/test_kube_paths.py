"""How the test client reads the API server's paths."""

import pytest

from tests.support.controlplane import path_of, watch_target


@pytest.mark.parametrize(
    ("arguments", "path"),
    [
        (("v1", "nodes"), "/api/v1/nodes"),
        (("v1", "pods", "demo", "web"), "/api/v1/namespaces/demo/pods/web"),
        (("apps/v1", "deployments", "demo"), "/apis/apps/v1/namespaces/demo/deployments"),
    ],
)
def test_paths_are_those_of_the_api_server(arguments: tuple[str, ...], path: str) -> None:
    assert path_of(*arguments) == path


@pytest.mark.parametrize(
    ("path", "collection", "name"),
    [
        ("/api/v1/nodes", "/api/v1/nodes", None),
        ("/api/v1/nodes/one", "/api/v1/nodes", "one"),
        ("/api/v1/namespaces", "/api/v1/namespaces", None),
        ("/api/v1/namespaces/demo", "/api/v1/namespaces", "demo"),
        ("/api/v1/namespaces/demo/pods", "/api/v1/namespaces/demo/pods", None),
        ("/apis/a/v1/namespaces/demo/bs/c", "/apis/a/v1/namespaces/demo/bs", "c"),
    ],
)
def test_one_object_is_watched_through_its_collection(
    path: str, collection: str, name: str | None
) -> None:
    selector = {"fieldSelector": f"metadata.name={name}"} if name else {}
    assert watch_target(path) == (collection, selector)
