"""What must exist for a PodCliqueSet, exactly: every object with labels, owner and contents.

The expectation is played through by `grove_operator.plan.rehearse` from the set as it is stored,
with live replica counts where a test has scaled something. What the API server chooses (UIDs, pod
names, defaults) is left out of the comparison; everything else must agree, nothing may be missing,
and nothing else may exist in the namespace.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from typing_extensions import override

from grove_operator.api.parsing import parse_podcliqueset
from grove_operator.desired.blueprint import SetBlueprint, build_blueprint
from grove_operator.observed import Kind
from grove_operator.plan.actions import Action, Create, StatusPatch, missing
from grove_operator.plan.rehearse import Stage, settle, settle_set
from grove_operator.scheduling.native import Capabilities
from tests.support.builders import IMAGE
from tests.support.controlplane import Object
from tests.support.follow import Followed, is_live, seat

NATIVE: Final = Capabilities(
    pod_groups=True,
    composite_groups=True,
    workloads=True,
    waiter_image=IMAGE,
    resource_claims=True,
)
PLAIN: Final = Capabilities(waiter_image=IMAGE, resource_claims=True)

Seat = tuple[str, str]
"""Kind and name; for a pod, its PodClique and index in place of the name."""

_SCALED_KINDS: Final = frozenset({Kind.SCALING_GROUP, Kind.CLIQUE})
_ENVELOPE: Final = frozenset({"apiVersion", "kind", "metadata", "status"})
_OF_OTHERS: Final = ("topology.kubernetes.io/", "kubernetes.io/legacy-token-last-used")
"""Labels that the API server copies to a pod from its node, and puts on a token that was used."""
_GIVEN_VOLUME: Final = "kube-api-access-"
"""The API server adds it to each pod."""
_PROTECTION: Final = "scheduling.k8s.io/podgroup-protection"
"""Put on a PodGroup by a controller of Kubernetes while pods use it."""
_IN_USE: Final = "resource.kubernetes.io/delete-protection"
"""Put on a ResourceClaim while it is allocated."""
_GIVEN: Final = {("ServiceAccount", "default"), ("Service", "kubernetes")}
_POD_NAME: Final = "{}-[a-z2-7]{{5}}"


class _LiveStage(Stage):
    """A stage on which some objects are born with the count that they have by now."""

    def __init__(
        self, blueprint: SetBlueprint, capabilities: Capabilities, live: Mapping[str, int]
    ) -> None:
        super().__init__(blueprint, capabilities)
        self.live = live

    @override
    def carry_out(self, action: Action | StatusPatch) -> None:
        if isinstance(action, Create) and action.kind in _SCALED_KINDS and action.name in self.live:
            spec = action.body["spec"] | {"replicas": self.live[action.name]}
            action = replace(action, body=action.body | {"spec": spec})
        super().carry_out(action)


@dataclass(frozen=True)
class Expectation:
    """Of one set. `live` gives the replicas of PodCliques and scaling groups by name."""

    manifest: Object
    live: Mapping[str, int] = field(default_factory=dict)
    capabilities: Capabilities = NATIVE

    def bodies(self) -> list[Object]:
        blueprint = build_blueprint(parse_podcliqueset(self.manifest))
        stage = Stage(blueprint, self.capabilities)
        settle_set(stage)
        bodies = list(stage.bodies)
        for index in range(blueprint.replicas):
            replica = _LiveStage(blueprint, self.capabilities, self.live)
            settle(replica, index)
            kept = {(kind, name) for kind, found in replica.records.items() for name in found}
            bodies += [
                body
                for body in replica.bodies
                if (Kind(body["kind"]), body["metadata"]["name"]) in kept
            ]
        return bodies

    def pods(self) -> int:
        return sum(body["kind"] == "Pod" for body in self.bodies())


def differences(seen: Followed, expected: list[Expectation]) -> list[str]:
    """In what the namespace is not exactly what these sets should have become."""
    wanted = {_seat(body): body for item in expected for body in item.bodies()}
    found: dict[Seat, Object] = {}
    problems: list[str] = []
    for kind, item in seen:
        if kind == "PodCliqueSet" or _is_not_ours(kind, item):
            continue
        body = {"kind": kind, **item}
        place = _seat(body)
        if place in found:
            problems.append(f"{place[0]} {place[1]} exists twice")
        found[place] = body
        if "deletionTimestamp" in item["metadata"]:
            problems.append(f"{kind} {item['metadata']['name']} is still being deleted")
    lacking, extra = _but_for_holes(wanted.keys() - found.keys(), found.keys() - wanted.keys())
    problems += [f"{kind} {name} is missing" for kind, name in sorted(lacking)]
    problems += [
        f"{kind} {name} is too many"
        for kind, name in sorted(extra)
        if not _may_stay(kind, name, seen)
    ]
    for place in sorted(wanted.keys() & found.keys()):
        problems += [
            f"{place[0]} {place[1]}: {text}" for text in _compare(wanted[place], found[place], seen)
        ]
    return problems


def _but_for_holes(lacking: set[Seat], extra: set[Seat]) -> tuple[set[Seat], set[Seat]]:
    """A scale-in may leave holes among a clique's indices: then another index makes up for one."""
    for kind, name in sorted(lacking):
        clique = name.rpartition("/")[0]
        others = [place for place in sorted(extra) if place[1].rpartition("/")[0] == clique]
        if kind == "Pod" and others:
            lacking = lacking - {(kind, name)}
            extra = extra - {others[0]}
    return lacking, extra


def orphans(seen: Followed) -> list[str]:
    """Objects of ours whose owner does not exist, or is another of the same name."""
    uids = {item["metadata"]["uid"] for _, item in seen}
    return [
        f"{kind} {item['metadata']['name']} is an orphan"
        for kind, item in seen
        if kind != "PodCliqueSet"
        and not _is_not_ours(kind, item)
        and _owner(item).get("uid") not in uids
    ]


def twins(seen: Followed) -> list[str]:
    """Live pods that share an index with another of their PodClique."""
    taken: dict[tuple[str, str], str] = {}
    problems = []
    for pod in filter(is_live, seen.of("Pod")):
        name = pod["metadata"]["name"]
        if seat(pod) in taken:
            problems.append(f"{name} and {taken[seat(pod)]} are both {seat(pod)}")
        taken[seat(pod)] = name
    return problems


def _may_stay(kind: str, name: str, seen: Followed) -> bool:
    """What was scaled to zero keeps the scheduler's groups: harmless, and needed again later."""
    if kind == "PodGroup":
        clique = seen.named("PodClique", name)
        return clique is not None and clique["spec"]["replicas"] == 0
    if kind == "CompositePodGroup":
        gang = seen.named("PodGang", name)
        return gang is not None and not any(
            group.get("podReferences") for group in gang["spec"]["podgroups"]
        )
    return False


def _compare(wanted: Object, found: Object, seen: Followed) -> Iterator[str]:
    kind, meta, ours = found["kind"], found["metadata"], wanted["metadata"]
    if kind == "Pod":
        pattern = _POD_NAME.format(re.escape(seat(found)[0]))
        if not re.fullmatch(pattern, meta["name"]):
            yield f"its name is {meta['name']}"
    yield from _compare_labels(meta.get("labels") or {}, ours.get("labels") or {})
    if lacking := missing(meta.get("annotations") or {}, ours.get("annotations") or {}):
        yield f"annotations lack {lacking}"
    finalizers = set(meta.get("finalizers") or []) - {_PROTECTION, _IN_USE}
    if finalizers != set(ours.get("finalizers") or []):
        yield f"finalizers are {finalizers}, should be {ours.get('finalizers')}"
    yield from _compare_owner(wanted, found, seen)
    if lacking := missing(_contents(found), _contents(wanted)):
        yield f"contents differ in {lacking}"
    if kind == "Service":
        selector = found["spec"].get("selector")
        if selector != wanted["spec"]["selector"]:  # one label too many selects nothing
            yield f"selects {selector}"
    if kind == "PodGang":
        yield from _dangling(found, seen)


def _compare_labels(found: Mapping[str, str], wanted: Mapping[str, str]) -> Iterator[str]:
    for key in sorted(found.keys() | wanted.keys()):
        if found.get(key) != wanted.get(key) and not key.startswith(_OF_OTHERS):
            yield f"label {key} is {found.get(key)}, should be {wanted.get(key)}"


def _compare_owner(wanted: Object, found: Object, seen: Followed) -> Iterator[str]:
    [reference] = wanted["metadata"]["ownerReferences"]
    owner = seen.named(reference["kind"], reference["name"])
    should = reference | {"uid": owner["metadata"]["uid"] if owner else "nobody's"}
    references = found["metadata"].get("ownerReferences") or []
    if references != [should]:
        yield f"owners are {references}, should be {[should]}"


def _contents(body: Object) -> Object:
    """What is compared besides metadata, with what differs by nature evened out."""
    contents = {key: value for key, value in body.items() if key not in _ENVELOPE}
    spec = contents.get("spec") or {}
    if body["kind"] == "Pod":
        contents["spec"] = {k: v for k, v in spec.items() if k != "schedulingGates"}
        if "volumes" in spec:
            contents["spec"]["volumes"] = [
                item for item in spec["volumes"] if not item["name"].startswith(_GIVEN_VOLUME)
            ]
    elif body["kind"] == "PodGang":
        groups = [
            group | {"podReferences": len(group.get("podReferences") or ())}
            for group in spec["podgroups"]
        ]
        contents["spec"] = spec | {"podgroups": groups}
    return contents


def _dangling(gang: Object, seen: Followed) -> Iterator[str]:
    """Every reference of a gang names a pod that exists, of the clique under which it stands."""
    for group in gang["spec"]["podgroups"]:
        for reference in group.get("podReferences") or ():
            pod = seen.named("Pod", reference["name"])
            if pod is None or seat(pod)[0] != group["name"]:
                yield f"refers to {reference['name']} as a pod of {group['name']}"


def _seat(body: Object) -> Seat:
    name: str = body["metadata"]["name"]
    if body["kind"] == "Pod":
        name = "/".join(seat(body))
    return body["kind"], name


def _is_not_ours(kind: str, item: Object) -> bool:
    """What every namespace has, or the default one."""
    return (kind, item["metadata"]["name"]) in _GIVEN


def _owner(item: Object) -> Object:
    references: list[Object] = item["metadata"].get("ownerReferences") or [{}]
    return references[0]
