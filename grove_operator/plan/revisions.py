"""Plans the history of a set's templates: one ControllerRevision for each generation hash.

What is kept suffices to go back: the template as the user wrote it, and a number that tells the
order. A template that is applied again is the newest again, not another one. Of old ones so many
are kept as the set says; while anything older than the newest may still run, many more are, but not
as many as a pod that nobody replaces could make them.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from grove_operator.desired.blueprint import SetBlueprint
from grove_operator.desired.revision import build_revision, revision_name
from grove_operator.observed import Child, Kind, SetSnapshot
from grove_operator.plan.actions import Action, Create, Delete, Owner, Patch, Rank

MOST: Final = 50
"""Old templates that are kept while any of them may run, if the set does not ask for more."""


def plan_revisions(blueprint: SetBlueprint, record: Child, seen: SetSnapshot) -> Iterator[Action]:
    template: dict[str, Any] | None = record.body.get("spec", {}).get("template")
    if template is None:
        return  # a made-up set
    found = {
        name: child
        for name, child in seen.children.get(Kind.REVISION, {}).items()
        if child.meta.owner_uid == blueprint.uid and not child.meta.deleting
    }
    name = revision_name(blueprint)
    highest = max(map(_number, found.values()), default=0)
    newest = found.get(name)
    if newest is None:
        body = build_revision(blueprint, template, highest + 1)
        owner = Owner(Kind.SET, blueprint.name)
        yield Create(Rank.FOUNDATION, Kind.REVISION, name, body, owner)
    elif _number(newest) < highest:
        patch = {"revision": highest + 1}
        uid = newest.meta.uid
        yield Patch(Rank.FOUNDATION, Kind.REVISION, name, uid, patch, "revision")
    else:
        yield from _prune(blueprint, name, found, seen)


def _prune(
    blueprint: SetBlueprint, newest: str, found: Mapping[str, Child], seen: SetSnapshot
) -> Iterator[Delete]:
    limit = blueprint.revision_limit
    if len(found) - 1 > limit and not _only_newest_runs(blueprint, seen):
        limit = max(limit, MOST)
    surplus = len(found) - 1 - limit
    if surplus <= 0:
        return
    old = sorted((child for name, child in found.items() if name != newest), key=_number)
    for child in old[:surplus]:
        why = f"more than {limit} old templates"
        yield Delete(Rank.REMOVE, Kind.REVISION, child.meta.name, child.meta.uid, why)


def _only_newest_runs(blueprint: SetBlueprint, seen: SetSnapshot) -> bool:
    """Known once each replica has been looked at since the template changed."""
    summaries = [seen.replicas.get(index) for index in range(blueprint.replicas)]
    return all(
        summary is not None
        and summary.target == blueprint.generation_hash
        and summary.is_current
        and not summary.stale
        for summary in summaries
    )


def _number(child: Child) -> int:
    number = child.body.get("revision")
    return number if isinstance(number, int) else 0
