"""The webhook process dies, comes back, and changes its certificates while users apply."""

import asyncio
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path

import pytest

from grove_operator.api.rights import CERTIFICATE
from tests.integration.sets import Body, plain
from tests.support.controlplane import ApiError, Kube, path_of
from tests.support.privileges import NAMESPACE, webhook_kubeconfig
from tests.support.webhook import WebhookProcess, register
from tools.localcluster import LocalCluster

SETS = "grove.io/v1alpha1"


@pytest.fixture
def own_webhook(
    ground: LocalCluster, admission: WebhookProcess, tmp_path: Path
) -> Iterator[WebhookProcess]:
    """A process that a test may ill-treat; afterwards the one of all tests is asked again."""
    process = WebhookProcess(webhook_kubeconfig(ground), tmp_path, GROVE_SHUTDOWN__LINGER="1s")
    process.start()
    try:
        process.wait_ready()
        register(ground, process)
        yield process
        if process.running:
            assert process.stop() == 0, process.tail()
    finally:
        process.kill()
        register(ground, admission)


@pytest.fixture
def alone(ground: LocalCluster, admission: WebhookProcess) -> Iterator[None]:
    """No other process and no certificate, neither before the test nor left by it."""
    assert admission.stop() == 0, admission.tail()
    _forget_certificate(ground)
    yield
    _forget_certificate(ground)
    admission.start()
    admission.wait_ready()
    register(ground, admission)


def _forget_certificate(ground: LocalCluster) -> None:
    ground.kubectl("delete", "secret", CERTIFICATE, "--namespace", NAMESPACE, "--ignore-not-found")


class Applies:
    """Creates sets one after the other until it is told to stop."""

    def __init__(self, kube: Kube, namespace: str) -> None:
        self._kube = kube
        self._path = path_of(SETS, "podcliquesets", namespace)
        self.made: set[str] = set()
        self.refusals: list[ApiError] = []
        self.changed = asyncio.Event()
        self._task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        number = 0
        while True:
            number += 1
            body = an_empty_set(f"set-{number}")
            try:
                await self._kube.create(self._path, body)
                self.made.add(body["metadata"]["name"])
            except ApiError as error:
                self.refusals.append(error)
                await asyncio.sleep(0.02)
            self.changed.set()

    async def until_made(self, more: int) -> None:
        wanted = len(self.made) + more
        await self._until(lambda: len(self.made) >= wanted)

    async def until_refused(self, more: int) -> None:
        wanted = len(self.refusals) + more
        await self._until(lambda: len(self.refusals) >= wanted)

    async def _until(self, reached: object) -> None:
        assert callable(reached)
        async with asyncio.timeout(30):
            while not reached():
                self.changed.clear()
                await self.changed.wait()

    async def stop(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


def an_empty_set(name: str) -> Body:
    """Without anything that only the webhook fills in, and without replicas."""
    body = plain(name, replicas=0)
    del body["spec"]["template"]["headlessServiceConfig"]
    del body["spec"]["template"]["cliques"][0]["spec"]["minAvailable"]
    return body


async def test_a_killed_webhook_refuses_clearly_and_lets_nothing_half_done_in(
    kube: Kube, namespace: str, own_webhook: WebhookProcess
) -> None:
    applies = Applies(kube, namespace)
    try:
        for _ in range(3):
            await applies.until_made(5)
            await asyncio.to_thread(own_webhook.kill)
            await applies.until_refused(5)
            own_webhook.start()
            await asyncio.to_thread(own_webhook.wait_ready)
            await applies.until_made(5)
    finally:
        await applies.stop()
    for error in applies.refusals:
        assert error.status == HTTPStatus.INTERNAL_SERVER_ERROR
        assert 'failed calling webhook "pcs.' in str(error)
    stored = await kube.list(path_of(SETS, "podcliquesets", namespace))
    assert {item["metadata"]["name"] for item in stored} >= applies.made
    for item in stored:
        template = item["spec"]["template"]
        assert template["terminationDelay"] == "4h0m0s"
        assert template["headlessServiceConfig"] == {"publishNotReadyAddresses": True}
        assert template["cliques"][0]["spec"]["minAvailable"] == 2


async def test_an_orderly_end_lets_reviews_finish(
    kube: Kube, namespace: str, own_webhook: WebhookProcess, ground: LocalCluster
) -> None:
    """As in a rolling update: the next one is registered before the first one has gone."""
    applies = Applies(kube, namespace)
    try:
        await applies.until_made(5)
        successor = WebhookProcess(webhook_kubeconfig(ground), own_webhook.log.parent)
        with successor:
            await asyncio.to_thread(register, ground, successor)
            assert await asyncio.to_thread(own_webhook.stop) == 0
            await applies.until_made(10)
            assert applies.refusals == []
            await applies.stop()
    finally:
        await applies.stop()


async def test_rotation_fails_no_review(
    kube: Kube, namespace: str, ground: LocalCluster, alone: None, tmp_path: Path
) -> None:
    """Leaves that live for seconds and authorities that live four times as long."""
    del alone
    short = {
        "GROVE_SERVER__WEBHOOKS__LEAF_LIFETIME": "4s",
        "GROVE_SERVER__WEBHOOKS__CA_LIFETIME": "16s",
    }
    with WebhookProcess(webhook_kubeconfig(ground), tmp_path, **short) as process:
        await asyncio.to_thread(register, ground, process)
        applies = Applies(kube, namespace)
        try:
            await _until_rotated(process, "signed", 6)
            await _until_rotated(process, "announced", 2)
        finally:
            await applies.stop()
        assert [str(error) for error in applies.refusals] == []
        assert len(applies.made) > 50


async def _until_rotated(process: WebhookProcess, outcome: str, times: int) -> None:
    name = "grove_operator_webhook_certificate_changes_total"
    await asyncio.to_thread(
        process.wait_until,
        lambda: process.metric(name, outcome=outcome) >= times,
        f"{times} times {outcome}",
    )
