"""`grove-operator install-crds`: what is said, and the exit code that stops the pod."""

import io
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import msgspec
import pytest
from typer.testing import CliRunner
from typing_extensions import override

from grove_operator.__main__ import app
from grove_operator.api.schema_kinds import KINDS
from grove_operator.cli.installing import install_crds
from tests.unit.cluster.fake_api import write_kubeconfig

CRDS = [f"{kind.plural}.{kind.group}" for kind in KINDS]


class Server(BaseHTTPRequestHandler):
    """Takes every definition but those it was told to refuse, and serves it at once."""

    refused = ""
    port = 0

    def do_PATCH(self) -> None:
        body = msgspec.json.decode(self.rfile.read(int(self.headers["Content-Length"])))
        name = body["metadata"]["name"]
        if name == self.refused:
            self._answer(403, {"kind": "Status", "message": "no", "reason": "Forbidden"})
        else:
            served = {"conditions": [{"type": "Established", "status": "True"}]}
            self._answer(200, body | {"status": served})

    def _answer(self, code: int, body: object) -> None:
        payload = msgspec.json.encode(body)
        self.send_response(code)
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)

    @override
    def log_message(self, *_: object) -> None:
        """Keep the test's output clean."""


@pytest.fixture
def server() -> Iterator[type[Server]]:
    class Handler(Server):
        """Told things by one test only."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        thread = Thread(target=listening.serve_forever)
        thread.start()
        Handler.port = listening.server_address[1]
        yield Handler
        listening.shutdown()
        thread.join()


@pytest.fixture
def kubeconfig(server: type[Server], tmp_path: Path) -> str:
    return str(write_kubeconfig(tmp_path / "kubeconfig", f"http://127.0.0.1:{server.port}"))


def test_every_definition_is_told(kubeconfig: str) -> None:
    done = CliRunner().invoke(app, ["install-crds", "--kubeconfig", kubeconfig])
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [f"{name} is served" for name in CRDS]


def test_a_refusal_ends_it_with_the_name_and_the_reason(
    server: type[Server], kubeconfig: str
) -> None:
    server.refused = CRDS[1]
    said, wrong = io.StringIO(), io.StringIO()
    assert install_crds(kubeconfig, 1.0, said, wrong) == 4
    assert said.getvalue().splitlines() == [f"{CRDS[0]} is served"]
    assert CRDS[1] in wrong.getvalue()
    assert "Forbidden" in wrong.getvalue()


def test_a_cluster_that_cannot_be_known_is_a_wrong_configuration(tmp_path: Path) -> None:
    wrong = io.StringIO()
    assert install_crds(str(tmp_path / "absent"), 1.0, io.StringIO(), wrong) == 2
    assert "kubeconfig" in wrong.getvalue()
