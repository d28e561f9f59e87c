"""Labels, and that the constants are what clients know."""

from grove_operator.api import labels


def test_everything_of_a_set_carries_two_labels() -> None:
    assert labels.default_pair("tide") == {
        "app.kubernetes.io/managed-by": "grove-operator",
        "app.kubernetes.io/part-of": "tide",
    }


def test_a_selector_lists_its_keys_in_order() -> None:
    found = labels.selector({"b": "2", "a": "1"})
    assert found == "a=1,b=2"


def test_a_selector_of_nothing_is_empty() -> None:
    assert labels.selector({}) == ""


def test_api_versions() -> None:
    assert labels.GROVE_API == "grove.io/v1alpha1"
    assert labels.SCHEDULER_API == "scheduler.grove.io/v1alpha1"


def test_finalizers_and_gate() -> None:
    assert labels.SET_FINALIZER == "grove.io/podcliqueset.grove.io"
    assert labels.CLIQUE_FINALIZER == "grove.io/podclique.grove.io"
    assert labels.GROUP_FINALIZER == "grove.io/podcliquescalinggroup.grove.io"
    assert labels.GATE == "grove.io/podgang-pending-creation"
