"""The Secret is filled, renewed and shared by several processes."""

import asyncio
import base64
import logging
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from grove_operator.cluster.connection import Api
from grove_operator.cluster.resources import SECRETS
from grove_operator.cluster.single import Single
from grove_operator.settings import Settings
from grove_operator.webhook.files import FileCertificates
from grove_operator.webhook.injection import Injector
from grove_operator.webhook.renewal import Material, Step, Terms, carry_out, examine
from grove_operator.webhook.rotation import (
    RotatedCertificates,
    make_certificates,
    material_of,
    refilled,
    share_of,
)
from tests.unit.cluster.fake_api import status, until
from tests.unit.webhook.object_store import QUICK, ObjectStore, connected, running
from tests.unit.webhook.test_injection import PATHS, bundles, configuration
from tests.unit.webhook.test_serving import listening, presented, trusting

NAME = "grove-webhook-server-cert"
SECRET = f"/api/v1/namespaces/here/secrets/{NAME}"
TERMS = Terms(("127.0.0.1",))
DAY = timedelta(days=1)


class Clock:
    def __init__(self) -> None:
        self.now = datetime.now(UTC)

    def __call__(self) -> datetime:
        return self.now


def rotated(api: Api, clock: Any = None, terms: Terms = TERMS) -> RotatedCertificates:
    clock = clock or (lambda: datetime.now(UTC))
    secret = Single(api, SECRETS, "here", NAME, pace=QUICK)
    return RotatedCertificates(secret, Injector(api, pace=QUICK), terms, clock)


def held_by(store: ObjectStore) -> Material:
    return material_of(store.stored.get(SECRET))


def secret_of(material: Material) -> dict[str, Any]:
    return refilled({}, material)


def fresh(terms: Terms = TERMS) -> Material:
    return carry_out(Step.REPLACE, Material(), terms, datetime.now(UTC))


async def test_an_absent_secret_is_made(tmp_path: Path) -> None:
    store = ObjectStore()
    async with connected(store, tmp_path) as api:
        certificates = rotated(api)
        assert certificates.problem() == "no certificate yet"
        async with running(certificates):
            await certificates.ready.wait()
            assert certificates.problem() is None
    made = store.stored[SECRET]
    assert made["type"] == "kubernetes.io/tls"
    assert set(made["data"]) == {"tls.crt", "tls.key", "ca.crt", "ca.key"}
    assert made["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "grove-operator"
    assert store.writes == [("POST", SECRET)]


GARBAGE = {"tls.crt": "!!", "tls.key": "AAAA", "ca.crt": "", "ca.key": "/w=="}


@pytest.mark.parametrize(
    "data", [None, {"tls.crt": "", "tls.key": ""}, GARBAGE], ids=["none", "empty", "garbage"]
)
async def test_what_is_useless_is_replaced_and_what_is_not_ours_stays(
    tmp_path: Path, data: dict[str, str] | None
) -> None:
    store = ObjectStore()
    extra = {"other": "eA=="}
    labels = {"helm": "made this"}
    store.put(SECRET, {"metadata": {"labels": labels}, "data": data and data | extra})
    async with connected(store, tmp_path) as api:
        certificates = rotated(api)
        async with running(certificates):
            await certificates.ready.wait()
    found = store.stored[SECRET]
    assert found["metadata"]["labels"] == labels
    assert found["data"].get("other") == (extra["other"] if data else None)
    assert len(store.writes) == 1


async def test_a_good_secret_is_served_without_a_write(tmp_path: Path) -> None:
    store, held = ObjectStore(), fresh()
    store.put(SECRET, secret_of(held))
    async with connected(store, tmp_path) as api:
        certificates = rotated(api)
        async with running(certificates), listening(certificates) as port:  # type: ignore[arg-type]
            await certificates.ready.wait()
            assert await presented(port, trusting(held.ca_crt)) == held.tls_crt
            # Another process renews it: this one hears of it.
            renewed = carry_out(Step.SIGN, held, TERMS, datetime.now(UTC))
            store.put(SECRET, secret_of(renewed))
            await until(lambda: certificates._served._pair == (renewed.tls_crt, renewed.tls_key))
            assert await presented(port, trusting(held.ca_crt)) == renewed.tls_crt
    assert store.writes == []


async def test_a_secret_that_is_deleted_comes_back(tmp_path: Path) -> None:
    store = ObjectStore()
    async with connected(store, tmp_path) as api:
        certificates = rotated(api)
        async with running(certificates):
            await certificates.ready.wait()
            store.remove(SECRET)
            await until(lambda: SECRET in store.stored)
            held = held_by(store)
            await until(lambda: certificates._served._pair == (held.tls_crt, held.tls_key))


async def test_processes_that_start_together_agree(tmp_path: Path) -> None:
    store = ObjectStore()
    store.put(SECRET, {"data": {"tls.crt": "", "tls.key": ""}})
    async with connected(store, tmp_path) as api:
        crowd = [rotated(api) for _ in range(5)]
        async with running(*crowd):
            for certificates in crowd:
                await certificates.ready.wait()
            held = held_by(store)
            for certificates in crowd:
                wanted = (held.tls_crt, held.tls_key)
                await until(lambda c=certificates, w=wanted: c._served._pair == w)  # type: ignore[misc]
    assert len(store.writes) == 1
    assert store.refused == 4


async def test_time_that_passes_renews_leaf_and_authority(tmp_path: Path) -> None:
    store, clock = ObjectStore(), Clock()
    for path in PATHS:
        store.put(path, configuration(None))
    async with connected(store, tmp_path) as api:
        certificates = rotated(api, clock)
        async with running(certificates):
            await certificates.ready.wait()
            await certificates._injector.done.wait()
            first = held_by(store)

            async def forward(days: float, step: str) -> Material:
                before = held_by(store)
                clock.now += days * DAY
                certificates._secret.changed.set()  # stands for the timer
                await until(lambda: held_by(store) != before)
                held = held_by(store)
                assert examine(held, clock.now).leaf is not None, step
                await until(lambda: certificates._served._pair == (held.tls_crt, held.tls_key))
                encoded = base64.b64encode(held.ca_crt).decode()
                await until(lambda: all(bundles(store.stored[p]) == [encoded] for p in PATHS))
                return held

            signed = await forward(365 * 2 / 3 + 1, "leaf")
            assert signed.ca_crt == first.ca_crt
            assert signed.tls_crt != first.tls_crt
            await forward(3650 * 2 / 3 - 250, "leaf")  # too late: an expired leaf is signed anew
            announced = await forward(8, "authority")
            assert announced.ca_crt.endswith(first.ca_crt)
            assert announced.ca_crt != first.ca_crt
            promoted = await forward(1, "promotion")
            assert promoted.ca_crt == announced.ca_crt
            assert promoted.tls_crt != announced.tls_crt


async def test_a_new_authority_does_not_sign_before_all_configurations_carry_it(
    tmp_path: Path,
) -> None:
    store = ObjectStore()
    past = datetime.now(UTC) - timedelta(hours=2)
    held = carry_out(Step.REPLACE, Material(), TERMS, past)
    held = carry_out(Step.ANNOUNCE, held, TERMS, past)
    store.put(SECRET, secret_of(held))
    store.put(PATHS[0], configuration(None))
    async with connected(store, tmp_path) as api:
        certificates = rotated(api)
        async with running(certificates):
            await certificates.ready.wait()
            await until(lambda: len(store.writes) == 2)
            await until(lambda: certificates._served._pair is not None)
    assert store.writes == [("PUT", PATHS[0]), ("PUT", SECRET)]
    assert held_by(store).tls_crt != held.tls_crt


async def test_trouble_is_told_once_and_ends(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store, refused = ObjectStore(), asyncio.Event()

    async def refuse(request: web.Request) -> web.StreamResponse:
        if request.method == "GET" and "fieldSelector" in request.query:
            store.faults.appendleft(refuse)  # the watch is let through, the write is not
            return store.listed(request)
        refused.set()
        return await status(403, "Forbidden")(request)

    store.faults.extend([refuse, refuse])
    async with connected(store, tmp_path) as api:
        certificates = rotated(api)
        async with running(certificates):
            await refused.wait()
            await until(lambda: "Forbidden" in (certificates.problem() or ""))
            await certificates.ready.wait()
            assert certificates.problem() is None
    warnings = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert [record.message for record in warnings] == ["the certificates' Secret is out of reach"]


async def test_no_log_line_holds_a_key_or_a_certificate(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    store = ObjectStore()
    store.put(SECRET, secret_of(replace(fresh(), tls_key=fresh().tls_key)))
    async with connected(store, tmp_path) as api:
        certificates = rotated(api)
        async with running(certificates):
            await certificates.ready.wait()
    said = "".join(str(vars(record)) for record in caplog.records if "grove" in record.name)
    held = held_by(store)
    assert "certificates are written" in said
    for entry in (held.tls_crt, held.tls_key, held.ca_crt, held.ca_key):
        assert entry.decode().split("\n")[1] not in said
        assert base64.b64encode(entry).decode()[50:90] not in said


async def test_short_lives_end_without_a_failed_handshake(tmp_path: Path) -> None:
    """The real clock: leaves of four seconds, renewed by deadline while clients come and go."""
    terms = Terms(("127.0.0.1",), timedelta(seconds=4), timedelta(seconds=16))
    store = ObjectStore()
    store.put(PATHS[0], configuration(None))
    async with connected(store, tmp_path) as api:
        pair = [rotated(api, terms=terms), rotated(api, terms=replace(terms, share=0.5))]
        seen: set[bytes] = set()
        async with running(*pair), listening(pair[0]) as one, listening(pair[1]) as two:  # type: ignore[arg-type]
            for certificates in pair:
                await certificates.ready.wait()
            await until(lambda: all(c._served._pair == pair[0]._served._pair for c in pair))
            await pair[0]._injector.done.wait()
            async with asyncio.timeout(20):
                while len(seen) < 4:
                    encoded = bundles(store.stored[PATHS[0]])[0]
                    assert encoded is not None
                    context = trusting(base64.b64decode(encoded))
                    for port in (one, two):
                        seen.add(await presented(port, context))


def test_settings_choose_the_mode_and_the_names() -> None:
    api: Any = None
    manual = {"server": {"webhooks": {"cert_provision_mode": "manual"}}}
    found = make_certificates(api, "ns", Settings.model_validate(manual))
    assert isinstance(found, FileCertificates)
    auto = {
        "server": {
            "webhooks": {"service_name": "x", "extra_names": ("::1",), "leaf_lifetime": 60.0}
        }
    }
    made = make_certificates(api, "ns", Settings.model_validate(auto))
    assert isinstance(made, RotatedCertificates)
    assert made._terms.names == ("x", "x.ns", "x.ns.svc", "x.ns.svc.cluster.local", "::1")
    assert made._terms.leaf_lifetime == timedelta(minutes=1)


def test_a_replica_always_has_the_same_share() -> None:
    shares = [share_of(f"grove-operator-{index}") for index in range(100)]
    assert shares == [share_of(f"grove-operator-{index}") for index in range(100)]
    assert all(0 <= share < 1 for share in shares)
    assert len(set(shares)) == 100
