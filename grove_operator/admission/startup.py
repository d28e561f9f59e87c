"""Rules about the order in which cliques start: `startsAfter`, which only Explicit looks at."""

from collections.abc import Iterator, Mapping, Sequence

from grove_operator.admission.fields import FieldError, duplicate, invalid, required
from grove_operator.admission.parts import CLIQUES, CliquePart, repeated
from grove_operator.admission.submission import Submission
from grove_operator.api.podcliqueset import StartupType

Graph = Mapping[str, Sequence[str]]


def dependencies_named(part: CliquePart) -> Iterator[FieldError]:
    names = part.spec.starts_after
    if _is_explicit(part.submission) and any(not name.strip() for name in names):
        yield required(_path(part), "startsAfter must not have blank entries")


def not_after_itself(part: CliquePart) -> Iterator[FieldError]:
    name = part.clique.name
    if _is_explicit(part.submission) and name in part.spec.starts_after:
        yield invalid(_path(part), name, "a clique cannot refer to itself")


def dependencies_unique(part: CliquePart) -> Iterator[FieldError]:
    twice = repeated(part.spec.starts_after)
    if _is_explicit(part.submission) and twice:
        yield duplicate(_path(part), twice)


def _path(part: CliquePart) -> str:
    return f"{part.path}.spec.startsAfter"


def dependencies_known(submission: Submission) -> Iterator[FieldError]:
    cliques = submission.new.spec.template.cliques
    if not _is_explicit(submission):
        return
    known = {clique.name for clique in cliques}
    wanted = (name for clique in cliques for name in clique.spec.starts_after)
    if unknown := list(dict.fromkeys(name for name in wanted if name not in known)):
        yield invalid(f"{CLIQUES}.startsAfter", ",".join(unknown), "unknown clique names found")


def dependencies_end(submission: Submission) -> Iterator[FieldError]:
    if not _is_explicit(submission):
        return
    cliques = submission.new.spec.template.cliques
    known = {clique.name for clique in cliques}
    graph = {
        clique.name: [name for name in clique.spec.starts_after if name in known]
        for clique in cliques
    }
    if circles := find_circles(graph):
        detail = "cliques must not have circular dependencies in startsAfter"
        yield invalid(CLIQUES, circles, detail)


def _is_explicit(submission: Submission) -> bool:
    return submission.new.spec.template.clique_startup_type == StartupType.EXPLICIT


def find_circles(graph: Graph) -> list[list[str]]:
    """Every set of two or more nodes that all reach each other, in the order of the graph.

    Kosaraju's two walks, without recursion: a chain may be as long as a manifest.
    """
    backwards: dict[str, list[str]] = {name: [] for name in graph}
    for name, targets in graph.items():
        for target in targets:
            backwards[target].append(name)
    left = dict.fromkeys(graph)
    place = {name: index for index, name in enumerate(graph)}
    circles = []
    for name in reversed(_in_order_of_leaving(graph)):
        if name in left:
            circle = _take_reachable(name, backwards, left)
            if len(circle) > 1:
                circles.append(sorted(circle, key=place.__getitem__))
    return sorted(circles, key=lambda circle: place[circle[0]])


def _in_order_of_leaving(graph: Graph) -> list[str]:
    """Depth first; a node comes when everything below it has."""
    entered: set[str] = set()
    order: list[str] = []
    for start in graph:
        if start in entered:
            continue
        entered.add(start)
        path = [(start, iter(graph[start]))]
        while path:
            name, targets = path[-1]
            target = next((item for item in targets if item not in entered), None)
            if target is None:
                order.append(name)
                path.pop()
            else:
                entered.add(target)
                path.append((target, iter(graph[target])))
    return order


def _take_reachable(start: str, graph: Graph, left: dict[str, None]) -> list[str]:
    """What can be reached from `start` among what is left, which it is taken from."""
    del left[start]
    found = [start]
    for name in found:  # grows meanwhile
        for target in graph[name]:
            if target in left:
                del left[target]
                found.append(target)
    return found
