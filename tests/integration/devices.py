"""Devices that exist on every node, and the claims for them."""

from tests.integration.sets import Body
from tests.support.controlplane import Kube, path_of

DRA = "resource.k8s.io/v1"
REAL = "nic.example.org"
"""A device class with devices that all nodes reach."""


def a_spec(device_class: str = REAL) -> Body:
    request = {"name": "card", "exactly": {"deviceClassName": device_class}}
    return {"spec": {"devices": {"requests": [request]}}}


async def publish(kube: Kube) -> None:
    """As a driver of network cards would; of the cluster, so all tests share them."""
    if await kube.find(path_of(DRA, "deviceclasses", name=REAL)) is not None:
        return
    selector = {"cel": {"expression": f'device.driver == "{REAL}"'}}
    body: Body = {
        "apiVersion": DRA,
        "kind": "DeviceClass",
        "metadata": {"name": REAL},
        "spec": {"selectors": [selector]},
    }
    await kube.create(path_of(DRA, "deviceclasses"), body)
    pool = {"name": "cards", "generation": 1, "resourceSliceCount": 1}
    body = {
        "apiVersion": DRA,
        "kind": "ResourceSlice",
        "metadata": {"name": "cards"},
        "spec": {
            "driver": REAL,
            "pool": pool,
            "allNodes": True,
            "devices": [{"name": f"card-{index}"} for index in range(64)],
        },
    }
    await kube.create(path_of(DRA, "resourceslices"), body)


async def a_claim(kube: Kube, namespace: str, name: str) -> None:
    body = {"apiVersion": DRA, "kind": "ResourceClaim", "metadata": {"name": name}} | a_spec()
    await kube.create(path_of(DRA, "resourceclaims", namespace), body)


async def a_template(kube: Kube, namespace: str, name: str) -> None:
    body = {
        "apiVersion": DRA,
        "kind": "ResourceClaimTemplate",
        "metadata": {"name": name},
        "spec": a_spec(),
    }
    await kube.create(path_of(DRA, "resourceclaimtemplates", namespace), body)
