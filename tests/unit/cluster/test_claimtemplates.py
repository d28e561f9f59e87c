"""The cache of ResourceClaimTemplates: who is told of what."""

from grove_operator.cluster.claimtemplates import (
    ClaimTemplate,
    TemplateCache,
    decode_claim_template,
)
from grove_operator.cluster.store import Family

REEF, TIDE = Family("harbor", "reef"), Family("harbor", "tide")
DISK, NIC = ("pool", "disk"), ("harbor", "nic")


def cache() -> tuple[TemplateCache, list[Family]]:
    told: list[Family] = []
    return TemplateCache(told.append), told


def test_what_is_not_known_is_told_from_what_is_missing() -> None:
    templates, told = cache()
    templates.want(REEF, [DISK])
    assert templates.for_set(REEF) is None
    templates.replace([], "1")
    assert templates.for_set(REEF) == {}
    assert told == [REEF]


def test_only_sets_that_name_a_template_hear_of_it() -> None:
    templates, told = cache()
    templates.want(REEF, [DISK, NIC])
    templates.want(TIDE, [NIC])
    templates.replace([ClaimTemplate(NIC, {"a": 1})], "1")
    told.clear()
    templates.upsert(ClaimTemplate(DISK, {"b": 1}))
    assert told == [REEF]
    assert templates.for_set(REEF) == {NIC: {"a": 1}, DISK: {"b": 1}}
    assert templates.for_set(TIDE) == {NIC: {"a": 1}}
    templates.upsert(ClaimTemplate(DISK, {"b": 1}))
    templates.upsert(ClaimTemplate(("pool", "nobody's"), {}))
    assert told == [REEF]
    templates.delete(ClaimTemplate(NIC, {}))
    assert sorted(told[1:]) == [REEF, TIDE]


def test_a_later_list_tells_of_what_changed() -> None:
    templates, told = cache()
    templates.want(REEF, [DISK])
    templates.want(TIDE, [NIC])
    templates.replace([ClaimTemplate(NIC, {})], "1")
    told.clear()
    templates.replace([ClaimTemplate(NIC, {}), ClaimTemplate(DISK, {})], "2")
    assert told == [REEF]


def test_a_set_that_is_gone_hears_nothing() -> None:
    templates, told = cache()
    assert not templates.needed.is_set()
    templates.want(REEF, [DISK])
    assert templates.needed.is_set()
    templates.want(REEF, [])
    templates.replace([], "1")
    templates.upsert(ClaimTemplate(DISK, {}))
    assert told == []


def test_decoding() -> None:
    raw = b"""{"metadata": {"name": "disk", "namespace": "pool", "labels": {"a": "b"}},
               "spec": {"metadata": {"labels": {"x": "y"}}, "spec": {"devices": {}}}}"""
    assert decode_claim_template(raw) == ClaimTemplate(DISK, {"devices": {}})
