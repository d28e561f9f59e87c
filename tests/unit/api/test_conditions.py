"""How conditions change: times move with the status only, and others' conditions stay."""

from grove_operator.api.conditions import Condition, condition, find, is_true, merge

EARLIER = "2026-01-01T00:00:00Z"
NOW = "2026-01-02T00:00:00Z"


def breached(*, status: bool | None, reason: str = "Reason", message: str = "text") -> Condition:
    return condition("MinAvailableBreached", status=status, reason=reason, message=message)


def merged(current: list[Condition], ours: list[Condition]) -> list[Condition]:
    return merge(current, ours, now=NOW, owned=frozenset({"MinAvailableBreached", "Other"}))


def at(item: Condition, time: str) -> Condition:
    return item | {"lastTransitionTime": time}


def test_a_status_is_true_false_or_unknown() -> None:
    assert [breached(status=status)["status"] for status in (True, False, None)] == [
        "True",
        "False",
        "Unknown",
    ]


def test_a_message_is_cut_to_what_the_api_takes() -> None:
    assert len(breached(status=True, message="x" * 40_000)["message"]) == 32_768


def test_a_new_condition_gets_the_time() -> None:
    assert merged([], [breached(status=True)]) == [at(breached(status=True), NOW)]


def test_an_equal_condition_stays_as_it_is() -> None:
    current = [at(breached(status=True), EARLIER)]
    assert merged(current, [breached(status=True)]) == current


def test_a_changed_status_moves_the_time() -> None:
    current = [at(breached(status=True), EARLIER)]
    assert merged(current, [breached(status=False)]) == [at(breached(status=False), NOW)]


def test_a_changed_reason_alone_keeps_the_time() -> None:
    current = [at(breached(status=True), EARLIER)]
    new = breached(status=True, reason="Another")
    assert merged(current, [new]) == [at(new, EARLIER)]


def test_ours_without_a_place_any_more_is_dropped() -> None:
    assert merged([at(breached(status=True), EARLIER)], []) == []


def test_one_of_somebody_else_is_kept_in_place() -> None:
    theirs = {"type": "Theirs", "status": "True"}
    current = [theirs, at(breached(status=True), EARLIER)]
    assert merged(current, [breached(status=True)]) == current


def test_new_ones_come_last_in_their_order() -> None:
    other = condition("Other", status=True, reason="R", message="m")
    theirs = {"type": "Theirs", "status": "True"}
    result = merged([theirs], [other, breached(status=True)])
    assert [item["type"] for item in result] == ["Theirs", "Other", "MinAvailableBreached"]


def test_a_condition_is_found_by_type() -> None:
    current = [at(breached(status=True), EARLIER)]
    assert find(current, "MinAvailableBreached") == current[0]
    assert find(current, "Other") is None


def test_only_true_is_true() -> None:
    assert is_true([breached(status=True)], "MinAvailableBreached")
    assert not is_true([breached(status=None)], "MinAvailableBreached")
    assert not is_true([], "MinAvailableBreached")
