"""A bundle of trusted certificates, and the certificate chains in tokens that lead to it.

Sources: RFC 7515, section 4.1.6 (``x5c``); RFC 5280; distribution's ``rootcertbundle``.
"""

from __future__ import annotations

import base64
import binascii
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography import x509
from cryptography.x509 import verification as v

from ..caller import CredentialsInvalid
from .keys import Key, KeySet, KeyUnusable

_LONGEST_CHAIN = 5


def _check_authority(
    _policy: v.Policy, _certificate: x509.Certificate, extension: x509.BasicConstraints
) -> None:
    if not extension.ca:
        raise ValueError("a certificate of the chain does not belong to an authority")


def _check_usage(
    _policy: v.Policy, _certificate: x509.Certificate, extension: x509.KeyUsage | None
) -> None:
    if extension is not None and not extension.key_cert_sign:
        raise ValueError("a key of the chain may not sign certificates")


# An authority's certificate must say that it is one. Names and purposes in the leaf certificate say
# nothing about tokens: distribution ignores them, too.
_AUTHORITIES = (
    v.ExtensionPolicy.permit_all()
    .require_present(x509.BasicConstraints, v.Criticality.AGNOSTIC, _check_authority)
    .may_be_present(x509.KeyUsage, v.Criticality.AGNOSTIC, _check_usage)
)


@dataclass(frozen=True)
class Bundle:
    """Certificates that are trusted themselves, and to issue others."""

    certificates: Sequence[x509.Certificate]
    keys: KeySet
    now: Callable[[], float] = time.time

    @classmethod
    def parse(cls, pem: str) -> Bundle:
        """Parse certificates in PEM.

        :raises ValueError: the text has no certificate, or a damaged one.
        """
        certificates = tuple(x509.load_pem_x509_certificates(pem.encode()))
        return cls(certificates, KeySet.of(_usable_keys(certificates)))

    def verify(self, x5c: object) -> Key:
        """Return the key of the first certificate of ``x5c``, a chain that leads to the bundle.

        :raises CredentialsInvalid: the chain is malformed, or does not lead to the bundle.
        """
        leaf, *between = _parse_chain(x5c)
        now = datetime.fromtimestamp(self.now(), UTC)
        try:
            if leaf not in self.certificates:
                self._verifier(now).verify(leaf, between)
            elif not leaf.not_valid_before_utc <= now <= leaf.not_valid_after_utc:
                raise CredentialsInvalid("the token's certificate is not valid now")
            return Key.of(leaf.public_key())
        except (v.VerificationError, KeyUnusable, ValueError) as error:
            raise CredentialsInvalid(f"the token's certificate is not trusted: {error}") from error

    def _verifier(self, now: datetime) -> v.ClientVerifier:
        return (
            v.PolicyBuilder()
            .store(v.Store(list(self.certificates)))
            .time(now)
            .extension_policies(ca_policy=_AUTHORITIES, ee_policy=v.ExtensionPolicy.permit_all())
            .build_client_verifier()
        )


def _usable_keys(certificates: Sequence[x509.Certificate]) -> Iterator[Key]:
    # An authority may sign certificates with a kind of key that is not accepted for tokens.
    for certificate in certificates:
        with suppress(KeyUnusable):
            yield Key.of(certificate.public_key())


def _parse_chain(x5c: object) -> list[x509.Certificate]:
    """Parse ``x5c``: a list of certificates in base64, not base64url."""
    if not isinstance(x5c, list) or not 1 <= len(x5c) <= _LONGEST_CHAIN:
        raise CredentialsInvalid(f"x5c is not a list of 1 to {_LONGEST_CHAIN} certificates")
    try:
        return [
            x509.load_der_x509_certificate(base64.b64decode(text, validate=True)) for text in x5c
        ]
    except (binascii.Error, TypeError, ValueError) as error:
        raise CredentialsInvalid("x5c contains something other than certificates") from error
