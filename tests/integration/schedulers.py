"""Schedulers that do not run here: where their groups are, and who places in their stead."""

from functools import partial

from tests.integration.conftest import Stage
from tests.support.controlplane import ApiError, Object, path_of
from tests.support.follow import Followed

APIS = {
    "kai-scheduler": "scheduling.run.ai/v2alpha2",
    "volcano": "scheduling.volcano.sh/v1beta1",
}


def groups(stage: Stage, scheduler: str, name: str | None = None) -> str:
    return path_of(APIS[scheduler], "podgroups", stage.namespace, name)


def _moved(seen: Followed, before: int) -> bool:
    return seen.changes != before


class StandIn:
    """Places what KAI would: ungated pods of a PodGroup that knows their subgroup, all or none."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage

    async def run(self) -> None:
        seen = self.stage.seen
        while True:
            before = seen.changes
            # A kind that was just defined is refused for a moment; this waits.
            path = groups(self.stage, "kai-scheduler")
            for group in await self.stage.kube.wait_for(path, bool, 60):
                await self._place(group)
            await seen.until(partial(_moved, seen, before), "a change", 600)

    async def _place(self, group: Object) -> None:
        waiting: list[str] = []
        for leaf in group["spec"]["subGroups"]:
            pods = [pod for pod in self._members(group) if self._subgroup(pod) == leaf["name"]]
            if len(pods) < leaf.get("minMember", 0):
                return
            waiting += [p["metadata"]["name"] for p in pods if not p["spec"].get("nodeName")]
        for name in waiting:
            target = {"apiVersion": "v1", "kind": "Node", "name": "plain-0000"}
            binding = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": name}}
            path = f"{self.stage.path('Pod', name)}/binding"
            try:
                await self.stage.kube.create(path, binding | {"target": target})
            except ApiError as error:
                if error.status not in (404, 409):
                    raise

    def _members(self, group: Object) -> list[Object]:
        name = group["metadata"]["name"]
        return [
            pod
            for pod in self.stage.seen.of("Pod")
            if pod["metadata"]["annotations"].get("pod-group-name") == name
            and not pod["spec"].get("schedulingGates")
            and "deletionTimestamp" not in pod["metadata"]
        ]

    def _subgroup(self, pod: Object) -> str:
        return str(pod["metadata"]["labels"].get("kai.scheduler/subgroup-name"))
