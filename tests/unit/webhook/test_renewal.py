"""What to do now, given a Secret and the time."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import given, settings
from hypothesis import strategies as st

from grove_operator.webhook.certificates import AUTHORITY, BACKDATED, expiry, service_names
from grove_operator.webhook.renewal import Material, Step, Terms, carry_out, decide, examine

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
DAY = timedelta(days=1)
YEAR = 365 * DAY
HOUR = timedelta(hours=1)
NAMES = (*service_names("grove-operator", "grove-system"), "127.0.0.1")
TERMS = Terms(NAMES)
FRESH = carry_out(Step.REPLACE, Material(), TERMS, NOW)
OTHER = carry_out(Step.REPLACE, Material(), TERMS, NOW)
ANNOUNCED = carry_out(Step.ANNOUNCE, FRESH, TERMS, NOW)


def chain(text: bytes) -> list[x509.Certificate]:
    return x509.load_pem_x509_certificates(text)


def foreign(*, ca: bool = True, name: str = "Somebody") -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    if name == "Grove-CA":
        subject = AUTHORITY
    certificate = (
        x509.CertificateBuilder(subject, subject, key.public_key(), 1, NOW - DAY, NOW + YEAR)
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    return certificate.public_bytes(serialization.Encoding.PEM)


def ed25519_key() -> bytes:
    return ed25519.Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def later_leaf(held: Material, at: datetime) -> Material:
    return carry_out(Step.SIGN, held, TERMS, at)


TABLE: list[tuple[str, Material, datetime, Step]] = [
    ("a fresh set waits", FRESH, NOW, Step.WAIT),
    ("an empty Secret is filled", Material(), NOW, Step.REPLACE),
    ("garbage is replaced", Material(b"a", b"b", b"c", b"d"), NOW, Step.REPLACE),
    ("a leaf before its time is made anew", FRESH, NOW - 2 * HOUR, Step.REPLACE),
    ("a leaf early in its life waits", FRESH, NOW + YEAR / 2, Step.WAIT),
    ("a leaf with a third of its life left is due", FRESH, NOW + YEAR * 2 / 3, Step.SIGN),
    ("a leaf just before that waits", FRESH, NOW + YEAR * 2 / 3 - HOUR, Step.WAIT),
    ("an expired leaf is made anew", FRESH, NOW + YEAR, Step.SIGN),
    ("an expired set is replaced", FRESH, NOW + 11 * YEAR, Step.REPLACE),
    ("an expired leaf of a due authority", FRESH, NOW + 8 * YEAR, Step.REPLACE),
    ("a lost key of the leaf", replace(FRESH, tls_key=b""), NOW, Step.SIGN),
    ("another's key of the leaf", replace(FRESH, tls_key=OTHER.tls_key), NOW, Step.SIGN),
    ("a key of another kind", replace(FRESH, tls_key=ed25519_key()), NOW, Step.SIGN),
    ("a lost leaf", replace(FRESH, tls_crt=b""), NOW, Step.SIGN),
    (
        "a leaf of another authority",
        replace(FRESH, tls_crt=OTHER.tls_crt, tls_key=OTHER.tls_key),
        NOW,
        Step.SIGN,
    ),
    ("a lost authority", replace(FRESH, ca_crt=b""), NOW, Step.REPLACE),
    ("a foreign authority", replace(FRESH, ca_crt=foreign()), NOW, Step.REPLACE),
    (
        "a certificate that is no authority",
        replace(FRESH, ca_crt=foreign(ca=False, name="Grove-CA")),
        NOW,
        Step.REPLACE,
    ),
    ("a lost key of the authority", replace(FRESH, ca_key=b""), NOW, Step.ANNOUNCE),
    ("another's key of the authority", replace(FRESH, ca_key=OTHER.ca_key), NOW, Step.ANNOUNCE),
    (
        "a due authority",
        later_leaf(FRESH, NOW + 10 * YEAR * 2 / 3),
        NOW + 10 * YEAR * 2 / 3,
        Step.ANNOUNCE,
    ),
    ("a new authority is known for a while first", ANNOUNCED, NOW + HOUR - DAY / 1440, Step.WAIT),
    ("then it signs", ANNOUNCED, NOW + HOUR, Step.SIGN),
    (
        "a leaf about to end does not wait for it",
        carry_out(Step.ANNOUNCE, FRESH, TERMS, NOW + YEAR - HOUR),
        NOW + YEAR - HOUR,
        Step.SIGN,
    ),
    (
        "a foreign certificate beside ours",
        replace(FRESH, ca_crt=FRESH.ca_crt + foreign()),
        NOW,
        Step.TRIM,
    ),
    ("text around ours", replace(FRESH, ca_crt=b"mine\n" + FRESH.ca_crt), NOW, Step.TRIM),
    (
        "a newline at the end is nothing",
        replace(FRESH, ca_crt=FRESH.ca_crt + b"\n"),
        NOW,
        Step.WAIT,
    ),
]


@pytest.mark.parametrize(
    ("held", "now", "step"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE]
)
def test_what_to_do_now(held: Material, now: datetime, step: Step) -> None:
    assert decide(held, TERMS, now).step is step


@pytest.mark.parametrize(
    ("held", "now"), [row[1:3] for row in TABLE], ids=[row[0] for row in TABLE]
)
def test_every_state_ends_in_rest_within_a_few_steps(held: Material, now: datetime) -> None:
    steps = []
    while (found := decide(held, TERMS, now)).step is not Step.WAIT:
        steps.append(found.step)
        assert len(steps) < 3
        held = carry_out(found.step, held, TERMS, now)
    assert examine(held, now).leaf is not None
    assert found.until > now


def test_what_it_makes() -> None:
    leaf, ca = chain(FRESH.tls_crt)[0], chain(FRESH.ca_crt)[0]
    leaf.verify_directly_issued_by(ca)
    assert ca.subject.rfc4514_string() == "O=Grove,CN=Grove-CA"
    assert leaf.not_valid_before_utc == ca.not_valid_before_utc == NOW - BACKDATED
    assert leaf.not_valid_after_utc == NOW + YEAR
    assert ca.not_valid_after_utc == NOW + 3650 * DAY
    for certificate in (leaf, ca):
        key = certificate.public_key()
        assert isinstance(key, ec.EllipticCurvePublicKey)
        assert key.curve.name == "secp256r1"
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == [
        "grove-operator",
        "grove-operator.grove-system",
        "grove-operator.grove-system.svc",
        "grove-operator.grove-system.svc.cluster.local",
    ]
    assert [str(found) for found in names.get_values_for_type(x509.IPAddress)] == ["127.0.0.1"]
    usage = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [ExtendedKeyUsageOID.SERVER_AUTH]


def test_nothing_that_holds_a_key_shows_it() -> None:
    assert "PRIVATE" not in repr(FRESH)
    assert repr(FRESH) == "Material()"


def test_a_due_leaf_is_signed_by_the_same_authority() -> None:
    at = NOW + YEAR * 2 / 3
    held = carry_out(Step.SIGN, FRESH, TERMS, at)
    assert held.ca_crt == FRESH.ca_crt
    assert held.ca_key == FRESH.ca_key
    assert expiry(held.tls_crt) == at + YEAR


def test_a_new_authority_is_trusted_before_it_signs() -> None:
    new, old = chain(ANNOUNCED.ca_crt)
    assert (ANNOUNCED.tls_crt, ANNOUNCED.tls_key) == (FRESH.tls_crt, FRESH.tls_key)
    assert old == chain(FRESH.ca_crt)[0]
    decision = decide(ANNOUNCED, TERMS, NOW)
    assert decision.until == NOW + HOUR
    assert not decision.promotes
    decision = decide(ANNOUNCED, TERMS, NOW + HOUR)
    assert decision.promotes
    held = carry_out(decision.step, ANNOUNCED, TERMS, NOW + HOUR)
    assert chain(held.ca_crt) == [new, old]
    chain(held.tls_crt)[0].verify_directly_issued_by(new)


def test_an_expired_authority_leaves_the_bundle() -> None:
    at = NOW + 3650 * DAY * 2 / 3
    held = carry_out(Step.ANNOUNCE, later_leaf(FRESH, at), TERMS, at)
    held = carry_out(Step.SIGN, held, TERMS, at + HOUR)
    assert len(chain(held.ca_crt)) == 2
    end = NOW + 3650 * DAY
    held = carry_out(Step.SIGN, held, TERMS, end - HOUR)
    assert decide(held, TERMS, end - HOUR).until == end
    assert decide(held, TERMS, end).step is Step.TRIM
    held = carry_out(Step.TRIM, held, TERMS, end)
    assert len(chain(held.ca_crt)) == 1
    assert decide(held, TERMS, end).step is Step.WAIT


def test_however_often_an_authority_is_lost_the_bundle_stays_small_and_the_leaf_trusted() -> None:
    held = FRESH
    for _ in range(8):
        held = carry_out(Step.ANNOUNCE, replace(held, ca_key=b""), TERMS, NOW)
    assert len(chain(held.ca_crt)) == 4
    assert examine(held, NOW).issuer == chain(FRESH.ca_crt)[0]


def test_a_missing_name_is_added_and_what_is_there_stays_until_the_renewal() -> None:
    other = Terms(("grove-operator", "elsewhere.example"))
    assert decide(FRESH, other, NOW).step is Step.SIGN
    held = carry_out(Step.SIGN, FRESH, other, NOW)
    # Both replicas are content, or they would write for ever.
    assert decide(held, other, NOW).step is decide(held, TERMS, NOW).step is Step.WAIT
    later = NOW + YEAR * 2 / 3
    renewed = carry_out(Step.SIGN, held, other, later)
    assert decide(renewed, other, later).step is Step.WAIT
    assert decide(renewed, TERMS, later).why == "names are missing"


def test_a_missing_name_does_not_wait_for_the_overlap_but_for_the_bundle() -> None:
    decision = decide(ANNOUNCED, Terms(("elsewhere.example",)), NOW)
    assert (decision.step, decision.promotes) == (Step.SIGN, True)


def test_one_replica_is_the_first() -> None:
    eager = replace(TERMS, share=0.999)
    at = decide(FRESH, eager, NOW).until
    assert at < decide(FRESH, TERMS, NOW).until
    assert decide(FRESH, eager, at).step is Step.SIGN
    assert decide(FRESH, TERMS, at).step is Step.WAIT
    assert (
        decide(carry_out(Step.SIGN, FRESH, eager, at), TERMS, NOW + YEAR * 2 / 3).step is Step.WAIT
    )


def test_an_rsa_authority_made_by_others_under_our_name_goes_on() -> None:
    key = rsa.generate_private_key(65537, 2048)
    certificate = (
        x509.CertificateBuilder(
            AUTHORITY, AUTHORITY, key.public_key(), 7, NOW - HOUR, NOW + 3650 * DAY
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    held = Material(
        ca_crt=certificate.public_bytes(serialization.Encoding.PEM),
        ca_key=key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.TraditionalOpenSSL,
            serialization.NoEncryption(),
        ),
    )
    assert decide(held, TERMS, NOW).step is Step.SIGN
    signed = carry_out(Step.SIGN, held, TERMS, NOW)
    assert decide(signed, TERMS, NOW).step is Step.WAIT


def test_ten_thousand_days_of_one_set() -> None:
    """No step ever leaves a leaf that a bundle of the hour before does not vouch for."""
    held, now, known = FRESH, NOW, chain(FRESH.ca_crt)
    taken = set()
    while now < NOW + 10_000 * DAY:
        decision = decide(held, TERMS, now)
        if decision.step is Step.WAIT:
            assert decision.until > now
            known, now = chain(held.ca_crt), decision.until
            continue
        held = carry_out(decision.step, held, TERMS, now)
        taken.add(decision.step)
        leaf = chain(held.tls_crt)[0]
        assert leaf.not_valid_after_utc > now
        assert leaf.issuer == AUTHORITY
        assert examine(held, now).issuer in known
    assert taken == {Step.SIGN, Step.ANNOUNCE, Step.TRIM}


_FIELDS = ("tls_crt", "tls_key", "ca_crt", "ca_key")
_PIECES: list[Callable[[bytes], bytes]] = [
    lambda text: text[: len(text) // 2],
    lambda text: text + text,
    lambda text: text.replace(b"A", b"B", 3),
    lambda text: text.replace(b"BEGIN", b"BEGUN"),
    lambda text: text[::-1],
]


@settings(max_examples=60, deadline=None)
@given(
    st.fixed_dictionaries(
        {
            name: st.one_of(
                st.binary(max_size=60),
                st.sampled_from([getattr(FRESH, name), getattr(OTHER, name)]),
                st.sampled_from(
                    [
                        piece(getattr(found, other))
                        for piece in _PIECES
                        for other in _FIELDS
                        for found in (FRESH,)
                    ]
                ),
            )
            for name in _FIELDS
        }
    )
)
@pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")
def test_whatever_the_secret_holds_a_good_set_follows(entries: dict[str, bytes]) -> None:
    held = Material(**entries)
    for _ in range(3):
        decision = decide(held, TERMS, NOW)
        if decision.step is Step.WAIT:
            break
        held = carry_out(decision.step, held, TERMS, NOW)
    assert decide(held, TERMS, NOW).step is Step.WAIT
    assert examine(held, NOW).leaf is not None
