import asyncio
from collections.abc import AsyncIterator

import aiohttp
import pytest

from grove_operator import metrics
from grove_operator.process.probes import Address, Check, Probes, is_alive, is_synced


class Informer:
    kind = "Pod"

    def __init__(self) -> None:
        self.synced = asyncio.Event()
        self.well = True

    def age(self) -> float:
        return 321.0

    def healthy(self) -> bool:
        return self.well


@pytest.fixture
async def informer() -> Informer:
    return Informer()


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(trust_env=False) as session:
        yield session


async def ask(session: aiohttp.ClientSession, port: int, page: str) -> tuple[int, str]:
    async with session.get(f"http://127.0.0.1:{port}/{page}") as response:
        return response.status, await response.text()


async def test_while_the_api_server_is_away_the_process_lives_but_is_not_ready(
    informer: Informer, session: aiohttp.ClientSession
) -> None:
    probes = Probes(live=[is_alive(informer)], ready=[is_synced(informer)])
    health, _ = await probes.start(Address(0, "127.0.0.1"), Address(0, "127.0.0.1"))
    try:
        assert await ask(session, health, "healthz") == (
            200,
            "[+]informer Pod ok\nhealthz check passed\n",
        )
        assert await ask(session, health, "readyz") == (
            503,
            "[-]informer Pod failed: has not listed yet\nreadyz check failed\n",
        )
        informer.synced.set()
        assert (await ask(session, health, "readyz"))[0] == 200
    finally:
        await probes.close()


async def test_what_is_stuck_is_named(informer: Informer, session: aiohttp.ClientSession) -> None:
    probes = Probes(live=[is_alive(informer), Check("queue", lambda: "a/b hangs")])
    health, _ = await probes.start(Address(0, "127.0.0.1"), Address(0, "127.0.0.1"))
    try:
        informer.well = False
        code, text = await ask(session, health, "livez")
    finally:
        await probes.close()
    assert code == 503
    assert "[-]informer Pod failed: has heard nothing for 321 s" in text
    assert "[-]queue failed: a/b hangs" in text


async def test_metrics_are_on_their_own_port(session: aiohttp.ClientSession) -> None:
    asked: list[int] = []
    probes = Probes(before_scrape=lambda: asked.append(1))
    metrics.count_reconcile("PodCliqueSet", "done", 0.25)
    health, scrape = await probes.start(Address(0, "127.0.0.1"), Address(0, "127.0.0.1"))
    try:
        code, text = await ask(session, scrape, "metrics")
        assert (await ask(session, health, "metrics"))[0] == 404
    finally:
        await probes.close()
    assert code == 200
    assert asked == [1]
    assert 'grove_operator_reconcile_total{kind="PodCliqueSet",outcome="done"}' in text
    assert "process_resident_memory_bytes" in text
    assert "process_cpu_seconds_total" in text


def test_every_metric_has_our_prefix_and_a_help_text() -> None:
    for family in metrics.REGISTRY.collect():
        assert family.documentation
        assert family.name.startswith(("grove_operator_", "process_", "python_info"))
