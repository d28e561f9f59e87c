"""Lets go of pods on silent nodes: see `policy/unreachable.py` for the rule."""

from collections.abc import Mapping
from typing import NamedTuple

from grove_operator.desired.blueprint import SetBlueprint
from grove_operator.observed import Kind, ReplicaSnapshot
from grove_operator.plan.actions import Delete, Rank
from grove_operator.policy.unreachable import lost_pods


class LostPods(NamedTuple):
    actions: tuple[Delete, ...] = ()
    removals: Mapping[str, str] = {}
    """UIDs of pods that are to be replaced, and why."""
    wait: float | None = None


def plan_lost_pods(blueprint: SetBlueprint, seen: ReplicaSnapshot, now: str) -> LostPods:
    """Costs nothing while every node is there."""
    unreachable = seen.surroundings.unreachable
    if not unreachable:
        return LostPods()
    every = (pod for pods in seen.pods.values() for pod in pods)
    delay = None if blueprint.keep_unreachable else blueprint.termination_delay
    lost = lost_pods(every, unreachable, delay, now)
    why = {
        pod.meta.uid: f"node {pod.node} has been unreachable since {unreachable[pod.node]}"
        for pod in (*lost.dying, *lost.left)
    }
    return LostPods(
        tuple(
            Delete(
                Rank.REMOVE,
                Kind.POD,
                pod.meta.name,
                pod.meta.uid,
                why[pod.meta.uid],
                at_once=True,
            )
            for pod in lost.dying
        ),
        {pod.meta.uid: why[pod.meta.uid] for pod in lost.left},
        lost.wait,
    )
