"""What belongs to a set as a whole, played through."""

from dataclasses import replace

from grove_operator.plan.rehearse import Stage, settle_set
from tests.support.builders import NATIVE, a_set

SET = a_set().with_clique("w").blueprint()


def test_the_account_ends_up_with_its_token() -> None:
    stage = Stage(SET, NATIVE)
    settle_set(stage)
    by_kind = {body["kind"]: body for body in stage.bodies}
    assert list(by_kind) == ["ServiceAccount", "Role", "RoleBinding", "Workload", "Secret"]
    token = by_kind["Secret"]["metadata"]["name"]
    assert by_kind["ServiceAccount"]["secrets"] == [{"name": token}]


def test_a_set_that_is_being_deleted_gets_nothing_more() -> None:
    stage = Stage(replace(SET, deleting=True), NATIVE)
    settle_set(stage)
    assert stage.bodies == []
