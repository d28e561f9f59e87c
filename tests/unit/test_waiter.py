"""The waiter against a small HTTP server that says, request by request, what the test wants."""

import http.client
import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from typing_extensions import override

from grove_operator import waiter

WAITER = Path(waiter.__file__)
PARENTS = {"demo-0-a": 2, "demo-0-ab": 1}
Answer = tuple[int, dict[str, str], list[Any]]


def a_pod(name: str, clique: str, *, ready: bool = True, version: str = "5") -> dict[str, Any]:
    return {
        "metadata": {
            "name": name,
            "resourceVersion": version,
            "labels": {waiter.GANG_LABEL: "demo-0", waiter.CLIQUE_LABEL: clique},
        },
        "status": {"conditions": [{"type": "Ready", "status": "True" if ready else "False"}]},
    }


def a_list(*pods: dict[str, Any], version: str = "10") -> Answer:
    return 200, {}, [{"metadata": {"resourceVersion": version}, "items": list(pods)}]


def a_watch(*events: Any) -> Answer:
    return 200, {}, [{"type": kind, "object": body} for kind, body in events]


def a_refusal(status: int, **headers: str) -> Answer:
    return status, {k.replace("_", "-"): v for k, v in headers.items()}, [{"message": "no"}]


ENOUGH = a_list(a_pod("a1", "demo-0-a"), a_pod("a2", "demo-0-a"), a_pod("b1", "demo-0-ab"))
NOTHING = a_list()


class Server:
    """Answers in turn; notes what it was asked and with which token."""

    def __init__(self) -> None:
        self.answers: list[Answer] = []
        self.asked: list[dict[str, list[str]]] = []
        self.tokens: list[str] = []
        self.said: list[str] = []
        self.pauses: list[float] = []
        self.before_answer: Callable[[], None] = lambda: None
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.asked.append(parse_qs(urlsplit(self.path).query))
                outer.tokens.append(self.headers["Authorization"])
                outer.before_answer()
                status, headers, bodies = outer.answers.pop(0)
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                lines = [x if isinstance(x, str) else json.dumps(x) for x in bodies]
                self.wfile.write("".join(f"{line}\n" for line in lines).encode())

            @override
            def log_message(self, *_: object) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    def wait(self, folder: Path, *answers: Answer, parents: dict[str, int] | None = None) -> None:
        """Run the waiter to its end; it must use up every answer."""
        self.answers = list(answers)
        token = folder / "token"
        if not token.exists():
            token.write_text("first\n")
        say = waiter.once_per_change(self.said.append)
        chosen = parents or PARENTS
        path = waiter.pods_path("blue", "demo-0", chosen)
        connect = lambda: http.client.HTTPConnection(  # noqa: E731
            "127.0.0.1", self.http.server_port, timeout=10
        )
        pods = waiter.Pods(connect, token, path, waiter.Tally(chosen), say)
        waiter.wait(pods, say, self.pauses.append)
        assert self.answers == []


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    thread = threading.Thread(target=made.http.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield made
    made.http.shutdown()
    thread.join()
    made.http.server_close()


class TestArguments:
    @pytest.mark.parametrize(
        "argv",
        [
            ["--podcliques=x-0-a:2", "--podcliques=x-0-b:1"],
            ["--podcliques", "x-0-a:2", "-p", "x-0-b:1"],
            ["-p=x-0-a:2", "-px-0-b:1"],
            ["-p", " x-0-a : +2 ", "--podcliques=", "-p", " ", "-p", "x-0-b:1"],
        ],
        ids=["long", "separate", "short", "blanks are skipped"],
    )
    def test_names_and_minimums_are_read(self, argv: list[str]) -> None:
        assert waiter.parse(argv).parents == {"x-0-a": 2, "x-0-b": 1}

    def test_of_a_parent_named_twice_the_larger_minimum_counts(self) -> None:
        assert waiter.parse(["-p", "a:3", "-p", "a:1"]).parents == {"a": 3}

    @pytest.mark.parametrize(
        ("argv", "complaint"),
        [
            (["-p", "a"], "not of the form"),
            (["-p", "a:1:2"], "not of the form"),
            (["-p", "a:one"], "not a number above zero"),
            (["-p", "a:1.5"], "not a number above zero"),
            (["-p", "a:0"], "not a number above zero"),
            (["-p", "a:-1"], "not a number above zero"),
            (["-p", "a:"], "not a number above zero"),
            (["-p", ":1"], "does not name a PodClique"),
            (["-p", "A_b:1"], "does not name a PodClique"),
            (["--unknown"], "not recognized"),
            (["surplus"], "unexpected argument 'surplus'"),
        ],
    )
    def test_wrong_arguments_are_refused(self, argv: list[str], complaint: str) -> None:
        with pytest.raises(waiter.ArgumentError, match=complaint):
            waiter.parse(argv)


class TestWaiting:
    def test_one_list_is_enough_when_all_are_ready(self, server: Server, tmp_path: Path) -> None:
        server.wait(tmp_path, ENOUGH)
        assert server.said == ["all parents are ready"]
        selector = "grove.io/podgang=demo-0,grove.io/podclique in (demo-0-a,demo-0-ab)"
        assert server.asked == [{"labelSelector": [selector], "limit": ["200"]}]

    def test_a_large_gang_is_listed_page_by_page(self, server: Server, tmp_path: Path) -> None:
        first = a_list(a_pod("a1", "demo-0-a"), a_pod("b1", "demo-0-ab"))
        first[2][0]["metadata"]["continue"] = "there"
        server.wait(tmp_path, first, a_list(a_pod("a2", "demo-0-a")))
        assert [asked.get("continue") for asked in server.asked] == [None, ["there"]]
        assert server.said == ["all parents are ready"]

    def test_the_watch_goes_on_where_the_list_ended(self, server: Server, tmp_path: Path) -> None:
        """A PodClique whose name begins with another's is not taken for it."""
        server.wait(
            tmp_path,
            a_list(a_pod("a1", "demo-0-a"), a_pod("b1", "demo-0-ab"), a_pod("b2", "demo-0-ab")),
            a_watch(
                ("ADDED", a_pod("a2", "demo-0-a", ready=False)),
                ("MODIFIED", a_pod("a2", "demo-0-a")),
            ),
        )
        assert server.asked[1]["resourceVersion"] == ["10"]
        assert server.asked[1]["watch"] == server.asked[1]["allowWatchBookmarks"] == ["true"]
        assert server.said == [
            "waiting: demo-0-a has 1 of 2 ready pods",
            "all parents are ready",
        ]

    def test_all_minimums_hold_at_the_same_time(self, server: Server, tmp_path: Path) -> None:
        """What was ready and is gone, unready, or about to go counts no longer."""
        leaving = a_pod("a1", "demo-0-a")
        leaving["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
        server.wait(
            tmp_path,
            a_list(a_pod("a1", "demo-0-a"), a_pod("a2", "demo-0-a")),
            a_watch(
                ("DELETED", a_pod("a2", "demo-0-a")),
                ("ADDED", a_pod("b1", "demo-0-ab")),
                ("ADDED", a_pod("a3", "demo-0-a")),
            ),
        )
        server.said.clear()
        server.wait(
            tmp_path,
            a_list(leaving, a_pod("a2", "demo-0-a"), a_pod("b1", "demo-0-ab")),
            a_watch(("MODIFIED", a_pod("a4", "demo-0-a"))),
        )
        assert server.said[0] == "waiting: demo-0-a has 1 of 2 ready pods"

    def test_a_watch_that_ends_is_renewed_from_its_bookmark(
        self, server: Server, tmp_path: Path
    ) -> None:
        bookmark = {"metadata": {"resourceVersion": "77"}}
        end = a_watch(("BOOKMARK", bookmark))
        done = a_watch(("ADDED", a_pod("x", "one")))
        server.wait(tmp_path, NOTHING, end, done, parents={"one": 1})
        assert [asked.get("resourceVersion") for asked in server.asked] == [None, ["10"], ["77"]]
        assert len(server.pauses) == 1

    def test_pods_without_our_labels_are_no_news(self, server: Server, tmp_path: Path) -> None:
        stray = {"metadata": {"name": "x", "resourceVersion": "6"}, "status": {}}
        fresh = a_pod("y", "one")
        del fresh["status"]["conditions"]
        events = a_watch(("ADDED", stray), ("ADDED", fresh), ("ADDED", a_pod("z", "one")))
        server.wait(tmp_path, NOTHING, events, parents={"one": 1})
        assert server.said == ["waiting: one has 0 of 1 ready pods", "all parents are ready"]


class TestTrouble:
    @pytest.mark.parametrize(
        "trouble",
        [
            a_refusal(500),
            a_refusal(401),
            a_refusal(403),
            a_refusal(410),
            (200, {}, ["{"]),
            (200, {}, [{"items": []}]),
        ],
        ids=["500", "401", "403", "410", "half an answer", "no version"],
    )
    def test_a_list_that_fails_is_tried_again(
        self, server: Server, tmp_path: Path, trouble: Answer
    ) -> None:
        server.wait(tmp_path, trouble, trouble, ENOUGH)
        assert len(server.pauses) == 2
        assert len(server.said) == 2, "the same trouble is told once"

    @pytest.mark.parametrize(
        "trouble",
        [
            a_refusal(410),
            a_watch(("ERROR", {"code": 410, "message": "too old resource version"})),
            a_watch(("ERROR", {})),
            (200, {}, ['{"type":']),
            (200, {}, ['{"type": "ADDED", "object": {}}']),
        ],
        ids=["refused", "too old", "unknown error", "cut line", "no metadata"],
    )
    def test_a_watch_that_breaks_leads_to_a_new_list(
        self, server: Server, tmp_path: Path, trouble: Answer
    ) -> None:
        server.wait(tmp_path, NOTHING, trouble, ENOUGH)
        assert [("watch" in asked) for asked in server.asked] == [False, True, False]

    def test_a_server_that_is_away_is_waited_for(self, server: Server, tmp_path: Path) -> None:
        free = server.http.server_port
        tries = 0

        def connect() -> http.client.HTTPConnection:
            nonlocal tries
            tries += 1
            return http.client.HTTPConnection("127.0.0.1", 1 if tries == 1 else free, timeout=10)

        (tmp_path / "token").write_text("t")
        server.answers = [ENOUGH]
        path = waiter.pods_path("blue", "demo-0", PARENTS)
        tally = waiter.Tally(PARENTS)
        pods = waiter.Pods(connect, tmp_path / "token", path, tally, server.said.append)
        waiter.wait(pods, server.said.append, server.pauses.append)
        assert "refused" in server.said[0]
        assert tries == 2

    def test_retry_after_is_kept(self, server: Server, tmp_path: Path) -> None:
        server.wait(tmp_path, a_refusal(429, Retry_After="7"), ENOUGH)
        assert server.pauses == [7.0]

    def test_a_token_that_comes_late_or_changes_is_read_again(
        self, server: Server, tmp_path: Path
    ) -> None:
        def replaced() -> None:
            (tmp_path / "token").write_text("second")

        server.before_answer = replaced
        server.wait(tmp_path, a_refusal(401), ENOUGH)
        assert server.tokens == ["Bearer first", "Bearer second"]

    def test_pauses_grow_to_a_limit_and_differ(self) -> None:
        pauses = [waiter.backoff(n) for n in range(1, 40)]
        assert 0.25 <= pauses[0] <= 0.5
        assert all(15.0 <= pause <= 30.0 for pause in pauses[7:])
        assert len(set(pauses)) > 30


class TestProgram:
    """As the container runs it, as far as no API server is needed."""

    def test_without_parents_there_is_nothing_to_wait_for(self) -> None:
        done = _run()
        assert (done.returncode, done.stderr) == (0, "nothing to wait for\n")

    @pytest.mark.parametrize(
        ("facts", "complaint"),
        [
            ({}, "No such file"),
            ({"namespace": "blue"}, "podgangname: No such file"),
            ({"namespace": "blue", "podgangname": " \n"}, "podgangname is empty"),
            ({"namespace": "blue", "podgangname": "g"}, "KUBERNETES_SERVICE_HOST"),
        ],
    )
    def test_what_the_pod_lacks_is_said(
        self, tmp_path: Path, facts: dict[str, str], complaint: str
    ) -> None:
        for name, text in facts.items():
            (tmp_path / name).write_text(text)
        done = _run("-p", "a:1", "--pod-info", str(tmp_path))
        assert done.returncode == 1
        assert complaint in done.stderr

    def test_wrong_arguments_end_it_with_1(self) -> None:
        done = _run("-p", "a:b")
        assert (done.returncode, done.stderr.count("\n")) == (1, 1)

    def test_it_imports_only_the_standard_library_and_little_of_that(self) -> None:
        program = (
            "import runpy, sys; runpy.run_path(sys.argv[1]); "
            "print(*sorted({name.split('.')[0] for name in sys.modules}))"
        )
        command = [sys.executable, "-I", "-S", "-c", program, str(WAITER)]
        out = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
        assert set(out) - {"__main__", "sitecustomize"} <= sys.stdlib_module_names
        assert set(out).isdisjoint({"asyncio", "logging", "dataclasses", "argparse", "subprocess"})


def _run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-I", "-S", str(WAITER), *arguments],
        env={"PATH": "/usr/bin"},
        capture_output=True,
        text=True,
        check=False,
        timeout=20,
    )
