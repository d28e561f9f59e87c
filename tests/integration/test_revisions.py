"""The history of a set's templates, on the real control plane."""

from typing import Any

from tests.integration.conftest import Stage
from tests.integration.sets import plain
from tests.support.controlplane import Object, path_of
from tests.support.operator import OperatorProcess


def path(stage: Stage, name: str | None = None) -> str:
    return path_of("apps/v1", "controllerrevisions", stage.namespace, name)


async def history(stage: Stage, *images: str) -> list[Object]:
    """The revisions, newest last, once they are of these images."""

    def in_order(found: list[Object]) -> list[Object]:
        return sorted(found, key=lambda item: int(item["revision"]))

    found = await stage.kube.wait_for(
        path(stage), lambda items: [image_of(item) for item in in_order(items)] == list(images)
    )
    return in_order(found)


def image_of(revision: Object) -> str:
    [clique] = revision["data"]["spec"]["template"]["cliques"]
    image: str = clique["spec"]["podSpec"]["containers"][0]["image"]
    return image


async def change(stage: Stage, image: str) -> None:
    where = "/spec/template/cliques/0/spec/podSpec/containers/0/image"
    patch = [{"op": "replace", "path": where, "value": image}]
    await stage.edit("PodCliqueSet", "plain", patch)
    await stage.seen.until_nothing(stage.problems)


async def annotate(stage: Stage, limit: str) -> None:
    note = {"grove.io/revision-history-limit": limit}
    await stage.edit("PodCliqueSet", "plain", {"metadata": {"annotations": note}})


async def test_templates_are_kept_and_numbered(stage: Stage, operator: OperatorProcess) -> None:
    made = await stage.create(plain())
    await stage.settled()
    [first] = await history(stage, "registry.example/main:1")
    assert first["metadata"]["name"] == f"plain-{current(stage)}"
    assert first["metadata"]["ownerReferences"][0]["uid"] == made["metadata"]["uid"]
    assert first["data"]["spec"]["template"] == made["spec"]["template"]
    await stage.scale("PodCliqueSet", "plain", 2)
    await stage.settled()
    await change(stage, "two:1")
    await change(stage, "three:1")
    await history(stage, "registry.example/main:1", "two:1", "three:1")
    # Back to the first: the same object, the newest again.
    await change(stage, "registry.example/main:1")
    *_, newest = await history(stage, "two:1", "three:1", "registry.example/main:1")
    assert (newest["metadata"]["uid"], newest["revision"]) == (first["metadata"]["uid"], 4)
    # One that is hidden by a lost label is found again.
    lost: dict[str, Any] = {"metadata": {"labels": {"app.kubernetes.io/managed-by": None}}}
    await stage.kube.patch(path(stage, newest["metadata"]["name"]), lost)
    await stage.kube.wait_for(
        path(stage, newest["metadata"]["name"]),
        lambda item: "app.kubernetes.io/managed-by" in item["metadata"]["labels"],
    )
    await annotate(stage, "1")
    await history(stage, "three:1", "registry.example/main:1")
    await stage.delete("PodCliqueSet", "plain")
    # A garbage collector that has just started looks for new kinds every 30 s.
    await stage.kube.wait_gone(path(stage), 90)
    assert operator.metric("grove_operator_errors_total", reason="bug") == 0


def current(stage: Stage) -> str:
    seen = stage.seen.named("PodCliqueSet", "plain") or {}
    name: str = seen["status"]["currentGenerationHash"]
    return name
