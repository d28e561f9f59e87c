from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from tests.support.faultproxy import FaultProxy
from tests.unit.support.upstream_server import SmallServer, small_server


@pytest.fixture
async def upstream(tmp_path: Path) -> AsyncIterator[SmallServer]:
    async with small_server(tmp_path) as server:
        yield server


@pytest.fixture
async def proxy(upstream: SmallServer) -> AsyncIterator[FaultProxy]:
    async with FaultProxy(upstream.kubeconfig, seed=7) as running:
        yield running


@pytest.fixture
async def client(proxy: FaultProxy) -> AsyncIterator[aiohttp.ClientSession]:
    timeout = aiohttp.ClientTimeout(total=5)
    async with aiohttp.ClientSession(proxy.url, timeout=timeout) as session:
        yield session
