"""What goes: objects that nothing asks for any more, and finalizers of objects being deleted.

Owners take their children along, so only the topmost objects are deleted here.
"""

from collections.abc import Iterable, Iterator, Mapping

from grove_operator.api import labels
from grove_operator.observed import Child, Clique, Kind, ReplicaSnapshot, ScalingGroup
from grove_operator.plan.actions import Action, Delete, Patch, Rank

_FINALIZERS = {
    Kind.CLIQUE: labels.CLIQUE_FINALIZER,
    Kind.SCALING_GROUP: labels.GROUP_FINALIZER,
    Kind.COMPUTE_DOMAIN: labels.COMPUTE_DOMAIN_FINALIZER,
}
_TOPMOST = (
    Kind.SCALING_GROUP,
    Kind.CLIQUE,
    Kind.GANG,
    Kind.POD_GROUP,
    Kind.HPA,
    Kind.SERVICE,
    Kind.RESOURCE_CLAIM,
    Kind.COMPUTE_DOMAIN,
)

AnyChild = Clique | ScalingGroup | Child


def release_finalizers(seen: ReplicaSnapshot) -> Iterator[Patch]:
    """Let go of what is being deleted; the children of PodCliques and scaling groups follow."""
    for kind, finalizer in _FINALIZERS.items():
        for name, record in seen.children(kind).items():
            meta = record.meta
            if meta.deleting and finalizer in meta.finalizers:
                rest = [item for item in meta.finalizers if item != finalizer]
                yield Patch(
                    Rank.REMOVE,
                    kind,
                    name,
                    meta.uid,
                    {"metadata": {"finalizers": rest or None}},
                    "metadata.finalizers",
                    meta.version,
                )


def remove_replica(seen: ReplicaSnapshot, set_uid: str) -> Iterator[Action]:
    """Delete a whole replica that the set no longer wants."""
    for kind in _TOPMOST:
        children = seen.children(kind)
        owned = (name for name, record in children.items() if record.meta.owner_uid == set_uid)
        yield from delete(kind, children, owned, "the set was scaled in")


def remove_unexpected(
    kind: Kind,
    children: Mapping[str, AnyChild],
    expected: Iterable[str],
    owner_uids: Iterable[str],
) -> Iterator[Delete]:
    """Delete children of ours that the template or the live counts no longer name."""
    owners = set(owner_uids)
    wanted = set(expected)
    stale = (
        name
        for name, record in children.items()
        if name not in wanted and record.meta.owner_uid in owners
    )
    return delete(kind, children, stale, "nothing asks for it any more")


def delete(
    kind: Kind, children: Mapping[str, AnyChild], which: Iterable[str], why: str
) -> Iterator[Delete]:
    for name in sorted(which):
        meta = children[name].meta
        if not meta.deleting:
            yield Delete(Rank.REMOVE, kind, name, meta.uid, why)
