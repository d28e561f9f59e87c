"""Names of claims, and how pods refer to them."""

from typing import Any

import pytest

from grove_operator.desired.claims import with_claims
from grove_operator.desired.computedomain import has_gpus, with_domain_claim

Body = dict[str, Any]


def pod(*containers: Body, **rest: Any) -> Body:
    named = [{"name": f"c{index}", **item} for index, item in enumerate(containers)]
    return {"containers": named, **rest}


def test_all_containers_use_all_claims_besides_their_own() -> None:
    own = {"resources": {"limits": {"cpu": 1}, "claims": [{"name": "mine"}]}}
    before = pod(own, {}, initContainers=[{"name": "init"}], resourceClaims=[{"name": "mine"}])
    kept = repr(before)
    after = with_claims(before, ["x", "y"])
    assert repr(before) == kept
    assert after["resourceClaims"] == [
        {"name": "mine"},
        {"name": "x", "resourceClaimName": "x"},
        {"name": "y", "resourceClaimName": "y"},
    ]
    ours = [{"name": "x"}, {"name": "y"}]
    first, second = after["containers"]
    assert first["resources"] == {"limits": {"cpu": 1}, "claims": [{"name": "mine"}, *ours]}
    assert second["resources"] == {"claims": ours}
    assert after["initContainers"][0]["resources"] == {"claims": ours}


def test_without_claims_it_is_the_same_object() -> None:
    spec = pod({})
    assert with_claims(spec, []) is spec


@pytest.mark.parametrize("name", ["a" * 64, "tide-all-of.the.pool"])
def test_a_name_that_pods_cannot_use_is_replaced_inside(name: str) -> None:
    after = with_claims(pod({}), [name])
    [claim] = after["resourceClaims"]
    assert claim["resourceClaimName"] == name
    assert len(claim["name"]) <= 63
    assert "." not in claim["name"]
    assert after["containers"][0]["resources"]["claims"] == [{"name": claim["name"]}]


def gpus(**lists: Any) -> Body:
    return {"resources": {field: {"nvidia.com/gpu": count} for field, count in lists.items()}}


COUNTS: dict[str, tuple[Body, bool]] = {
    "a limit": (pod(gpus(limits=1)), True),
    "a request as text": (pod(gpus(requests="8")), True),
    "an init container": (pod({}, initContainers=[{"name": "i", **gpus(limits="1")}]), True),
    "none of them": (pod(gpus(limits=0, requests="0")), False),
    "another resource": (pod({"resources": {"limits": {"cpu": 1}}}), False),
    "nothing": (pod({"resources": None}), False),
}


@pytest.mark.parametrize(("spec", "expected"), COUNTS.values(), ids=COUNTS)
def test_gpus(spec: Body, *, expected: bool) -> None:
    assert has_gpus(spec) is expected
    assert (with_domain_claim(spec, "t") is spec) is not expected


def test_the_domain_goes_to_containers_with_gpus() -> None:
    after = with_domain_claim(pod(gpus(limits=8), {}), "tide-0-fabric")
    assert after["resourceClaims"] == [
        {"name": "mnnvl-claim", "resourceClaimTemplateName": "tide-0-fabric"}
    ]
    first, second = after["containers"]
    assert first["resources"]["claims"] == [{"name": "mnnvl-claim"}]
    assert "resources" not in second


def test_a_users_own_claim_of_that_name_stays() -> None:
    spec = pod(gpus(limits=8), resourceClaims=[{"name": "mnnvl-claim", "resourceClaimName": "x"}])
    assert with_domain_claim(spec, "t") is spec
