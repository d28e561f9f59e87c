"""Which caBundle is written where, and when nothing is."""

import base64
from pathlib import Path
from typing import Any

import pytest

from grove_operator.webhook.injection import Injector, completed, configurations
from tests.unit.cluster.fake_api import status, until
from tests.unit.webhook.object_store import QUICK, ObjectStore, connected, running

ROOT = "/apis/admissionregistration.k8s.io/v1"
BUNDLE = b"-----BEGIN CERTIFICATE-----\n"
ENCODED = base64.b64encode(BUNDLE).decode()


def path_of(name: str) -> str:
    kind = "mutating" if configurations()[name] else "validating"
    return f"{ROOT}/{kind}webhookconfigurations/{name}"


PATHS = [path_of(name) for name in configurations()]


def configuration(*bundles: str | None, **annotations: str) -> dict[str, Any]:
    webhooks = [
        {"name": f"w{index}", "clientConfig": {"url": "https://x"} | ({"caBundle": b} if b else {})}
        for index, b in enumerate(bundles)
    ]
    return {"metadata": {"annotations": annotations}, "webhooks": webhooks}


def bundles(body: dict[str, Any]) -> list[str | None]:
    return [webhook["clientConfig"].get("caBundle") for webhook in body["webhooks"]]


def test_all_four_configurations_are_known() -> None:
    assert configurations() == {
        "podcliqueset-defaulting-webhook": True,
        "podcliqueset-validating-webhook": False,
        "clustertopology-validating-webhook": False,
        "authorizer-webhook": False,
    }


def test_every_webhook_of_a_configuration_gets_the_bundle_and_nothing_else_changes() -> None:
    found = completed(configuration(None, ENCODED, "b2xk"), BUNDLE)
    assert found is not None
    assert found == configuration(ENCODED, ENCODED, ENCODED)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(configuration(ENCODED, ENCODED), id="right already"),
        pytest.param(configuration(), id="no webhooks"),
        pytest.param({"metadata": {}}, id="nothing in it"),
        *(
            pytest.param(configuration(None, **{f"cert-manager.io/{name}": "ns/x"}), id=name)
            for name in ("inject-ca-from", "inject-ca-from-secret", "inject-apiserver-ca")
        ),
    ],
)
def test_a_configuration_that_needs_nothing_is_left_alone(body: dict[str, Any]) -> None:
    assert completed(body, BUNDLE) is None


async def test_all_are_filled_and_then_nothing_is_written(tmp_path: Path) -> None:
    store = ObjectStore()
    for path in PATHS:
        store.put(path, configuration(None))
    async with connected(store, tmp_path) as api:
        injector = Injector(api, pace=QUICK)
        async with running(injector):
            injector.want(BUNDLE)
            await injector.done.wait()
            assert [bundles(store.stored[path]) for path in PATHS] == [[ENCODED]] * 4
            assert sorted(path for _, path in store.writes) == sorted(PATHS)
            # Another client touches them without harm.
            for path in PATHS:
                store.put(path, store.stored[path])
            await until(lambda: all(s._version >= store.version - 3 for s in injector._followed))
            assert len(store.writes) == 4


async def test_an_edit_is_put_right_and_a_latecomer_is_completed(tmp_path: Path) -> None:
    store = ObjectStore()
    early, late = PATHS[0], PATHS[3]
    store.put(early, configuration(None))
    async with connected(store, tmp_path) as api:
        injector = Injector(api, pace=QUICK)
        async with running(injector):
            injector.want(BUNDLE)
            await injector.done.wait()
            store.put(early, configuration("YmFk"))
            await until(lambda: bundles(store.stored[early]) == [ENCODED])
            store.put(late, configuration(None, None))
            await until(lambda: bundles(store.stored[late]) == [ENCODED, ENCODED])
            store.remove(late)
            store.put(late, configuration(None))
            await until(lambda: bundles(store.stored[late]) == [ENCODED])


async def test_a_new_bundle_goes_everywhere(tmp_path: Path) -> None:
    store = ObjectStore()
    for path in PATHS:
        store.put(path, configuration(ENCODED))
    async with connected(store, tmp_path) as api:
        injector = Injector(api, pace=QUICK)
        async with running(injector):
            injector.want(b"next")
            assert not injector.done.is_set()
            await injector.done.wait()
    assert {b for path in PATHS for b in bundles(store.stored[path])} == {"bmV4dA=="}


async def test_a_refusal_is_tried_again_and_does_not_hold_up_the_others(tmp_path: Path) -> None:
    store = ObjectStore()
    for path in PATHS:
        store.put(path, configuration(None))
    async with connected(store, tmp_path) as api:
        injector = Injector(api, pace=QUICK)
        async with running(injector):
            for single in injector._followed:
                await single.synced.wait()
            store.faults.extend([status(403, "Forbidden"), status(503)])
            injector.want(BUNDLE)
            await until(lambda: len(store.writes) >= 2)
            await injector.done.wait()
    assert [bundles(store.stored[path]) for path in PATHS] == [[ENCODED]] * 4


async def test_two_injectors_agree(tmp_path: Path) -> None:
    store = ObjectStore()
    for path in PATHS:
        store.put(path, configuration(None))
    async with connected(store, tmp_path) as api:
        pair = [Injector(api, pace=QUICK), Injector(api, pace=QUICK)]
        async with running(*pair):
            for injector in pair:
                injector.want(BUNDLE)
            for injector in pair:
                await injector.done.wait()
    assert len(store.writes) == 4
