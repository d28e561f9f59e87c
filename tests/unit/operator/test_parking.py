"""Plans that wait for their moment to be written."""

from grove_operator.observed import Kind
from grove_operator.operator.parking import Parking
from grove_operator.plan.actions import Delete, Plan, Rank
from tests.support.builders import a_set

BLUEPRINT = a_set().with_clique("w", 1).blueprint()
DELETE = Delete(Rank.POD, Kind.POD, "a", "uid-a", "because")


def test_a_plan_is_given_back_once() -> None:
    place, plan = Parking(), Plan()
    place.put(3, plan, BLUEPRINT, None)
    assert place.take(3, BLUEPRINT, None) is plan
    assert place.take(3, BLUEPRINT, None) is None


def test_another_spec_or_turn_needs_a_look() -> None:
    place = Parking()
    place.put(3, Plan(), BLUEPRINT, None)
    assert place.take(3, a_set().with_clique("w", 1).blueprint(), None) is None
    place.put(3, Plan(), BLUEPRINT, None)
    assert place.take(3, BLUEPRINT, 3) is None


def test_a_plan_with_actions_is_carried_out_and_not_kept() -> None:
    place = Parking()
    place.put(3, Plan(actions=(DELETE,)), BLUEPRINT, None)
    assert place.take(3, BLUEPRINT, None) is None


def test_what_time_changes_is_looked_at_when_its_time_has_come() -> None:
    now = 100.0
    place = Parking(clock=lambda: now)
    place.put(3, Plan(recheck_after=60.0), BLUEPRINT, None)
    now += 20
    again = place.take(3, BLUEPRINT, None)
    assert again == Plan(recheck_after=40.0)
    place.put(3, again, BLUEPRINT, None)
    now += 40
    assert place.take(3, BLUEPRINT, None) is None
