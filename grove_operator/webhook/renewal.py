"""What a good set of certificates in the Secret is, and how the next one is made from it.

Owns the rules of the Secret's four entries: when a leaf or an authority is renewed, in which order,
and what counts as broken. Refuses to know where they are kept, what the time is, and who serves
them. Called by the rotation.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum
from typing import Final

from grove_operator.webhook.certificates import (
    BACKDATED,
    Authority,
    Certificate,
    Key,
    fits,
    general_name,
    is_authority,
    issued,
    lives,
    names_of,
    new_authority,
    new_leaf,
    pem,
    pem_key,
    read_chain,
    read_key,
)

_LONGEST_OVERLAP: Final = timedelta(hours=1)
_OTHERS_KEPT: Final = 3


@dataclass(frozen=True, slots=True)
class Material:
    """The Secret's entries. What is missing is empty. Keys never show in a log or a traceback."""

    tls_crt: bytes = field(default=b"", repr=False)
    tls_key: bytes = field(default=b"", repr=False)
    ca_crt: bytes = field(default=b"", repr=False)
    ca_key: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class Terms:
    """What is wanted. `share`, from 0 to 1, sets replicas apart so that one is the first."""

    names: tuple[str, ...]
    leaf_lifetime: timedelta = timedelta(days=365)
    ca_lifetime: timedelta = timedelta(days=3650)
    share: float = 0.0

    @property
    def overlap(self) -> timedelta:
        """How long a new authority is only trusted before it signs."""
        return min(_LONGEST_OVERLAP, self.leaf_lifetime / 10)


class Step(Enum):
    """What to do about the Secret. Values are the outcomes in the metrics."""

    REPLACE = "replaced"
    """A new authority and a new leaf at once: nothing that could go on is there."""
    ANNOUNCE = "announced"
    """A new authority comes first in the bundle; the leaf stays with the old one for now."""
    SIGN = "signed"
    """A new leaf by the authority whose key we have."""
    TRIM = "trimmed"
    """The bundle is written without what does not belong there (any more)."""
    WAIT = "waited"


@dataclass(frozen=True, slots=True)
class Decision:
    """`until` is when to look again if nothing changes; most steps have the present there.

    `promotes` is set when a leaf is about to change its authority although the old leaf still
    works: whoever distributes the bundle may hold this back until the bundle is everywhere, but
    not longer than `until`, when the old leaf ends.
    """

    step: Step
    why: str
    until: datetime
    promotes: bool = False


@dataclass(frozen=True, slots=True)
class Standing:
    """Material that was read and checked. None and empty where something is unusable."""

    leaf: Certificate | None
    """Unexpired, fits its key, and one of `authorities` signed it."""
    issuer: Certificate | None
    signer: Certificate | None
    """The authority whose key we have."""
    authorities: tuple[Certificate, ...]
    """Our own, unexpired, in the order of the bundle."""
    why: str
    """What is wrong with the leaf, in words without any content."""

    @property
    def bundle(self) -> bytes:
        return pem(self.authorities)


def examine(held: Material, now: datetime) -> Standing:
    """Read what is held. Whatever it is, this does not raise."""
    authorities = tuple(cert for cert in read_chain(held.ca_crt) if is_authority(cert, now))
    ca_key = read_key(held.ca_key)
    signer = next((cert for cert in authorities if ca_key and fits(cert, ca_key)), None)
    chain = read_chain(held.tls_crt)
    leaf = chain[0] if chain else None
    issuer = next((cert for cert in authorities if leaf and issued(leaf, cert)), None)
    why = _leaf_fault(leaf, read_key(held.tls_key), issuer, now)
    if why:
        leaf = issuer = None
    return Standing(leaf, issuer, signer, authorities, why)


def decide(held: Material, terms: Terms, now: datetime) -> Decision:
    """The one next step. After each the result is looked at anew."""
    found = examine(held, now)
    fit = found.signer is not None and now < _due(found.signer, terms.ca_lifetime, terms)
    if found.leaf is None:
        return Decision(Step.SIGN if fit else Step.REPLACE, found.why, now)
    if found.signer is None:
        return Decision(Step.ANNOUNCE, "the key of the authority is missing or does not fit", now)
    if not fit:
        return Decision(Step.ANNOUNCE, "the authority is due", now)
    if found.issuer == found.signer:
        return _keep_up(held, found, terms, now)
    promotion = _promotion(found.signer, found.leaf, terms)
    if now < promotion and not _missing_names(found.leaf, terms):
        return Decision(Step.WAIT, "the new authority becomes known", promotion)
    ends = found.leaf.not_valid_after_utc
    return Decision(Step.SIGN, "the new authority takes over", ends, promotes=True)


def carry_out(step: Step, held: Material, terms: Terms, now: datetime) -> Material:
    """What the Secret should hold after the step that `decide` gave for the same arguments."""
    found = examine(held, now)
    match step:
        case Step.REPLACE:
            new = new_authority(terms.ca_lifetime, now)
            bundle = pem((new.certificate, *_kept(found)))
            crt, key = new_leaf(terms.names, terms.leaf_lifetime, new, now)
            return Material(crt, key, bundle, pem_key(new.key))
        case Step.ANNOUNCE:
            new = new_authority(terms.ca_lifetime, now)
            bundle = pem((new.certificate, *_kept(found)))
            return Material(held.tls_crt, held.tls_key, bundle, pem_key(new.key))
        case Step.SIGN:
            ca_key = read_key(held.ca_key)
            assert found.signer is not None
            assert ca_key is not None
            signer = Authority(found.signer, ca_key)
            crt, key = new_leaf(_names_to_sign(found, terms), terms.leaf_lifetime, signer, now)
            others = (cert for cert in found.authorities if cert != found.signer)
            return Material(crt, key, pem((found.signer, *others)), held.ca_key)
        case Step.TRIM:
            return Material(held.tls_crt, held.tls_key, found.bundle, held.ca_key)
        case Step.WAIT:
            return held


# --- rules ----------------------------------------------------------------------------------


def _keep_up(held: Material, found: Standing, terms: Terms, now: datetime) -> Decision:
    """Leaf and authority belong together; the leaf or the bundle may need something."""
    assert found.leaf is not None
    assert found.signer is not None
    if _missing_names(found.leaf, terms):
        return Decision(Step.SIGN, "names are missing", now)
    due = _due(found.leaf, terms.leaf_lifetime, terms)
    if now >= due:
        return Decision(Step.SIGN, "the leaf is due", now)
    if held.ca_crt.strip() != found.bundle.strip():
        return Decision(Step.TRIM, "the bundle holds something expired or foreign", now)
    ends = (cert.not_valid_after_utc for cert in found.authorities)
    until = min(due, _due(found.signer, terms.ca_lifetime, terms), *ends)
    return Decision(Step.WAIT, "nothing is due", until)


def _due(certificate: Certificate, lifetime: timedelta, terms: Terms) -> datetime:
    """With a third of the life left, or up to a twelfth of it earlier."""
    return certificate.not_valid_after_utc - lifetime * (1 / 3 + terms.share / 12)


def _promotion(signer: Certificate, leaf: Certificate, terms: Terms) -> datetime:
    """When the new authority may sign; a leaf about to end does not wait for the whole overlap."""
    known = signer.not_valid_before_utc + BACKDATED + terms.overlap
    return min(known, leaf.not_valid_after_utc - terms.overlap)


def _leaf_fault(
    leaf: Certificate | None, key: Key | None, issuer: Certificate | None, now: datetime
) -> str:
    if leaf is None:
        return "there is no readable certificate"
    if key is None:
        return "there is no readable key"
    if not fits(leaf, key):
        return "the key is not the certificate's"
    if not lives(leaf, now):
        return "the certificate is expired or not yet valid"
    if issuer is None:
        return "no authority of ours signed the certificate"
    return ""


def _missing_names(leaf: Certificate, terms: Terms) -> bool:
    return not {general_name(name) for name in terms.names} <= set(names_of(leaf))


def _names_to_sign(found: Standing, terms: Terms) -> tuple[str, ...]:
    """A leaf that lacks a name keeps those it has.

    While settings change, replicas differ, and must not take away each other's names. Those that
    nobody wants any more go with the next renewal.
    """
    if found.leaf is None or not _missing_names(found.leaf, terms):
        return terms.names
    present = (str(name.value) for name in names_of(found.leaf))
    return tuple(dict.fromkeys((*terms.names, *present)))


def _kept(found: Standing) -> tuple[Certificate, ...]:
    """Who else stays trusted: the leaf's issuer above all."""
    first = (found.issuer,) if found.issuer else ()
    others = [cert for cert in found.authorities if cert != found.issuer]
    return (*first, *others)[:_OTHERS_KEPT]
