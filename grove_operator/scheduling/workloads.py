"""Workloads: the templates that describe a set's groups. Nothing reads them when pods are placed.

A list of templates holds at most eight, so gangs beyond that go to further Workloads, and what a
list cannot hold is left undescribed: the groups themselves do not depend on it.
"""

from collections.abc import Iterator, Sized
from dataclasses import replace
from typing import Any

from grove_operator.api import labels
from grove_operator.desired.blueprint import SetBlueprint
from grove_operator.desired.expansion import GangSlot, expand
from grove_operator.desired.gangpacking import pack_gang
from grove_operator.scheduling.native import POD_GROUP_API, Capabilities, keyed
from grove_operator.scheduling.templates import (
    MAX_TEMPLATES,
    has_composites,
    member_template,
    template_of,
    workload_of,
)
from grove_operator.scheduling.tree import Branch, Leaf, Tree, lay_out

Body = dict[str, Any]


def build_workloads(blueprint: SetBlueprint, capabilities: Capabilities) -> Iterator[Body]:
    """Describe the set's gangs, by composites or by single groups: a Workload holds one sort."""
    composites = capabilities.composite_groups and has_composites(blueprint)
    field = "compositePodGroupTemplates" if composites else "podGroupTemplates"
    by_workload: dict[str, dict[str, Body]] = {}
    for tree in _trees(blueprint, capabilities):
        gang = tree.gang
        if not gang.cliques or (composites and len(gang.cliques) == 1):
            continue
        name = template_of(gang)
        body = _composite_template(tree) if composites else _group_template(gang)
        by_workload.setdefault(workload_of(blueprint, name), {}).setdefault(name, body)
    for workload, templates in by_workload.items():
        yield {
            "apiVersion": POD_GROUP_API,
            "kind": "Workload",
            "metadata": {
                "name": workload,
                "namespace": blueprint.namespace,
                "labels": blueprint.pair | {labels.NAME: workload},
            },
            "spec": {field: list(templates.values())},
        }


def undescribed(blueprint: SetBlueprint, capabilities: Capabilities) -> int:
    """How many templates find no place in their Workload."""
    if len(blueprint.by_name) <= MAX_TEMPLATES or not capabilities.composite_groups:
        return 0
    return sum(
        max(0, len(members) - MAX_TEMPLATES)
        for tree in _trees(blueprint, capabilities)
        for members in _lists(tree)
    )


def _trees(blueprint: SetBlueprint, capabilities: Capabilities) -> Iterator[Tree]:
    """All sorts of gangs that the set may come to have.

    As if each group had one replica beyond its minimum.
    """
    groups = tuple(replace(group, replicas=group.min_available + 1) for group in blueprint.groups)
    for gang in expand(replace(blueprint, groups=groups), 0, {}).gangs:
        yield lay_out(gang, pack_gang(blueprint.packing, gang, capabilities.topology))


def _group_template(gang: GangSlot) -> Body:
    """Without a topology key: where there are no composites the server may not know any."""
    minimum = sum(slot.blueprint.min_available for slot in gang.cliques)
    return {"name": template_of(gang), "schedulingPolicy": {"gang": {"minCount": minimum}}}


def _composite_template(tree: Tree, branch: Branch | None = None) -> Body:
    """Of a branch and all below it, by default of the whole gang; equal members stand once."""
    top = tree.branches[0] if branch is None else branch
    members = tree.children(leaf.slot.name for leaf in tree.leaves)
    body: Body = {
        "name": top.template,
        "schedulingPolicy": {"gang": {"minGroupCount": members[top.name]}},
    }
    composites = [_composite_template(tree, it) for it in _branches_of(tree, top)]
    for field, found in (
        ("podGroupTemplates", [_member(tree.gang, leaf) for leaf in _leaves_of(tree, top)]),
        ("compositePodGroupTemplates", composites),
    ):
        if found:
            body[field] = found[:MAX_TEMPLATES]
    return keyed(body, top)


def _lists(tree: Tree) -> Iterator[Sized]:
    for branch in tree.branches:
        yield _leaves_of(tree, branch)
        yield _branches_of(tree, branch)


def _leaves_of(tree: Tree, branch: Branch) -> list[Leaf]:
    """One for each template."""
    found: dict[str, Leaf] = {}
    for leaf in tree.leaves:
        if leaf.parent == branch.name:
            found.setdefault(member_template(tree.gang, leaf.slot), leaf)
    return list(found.values())


def _branches_of(tree: Tree, branch: Branch) -> list[Branch]:
    found: dict[str, Branch] = {}
    for child in tree.branches:
        if child.parent == branch.name:
            found.setdefault(child.template, child)
    return list(found.values())


def _member(gang: GangSlot, leaf: Leaf) -> Body:
    body: Body = {
        "name": member_template(gang, leaf.slot),
        "schedulingPolicy": {"gang": {"minCount": leaf.slot.blueprint.min_available}},
    }
    return keyed(body, leaf)
