"""Which keys deserve a look, when, and what is known of their sets.

Everything that happens comes here: changes of objects, nodes and topologies, new leaders, other
offers of the cluster. All of it ends in keys on the work queue; nothing is decided about them.
"""

import time
from collections.abc import Callable, Collection, Iterator
from typing import Final, NamedTuple

from grove_operator.api.labels import DEFAULT_SCHEDULER
from grove_operator.cluster.claimtemplates import ClaimCache
from grove_operator.cluster.nodes import Nodes
from grove_operator.cluster.occupancy import Occupancy
from grove_operator.cluster.store import WHOLE_SET, Family, Place, Store
from grove_operator.desired.blueprint import SetBlueprint
from grove_operator.desired.claims import domain_templates, named_by_pods
from grove_operator.desired.sharing import TemplateRef
from grove_operator.observed import Kind, Node, Pod, Record, ReplicaSummary
from grove_operator.operator.families import Known
from grove_operator.operator.queue import WorkQueue
from grove_operator.plan.motion import is_updating
from grove_operator.policy.pacing import Changes, Pace, is_strained, rest
from grove_operator.policy.reasons import Rank
from grove_operator.policy.turns import current

_GROUPS: Final = frozenset({Kind.POD_GROUP, Kind.KAI_POD_GROUP, Kind.VOLCANO_POD_GROUP})


class Key(NamedTuple):
    """One replica of a set; `replica` is WHOLE_SET for the set itself."""

    namespace: str
    name: str
    replica: int

    @property
    def family(self) -> Family:
        return Family(self.namespace, self.name)

    @property
    def whole(self) -> bool:
        return self.replica == WHOLE_SET


NODES: Final = Key("", "", WHOLE_SET)
"""Stands on the queue for all blocked replicas after nodes have changed."""
_SETTLING: Final = 5.0
"""How many times `Pace.longest` nodes may change before blocked replicas are looked at for that."""
_BLOCKED_RATE: Final = 100.0
"""Blocked replicas that are looked at in a second for changes of nodes."""


class Attention:
    """`latency` tells how long the API server takes to answer, in seconds."""

    def __init__(
        self,
        store: Store,
        queue: WorkQueue[Key],
        pace: Pace,
        now: Callable[[], str],
        latency: Callable[[], float],
    ) -> None:
        self.store = store
        self.queue = queue
        self.pace = pace
        self.default_scheduler = DEFAULT_SCHEDULER
        self.nodes = Nodes(self._node_changed)
        self.occupancy = Occupancy(self.nodes, store)
        self.templates = ClaimCache(self._look_at_family)
        self.claims = ClaimCache(self._look_at_family)
        self.active: dict[str, str] = {}
        """By scheduler: when it was last seen to place a pod."""
        self.known: dict[Family, Known] = {}
        self.touched: dict[Key, tuple[float, float]] = {}
        """By key: the first and the last change since its statuses were written."""
        self._surveyed = 0.0
        """When the last blocked replica has been looked at for a change of nodes."""
        self._now = now
        self._latency = latency

    def changed(self, place: Place, kind: Kind, old: Record | None, new: Record | None) -> None:
        """The store's listener: something is worth a look."""
        self.occupancy.changed(place, kind, old, new)
        key = Key(*place.family, place.replica)
        self.touch(key)
        self.queue.add(key, delay=self._patience(place, kind, old, new))

    def _patience(self, place: Place, kind: Kind, old: Record | None, new: Record | None) -> float:
        """How long the look may wait so that more changes go into it.

        What a scheduler says of a group changes statuses only; so does the end of a pod whose
        deletion was seen, and a living pod that became ready, or placed in a set whose gangs do
        not wait for each other. Statuses wait longer anyway while the API server is slow. An
        update's next step waits for nothing but pods that become ready, and the children of a set
        that ends for nobody.
        """
        patience = self._patience_with_statuses()
        known = self.known.get(place.family)
        if known is not None and known.ends and place.replica != WHOLE_SET:
            # Kubernetes removes the rest; all that is left to do is to let go.
            held = new is not None and new.meta.deleting and new.meta.finalizers
            return self.pace.debounce if held else patience
        if kind in _GROUPS and old is not None and new is not None:
            return patience
        if isinstance(old, Pod) and new is None and old.meta.deleting:
            return patience
        if isinstance(old, Pod) and isinstance(new, Pod) and old.meta.deleting == new.meta.deleting:
            if new.ready and not old.ready and self.has_turn(place.family, place.replica):
                # Of pods that start together the last one is worth a look; the others can wait.
                return self.pace.debounce if self.store.is_starting(*place) else 0.0
            waiting = known is None or known.blueprint is None or known.blueprint.groups
            if known and known.blueprint and new.scheduled and not old.scheduled:
                self.active[known.blueprint.scheduler] = self._now()
            if old.scheduled == new.scheduled or not waiting:
                return patience
        return self.pace.debounce

    def rest(self) -> float:
        """Seconds for which what happens may go unseen; none while an update waits for it."""
        seconds = rest(self._latency(), time.monotonic())
        return 0.0 if seconds and any(map(self._updates, self.known)) else seconds

    def _updates(self, family: Family) -> bool:
        """Whether a set is being updated, also between two of its replicas."""
        known = self.known.get(family)
        return (known is not None and known.turn is not None) or self._has_begun(family)

    def _has_begun(self, family: Family) -> bool:
        """Whether the stored set says that an update is under way."""
        record = self.store.the_set(family)
        return record is not None and is_updating(record.status.get("updateProgress"))

    def has_turn(self, family: Family, replica: int) -> bool:
        """Whether it is this replica that an update is at."""
        known, record = self.known.get(family), self.store.the_set(family)
        if record is None:
            return False
        turn = known.turn if known is not None else None
        return current(record.status.get("updateProgress"), turn) == replica

    def _node_changed(self, old: Node | None, new: Node | None) -> None:
        """A node that falls silent or comes back concerns its pods, any change those that wait."""
        node = new or old
        if node is None:
            return
        self.occupancy.node_changed(node.name)
        if (old.unreachable_since if old else "") != (new.unreachable_since if new else ""):
            for place in self.occupancy.places(node.name):
                self.queue.add(Key(*place.family, place.replica), delay=self.pace.quiet)
        busy = self._surveyed - time.monotonic()
        self.queue.add(NODES, delay=max(_SETTLING * self.pace.longest, busy))

    def look_at_blocked(self) -> None:
        """Some node has changed: the numbers that are told of other gangs may have, too.

        A gang that finds a place is seen by its pods, so this is not urgent and takes its time.
        """
        blocked = [
            Key(*family, replica)
            for family, known in self.known.items()
            for replica, summary in known.blocked.items()
            if summary.blocked and summary.blocked.rank <= Rank.PLACE
        ]
        for index, key in enumerate(blocked):
            self.queue.add(key, delay=index / _BLOCKED_RATE)
        self._surveyed = time.monotonic() + len(blocked) / _BLOCKED_RATE

    def touch(self, key: Key) -> None:
        """Remember that the key's objects are changing, so that statuses wait for the end of it."""
        moment = time.monotonic()
        first, _ = self.touched.get(key, (moment, moment))
        self.touched[key] = (first, moment)

    def look_at_everything(self) -> None:
        """For a new leader, and when what the cluster offers has changed."""
        for family in self.store.families():
            self.queue.add(Key(*family, WHOLE_SET))
            for replica in self.store.replicas(family):
                self.queue.add(Key(*family, replica))

    def look_at_topology(self, name: str) -> None:
        """A ClusterTopologyBinding has changed: look at the sets that name it, or may mean it."""
        for family, known in self.known.items():
            blueprint = known.blueprint
            if blueprint is None:
                continue
            packing = blueprint.packing
            if blueprint.spread or (packing is not None and packing.topology == name):
                self.queue.add(Key(*family, WHOLE_SET))
                self.look_at_replicas(family, known)

    def knowledge(self, family: Family) -> Known:
        """What is known of a set; if its spec has changed, all its replicas deserve a look."""
        record = self.store.the_set(family)
        if record is None and not self.store.has_replicas(family):
            self.known.pop(family, None)
            self._want(family, None)
            return Known()
        known = self.known.setdefault(family, Known(self.default_scheduler))
        if record is None:
            known.blueprint, known.problems, known.identity = None, [], ()
            self._want(family, None)
        elif known.read(record):
            self._want(family, known.blueprint)
            self.queue.add(Key(*family, WHOLE_SET))
            self.look_at_replicas(family, known)
        return known

    def blueprints(self) -> Iterator[SetBlueprint]:
        """Of all sets that can be carried out."""
        for known in self.known.values():
            if known.blueprint is not None:
                yield known.blueprint

    def _want(self, family: Family, blueprint: SetBlueprint | None) -> None:
        """What a set names decides which changes of claims and templates it hears of."""
        claims: Collection[TemplateRef] = ()
        templates: dict[TemplateRef, int] = {}
        if blueprint is not None:
            claims, own = named_by_pods(blueprint)
            templates.update(domain_templates(blueprint))
            templates.update(dict.fromkeys(own | blueprint.claim_sources, WHOLE_SET))
        self.claims.want(family, dict.fromkeys(claims, WHOLE_SET))
        self.templates.want(family, templates)

    def _look_at_family(self, family: Family, replica: int) -> None:
        known = self.known.get(family)
        if known is None:
            return
        self.queue.add(Key(*family, replica))
        if replica == WHOLE_SET:
            self.look_at_replicas(family, known)

    def look_at_replicas(self, family: Family, known: Known) -> None:
        wanted = range(known.blueprint.replicas) if known.blueprint else ()
        for replica in {*wanted, *self.store.replicas(family)}:
            self.queue.add(Key(*family, replica))

    def touch_set(self, key: Key, *, at_once: bool) -> None:
        whole = Key(key.namespace, key.name, WHOLE_SET)
        self.touch(whole)
        patience = self.pace.quiet if self._updates(key.family) else self._patience_with_statuses()
        self.queue.add(whole, delay=0.0 if at_once else patience)

    def _patience_with_statuses(self) -> float:
        return self.pace.longest if is_strained(self._latency()) else self.pace.quiet

    def may_hand_on(
        self, key: Key, before: ReplicaSummary | None, after: ReplicaSummary | None
    ) -> bool:
        """Whether a replica that was being updated is whole again: another one waits for that."""
        return self._has_begun(key.family) and _is_whole(after) and not _is_whole(before)

    def forget(self, key: Key) -> None:
        """Drop what is remembered of a set that is gone."""
        self.touched.pop(key, None)
        if not self.store.has_replicas(key.family):
            self.known.pop(key.family, None)

    def changes(self, key: Key) -> Changes:
        """When the key's objects changed; one that is not known to have has been quiet for long."""
        moment = time.monotonic()
        first, last = self.touched.setdefault(key, (moment, moment - self.pace.quiet))
        return Changes(first, last, moment)


def _is_whole(summary: ReplicaSummary | None) -> bool:
    return summary is not None and summary.is_current and summary.available
