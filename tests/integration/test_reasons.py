"""Why is it not running? Each cause is made, told first within seconds, and taken back.

Pods go to nodes that nobody runs, so that a test can say what a kubelet would.
"""

import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.integration.conftest import Stage
from tests.integration.devices import a_claim, a_template, publish
from tests.integration.handrun import Pool, containers, moment
from tests.integration.racks import binding_path
from tests.integration.sets import Body, a_group, a_set, conditions
from tests.support.controlplane import Object, path_of
from tests.support.operator import OperatorProcess
from tests.support.privileges import operator_kubeconfig
from tools.localcluster import LocalCluster

pytestmark = pytest.mark.unguarded
"""Some causes are made on children, which admission forbids to users."""

SECONDS = 10.0
"""Within which the true reason must be told."""


@pytest.fixture(scope="module")
def operator(
    ground: LocalCluster, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[OperatorProcess]:
    settings = {
        "GROVE_NETWORK__AUTO_MNNVL_ENABLED": "true",
        "GROVE_TOPOLOGY_AWARE_SCHEDULING__ENABLED": "true",
    }
    folder = tmp_path_factory.mktemp("operator")
    with OperatorProcess(operator_kubeconfig(ground), folder, **settings) as process:
        yield process
        assert process.running, process.tail()
        assert process.metric("grove_operator_errors_total", reason="bug") == 0, process.tail()


@pytest.fixture
async def pool(stage: Stage, operator: OperatorProcess) -> AsyncIterator[Pool]:
    del operator
    made = Pool(stage.kube, f"why-{uuid.uuid4().hex[:6]}")
    yield made
    await made.close(stage.namespace)
    if await stage.kube.find(binding_path(made.name)):
        await stage.kube.delete(binding_path(made.name))


@dataclass(frozen=True)
class Scene:
    stage: Stage
    pool: Pool

    def pods(self, clique: str = "main") -> list[Object]:
        """Placed ones that are to stay."""
        return [
            pod
            for pod in self.stage.seen.of("Pod")
            if pod["metadata"]["labels"]["grove.io/podclique"] == f"why-0-{clique}"
            and "deletionTimestamp" not in pod["metadata"]
            and pod["spec"].get("nodeName")
        ]

    async def start(self, *cliques: Body, nodes: int = 1, **template: Any) -> None:
        """A set whose pods are all placed and have not said anything yet."""
        for _ in range(nodes):
            await self.pool.add()
        await self.create(*cliques, **template)
        wanted = {clique["name"]: clique["spec"]["replicas"] for clique in cliques}
        await self.stage.seen.until(
            lambda: {name: len(self.pods(name)) for name in wanted} == wanted, "pods are placed"
        )

    async def create(self, *cliques: Body, groups: Any = (), **template: Any) -> None:
        body = a_set("why", cliques, groups)
        body["spec"]["template"] |= template
        await self.stage.create(body)

    async def report(self, status: Body, clique: str = "main") -> None:
        for pod in self.pods(clique):
            await self.pool.report(pod, status)

    async def get_ready(self, clique: str = "main") -> None:
        for pod in self.pods(clique):
            await self.pool.report_ready(pod)

    async def bind(self) -> Body:
        """Zones and racks of the pool's nodes, by `z` and `r`; gives their labels."""
        keys = {level: f"{self.pool.name}.example.org/{level}" for level in ("zone", "rack")}
        levels = [{"domain": domain, "key": key} for domain, key in keys.items()]
        body = {
            "apiVersion": "grove.io/v1alpha1",
            "kind": "ClusterTopologyBinding",
            "metadata": {"name": self.pool.name},
            "spec": {"levels": levels},
        }
        await self.stage.kube.create(binding_path(), body)
        return keys

    def packed(self, level: str) -> Body:
        pack = {"topologyName": self.pool.name, "pack": {"required": level}}
        return {"topologyConstraint": pack}

    def blocked(self, kind: str = "PodGang", name: str = "why-0") -> tuple[str, str]:
        """Reason and message; empty if it is not blocked."""
        found = conditions(self.stage.seen.named(kind, name)).get("GangBlocked", {})
        return found.get("reason", ""), found.get("message", "")

    async def told(self, reason: str, *words: str, gang: str = "why-0") -> None:
        await self.stage.seen.until_nothing(lambda: self._lacks(reason, words, gang), SECONDS)

    def _lacks(self, reason: str, words: tuple[str, ...], gang: str) -> list[str]:
        found, message = self.blocked(name=gang)
        missing = [word for word in words if word not in message]
        whole = self.blocked("PodCliqueSet", "why")
        if found != reason or missing:
            return [f"PodGang says {found!r}: {message!r}, not {reason} with {missing}"]
        return [] if whole[0] else ["PodCliqueSet does not say that a gang is blocked"]

    async def taken_back(self) -> None:
        def left() -> list[str]:
            gangs = [item["metadata"]["name"] for item in self.stage.seen.of("PodGang")]
            told = [self.blocked(name=name) for name in gangs]
            told.append(self.blocked("PodCliqueSet", "why"))
            return [str(item) for item in told if item[0]]

        await self.stage.seen.until_nothing(left)


def waiting(reason: str, message: str, **more: Any) -> Body:
    return containers(state={"waiting": {"reason": reason, "message": message}}, **more)


def ended(code: int, reason: str) -> Body:
    return {
        "terminated": {
            "exitCode": code,
            "reason": reason,
            "startedAt": moment(60),
            "finishedAt": moment(30),
        }
    }


def crashing(code: int, reason: str) -> Body:
    last = ended(code, reason)
    return waiting("CrashLoopBackOff", "back-off 40s", lastState=last, restartCount=4)


async def a_quota(scene: Scene) -> None:
    quotas = path_of("v1", "resourcequotas", scene.stage.namespace)
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "few"}}
    await scene.pool.add()
    await scene.stage.kube.create(quotas, quota | {"spec": {"hard": {"pods": "1"}}})
    await scene.stage.kube.wait_for(
        f"{quotas}/few", lambda q: q and q.get("status", {}).get("hard")
    )
    await scene.create(scene.pool.clique("main", 2))
    await scene.told("CreationRefused", "exceeded quota")
    await scene.stage.kube.delete(f"{quotas}/few")


async def a_base_gang_that_waits(scene: Scene) -> None:
    await scene.pool.add()
    crew = a_group("crew", ["oar"], 2, 1)
    router = scene.pool.clique("router", 2, requests={"cpu": "5"})
    await scene.create(router, scene.pool.clique("oar"), groups=[crew])
    await scene.told("BaseGangBlocked", "why-0 is placed", "short of", gang="why-0-crew-0")
    await scene.told("InsufficientCapacity")
    await scene.pool.add()


async def too_little_room(scene: Scene) -> None:
    await scene.pool.add()
    await scene.create(scene.pool.clique("main", 3, requests={"cpu": "3"}))
    await scene.told("InsufficientCapacity", "main short of 1 pod: 1 node", "8 free cpu, 9 needed")
    await scene.pool.add()


async def a_label_that_no_node_has(scene: Scene) -> None:
    await scene.create(scene.pool.clique("main"))
    await scene.told("NoNodeMatches", f"without the label example.org/pool={scene.pool.name}")
    await scene.pool.add()


async def cordoned_nodes(scene: Scene) -> None:
    node = await scene.pool.add()
    await scene.pool.change(node, {"unschedulable": True})
    await scene.create(scene.pool.clique("main"))
    await scene.told("NoNodeMatches", "1 cordoned")
    await scene.pool.change(node, {"unschedulable": None})


async def a_taint(scene: Scene) -> None:
    node = await scene.pool.add()
    taint = {"key": "example.org/gold", "value": "yes", "effect": "NoSchedule"}
    await scene.pool.change(node, {"taints": [taint]})
    await scene.create(scene.pool.clique("main"))
    await scene.told("NoNodeMatches", "1 with the taint example.org/gold=yes")
    await scene.pool.change(node, {"taints": []})


async def a_missing_claim(scene: Scene) -> None:
    kube, namespace = scene.stage.kube, scene.stage.namespace
    await scene.pool.add()
    clique = scene.pool.clique("main")
    clique["spec"]["podSpec"]["volumes"] = [
        {"name": "weights", "persistentVolumeClaim": {"claimName": "weights"}}
    ]
    await scene.create(clique)
    await scene.told("ClaimUnavailable", "its pods use the claims weights")
    size = {"storage": "1Gi"}
    spec = {"accessModes": ["ReadOnlyMany"], "storageClassName": ""}
    volume = {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": scene.pool.name},
        "spec": spec | {"capacity": size, "hostPath": {"path": "/tmp"}},
    }
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "weights"},
        "spec": spec | {"resources": {"requests": size}, "volumeName": scene.pool.name},
    }
    await kube.create(path_of("v1", "persistentvolumes"), volume)
    await kube.create(path_of("v1", "persistentvolumeclaims", namespace), claim)


def claiming(scene: Scene, **source: str) -> Body:
    """A clique whose pods claim a device by themselves."""
    clique = scene.pool.clique("main")
    pod_spec = clique["spec"]["podSpec"]
    pod_spec["resourceClaims"] = [{"name": "nic"} | source]
    pod_spec["containers"][0]["resources"]["claims"] = [{"name": "nic"}]
    return clique


async def a_missing_claim_for_devices(scene: Scene) -> None:
    kube, namespace = scene.stage.kube, scene.stage.namespace
    await publish(kube)
    await scene.pool.add()
    await scene.create(claiming(scene, resourceClaimName="mine"), scene.pool.clique("other"))
    await scene.told("ClaimUnavailable", "main: there is no ResourceClaim mine")
    await a_claim(kube, namespace, "mine")


async def a_missing_template_of_claims(scene: Scene) -> None:
    kube, namespace = scene.stage.kube, scene.stage.namespace
    await publish(kube)
    await scene.pool.add()
    await scene.create(claiming(scene, resourceClaimTemplateName="mine"))
    await scene.told("ClaimUnavailable", "main: there is no ResourceClaimTemplate mine")
    await a_template(kube, namespace, "mine")


async def a_missing_template_of_shared_claims(scene: Scene) -> None:
    kube, namespace = scene.stage.kube, scene.stage.namespace
    await publish(kube)
    await scene.pool.add()
    await scene.create(
        scene.pool.clique("main", 2),
        resourceSharing=[{"name": "lent", "scope": "AllReplicas"}],
    )
    await scene.told("ClaimUnavailable", "there is no ResourceClaimTemplate lent in namespace")
    await a_template(kube, namespace, "lent")


async def a_driver_that_is_not_there(scene: Scene) -> None:
    """The template is what it would make."""
    kube, namespace = scene.stage.kube, scene.stage.namespace
    await publish(kube)
    await scene.pool.add()
    clique = scene.pool.clique("main", requests={"nvidia.com/gpu": "1"})
    await scene.create(clique | {"annotations": {"grove.io/mnnvl-group": "fabric"}})
    missing = "there is no ResourceClaimTemplate why-0-fabric"
    await scene.told("ClaimUnavailable", missing, "install NVIDIA's DRA driver")
    await a_template(kube, namespace, "why-0-fabric")


async def racks_that_are_too_small(scene: Scene) -> None:
    """Two nodes have room for all, and neither rack has."""
    rack = (await scene.bind())["rack"]
    for name in ("r1", "r2"):
        await scene.pool.add(**{rack: name})
    await scene.create(scene.pool.clique("main", 3, requests={"cpu": "3"}), **scene.packed("rack"))
    short = "main short of 1 pod: rack r1 has 8 free cpu, 9 needed; r2 has 8"
    await scene.told("InsufficientCapacity", short)
    await scene.pool.add(**{rack: "r2"})


async def zones_that_are_too_small(scene: Scene) -> None:
    """Each clique finds a rack in any zone, and no zone has one for each."""
    keys = await scene.bind()
    for zone in ("z1", "z2"):
        await scene.pool.add(**{keys["zone"]: zone, keys["rack"]: f"{zone}-r1"})
    cliques = [
        scene.pool.clique(name, 2, requests={"cpu": "3"}) | scene.packed("rack")
        for name in ("left", "right")
    ]
    await scene.create(*cliques, **scene.packed("zone"))
    short = "right short of 2 pods: zone z1 has 8 free cpu, 12 needed; z2 has 8"
    await scene.told("InsufficientCapacity", short)
    await scene.pool.add(**{keys["zone"]: "z2", keys["rack"]: "z2-r2"})


async def an_image_that_is_not_there(scene: Scene) -> None:
    await scene.start(scene.pool.clique("main", 2))
    await scene.report(waiting("ErrImagePull", "registry.example/main:1: not found"))
    await scene.told("ImageUnavailable", "2 of 2 pods", "registry.example/main:1: not found")
    await scene.get_ready()


async def a_missing_config_map(scene: Scene) -> None:
    await scene.start(scene.pool.clique("main"))
    await scene.report(waiting("CreateContainerConfigError", 'configmap "a" not found'))
    await scene.told("ContainerCannotStart", 'configmap "a" not found')
    await scene.get_ready()


async def a_crash_loop(scene: Scene) -> None:
    await scene.start(scene.pool.clique("main"))
    await scene.report(crashing(3, "Error"))
    await scene.told("ContainerCrashes", "exit code 3")
    await scene.get_ready()


async def too_little_memory(scene: Scene) -> None:
    await scene.start(scene.pool.clique("main"))
    await scene.report(crashing(137, "OOMKilled"))
    await scene.told("OutOfMemory", "exit code 137 (OOMKilled)")
    await scene.get_ready()


async def a_probe_that_fails(scene: Scene) -> None:
    await scene.start(scene.pool.clique("main"))
    await scene.report(containers(state={"running": {"startedAt": moment(900)}}, started=True))
    await scene.told("NotBecomingReady", "1 of 1 pods", "readiness probes")
    await scene.get_ready()


async def a_parent_that_crashes(scene: Scene) -> None:
    cliques = scene.pool.clique("work"), scene.pool.clique("lead")
    cliques[0]["spec"]["startsAfter"] = ["lead"]
    await scene.start(*cliques, cliqueStartupType="CliqueStartupTypeExplicit")
    await scene.report(crashing(3, "Error"), "lead")
    order = "WaitsForStartupOrder: work starts after lead, which has 0 of 1 pods ready"
    await scene.told("ContainerCrashes", "lead: 1 of 1 pods", order)
    await scene.get_ready("lead")


async def a_silent_node(scene: Scene) -> None:
    await scene.start(scene.pool.clique("main"))
    await scene.pool.fall_silent(scene.pool.nodes[0], ago=60)
    await scene.told("NodeUnreachable", f"node {scene.pool.nodes[0]} is unreachable since")
    await scene.pool.come_back(scene.pool.nodes[0])
    await scene.get_ready()


Cause = Callable[[Scene], Awaitable[None]]
CAUSES: tuple[Cause, ...] = (
    a_quota,
    a_base_gang_that_waits,
    too_little_room,
    a_label_that_no_node_has,
    cordoned_nodes,
    a_taint,
    a_missing_claim,
    a_missing_claim_for_devices,
    a_missing_template_of_claims,
    a_missing_template_of_shared_claims,
    a_driver_that_is_not_there,
    racks_that_are_too_small,
    zones_that_are_too_small,
    an_image_that_is_not_there,
    a_missing_config_map,
    a_crash_loop,
    too_little_memory,
    a_probe_that_fails,
    a_parent_that_crashes,
    a_silent_node,
)


@pytest.mark.parametrize("cause", CAUSES, ids=lambda cause: cause.__name__.replace("_", " "))
async def test_the_reason_is(stage: Stage, pool: Pool, cause: Cause) -> None:
    scene = Scene(stage, pool)
    await cause(scene)
    await scene.taken_back()


async def test_a_gang_that_merely_starts_is_never_called_blocked(stage: Stage, pool: Pool) -> None:
    """And once it runs, nothing is written any more."""
    scene = Scene(stage, pool)
    await scene.start(pool.clique("main", 3), nodes=2)
    await scene.report(waiting("ContainerCreating", ""))
    await stage.seen.stays_quiet(2)
    assert scene.blocked() == ("", "")
    await scene.get_ready()
    await stage.settled()
    assert await stage.seen.stays_quiet(3) == []
    assert scene.blocked() == ("", "")
