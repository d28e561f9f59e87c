"""What the process remembers of each PodCliqueSet between passes. All of it can be rebuilt.

The blueprint saves reading the same spec thousands of times; the summaries make the set's own
status cost what changed, not what exists.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from grove_operator.admission.validation import essential_problems
from grove_operator.api.labels import DEFAULT_SCHEDULER
from grove_operator.api.parsing import parse_podcliqueset
from grove_operator.api.podcliqueset import PodCliqueSet
from grove_operator.cluster.slowstart import SlowStart
from grove_operator.cluster.store import Family
from grove_operator.desired.blueprint import SetBlueprint, build_blueprint
from grove_operator.errors import SpecError
from grove_operator.observed import Child, Kind, ReplicaSummary, SetSnapshot
from grove_operator.operator.parking import Parking


@dataclass(slots=True)
class Known:
    """One set. `problems` are why its spec cannot be carried out; then there is no blueprint."""

    default_scheduler: str = DEFAULT_SCHEDULER
    identity: tuple[object, ...] = ()
    blueprint: SetBlueprint | None = None
    problems: list[str] = field(default_factory=list)
    looked: set[int] = field(default_factory=set)
    """Replicas that this process has passed over at least once."""
    counted: bool = False
    """Whether these are all that existed when the process began."""
    summaries: dict[int, ReplicaSummary] = field(default_factory=dict)
    troubled: dict[int, ReplicaSummary] = field(default_factory=dict)
    blocked: dict[int, ReplicaSummary] = field(default_factory=dict)
    refused: dict[int, str] = field(default_factory=dict)
    """By replica: what the API server would not take when actions were last sent."""
    available: int = 0
    updated: int = 0
    updated_cliques: int = 0
    updated_groups: int = 0
    stale: int = 0
    outdated: int = 0
    older_priority: int = 0
    turn: int | None = None
    """The replica whose turn in an update it is by the set's last pass."""
    parking: Parking = field(default_factory=Parking)
    pace: SlowStart = field(default_factory=SlowStart)
    errors: tuple[tuple[str, str], ...] = ()
    done: Counter[tuple[str, Kind]] = field(default_factory=Counter)
    """Actions since the last event told of them."""

    def read(self, record: Child) -> bool:
        """Bring the blueprint up to date with the stored set; True if it changed."""
        meta = record.meta
        identity = (meta.uid, meta.generation, meta.deleting, meta.labels, meta.annotations)
        if identity == self.identity:
            return False
        if self.identity and self.identity[0] != meta.uid:
            self.summaries.clear()  # another set of the same name
            self.troubled.clear()
            self.blocked.clear()
            self.refused.clear()
            self.looked.clear()
            self.counted = False
            self.turn = None
            self.available = self.updated = self.updated_cliques = 0
            self.updated_groups = self.stale = self.outdated = self.older_priority = 0
        before = self.blueprint
        try:
            self.blueprint = build_blueprint(_read(record), self.default_scheduler)
            self.problems = []
            if before and before.generation_hash != self.blueprint.generation_hash:
                self._outdate()
        except SpecError as error:
            self.blueprint, self.problems = None, error.problems
        self.identity = identity  # last: a spec that we fail to read was not read
        return True

    @property
    def ends(self) -> bool:
        """Whether the set is gone or going."""
        return self.blueprint.deleting if self.blueprint else not self.problems

    def has_counted(self, replicas: Callable[[Family], list[int]], family: Family) -> bool:
        """Whether every replica has had a pass; asked for all of them only until it is so."""
        if not self.counted:
            self.counted = self.looked.issuperset(replicas(family))
        return self.counted

    def note_refusal(self, replica: int, text: str) -> None:
        """Remember what was refused in the last batch; a batch that got through takes it back."""
        if text:
            self.refused[replica] = text
        else:
            self.refused.pop(replica, None)

    def summarize(self, replica: int, summary: ReplicaSummary | None) -> bool:
        """File the outcome of a pass over a replica; True if it is news."""
        old, first = self.summaries.get(replica), replica not in self.looked
        self.looked.add(replica)
        if old == summary:
            return first
        if old is not None:
            self._count(old, -1)
        self.troubled.pop(replica, None)
        if summary is not None and summary.problem:
            self.troubled[replica] = summary
        self.blocked.pop(replica, None)
        if summary is not None and summary.blocked:
            self.blocked[replica] = summary
        if summary is None:
            self.summaries.pop(replica, None)
        else:
            self.summaries[replica] = summary
            self._count(summary, 1)
        return True

    def _outdate(self) -> None:
        """Nothing is known to be at a template that has only just come."""
        for index, summary in self.summaries.items():
            self.summaries[index] = replace(
                summary, updated=False, updated_cliques=0, updated_groups=0
            )
        self.updated = self.updated_cliques = self.updated_groups = 0

    def _count(self, summary: ReplicaSummary, sign: int) -> None:
        self.available += sign * summary.available
        self.updated += sign * summary.updated
        self.updated_cliques += sign * summary.updated_cliques
        self.updated_groups += sign * summary.updated_groups
        self.stale += sign * summary.stale
        self.outdated += sign * summary.outdated
        self.older_priority += sign * summary.older_priority

    def picture(self, children: Mapping[Kind, Mapping[str, Child]]) -> SetSnapshot:
        """The set as a whole; `children` are the objects that belong to no replica."""
        return SetSnapshot(
            children,
            self.summaries,
            self.available,
            self.updated,
            self.updated_cliques,
            self.updated_groups,
            self.stale,
            self.outdated,
            self.older_priority,
            self.troubled,
            self.blocked,
            turn=self.turn,
        )


def _read(record: Child) -> PodCliqueSet:
    meta = record.meta
    body = {
        "metadata": {
            "name": meta.name,
            "namespace": meta.namespace,
            "uid": meta.uid,
            "generation": meta.generation,
            "labels": meta.labels,
            "annotations": meta.annotations,
            "creationTimestamp": meta.created or None,
            "deletionTimestamp": meta.created if meta.deleting else None,
        },
        **record.body,
    }
    pcs = parse_podcliqueset(body)
    if problems := essential_problems(pcs):
        raise SpecError(problems)
    return pcs
