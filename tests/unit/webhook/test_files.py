"""Certificates in a folder, as a mounted Secret shows them."""

import logging
from datetime import UTC, datetime
from pathlib import Path

import pytest

from grove_operator.webhook.certificates import expiry
from grove_operator.webhook.files import FileCertificates
from grove_operator.webhook.renewal import Material, Step, Terms, carry_out
from tests.unit.cluster.fake_api import until
from tests.unit.webhook.object_store import running
from tests.unit.webhook.test_serving import listening, presented, trusting


def new_set() -> Material:
    return carry_out(Step.REPLACE, Material(), Terms(("127.0.0.1",)), datetime.now(UTC))


def mount(folder: Path, held: Material, name: str) -> None:
    """As the kubelet does: a folder of its own, then one link to it is exchanged."""
    data = folder / name
    data.mkdir()
    (data / "tls.crt").write_bytes(held.tls_crt)
    (data / "tls.key").write_bytes(held.tls_key)
    (folder / "..new").symlink_to(name)
    (folder / "..new").rename(folder / "..data")
    for entry in ("tls.crt", "tls.key"):
        if not (folder / entry).is_symlink():
            (folder / entry).symlink_to(f"..data/{entry}")


async def test_waits_for_the_files_and_says_so_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    files = FileCertificates(str(tmp_path))
    for _ in range(3):
        files.look()
    assert not files.ready.is_set()
    assert "tls.crt: No such file" in (files.problem() or "")
    assert [record.message for record in caplog.records] == ["waiting for a certificate"]
    mount(tmp_path, new_set(), "first")
    files.look()
    assert files.ready.is_set()
    assert files.problem() is None


async def test_follows_the_exchange_of_a_mounted_secret(tmp_path: Path) -> None:
    first, second = new_set(), new_set()
    files = FileCertificates(str(tmp_path), interval=0.005)
    async with running(files), listening(files) as port:  # type: ignore[arg-type] # has a context
        mount(tmp_path, first, "first")
        await files.ready.wait()
        assert await presented(port, trusting(first.ca_crt)) == first.tls_crt
        loaded = files._loaded
        mount(tmp_path, second, "second")
        await until(lambda: files._loaded != loaded)
        assert await presented(port, trusting(second.ca_crt)) == second.tls_crt


async def test_a_half_written_pair_changes_nothing_until_it_is_whole(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first, second = new_set(), new_set()
    mount(tmp_path, first, "first")
    files = FileCertificates(str(tmp_path))
    files.look()
    (tmp_path / "tls.crt").write_bytes(second.tls_crt)
    for _ in range(3):
        files.look()
    assert files.problem() is None
    assert files._served.expires == expiry(first.tls_crt)
    rejected = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert [record.message for record in rejected] == ["the old certificate stays"]
    assert vars(rejected[0])["why"] == "the key is not the certificate's"
    (tmp_path / "tls.key").write_bytes(second.tls_key)
    files.look()
    assert files._served._pair == (second.tls_crt, second.tls_key)
    assert "PRIVATE" not in caplog.text


async def test_files_that_vanish_leave_what_is_served(tmp_path: Path) -> None:
    mount(tmp_path, new_set(), "first")
    files = FileCertificates(str(tmp_path))
    files.look()
    (tmp_path / "..data").unlink()
    files.look()
    assert files.problem() is None


async def test_unchanged_files_are_not_read_again(tmp_path: Path) -> None:
    mount(tmp_path, new_set(), "first")
    files = FileCertificates(str(tmp_path))
    files.look()
    context = files._served._current
    for _ in range(3):
        files.look()
    assert files._served._current is context
