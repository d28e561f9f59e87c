"""The cache of ResourceClaimTemplates and ResourceClaims: who is told of what."""

from grove_operator.cluster.claimtemplates import (
    ClaimCache,
    ClaimTemplate,
    decode_claim,
    decode_claim_template,
)
from grove_operator.cluster.store import WHOLE_SET, Family

REEF, TIDE = Family("harbor", "reef"), Family("harbor", "tide")
DISK, NIC = ("pool", "disk"), ("harbor", "nic")


def cache() -> tuple[ClaimCache, list[Family]]:
    told: list[Family] = []
    return ClaimCache(lambda family, _: told.append(family)), told


def all_of(*references: tuple[str, str]) -> dict[tuple[str, str], int]:
    return dict.fromkeys(references, WHOLE_SET)


def test_what_is_not_known_is_told_from_what_is_missing() -> None:
    templates, told = cache()
    templates.want(REEF, all_of(DISK))
    assert templates.known is None
    templates.replace([], "1")
    assert templates.known == {}
    assert told == [REEF]


def test_only_sets_that_name_a_template_hear_of_it() -> None:
    templates, told = cache()
    templates.want(REEF, all_of(DISK, NIC))
    templates.want(TIDE, all_of(NIC))
    templates.replace([ClaimTemplate(NIC, {"a": 1})], "1")
    told.clear()
    templates.upsert(ClaimTemplate(DISK, {"b": 1}))
    assert told == [REEF]
    assert templates.known == {NIC: {"a": 1}, DISK: {"b": 1}}
    templates.upsert(ClaimTemplate(DISK, {"b": 1}))
    templates.upsert(ClaimTemplate(("pool", "nobody's"), {}))
    assert told == [REEF]
    templates.delete(ClaimTemplate(NIC, {}))
    assert sorted(told[1:]) == [REEF, TIDE]


def test_a_later_list_tells_of_what_changed() -> None:
    templates, told = cache()
    templates.want(REEF, all_of(DISK))
    templates.want(TIDE, all_of(NIC))
    templates.replace([ClaimTemplate(NIC, {})], "1")
    told.clear()
    templates.replace([ClaimTemplate(NIC, {}), ClaimTemplate(DISK, {})], "2")
    assert told == [REEF]


def test_a_set_that_is_gone_hears_nothing() -> None:
    templates, told = cache()
    assert not templates.needed.is_set()
    templates.want(REEF, all_of(DISK))
    assert templates.needed.is_set()
    templates.want(REEF, all_of())
    templates.replace([], "1")
    templates.upsert(ClaimTemplate(DISK, {}))
    assert told == []


def test_decoding() -> None:
    raw = b"""{"metadata": {"name": "disk", "namespace": "pool", "labels": {"a": "b"}},
               "spec": {"metadata": {"labels": {"x": "y"}}, "spec": {"devices": {}}}}"""
    assert decode_claim_template(raw) == ClaimTemplate(DISK, {"devices": {}})


def test_what_one_replica_needs_is_told_to_that_one() -> None:
    told: list[tuple[Family, int]] = []
    templates = ClaimCache(lambda family, replica: told.append((family, replica)))
    templates.want(REEF, {DISK: 7, NIC: WHOLE_SET})
    templates.replace([], "1")
    told.clear()
    templates.upsert(ClaimTemplate(DISK, {}))
    templates.upsert(ClaimTemplate(NIC, {}))
    assert told == [(REEF, 7), (REEF, WHOLE_SET)]


def test_of_a_claim_only_its_name_counts() -> None:
    raw = b"""{"metadata": {"name": "disk", "namespace": "pool"}, "spec": {"devices": {}}}"""
    assert decode_claim(raw) == ClaimTemplate(DISK, {})
