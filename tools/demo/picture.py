"""Reads from the cluster what the demo draws: five list requests per look."""

from grove_operator.cli.picture import Body, Found, Picture, picture_of
from tools.localcluster.api import ApiClient, ApiRefusalError
from tools.localcluster.nodes import RACK_LABEL

_GROVE = "/apis/grove.io/v1alpha1/namespaces/default"
_GANGS = "/apis/scheduler.grove.io/v1alpha1/namespaces/default/podgangs"


def take_picture(api: ApiClient, name: str) -> Picture | None:
    """None when there is no such set."""
    try:
        podcliqueset = api.request("GET", f"{_GROVE}/podcliquesets/{name}")
    except ApiRefusalError as refusal:
        if refusal.status == 404:
            return None
        raise
    selector = f"?labelSelector=app.kubernetes.io/part-of={name}"
    return picture_of(
        Found(
            podcliqueset,
            gangs=_items(api, f"{_GANGS}{selector}"),
            cliques=_items(api, f"{_GROVE}/podcliques{selector}"),
            pods=_items(api, f"/api/v1/namespaces/default/pods{selector}"),
            nodes={
                node["metadata"]["name"]: node["metadata"]["labels"].get(RACK_LABEL, "")
                for node in _items(api, "/api/v1/nodes")
            },
        )
    )


def free_gpu_nodes(api: ApiClient) -> int:
    """Nodes of which no GPU is taken."""
    taken = {pod["spec"].get("nodeName") for pod in _items(api, "/api/v1/pods") if _wants_gpu(pod)}
    nodes = _items(api, "/api/v1/nodes")
    return sum(
        node["metadata"]["name"] not in taken
        for node in nodes
        if "nvidia.com/gpu" in node["status"].get("allocatable", {})
    )


def _wants_gpu(pod: Body) -> bool:
    return any(
        "nvidia.com/gpu" in container.get("resources", {}).get("limits", {})
        for container in pod["spec"]["containers"]
    )


def _items(api: ApiClient, path: str) -> list[Body]:
    items: list[Body] = api.request("GET", path)["items"]
    return items
