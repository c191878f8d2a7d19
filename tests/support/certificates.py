"""Certificates made for a test: authorities, and those that they certify."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    EllipticCurvePrivateKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class Certified:
    """A private key, and the certificate of its public half."""

    key: EllipticCurvePrivateKey
    certificate: x509.Certificate

    @property
    def pem(self) -> str:
        return self.certificate.public_bytes(Encoding.PEM).decode()

    @property
    def x5c(self) -> str:
        """An entry of a chain."""
        return base64.b64encode(self.certificate.public_bytes(Encoding.DER)).decode()


def certify(
    name: str,
    by: Certified | None = None,
    *,
    authority: bool | None = False,
    begins: timedelta = -HOUR,
    ends: timedelta = HOUR,
    path_length: int | None = None,
) -> Certified:
    """A new key with a certificate, signed by its own key or ``by`` another.

    ``authority`` is what it says of itself: may certify, may not, or nothing at all (None).
    ``begins`` and ``ends`` are from now.
    """
    key = generate_private_key(SECP256R1())
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(_named(name))
        .issuer_name(by.certificate.subject if by else _named(name))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + begins)
        .not_valid_after(now + ends)
    )
    if authority is not None:
        basic = x509.BasicConstraints(ca=authority, path_length=path_length)
        builder = builder.add_extension(basic, critical=True)
    return Certified(key, builder.sign(by.key if by else key, SHA256()))


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
