import io
from dataclasses import replace

import pytest
from rich.console import Console

from grove_operator.cli.picture import CliqueLine, GangLine, Picture, PodLine, build_tree

PLACED = PodLine("a-0-web-abcde", "node-0001", "rack-1", "Ready", ready=True)
WAITING = PodLine("a-0-group-1-x-vwxyz", "", "", "Pending", ready=False)
BASE = GangLine("a-0", True, "Running", "", "", (CliqueLine("a-0-web", 1, (PLACED,)),))
SCALED = GangLine(
    "a-0-group-0",
    False,
    "Pending",
    "InsufficientCapacity",
    "no room",
    (CliqueLine("a-0-group-1-x", 1, (WAITING,)),),
)


def drawn(picture: Picture, *, reasons: bool = False) -> str:
    console = Console(file=io.StringIO(), width=120)
    console.print(build_tree(picture, reasons=reasons))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_draws_set_gangs_cliques_and_pods() -> None:
    assert drawn(Picture("a", 1, 1, (BASE, SCALED))).splitlines() == [
        "a  PodCliqueSet, 1 of 1 available",
        "├── a-0  base gang, Running, 1 of 1 pods ready",
        "│   └── a-0-web  1/1",
        "│       └── a-0-web-abcde  Ready  node-0001, rack-1",
        "└── a-0-group-0  scaled gang, Pending, 0 of 1 pods ready",
        "    └── a-0-group-1-x  0/1",
        "        └── a-0-group-1-x-vwxyz  Pending  on no node",
    ]


def test_a_gang_that_is_blocked_says_why_if_asked() -> None:
    lines = drawn(Picture("a", 1, 1, (SCALED,)), reasons=True).splitlines()
    assert lines[2] == "    ├── InsufficientCapacity: no room"


@pytest.mark.parametrize(
    ("picture", "ready"),
    [
        (Picture("a", 1, 1, (BASE,)), True),
        (Picture("a", 1, 0, (BASE,)), False),
        (Picture("a", 1, 1, (BASE, SCALED)), False),
        (Picture("a", 1, 0, ()), False),
    ],
    ids=["all is there", "set not available", "a gang waits", "nothing yet"],
)
def test_ready_means_every_gang_and_the_set(picture: Picture, *, ready: bool) -> None:
    assert picture.is_ready is ready


def test_a_gang_counts_wanted_pods_not_existing_ones() -> None:
    gang = replace(BASE, cliques=(CliqueLine("a-0-web", 3, (PLACED,)),))
    assert (gang.ready, gang.wanted, len(gang.pods)) == (1, 3, 1)
