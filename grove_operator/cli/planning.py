"""`grove-operator plan`: what a manifest would become, with no cluster.

Reads PodCliqueSets from files, plays each through with the operator's own planners, prints the
objects as a tree for people or as YAML or JSON for programs.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TextIO

import yaml
from pydantic import ValidationError
from rich.console import Console
from rich.text import Text
from rich.tree import Tree
from typing_extensions import override

from grove_operator.admission.validation import essential_problems
from grove_operator.api import labels
from grove_operator.api.parsing import parse_podcliqueset
from grove_operator.api.podcliqueset import PodCliqueSet
from grove_operator.api.topology import ClusterTopologyBinding
from grove_operator.desired.blueprint import build_blueprint
from grove_operator.desired.packing import Levels, TopologyOffer
from grove_operator.errors import SpecError
from grove_operator.plan.rehearse import rehearse
from grove_operator.scheduling.native import Capabilities

Body = dict[str, Any]


class PlanOutput(StrEnum):
    TREE = "tree"
    YAML = "yaml"
    JSON = "json"


@dataclass(frozen=True)
class Manifest:
    """What a file holds of ours. With ClusterTopologyBindings, topology counts as on."""

    sets: list[PodCliqueSet]
    topology: TopologyOffer


def read_manifest(stream: TextIO, namespace: str) -> Manifest:
    """The PodCliqueSets and ClusterTopologyBindings of a file; others are passed over.

    Raises SpecError with every problem of the first set that cannot be carried out, or when there
    is none.
    """
    try:
        documents = [item for item in yaml.safe_load_all(stream) if item is not None]
    except yaml.YAMLError as error:
        raise SpecError([f"not YAML: {error}"]) from error
    sets = [_read(body, namespace) for body in documents if _is(body, "PodCliqueSet")]
    if not sets:
        raise SpecError(["no PodCliqueSet (apiVersion grove.io/v1alpha1) in it"])
    bindings = dict(map(_levels, filter(_is_binding, documents)))
    return Manifest(sets, TopologyOffer(enabled=bool(bindings), bindings=bindings))


def read_sets(stream: TextIO, namespace: str) -> list[PodCliqueSet]:
    """Only the sets."""
    return read_manifest(stream, namespace).sets


def _is_binding(body: object) -> bool:
    return _is(body, "ClusterTopologyBinding")


def _levels(body: Body) -> tuple[str, Levels]:
    try:
        binding = ClusterTopologyBinding.model_validate(body)
    except ValidationError as error:
        problem = error.errors()[0]
        where = ".".join(map(str, problem["loc"]))
        raise SpecError([f"ClusterTopologyBinding: {where}: {problem['msg']}"]) from error
    return binding.metadata.name, {level.domain: level.key for level in binding.spec.levels}


def _is(body: object, kind: str) -> bool:
    return (
        isinstance(body, Mapping)
        and body.get("kind") == kind
        and str(body.get("apiVersion", "")).startswith(f"{labels.GROVE_GROUP}/")
    )


def _read(body: Body, namespace: str) -> PodCliqueSet:
    metadata = {"namespace": namespace, **(body.get("metadata") or {}), "uid": "", "generation": 1}
    pcs = parse_podcliqueset(body | {"metadata": metadata})
    problems = essential_problems(pcs)
    if problems:
        raise SpecError(problems)
    return pcs


def plan_objects(pcs: PodCliqueSet, capabilities: Capabilities) -> list[Body]:
    """Every object that the set becomes, without the UIDs that only a server gives."""
    return [_without_uids(body) for body in rehearse(build_blueprint(pcs), capabilities)]


def _without_uids(body: Body) -> Body:
    metadata = {key: value for key, value in body["metadata"].items() if key != "uid"}
    metadata["ownerReferences"] = [
        {key: value for key, value in owner.items() if key != "uid"}
        for owner in metadata["ownerReferences"]
    ]
    return body | {"metadata": metadata}


def print_plan(
    sets: Iterable[PodCliqueSet], capabilities: Capabilities, output: PlanOutput, console: Console
) -> None:
    planned = [(pcs, plan_objects(pcs, capabilities)) for pcs in sets]
    objects = [body for _, bodies in planned for body in bodies]
    match output:
        case PlanOutput.YAML:
            console.file.write(yaml.dump_all(objects, Dumper=_PlainDumper, sort_keys=False))
        case PlanOutput.JSON:
            items = {"apiVersion": "v1", "kind": "List", "items": objects}
            console.file.write(json.dumps(items, indent=2) + "\n")
        case PlanOutput.TREE:
            for pcs, bodies in planned:
                console.print(_tree(pcs, bodies))


class _PlainDumper(yaml.SafeDumper):
    """Writes shared parts in full instead of as anchors."""

    @override
    def ignore_aliases(self, data: object) -> bool:
        del data
        return True


def _tree(pcs: PodCliqueSet, bodies: list[Body]) -> Tree:
    children: dict[tuple[str, str], list[Body]] = {}
    for body in bodies:
        owner = body["metadata"]["ownerReferences"][0]
        children.setdefault((owner["kind"], owner["name"]), []).append(body)
    title = f"PodCliqueSet {pcs.metadata.namespace}/{pcs.metadata.name}"
    pods = sum(body["kind"] == "Pod" for body in bodies)
    root = Tree(Text.assemble((title, "bold"), f"  {len(bodies)} objects, {pods} of them pods"))
    _grow(root, ("PodCliqueSet", pcs.metadata.name), children)
    return root


def _grow(
    node: Tree, owner: tuple[str, str], children: Mapping[tuple[str, str], list[Body]]
) -> None:
    for body in children.get(owner, ()):
        kind, name = body["kind"], body["metadata"]["name"]
        label = Text.assemble((kind, "cyan"), f" {name}", (_remark(body), "dim"))
        _grow(node.add(label), (kind, name), children)


def _remark(body: Body) -> str:
    notes = ", ".join(_notes(body, body.get("spec", {})))
    return f"  {notes}" if notes else ""


def _notes(body: Body, spec: Mapping[str, Any]) -> Iterator[str]:
    match body["kind"]:
        case "PodClique" | "PodCliqueScalingGroup":
            yield f"replicas {spec['replicas']}, at least {spec['minAvailable']}"
        case "HorizontalPodAutoscaler":
            yield f"{spec['minReplicas']} to {spec['maxReplicas']} replicas"
        case "PodGang":
            groups = spec["podgroups"]
            yield f"{len(groups)} PodCliques, {sum(len(g['podReferences']) for g in groups)} pods"
        case "PodGroup":
            least = spec.get("minMember") or spec["schedulingPolicy"]["gang"]["minCount"]
            yield f"at least {least} pods together"
        case "CompositePodGroup":
            yield f"all {spec['schedulingPolicy']['gang']['minGroupCount']} groups together"
        case "Pod":
            yield f"index {body['metadata']['labels'][labels.POD_INDEX]}"
            if spec.get("schedulingGates"):
                yield "waits for its gang"
        case _:
            return
