"""What the cluster holds of one PodCliqueSet, and its drawing as a tree.

Reads with five list requests per look. Pure from there on: `build_tree` only draws.
"""

from dataclasses import dataclass
from typing import Any

from rich.text import Text
from rich.tree import Tree

from tools.localcluster.api import ApiClient, ApiRefusalError

Body = dict[str, Any]

_GROVE = "/apis/grove.io/v1alpha1/namespaces/default"
_GANGS = "/apis/scheduler.grove.io/v1alpha1/namespaces/default/podgangs"
RACK = "topology.kubernetes.io/rack"


@dataclass(frozen=True)
class PodLine:
    name: str
    node: str
    rack: str
    state: str
    ready: bool


@dataclass(frozen=True)
class CliqueLine:
    name: str
    wanted: int
    pods: tuple[PodLine, ...]

    @property
    def ready(self) -> int:
        return sum(pod.ready for pod in self.pods)


@dataclass(frozen=True)
class GangLine:
    name: str
    is_base: bool
    phase: str
    verdict: str
    """The scheduler's reason while the gang is not placed, else empty."""
    cliques: tuple[CliqueLine, ...]

    @property
    def pods(self) -> list[PodLine]:
        return [pod for clique in self.cliques for pod in clique.pods]

    @property
    def wanted(self) -> int:
        return sum(clique.wanted for clique in self.cliques)

    @property
    def ready(self) -> int:
        return sum(clique.ready for clique in self.cliques)


@dataclass(frozen=True)
class Picture:
    name: str
    replicas: int
    available: int
    gangs: tuple[GangLine, ...]

    @property
    def pods(self) -> list[PodLine]:
        return [pod for gang in self.gangs for pod in gang.pods]

    @property
    def is_ready(self) -> bool:
        complete = all(gang.ready == gang.wanted for gang in self.gangs)
        return bool(self.gangs) and complete and self.available == self.replicas

    def gang(self, name: str) -> GangLine | None:
        return next((gang for gang in self.gangs if gang.name == name), None)


def take_picture(api: ApiClient, name: str) -> Picture | None:
    """None when there is no such set."""
    try:
        podcliqueset = api.request("GET", f"{_GROVE}/podcliquesets/{name}")
    except ApiRefusalError as refusal:
        if refusal.status == 404:
            return None
        raise
    selector = f"?labelSelector=app.kubernetes.io/part-of={name}"
    cliques = _items(api, f"{_GROVE}/podcliques{selector}")
    pods = _items(api, f"/api/v1/namespaces/default/pods{selector}")
    gangs = _items(api, f"{_GANGS}{selector}")
    racks = {
        node["metadata"]["name"]: node["metadata"]["labels"].get(RACK, "")
        for node in _items(api, "/api/v1/nodes")
    }
    by_clique: dict[str, list[PodLine]] = {}
    for pod in pods:
        owner = pod["metadata"]["labels"].get("grove.io/podclique", "")
        by_clique.setdefault(owner, []).append(_pod_line(pod, racks))
    wanted = {clique["metadata"]["name"]: clique["spec"]["replicas"] for clique in cliques}
    status = podcliqueset.get("status") or {}
    return Picture(
        name,
        podcliqueset["spec"]["replicas"],
        status.get("availableReplicas", 0),
        tuple(_gang_line(gang, name, wanted, by_clique) for gang in _base_first(gangs, name)),
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


def build_tree(picture: Picture) -> Tree:
    title = f"[bold]{picture.name}[/]  PodCliqueSet, {picture.available} of {picture.replicas} "
    root = Tree(f"{title}available")
    for gang in picture.gangs:
        colour = "green" if gang.ready == gang.wanted else "yellow"
        kind = "base gang" if gang.is_base else "scaled gang"
        branch = root.add(
            f"[bold {colour}]{gang.name}[/]  {kind}, {gang.phase}, "
            f"{gang.ready} of {gang.wanted} pods ready"
        )
        for clique in gang.cliques:
            leaf = branch.add(f"{clique.name}  {clique.ready}/{clique.wanted}")
            for pod in clique.pods:
                leaf.add(_pod_text(pod))
    return root


def _pod_text(pod: PodLine) -> Text:
    where = f"{pod.node}, {pod.rack}" if pod.node else "on no node"
    style = "green" if pod.ready else "yellow"
    return Text.assemble(f"{pod.name}  ", (f"{pod.state}", style), f"  {where}")


def _pod_line(pod: Body, racks: dict[str, str]) -> PodLine:
    conditions = {c["type"]: c for c in pod["status"].get("conditions") or ()}
    ready = conditions.get("Ready", {}).get("status") == "True"
    node = pod["spec"].get("nodeName", "")
    waiting = "gated" if pod["spec"].get("schedulingGates") else pod["status"]["phase"]
    return PodLine(
        pod["metadata"]["name"], node, racks.get(node, ""), "Ready" if ready else waiting, ready
    )


def _gang_line(
    gang: Body, set_name: str, wanted: dict[str, int], pods: dict[str, list[PodLine]]
) -> GangLine:
    status = gang.get("status") or {}
    blocked: Body = next(
        (c for c in status.get("conditions") or () if c["type"] == "GangBlocked"), {}
    )
    members = [group["name"] for group in gang["spec"].get("podgroups") or ()]
    return GangLine(
        name=gang["metadata"]["name"],
        is_base=_is_base(gang, set_name),
        phase=status.get("phase", "Pending"),
        verdict=blocked.get("message", "") if blocked.get("status") == "True" else "",
        cliques=tuple(
            CliqueLine(
                name,
                wanted.get(name, 0),
                tuple(sorted(pods.get(name, ()), key=lambda pod: pod.name)),
            )
            for name in members
        ),
    )


def _base_first(gangs: list[Body], set_name: str) -> list[Body]:
    return sorted(gangs, key=lambda g: (not _is_base(g, set_name), g["metadata"]["name"]))


def _is_base(gang: Body, set_name: str) -> bool:
    name: str = gang["metadata"]["name"]
    return name.removeprefix(f"{set_name}-").isdigit()


def _wants_gpu(pod: Body) -> bool:
    return any(
        "nvidia.com/gpu" in container.get("resources", {}).get("limits", {})
        for container in pod["spec"]["containers"]
    )


def _items(api: ApiClient, path: str) -> list[Body]:
    items: list[Body] = api.request("GET", path)["items"]
    return items
