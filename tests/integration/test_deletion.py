"""Deletion in every way that Kubernetes knows, and the same name again at once."""

import pytest

from tests.integration.conftest import Stage
from tests.integration.sets import plain, tide
from tests.support.controlplane import Kube, path_of
from tests.support.follow import Followed

pytestmark = pytest.mark.usefixtures("operator")


@pytest.mark.parametrize("policy", ["Background", "Foreground"])
async def test_everything_goes_with_its_set(stage: Stage, policy: str) -> None:
    await stage.create(tide())
    await stage.settled()
    await stage.delete("PodCliqueSet", "tide", propagationPolicy=policy)
    await stage.gone()


async def test_a_set_that_is_not_yet_complete_can_be_deleted(stage: Stage) -> None:
    await stage.create(tide(2))
    await stage.seen.until(lambda: stage.seen.of("PodClique"), "the first PodClique")
    await stage.delete("PodCliqueSet", "tide", propagationPolicy="Background")
    await stage.gone()


async def test_children_of_an_orphaning_deletion_stay_and_can_be_deleted(stage: Stage) -> None:
    """That is what orphaning means; but nothing of theirs may then hang on a finalizer."""
    await stage.create(tide())
    await stage.settled()
    await stage.delete("PodCliqueSet", "tide", propagationPolicy="Orphan")
    await stage.seen.until(lambda: not stage.seen.of("PodCliqueSet"), "the set is gone")
    assert len(stage.seen.of("Pod")) == 11
    for kind in ("PodCliqueScalingGroup", "PodClique", "PodGang", "Service", "Secret"):
        await stage.kube.delete(stage.path(kind), propagationPolicy="Background")
    kinds = ("PodCliqueScalingGroup", "PodClique", "PodGang", "Pod", "PodGroup")
    await stage.seen.until_nothing(
        lambda: [f"{kind} is left" for kind in kinds if stage.seen.of(kind)]
    )


@pytest.mark.parametrize("policy", ["Background", "Foreground"])
async def test_the_same_name_again_at_once(stage: Stage, policy: str) -> None:
    """The new set waits until what the old one owned is gone, and takes none of it."""
    await stage.create(tide())
    await stage.settled()
    old = {
        item["metadata"]["uid"] for _, item in stage.seen if "ownerReferences" in item["metadata"]
    }
    await stage.delete("PodCliqueSet", "tide", propagationPolicy=policy)
    path = stage.path("PodCliqueSet", "tide")
    await stage.kube.wait_gone(path)
    await stage.create(tide())
    await stage.settled()
    assert not old & {item["metadata"]["uid"] for _, item in stage.seen}


async def test_a_namespace_can_be_deleted(kube: Kube, namespace: str) -> None:
    """One of its own, because the fixture's is deleted by the fixture."""
    mine = f"{namespace}-mine"
    path = path_of("v1", "namespaces", name=mine)
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": mine}}
    await kube.create(path_of("v1", "namespaces"), body)
    await kube.wait_for(path_of("v1", "serviceaccounts", mine, "default"), bool)
    async with Followed.start(kube, mine) as seen:
        stage = Stage(kube, mine, seen)
        await stage.create(tide())
        await stage.create(plain())
        await stage.settled()
        await kube.delete(path)
        await kube.wait_gone(path, 60)


async def test_a_deleted_podclique_comes_back(stage: Stage) -> None:
    await stage.create(tide(autoscaled=False))
    await stage.settled()
    for name in ("tide-0-router", "tide-0-crew-1-oar", "tide-0-crew-2-lead"):
        await stage.delete("PodClique", name, propagationPolicy="Background")
    await stage.settled()


async def test_a_deleted_scaling_group_comes_back(stage: Stage) -> None:
    await stage.create(tide(autoscaled=False))
    await stage.settled()
    await stage.delete("PodCliqueScalingGroup", "tide-0-crew", propagationPolicy="Background")
    await stage.settled()
