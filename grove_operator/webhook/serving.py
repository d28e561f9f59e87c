"""The certificate that the webhook's port presents, exchanged while connections come and go.

Owns the TLS settings and the exchange. Refuses to know where certificates come from. A pair is
tried in a context of its own, and only a good one takes the place of the old: a handshake sees
either pair whole. Connections that are open go on with what they began with.
"""

import asyncio
import os
import ssl
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Final

from grove_operator import metrics
from grove_operator.webhook.certificates import expiry

_CIPHERS: Final = "ECDHE+AESGCM:ECDHE+CHACHA20"
"""Of TLS 1.2; those of 1.3 are all sound."""


class Served:
    """`context` is for the server, for good. `load` puts another certificate into it."""

    def __init__(self) -> None:
        self._current: ssl.SSLContext | None = None
        self._pair: tuple[bytes, bytes] | None = None
        self.expires: datetime | None = None
        self.ready = asyncio.Event()
        self.context = _new_context()
        # Called in each handshake, whether the client names a host or not. To load into the one
        # live context would leave an RSA pair in it beside an ECDSA pair that should replace it.
        self.context.sni_callback = self._present

    def load(self, chain: bytes, key: bytes) -> str | None:
        """Serve this pair from now on. What is wrong with it is the answer; then the old stays."""
        if self._pair == (chain, key):
            return None
        expires = expiry(chain)
        if expires is None:
            return "the certificate cannot be read"
        context = _new_context()
        try:
            with _readable(chain.rstrip() + b"\n" + key) as path:
                # Without a password function OpenSSL would ask for one at the terminal.
                context.load_cert_chain(path, password=b"")
        except (ssl.SSLError, OSError, ValueError) as error:
            return _words(error)
        self._current, self._pair, self.expires = context, (chain, key), expires
        metrics.count_certificate("loaded")
        metrics.set_certificate_expiry(expires.timestamp())
        self.ready.set()
        return None

    def problem(self, now: datetime | None = None) -> str | None:
        """For the readiness probe."""
        if self.expires is None:
            return "no certificate yet"
        if self.expires <= (now or datetime.now(UTC)):
            return "the certificate is expired"
        return None

    def _present(
        self, connection: ssl.SSLObject, host: str | None, context: ssl.SSLContext
    ) -> int | None:
        del host, context
        if self._current is None:
            return ssl.ALERT_DESCRIPTION_INTERNAL_ERROR
        connection.context = self._current
        return None


def _new_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(_CIPHERS)
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    context.set_alpn_protocols(["http/1.1"])
    return context


@contextmanager
def _readable(content: bytes) -> Iterator[str]:
    """A path for OpenSSL, which reads keys from files only: in memory where the system can."""
    if hasattr(os, "memfd_create"):
        number = os.memfd_create("certificate")
        try:
            os.write(number, content)
            yield f"/proc/self/fd/{number}"
        finally:
            os.close(number)
        return
    with tempfile.NamedTemporaryFile() as file:  # mode 0600, and gone at the end of the block
        file.write(content)
        file.flush()
        yield file.name


def _words(error: Exception) -> str:
    """OpenSSL's reason without file names; never any content."""
    reason = error.reason if isinstance(error, ssl.SSLError) else None
    if reason == "KEY_VALUES_MISMATCH":
        return "the key is not the certificate's"
    return f"certificate and key cannot be used: {reason or type(error).__name__}"
