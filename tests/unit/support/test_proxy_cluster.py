"""The fault proxy before a real API server, over TLS on both sides."""

from pathlib import Path

import pytest

from tests.conftest import ControlPlane
from tests.support.controlplane import ApiError, Kube, path_of
from tests.support.faultproxy import FaultProxy
from tests.support.faults import Answer
from tests.support.upstream import Upstream


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
async def test_serves_a_client_that_knows_nothing_of_it(
    control_plane: ControlPlane, namespace: str, tmp_path: Path, *, tls: bool
) -> None:
    # kwokctl's admin certificate is also a server certificate for the loopback address.
    identity = Upstream.read(control_plane.kubeconfig)
    certificate, key = (identity.certificate, identity.key) if tls else (None, None)
    maps = path_of("v1", "configmaps", namespace)
    async with FaultProxy(control_plane.kubeconfig, certificate=certificate, key=key) as proxy:
        kubeconfig = proxy.write_kubeconfig(tmp_path / "kubeconfig")
        async with Kube.from_kubeconfig(kubeconfig) as kube:
            await kube.create(maps, {"metadata": {"name": "a"}, "data": {"x": "1"}})
            await kube.wait_for(f"{maps}/a", lambda seen: seen and seen["data"] == {"x": "1"})
            with (
                proxy.fault(Answer(503), verbs={"delete"}, times=1),
                pytest.raises(ApiError, match="503"),
            ):
                await kube.delete(f"{maps}/a")
            await kube.delete(f"{maps}/a")
            await kube.wait_gone(f"{maps}/a")
    assert proxy.requests[("create", "configmaps")] == 1
    assert proxy.requests[("delete", "configmaps")] == 2
