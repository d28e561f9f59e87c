"""How the groups of one gang hang together: which CompositePodGroups, what each keeps together.

A group has one topology key. Where two constraints are on the same pods the narrower one holds
both, so composites are made only for what has more than one member, and keys are given only where
they are narrower than what is around.

The scheduler places the members of a group one after the other, by age in seconds and then by name,
and takes nothing back. What is most constrained must come first, or what is free to go anywhere
takes the last seats that the others could have had. So the name of a composite sorts before those
of its siblings, and a clique with a level of its own beside cliques without gets a composite.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from grove_operator.desired.expansion import CliqueSlot, GangSlot
from grove_operator.desired.gangpacking import Bundle, GangPacking, bundle_name
from grove_operator.desired.packing import Together
from grove_operator.observed import Child
from grove_operator.scheduling.templates import bundle_template, template_of, wrapper_template


@dataclass(frozen=True, slots=True)
class Branch:
    """A CompositePodGroup. `template` names what it is an instance of."""

    name: str
    template: str
    key: str = ""
    parent: str = ""


@dataclass(frozen=True, slots=True)
class Leaf:
    """A PodGroup."""

    slot: CliqueSlot
    key: str = ""
    parent: str = ""


@dataclass(frozen=True, slots=True)
class Tree:
    """The groups of a gang. `branches` come parents first."""

    gang: GangSlot
    branches: tuple[Branch, ...]
    leaves: tuple[Leaf, ...]

    @property
    def root_key(self) -> str:
        """What keeps the whole gang together."""
        if self.branches:
            return self.branches[0].key
        return self.leaves[0].key if len(self.leaves) == 1 else ""

    def children(self, present: Iterable[str]) -> Counter[str]:
        """How many members each branch has, if only the PodCliques `present` count."""
        names = set(present)
        found = Counter(
            leaf.parent for leaf in self.leaves if leaf.parent and leaf.slot.name in names
        )
        for branch in reversed(self.branches):
            if branch.parent and found[branch.name]:
                found[branch.parent] += 1
        return found


def lay_out(gang: GangSlot, packing: GangPacking | None = None) -> Tree:
    if packing is None or packing.is_empty:
        if len(gang.cliques) < 2:
            return Tree(gang, (), tuple(map(Leaf, gang.cliques)))
        leaves = tuple(Leaf(slot, parent=gang.name) for slot in gang.cliques)
        return Tree(gang, (Branch(gang.name, template_of(gang)),), leaves)
    return _Layout(gang, packing).tree()


def required(together: Together | None) -> str:
    return together.required if together is not None else ""


@dataclass(frozen=True, slots=True)
class _Layout:
    gang: GangSlot
    packing: GangPacking

    def tree(self) -> Tree:
        gang, packing = self.gang, self.packing
        bundles = {bundle.name: bundle for bundle in packing.bundles if required(bundle.together)}
        around = required(packing.whole)
        for bundle in bundles.values():
            if len(bundle.cliques) == len(gang.cliques):
                around = packing.narrowest(around, required(bundle.together))
        if len(gang.cliques) == 1:
            [slot] = gang.cliques
            return Tree(gang, (), (Leaf(slot, packing.narrowest(around, self._own(slot))),))
        root = Branch(gang.name, template_of(gang), around)
        nested = {
            name: branch
            for name, bundle in bundles.items()
            if (branch := self._nested(bundle, root)) is not None
        }
        leaves = [self._leaf(slot, nested.get(bundle_name(slot), root)) for slot in gang.cliques]
        return self._constrained_first([root, *nested.values()], leaves)

    def _own(self, slot: CliqueSlot) -> str:
        """The level of a clique, or of a replica of a scaling group that has only this one."""
        own = required(self.packing.cliques.get(slot.name))
        for bundle in self.packing.bundles:
            if bundle.cliques == (slot.name,):
                own = self.packing.narrowest(own, required(bundle.together))
        return own

    def _nested(self, bundle: Bundle, root: Branch) -> Branch | None:
        """The composite of one replica of a scaling group, if it needs one."""
        key = required(bundle.together)
        if len(bundle.cliques) == 1 or self.packing.narrowest(key, root.key) == root.key:
            return None
        slot = next(slot for slot in self.gang.cliques if slot.name == bundle.cliques[0])
        assert slot.group is not None
        group = slot.group.blueprint.name
        name = f"{self.gang.name}--{group}.{slot.group_replica}"
        return Branch(name, bundle_template(group), key, root.name)

    def _leaf(self, slot: CliqueSlot, parent: Branch) -> Leaf:
        key = self._own(slot)
        around = self.packing.narrowest(parent.key, required(self.packing.whole))
        return Leaf(slot, "" if self.packing.narrowest(key, around) == around else key, parent.name)

    def _constrained_first(self, branches: list[Branch], leaves: list[Leaf]) -> Tree:
        free = {leaf.parent for leaf in leaves if not leaf.key}
        for index, leaf in enumerate(leaves):
            if leaf.key and leaf.parent in free:
                branch = self._wrapper(leaf)
                branches.append(branch)
                leaves[index] = Leaf(leaf.slot, parent=branch.name)
        return Tree(self.gang, tuple(branches), tuple(leaves))

    def _wrapper(self, leaf: Leaf) -> Branch:
        """Two dashes after what the siblings' names have in common: nothing sorts before that.

        The dot keeps it from being the name of any gang.
        """
        slot, siblings = leaf.slot, self.gang.name
        if leaf.parent != self.gang.name or self.gang.base_gang is not None:
            siblings = bundle_name(slot)  # a replica of a scaling group, and nothing else
        rest = slot.name.removeprefix(f"{siblings}-")
        template = wrapper_template(self.gang, slot)
        return Branch(f"{siblings}--{rest}.all", template, leaf.key, leaf.parent)


# --- what exists


def topology_key(body: Mapping[str, Any]) -> str:
    """The topology key of a PodGroup or CompositePodGroup."""
    constraints = body.get("spec", {}).get("schedulingConstraints") or {}
    return next((str(item.get("key", "")) for item in constraints.get("topology") or ()), "")


def parent_of(body: Mapping[str, Any]) -> str:
    return str(body.get("spec", {}).get("parentCompositePodGroupName") or "")


def priority_of(body: Mapping[str, Any]) -> str:
    """The PriorityClass of a PodGroup or CompositePodGroup."""
    return str(body.get("spec", {}).get("priorityClassName") or "")


def is_placed_like(body: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """Whether an existing group is under the parent, and has the key, that the wanted one has."""
    return topology_key(body) == topology_key(wanted) and parent_of(body) == parent_of(wanted)


def is_like(body: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """Whether an existing group agrees with the wanted one in all that cannot be changed."""
    return is_placed_like(body, wanted) and priority_of(body) == priority_of(wanted)


def as_found(tree: Tree, groups: Mapping[str, Child], composites: Mapping[str, Child]) -> Tree:
    """The gang as its groups have it today: what is there keeps its parent and its key."""
    leaves = tuple(
        replace(leaf, key=topology_key(group.body), parent=parent_of(group.body))
        if (group := groups.get(leaf.slot.name)) is not None
        else leaf
        for leaf in tree.leaves
    )
    wanted = {branch.name: branch for branch in tree.branches}
    branches: dict[str, Branch] = {}
    template = template_of(tree.gang)
    for leaf in leaves:
        chain = [*_ancestors(leaf.parent, wanted, composites, template)]
        for branch in reversed(chain):
            branches.setdefault(branch.name, branch)
    return Tree(tree.gang, tuple(branches.values()), leaves)


def _ancestors(
    name: str, wanted: Mapping[str, Branch], composites: Mapping[str, Child], template: str
) -> Iterator[Branch]:
    """From the innermost to the root."""
    seen: set[str] = set()
    while name and name not in seen:
        seen.add(name)
        branch = wanted.get(name, Branch(name, template))
        found = composites.get(name)
        if found is not None:
            branch = replace(branch, key=topology_key(found.body), parent=parent_of(found.body))
        yield branch
        name = branch.parent
