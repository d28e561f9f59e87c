"""What clients see of the served certificate."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from operator import ge
from typing import Any

import pytest
import uvloop
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from grove_operator import metrics
from grove_operator.webhook.renewal import Material, Step, Terms, carry_out
from grove_operator.webhook.serving import Served
from tests.unit.cluster.fake_api import until

TERMS = Terms(("grove-operator.here.svc", "127.0.0.1"))


def new_set() -> Material:
    return carry_out(Step.REPLACE, Material(), TERMS, datetime.now(UTC))


def new_rsa_pair() -> tuple[bytes, bytes]:
    key = rsa.generate_private_key(65537, 2048)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "rsa")])
    now = datetime.now(UTC)
    certificate = x509.CertificateBuilder(
        name, name, key.public_key(), 1, now - timedelta(1), now + timedelta(1)
    ).sign(key, hashes.SHA256())
    return certificate.public_bytes(serialization.Encoding.PEM), key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while line := await reader.readline():
        writer.write(line)
        await writer.drain()
    writer.close()


@asynccontextmanager
async def listening(served: Served) -> AsyncIterator[int]:
    server = await asyncio.start_server(echo, "127.0.0.1", 0, ssl=served.context)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await server.wait_closed()


def trusting(bundle: bytes | None) -> ssl.SSLContext:
    if bundle is None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        return context
    context = ssl.create_default_context(cadata=bundle.decode())
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    return context


@asynccontextmanager
async def dialled(
    port: int, context: ssl.SSLContext, host: str = "127.0.0.1"
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", port, ssl=context, server_hostname=host
    )
    try:
        yield reader, writer
    finally:
        writer.close()
        await writer.wait_closed()


async def presented(port: int, context: ssl.SSLContext, host: str = "127.0.0.1") -> bytes:
    async with dialled(port, context, host) as (reader, writer):
        writer.write(b"hello\n")
        assert await reader.readline() == b"hello\n"
        found = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        assert isinstance(found, bytes)
        return ssl.DER_cert_to_PEM_cert(found).encode()


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("host", ["127.0.0.1", "grove-operator.here.svc"])
async def test_a_client_finds_what_it_trusts(version: ssl.TLSVersion, host: str) -> None:
    served, held = Served(), new_set()
    assert served.load(held.tls_crt, held.tls_key) is None
    context = trusting(held.ca_crt)
    context.minimum_version = context.maximum_version = version
    async with listening(served) as port:
        assert await presented(port, context, host) == held.tls_crt


def test_the_loop_of_the_process_serves_it_as_well() -> None:
    """uvloop has a TLS of its own between the socket and the context."""

    async def exchange() -> None:
        served, first, second = Served(), new_set(), new_set()
        async with listening(served) as port:
            for held in (first, second):
                assert served.load(held.tls_crt, held.tls_key) is None
                assert await presented(port, trusting(held.ca_crt)) == held.tls_crt

    uvloop.run(exchange())


async def test_nobody_is_answered_before_there_is_a_certificate() -> None:
    served = Served()
    assert served.problem() == "no certificate yet"
    assert not served.ready.is_set()
    async with listening(served) as port:
        with pytest.raises(OSError):  # noqa: PT011 - which of its children differs by system
            await presented(port, trusting(None))


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated")
async def test_old_protocols_and_weak_ciphers_are_refused() -> None:
    served, held = Served(), new_set()
    served.load(held.tls_crt, held.tls_key)
    old = trusting(None)
    old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
    old.set_ciphers("ALL:@SECLEVEL=0")
    weak = trusting(None)
    weak.maximum_version = ssl.TLSVersion.TLSv1_2
    weak.set_ciphers("ECDHE-ECDSA-AES128-SHA")
    async with listening(served) as port:
        for context in (old, weak):
            with pytest.raises(OSError):  # noqa: PT011 - an SSL alert or a closed connection
                await presented(port, context)
    assert served.context.options & ssl.OP_NO_RENEGOTIATION
    assert served.context.options & ssl.OP_NO_COMPRESSION


async def test_open_connections_go_on_through_an_exchange() -> None:
    served, first, second = Served(), new_set(), new_set()
    served.load(first.tls_crt, first.tls_key)
    async with (
        listening(served) as port,
        dialled(port, trusting(first.ca_crt)) as (reader, writer),
    ):
        assert served.load(second.tls_crt, second.tls_key) is None
        assert await presented(port, trusting(second.ca_crt)) == second.tls_crt
        writer.write(b"still here\n")
        assert await reader.readline() == b"still here\n"


async def test_a_pair_of_another_kind_takes_the_place_of_the_old_one_for_every_client() -> None:
    """OpenSSL keeps one pair per kind of key and would go on to present the first."""
    served, held = Served(), new_set()
    served.load(held.tls_crt, held.tls_key)
    chain, key = new_rsa_pair()
    assert served.load(chain, key) is None
    async with listening(served) as port:
        assert await presented(port, trusting(None)) == chain


def broken_pairs() -> list[Any]:
    one, other = new_set(), new_set()
    half = len(one.tls_key) // 2
    return [
        pytest.param(one.tls_crt, other.tls_key, "the key is not", id="another's key"),
        pytest.param(one.tls_crt, one.tls_key[:half], "cannot be used", id="half a key"),
        pytest.param(one.tls_crt, b"", "cannot be used", id="no key"),
        pytest.param(one.tls_crt[:half], one.tls_key, "cannot be read", id="half a certificate"),
        pytest.param(b"", b"", "cannot be read", id="nothing"),
    ]


@pytest.mark.parametrize(("chain", "key", "words"), broken_pairs())
async def test_the_old_pair_stays_when_the_new_one_is_bad(
    chain: bytes, key: bytes, words: str
) -> None:
    served, held = Served(), new_set()
    served.load(held.tls_crt, held.tls_key)
    problem = served.load(chain, key)
    assert problem is not None
    assert words in problem
    assert "PRIVATE" not in problem
    assert served.problem() is None
    async with listening(served) as port:
        assert await presented(port, trusting(held.ca_crt)) == held.tls_crt


async def test_a_key_with_a_password_is_refused_without_asking_for_one() -> None:
    held = new_set()
    key = serialization.load_pem_private_key(held.tls_key, None).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"secret"),
    )
    assert Served().load(held.tls_crt, key) is not None


async def test_an_expired_certificate_is_a_problem() -> None:
    served, held = Served(), new_set()
    served.load(held.tls_crt, held.tls_key)
    assert served.expires is not None
    assert served.problem(served.expires) == "the certificate is expired"
    assert served.problem(served.expires - timedelta(seconds=1)) is None
    gauge = "grove_operator_webhook_certificate_expiry_timestamp_seconds"
    assert metrics.REGISTRY.get_sample_value(gauge) == served.expires.timestamp()


async def test_no_handshake_fails_while_leaf_and_authority_change_many_times() -> None:
    """Clients trust what the Secret held one step ago, as an API server that hears of it late."""
    terms = Terms(("127.0.0.1",), timedelta(days=9), timedelta(days=36))
    now = datetime.now(UTC)
    held = carry_out(Step.REPLACE, Material(), terms, now)
    served = Served()
    served.load(held.tls_crt, held.tls_key)
    trusted, dials, seen = trusting(held.ca_crt), [0] * 4, set()

    async def keep_dialling(client: int, port: int) -> None:
        while dials[client] >= 0:
            seen.add(await presented(port, trusted))
            dials[client] += 1

    async with listening(served) as port, asyncio.TaskGroup() as clients:
        for client in range(len(dials)):
            clients.create_task(keep_dialling(client, port))
        for turn in range(60):
            step = Step.ANNOUNCE if turn % 3 == 0 else Step.SIGN
            before = held.ca_crt
            held = carry_out(step, held, terms, now)
            assert served.load(held.tls_crt, held.tls_key) is None
            assert await presented(port, trusting(before)) == held.tls_crt
            trusted = trusting(held.ca_crt)
            # Those under way still trust the old bundle: let each begin once more.
            goal = [count + 2 for count in dials]
            await until(lambda goal=goal: all(map(ge, dials, goal)))  # type: ignore[misc]
        dials[:] = [-9] * len(dials)
    assert len(seen) == 41
