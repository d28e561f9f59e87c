"""What a cluster holds of one PodCliqueSet, as a tree of gangs, cliques and pods.

Pure: `picture_of` takes objects as the API server gives them, `build_tree` only draws.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rich.text import Text
from rich.tree import Tree

from grove_operator.api import conditions, labels

Body = dict[str, Any]


@dataclass(frozen=True)
class Found:
    """A set and what belongs to it. Of `nodes` the rack, where it is known."""

    podcliqueset: Body
    gangs: Sequence[Body] = ()
    cliques: Sequence[Body] = ()
    pods: Sequence[Body] = ()
    nodes: Mapping[str, str] = field(default_factory=dict)


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
    reason: str
    verdict: str
    """Why the gang cannot go on by itself, else empty: its condition GangBlocked."""
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


def picture_of(found: Found) -> Picture:
    name: str = found.podcliqueset["metadata"]["name"]
    pods: dict[str, list[PodLine]] = {}
    for pod in found.pods:
        owner = labels_of(pod).get(labels.PODCLIQUE, "")
        pods.setdefault(owner, []).append(_pod_line(pod, found.nodes))
    wanted = {clique["metadata"]["name"]: clique["spec"]["replicas"] for clique in found.cliques}
    status = found.podcliqueset.get("status") or {}
    lines = (_gang_line(gang, name, wanted, pods) for gang in found.gangs)
    return Picture(
        name,
        found.podcliqueset["spec"].get("replicas", 1),
        status.get("availableReplicas", 0),
        tuple(sorted(lines, key=lambda gang: (not gang.is_base, gang.name))),
    )


def build_tree(picture: Picture, *, reasons: bool = False) -> Tree:
    """With `reasons` a gang that is blocked says why."""
    title = f"  PodCliqueSet, {picture.available} of {picture.replicas} available"
    root = Tree(Text.assemble((picture.name, "bold"), title))
    for gang in picture.gangs:
        colour = "green" if gang.ready == gang.wanted else "yellow"
        kind = "base gang" if gang.is_base else "scaled gang"
        count = f"{gang.ready} of {gang.wanted} pods ready"
        title = f"  {kind}, {gang.phase}, {count}"
        branch = root.add(Text.assemble((gang.name, f"bold {colour}"), title))
        if reasons and gang.verdict:
            branch.add(Text(f"{gang.reason}: {gang.verdict}", "yellow"))
        for clique in gang.cliques:
            leaf = branch.add(Text(f"{clique.name}  {clique.ready}/{clique.wanted}"))
            for pod in clique.pods:
                leaf.add(_pod_text(pod))
    return root


def labels_of(body: Body) -> dict[str, str]:
    return body["metadata"].get("labels") or {}


def members(gang: Body) -> Iterator[str]:
    """The names of its PodCliques."""
    for group in gang["spec"].get("podgroups") or ():
        yield group["name"]


def blocked(body: Body) -> conditions.Condition:
    """The condition GangBlocked of a gang or set, if it is true, else an empty one."""
    found = conditions.find(conditions_of(body), conditions.GANG_BLOCKED)
    return found if found is not None and found["status"] == "True" else {}


def conditions_of(body: Body) -> list[conditions.Condition]:
    return (body.get("status") or {}).get("conditions") or []


def is_ready(pod: Body) -> bool:
    return conditions.is_true(conditions_of(pod), conditions.READY)


def _pod_text(pod: PodLine) -> Text:
    where = ", ".join(part for part in (pod.node, pod.rack) if part) or "on no node"
    style = "green" if pod.ready else "yellow"
    return Text.assemble(f"{pod.name}  ", (pod.state, style), f"  {where}")


def _pod_line(pod: Body, racks: Mapping[str, str]) -> PodLine:
    node = pod["spec"].get("nodeName", "")
    waiting = "gated" if pod["spec"].get("schedulingGates") else pod["status"].get("phase", "")
    ready = is_ready(pod)
    return PodLine(
        pod["metadata"]["name"], node, racks.get(node, ""), "Ready" if ready else waiting, ready
    )


def _gang_line(
    gang: Body, set_name: str, wanted: Mapping[str, int], pods: Mapping[str, list[PodLine]]
) -> GangLine:
    name: str = gang["metadata"]["name"]
    why = blocked(gang)
    return GangLine(
        name=name,
        is_base=name.removeprefix(f"{set_name}-").isdigit(),
        phase=(gang.get("status") or {}).get("phase", "Pending"),
        reason=why.get("reason", ""),
        verdict=why.get("message", ""),
        cliques=tuple(_clique_lines(gang, wanted, pods)),
    )


def _clique_lines(
    gang: Body, wanted: Mapping[str, int], pods: Mapping[str, list[PodLine]]
) -> Iterable[CliqueLine]:
    for name in members(gang):
        own = tuple(sorted(pods.get(name, ()), key=lambda pod: pod.name))
        yield CliqueLine(name, wanted.get(name, 0), own)
