"""`grove-operator plan`: what manifests would become, with no cluster.

Reads and judges them as `lint` does, plays each set through with the operator's own planners,
prints the objects as a tree for people or as YAML or JSON for programs.
"""

import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import yaml
from rich.console import Console
from rich.text import Text
from rich.tree import Tree
from typing_extensions import override

from grove_operator.admission.wholeset import pods_of
from grove_operator.api import labels
from grove_operator.api.podcliqueset import PodCliqueSet
from grove_operator.api.topology import ClusterTopologyBinding
from grove_operator.cli.findings import Level, many, print_findings
from grove_operator.cli.lint import ANY_CLUSTER, Report, lint
from grove_operator.cli.manifests import read_plain_words_as_kubernetes, shown_name
from grove_operator.cli.outputs import LintOutput, PlanOutput
from grove_operator.desired.blueprint import build_blueprint
from grove_operator.desired.packing import TopologyOffer
from grove_operator.plan.rehearse import rehearse
from grove_operator.scheduling.native import Capabilities
from grove_operator.scheduling.profiles import EVERYTHING

Body = dict[str, Any]

MOST_PODS: Final = 10_000
"""Of one set. Nobody reads more, and it would take minutes."""
_PIPED_WIDTH: Final = 10_000
"""No line is broken for a program."""


@dataclass(frozen=True)
class MadeUpCluster:
    """What is not the same everywhere. All else that a set can make use of is there."""

    native_gangs: bool
    waiter_image: str

    def offers(self, bindings: Iterable[ClusterTopologyBinding]) -> Capabilities:
        """With ClusterTopologyBindings among the manifests, topology counts as on."""
        levels = {
            binding.metadata.name: {level.domain: level.key for level in binding.spec.levels}
            for binding in bindings
        }
        return Capabilities(
            pod_groups=self.native_gangs,
            composite_groups=self.native_gangs,
            workloads=self.native_gangs,
            pod_monitors=True,
            waiter_image=self.waiter_image,
            resource_claims=True,
            compute_domains=True,
            mnnvl=True,
            topology=TopologyOffer(enabled=bool(levels), bindings=levels),
            profiles=EVERYTHING,
        )


def run_plan(
    names: Sequence[str], cluster: MadeUpCluster, output: PlanOutput, namespace: str
) -> int:
    """The command: objects go to stdout, what is wrong to stderr, and then there are no objects."""
    report = lint(names, sys.stdin.buffer, ANY_CLUSTER, namespace)
    errors = [finding for finding in report.findings if finding.level is Level.ERROR]
    print_findings(errors, LintOutput.TEXT, Console(stderr=True, highlight=False))
    obstacles = report.unreadable or ([] if errors else list(_obstacles(report, names)))
    for obstacle in obstacles:
        sys.stderr.write(f"{obstacle}\n")
    if errors or obstacles:
        return report.exit_code(strict=False) or 1
    width = None if sys.stdout.isatty() else _PIPED_WIDTH
    console = Console(highlight=False, width=width)
    print_plan(report.sets, cluster.offers(report.bindings), output, console)
    return 0


def _obstacles(report: Report, names: Sequence[str]) -> Iterator[str]:
    if not report.sets:
        where = ", ".join(map(shown_name, names))
        yield f"{where}: no PodCliqueSet (apiVersion {labels.GROVE_API}) in it"
    for pcs in report.sets:
        pods = pods_of(pcs.spec)
        if pods > MOST_PODS:
            yield (
                f"PodCliqueSet {pcs.metadata.namespace}/{pcs.metadata.name}: becomes {pods} pods, "
                f"too many to print; plan it with at most {MOST_PODS}"
            )


def plan_objects(pcs: PodCliqueSet, capabilities: Capabilities) -> list[Body]:
    """Every object that the set becomes, without the UIDs that only a server gives.

    All but ControllerRevisions, which would only repeat the set.
    """
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


read_plain_words_as_kubernetes(_PlainDumper)


def _tree(pcs: PodCliqueSet, bodies: list[Body]) -> Tree:
    children: dict[tuple[str, str], list[Body]] = {}
    for body in bodies:
        owner = body["metadata"]["ownerReferences"][0]
        children.setdefault((owner["kind"], owner["name"]), []).append(body)
    title = f"PodCliqueSet {pcs.metadata.namespace}/{pcs.metadata.name}"
    pods = sum(body["kind"] == "Pod" for body in bodies)
    size = f"{many(len(bodies), 'object')}, {pods} of them pods"
    root = Tree(Text.assemble((title, "bold"), f"  {size}"))
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
            pods = sum(len(group["podReferences"]) for group in groups)
            yield f"{many(len(groups), 'PodClique')}, {many(pods, 'pod')}"
        case "PodGroup":
            least = spec.get("minMember") or spec["schedulingPolicy"]["gang"]["minCount"]
            yield f"at least {many(least, 'pod')} together"
        case "CompositePodGroup":
            least = spec["schedulingPolicy"]["gang"]["minGroupCount"]
            yield f"all {many(least, 'group')} together"
        case "Pod":
            yield f"index {body['metadata']['labels'][labels.POD_INDEX]}"
            if spec.get("schedulingGates"):
                yield "waits for its gang"
        case _:
            return
