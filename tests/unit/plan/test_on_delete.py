"""Updates that leave it to others to delete pods: what counts as updated."""

from dataclasses import replace as changed

import pytest
from msgspec.structs import replace

from grove_operator.api import labels
from grove_operator.observed import Pod, ReplicaSnapshot, ReplicaSummary
from tests.support.builders import NOW, PLAIN, SetBuilder, a_rest, look, the_crew

OLD = the_crew(strategy="OnDelete")
NEW = OLD.with_clique("oar", 2, minAvailable=1, pod_spec={"hostNetwork": True})


def replaced(seen: ReplicaSnapshot, *cliques: str) -> ReplicaSnapshot:
    """PodCliques follow the template at once, pods only those of `cliques`."""
    slots = NEW.slots(0, crew=3).cliques

    def anew(name: str, pod: Pod) -> Pod:
        own = {**pod.meta.labels, labels.TEMPLATE_HASH: slots[name].blueprint.pod_hash}
        notes = {**pod.meta.annotations, labels.INSTANCE_HASH: slots[name].instance}
        return replace(pod, meta=replace(pod.meta, labels=own, annotations=notes))

    found = {
        name: replace(
            clique,
            spec={**clique.spec, "podSpec": slots[name].blueprint.spec["podSpec"]},
            meta=replace(
                clique.meta,
                labels={
                    **clique.meta.labels,
                    labels.TEMPLATE_HASH: slots[name].blueprint.pod_hash,
                },
            ),
        )
        for name, clique in seen.cliques.items()
    }
    pods = {
        name: tuple(anew(name, pod) if name in cliques else pod for pod in items)
        for name, items in seen.pods.items()
    }
    status = {
        "currentGenerationHash": NEW.blueprint().generation_hash,
        "updateProgress": {"updateStartedAt": NOW, "updateEndedAt": NOW},
    }
    return changed(seen, cliques=found, pods=pods, set_status=status)


def summary(builder: SetBuilder, seen: ReplicaSnapshot) -> ReplicaSummary:
    found = look(builder, seen, PLAIN).summary
    assert found is not None
    return found


OARS = [f"tide-0-crew-{index}-oar" for index in range(3)]
CASES: dict[str, tuple[list[str], int, bool]] = {
    "nobody has deleted anything": ([], 0, False),
    "one replica of the group has new pods": (OARS[:1], 0, False),
    "all pods of the changed clique are new": (OARS, 1, True),
}


@pytest.mark.parametrize(("cliques", "groups", "updated"), CASES.values(), ids=CASES)
def test_what_is_updated(cliques: list[str], groups: int, updated: bool) -> None:
    """Pods of unchanged cliques stay, so they count whatever instance they were made for."""
    _, seen = a_rest(OLD, PLAIN)
    found = summary(NEW, replaced(seen, *cliques))
    assert (found.updated_groups, found.updated, found.is_current) == (groups, updated, updated)
    assert found.stale is not updated
