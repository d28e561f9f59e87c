"""What an authority and a leaf of the webhook are: how they are made, read and compared.

Owns everything that knows X.509. Refuses to say when anything is renewed (renewal.py). Reading
never raises: bytes of unknown origin give a certificate or key, or nothing. Only the keys and the
serial numbers made here are random.
"""

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

AUTHORITY: Final = x509.Name(
    [
        x509.NameAttribute(NameOID.COMMON_NAME, "Grove-CA"),
        x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Grove"),
    ]
)
BACKDATED: Final = timedelta(hours=1)
"""Certificates begin this long before they are made: clocks differ."""
_FAULTS: Final = (
    ValueError,
    TypeError,
    UnsupportedAlgorithm,
    InvalidSignature,
    x509.DuplicateExtension,
    x509.ExtensionNotFound,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
)
"""All that reading a certificate or key of unknown origin may raise."""

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
Certificate = x509.Certificate


@dataclass(frozen=True, slots=True)
class Authority:
    """A certificate that signs, and its key, which never shows in a log or a traceback."""

    certificate: Certificate
    key: Key = field(repr=False)


def expiry(chain: bytes) -> datetime | None:
    """When the first certificate of a PEM text ends; None if it cannot be read."""
    found = read_chain(chain)
    return found[0].not_valid_after_utc if found else None


def general_name(text: str) -> x509.GeneralName:
    """An address becomes an address, everything else a DNS name. Raises ValueError."""
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)


def service_names(service: str, namespace: str) -> tuple[str, ...]:
    """The names by which the API server and others reach a Service."""
    local = f"{service}.{namespace}"
    return (service, local, f"{local}.svc", f"{local}.svc.cluster.local")


# --- making ---------------------------------------------------------------------------------


def new_authority(lifetime: timedelta, now: datetime) -> Authority:
    key = ec.generate_private_key(ec.SECP256R1())
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    builder = (
        _builder(AUTHORITY, AUTHORITY, key, now, now + lifetime)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs=True), critical=True)
        .add_extension(identifier, critical=False)
        .add_extension(_authority_identifier(identifier), critical=False)
    )
    return Authority(builder.sign(key, hashes.SHA256()), key)


def new_leaf(
    names: tuple[str, ...], lifetime: timedelta, authority: Authority, now: datetime
) -> tuple[bytes, bytes]:
    """Certificate and key as PEM. A leaf does not outlive its authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0][:64])])
    issuer = authority.certificate
    end = min(now + lifetime, issuer.not_valid_after_utc)
    certificate = (
        _builder(subject, issuer.subject, key, now, end)
        .add_extension(
            x509.SubjectAlternativeName([general_name(name) for name in names]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(_authority_identifier(_identifier(issuer)), critical=False)
        .sign(authority.key, hashes.SHA256())
    )
    return pem((certificate,)), pem_key(key)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: Key, now: datetime, end: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATED)
        .not_valid_after(end)
    )


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs,
        crl_sign=signs,
        encipher_only=False,
        decipher_only=False,
    )


def _identifier(certificate: Certificate) -> x509.SubjectKeyIdentifier:
    """As the certificate says it; others may count it in another way than we do."""
    try:
        return certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    except x509.ExtensionNotFound:
        return x509.SubjectKeyIdentifier(
            x509.SubjectKeyIdentifier.from_public_key(certificate.public_key()).digest
        )


def _authority_identifier(found: x509.SubjectKeyIdentifier) -> x509.AuthorityKeyIdentifier:
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(found)


# --- reading and comparing ------------------------------------------------------------------


def is_authority(certificate: Certificate, now: datetime) -> bool:
    try:
        constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints)
        certificate.verify_directly_issued_by(certificate)
        ours = certificate.subject == AUTHORITY
    except _FAULTS:
        return False
    return ours and constraints.value.ca and lives(certificate, now)


def lives(certificate: Certificate, now: datetime) -> bool:
    return certificate.not_valid_before_utc <= now < certificate.not_valid_after_utc


def issued(leaf: Certificate, authority: Certificate) -> bool:
    try:
        leaf.verify_directly_issued_by(authority)
    except _FAULTS:
        return False
    return True


def fits(certificate: Certificate, key: Key) -> bool:
    try:
        return _public(certificate.public_key()) == _public(key.public_key())
    except _FAULTS:
        return False


def names_of(certificate: Certificate) -> tuple[x509.GeneralName, ...]:
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except _FAULTS:
        return ()
    return tuple(n for n in found.value if isinstance(n, x509.DNSName | x509.IPAddress))


def read_chain(text: bytes) -> list[Certificate]:
    try:
        return x509.load_pem_x509_certificates(text)
    except _FAULTS:
        return []


def read_key(text: bytes) -> Key | None:
    try:
        key = serialization.load_pem_private_key(text, password=None)
    except _FAULTS:
        return None
    return key if isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) else None


def _public(key: CertificatePublicKeyTypes) -> bytes:
    return key.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def pem(certificates: Iterable[Certificate]) -> bytes:
    return b"".join(cert.public_bytes(serialization.Encoding.PEM) for cert in certificates)


def pem_key(key: Key) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
