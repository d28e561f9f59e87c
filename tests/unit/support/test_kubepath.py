import pytest

from tests.support.kubepath import KubeRequest, parse_request

PODS = "/api/v1/namespaces/n/pods"
CLIQUES = "/apis/grove.io/v1alpha1/namespaces/n/podcliques"


@pytest.mark.parametrize(
    ("method", "path", "query", "expected"),
    [
        ("GET", PODS, {}, KubeRequest("list", "pods", "n")),
        ("GET", PODS, {"watch": "true"}, KubeRequest("watch", "pods", "n")),
        ("GET", "/api/v1/pods", {"watch": "1"}, KubeRequest("watch", "pods")),
        ("GET", f"{PODS}/a", {}, KubeRequest("get", "pods", "n", "a")),
        ("POST", PODS, {}, KubeRequest("create", "pods", "n")),
        ("DELETE", PODS, {}, KubeRequest("deletecollection", "pods", "n")),
        ("DELETE", f"{PODS}/a", {}, KubeRequest("delete", "pods", "n", "a")),
        ("PATCH", f"{CLIQUES}/a/status", {}, KubeRequest("patch", "podcliques/status", "n", "a")),
        ("PUT", f"{CLIQUES}/a/scale", {}, KubeRequest("update", "podcliques/scale", "n", "a")),
        ("GET", "/api/v1/namespaces/n", {}, KubeRequest("get", "namespaces", "", "n")),
        ("GET", "/api/v1/namespaces", {}, KubeRequest("list", "namespaces")),
        ("GET", "/apis/grove.io/v1alpha1", {}, KubeRequest("get", "")),
        ("GET", "/version", {}, KubeRequest("get", "")),
    ],
)
def test_reads_verb_and_resource(
    method: str, path: str, query: dict[str, str], expected: KubeRequest
) -> None:
    assert parse_request(method, path, query) == expected
