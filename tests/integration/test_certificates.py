"""Webhook certificates against a real API server: the Secret, its watchers, the configurations.

The configurations have names of the test's own: the real ones belong to the webhook process that
serves the other tests of this session.
"""

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from grove_operator.cluster.config import ClientOptions
from grove_operator.cluster.connection import Api
from grove_operator.cluster.resources import SECRETS
from grove_operator.cluster.single import Single
from grove_operator.webhook.certificates import service_names
from grove_operator.webhook.injection import Injector, configurations
from grove_operator.webhook.renewal import Material, Step, Terms, carry_out, decide
from grove_operator.webhook.rotation import RotatedCertificates, material_of, new_secret
from tests.conftest import ControlPlane
from tests.support.controlplane import JSON_PATCH, Kube, Object, path_of
from tests.unit.webhook.object_store import running

NAME = "grove-webhook-server-cert"
GROUP = "admissionregistration.k8s.io/v1"
MANAGED = "cert-manager.io/inject-ca-from"
FOREIGN = base64.b64encode(
    carry_out(Step.REPLACE, Material(), Terms(("x",)), datetime.now(UTC)).ca_crt
)


@pytest.fixture
async def api(control_plane: ControlPlane) -> AsyncIterator[Api]:
    async with await Api.connect(ClientOptions(kubeconfig=str(control_plane.kubeconfig))) as api:
        yield api


class Scene:
    """One namespace, and four configurations named after it."""

    def __init__(self, kube: Kube, api: Api, namespace: str) -> None:
        self.kube = kube
        self._api = api
        self.namespace = namespace
        self.secret = path_of("v1", "secrets", namespace, NAME)
        self.terms = Terms(service_names("grove-operator", namespace))
        self.configurations = {
            f"{namespace}-{name}": mutating for name, mutating in configurations().items()
        }

    def process(self, terms: Terms | None = None) -> RotatedCertificates:
        return RotatedCertificates(
            self._secret(), Injector(self._api, self.configurations), terms or self.terms
        )

    def _secret(self) -> Single:
        return Single(self._api, SECRETS, self.namespace, NAME)

    async def held(self) -> Material:
        return material_of(await self.kube.get(self.secret))

    async def put_secret(self, material: Material) -> None:
        body = new_secret(material, self._secret())
        await self.kube.create(path_of("v1", "secrets", self.namespace), body)

    def path(self, name: str) -> str:
        kind = "mutating" if self.configurations[name] else "validating"
        return path_of(GROUP, f"{kind}webhookconfigurations", None, name)

    @property
    def paths(self) -> list[str]:
        return [self.path(name) for name in self.configurations]

    async def register(self, path: str, **annotations: str) -> None:
        """Rules that match nothing, so that no other test is reviewed."""
        collection, _, name = path.rpartition("/")
        kind = "Mutating" if "mutating" in collection else "Validating"
        webhook = {
            "clientConfig": {"service": {"name": "nobody", "namespace": self.namespace}},
            "admissionReviewVersions": ["v1"],
            "sideEffects": "None",
            "failurePolicy": "Ignore",
            "rules": [
                {
                    "apiGroups": ["nothing.example"],
                    "apiVersions": ["v1"],
                    "operations": ["CREATE"],
                    "resources": ["nothings"],
                }
            ],
        }
        body = {
            "apiVersion": GROUP,
            "kind": f"{kind}WebhookConfiguration",
            "metadata": {
                "name": name,
                "annotations": annotations,
            },
            "webhooks": [webhook | {"name": f"{name}-{part}.example.com"} for part in "ab"],
        }
        await self.kube.create(collection, body)

    async def wait_injected(self, path: str, bundle: bytes) -> None:
        encoded = base64.b64encode(bundle).decode()

        def carries(found: Object | None) -> bool:
            return found is not None and bundles(found) == [encoded, encoded]

        await self.kube.wait_for(path, carries)

    async def versions(self) -> list[str]:
        found = [await self.kube.get(path) for path in (self.secret, *self.paths)]
        return [item["metadata"]["resourceVersion"] for item in found]


def bundles(found: Object) -> list[str | None]:
    return [webhook["clientConfig"].get("caBundle") for webhook in found["webhooks"]]


@pytest.fixture
async def scene(kube: Kube, api: Api, namespace: str) -> AsyncIterator[Scene]:
    """Configurations belong to no namespace, so they are taken away one by one."""
    scene = Scene(kube, api, namespace)
    yield scene
    for path in scene.paths:
        if await kube.find(path):
            await kube.delete(path)


@asynccontextmanager
async def at_work(*processes: RotatedCertificates) -> AsyncIterator[None]:
    async with running(*processes):
        async with asyncio.timeout(30):
            for process in processes:
                await process.ready.wait()
        yield


async def test_a_secret_is_made(scene: Scene) -> None:
    async with at_work(scene.process()):
        made = await scene.kube.get(scene.secret)
    assert made["type"] == "kubernetes.io/tls"
    assert decide(material_of(made), scene.terms, datetime.now(UTC)).step is Step.WAIT


@pytest.mark.parametrize(
    "given", [Material(), Material(b"a", b"b", b"c", b"d")], ids=["empty", "garbage"]
)
async def test_a_useless_secret_is_filled_and_keeps_its_identity(
    scene: Scene, given: Material
) -> None:
    await scene.put_secret(given)
    before = await scene.kube.get(scene.secret)
    async with at_work(scene.process()):
        after = await scene.kube.get(scene.secret)
    assert after["metadata"]["uid"] == before["metadata"]["uid"]
    assert decide(material_of(after), scene.terms, datetime.now(UTC)).step is Step.WAIT


async def test_processes_that_start_together_end_with_one_authority(scene: Scene) -> None:
    await scene.put_secret(Material())
    crowd = [scene.process() for _ in range(4)]
    for path in scene.paths:
        await scene.register(path)
    async with at_work(*crowd):
        held = await scene.held()
        for path in scene.paths:
            await scene.wait_injected(path, held.ca_crt)
        assert {process._served._pair for process in crowd} == {(held.tls_crt, held.tls_key)}
        assert await scene.held() == held


async def test_all_configurations_are_filled_and_then_nothing_is_written(scene: Scene) -> None:
    for path in scene.paths[:3]:
        await scene.register(path)
    pair = [scene.process(), scene.process()]
    async with at_work(*pair):
        held = await scene.held()
        for path in scene.paths[:3]:
            await scene.wait_injected(path, held.ca_crt)
        # One that comes later is completed, too.
        await scene.register(scene.paths[3])
        await scene.wait_injected(scene.paths[3], held.ca_crt)
        settled = await scene.versions()
        # A process that starts now has looked at everything, and found nothing to do.
        late = scene.process()
        async with at_work(late):
            await asyncio.wait_for(late._injector.done.wait(), 30)
            assert await scene.versions() == settled


async def test_an_edit_is_put_right(scene: Scene) -> None:
    path = scene.paths[1]
    await scene.register(path)
    async with at_work(scene.process()):
        held = await scene.held()
        await scene.wait_injected(path, held.ca_crt)
        edit = {"op": "replace", "path": "/webhooks/0/clientConfig/caBundle"}
        await scene.kube.patch(path, [edit | {"value": FOREIGN.decode()}], JSON_PATCH)
        await scene.wait_injected(path, held.ca_crt)


async def test_what_cert_manager_fills_is_left_to_it(scene: Scene) -> None:
    managed, ours = scene.paths[0], scene.paths[2]
    await scene.register(managed, **{MANAGED: "ns/certificate"})
    await scene.register(ours)
    process = scene.process()
    async with at_work(process):
        await scene.wait_injected(ours, (await scene.held()).ca_crt)
        await asyncio.wait_for(process._injector.done.wait(), 30)
        assert bundles(await scene.kube.get(managed)) == [None, None]


async def test_a_deleted_secret_comes_back_and_its_authority_goes_everywhere(scene: Scene) -> None:
    await scene.register(scene.paths[0])
    async with at_work(scene.process()):
        first = await scene.held()
        await scene.wait_injected(scene.paths[0], first.ca_crt)
        await scene.kube.delete(scene.secret)
        await scene.kube.wait_for(
            scene.secret, lambda found: material_of(found) not in (first, Material())
        )
        second = await scene.held()
        assert second.ca_crt != first.ca_crt
        await scene.wait_injected(scene.paths[0], second.ca_crt)


async def test_short_lives_renew_leaf_and_authority_in_two_processes(scene: Scene) -> None:
    terms = replace(
        scene.terms, leaf_lifetime=timedelta(seconds=3), ca_lifetime=timedelta(seconds=12)
    )
    await scene.register(scene.paths[0])
    async with at_work(scene.process(terms), scene.process(replace(terms, share=0.9))):
        first = await scene.held()
        found = await scene.kube.wait_for(
            scene.secret, lambda found: material_of(found).ca_key != first.ca_key, 60
        )
        announced = material_of(found)
        assert first.ca_crt in announced.ca_crt
        await scene.kube.wait_for(
            scene.secret, lambda found: material_of(found).tls_key != announced.tls_key
        )
