from typing import Any

from grove_operator.cluster.resources import SECRETS
from grove_operator.cluster.single import Single, _decode, _Filed


def body(version: int, text: str = "") -> dict[str, Any]:
    return {"metadata": {"resourceVersion": str(version)}, "text": text}


def a_single() -> Single:
    api: Any = None
    return Single(api, SECRETS, "here", "it")


def test_the_newest_version_wins_whichever_way_it_came() -> None:
    single = a_single()
    single.take(5, body(5))
    single.take(4, body(4))
    assert single.body == body(5)
    single.take(10, body(10))
    assert single.body == body(10)


def test_only_a_change_is_told() -> None:
    single = a_single()
    single.take(3, None)
    assert not single.changed.is_set()
    single.take(5, body(5))
    assert single.changed.is_set()
    single.changed.clear()
    single.take(5, body(5))
    assert not single.changed.is_set()
    single.take(6, None)
    assert single.changed.is_set()


def test_a_late_deletion_does_not_hide_what_was_made_since() -> None:
    single = a_single()
    single.take(9, body(9))
    filed = _Filed(single)
    filed.delete(_decode(b'{"metadata": {"resourceVersion": "8"}}'))
    assert single.body == body(9)
    filed.replace([], "8")
    assert single.body == body(9)
    filed.replace([], "10")
    assert single.body is None
