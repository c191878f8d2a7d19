"""Test certificates: authorities, and the certificates that they sign."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    EllipticCurvePrivateKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class Certified:
    """A private key and the certificate of its public key."""

    key: EllipticCurvePrivateKey
    certificate: x509.Certificate

    @property
    def pem(self) -> str:
        return self.certificate.public_bytes(Encoding.PEM).decode()

    @property
    def key_pem(self) -> str:
        """The private key in PEM."""
        form = PrivateFormat.PKCS8
        return self.key.private_bytes(Encoding.PEM, form, NoEncryption()).decode()

    @property
    def x5c(self) -> str:
        """The certificate as an entry of `x5c` (RFC 7517, section 4.7)."""
        return base64.b64encode(self.certificate.public_bytes(Encoding.DER)).decode()


def certify(
    name: str,
    by: Certified | None = None,
    *,
    authority: bool | None = False,
    begins: timedelta = -HOUR,
    ends: timedelta = HOUR,
    path_length: int | None = None,
    hosts: Sequence[str] = (),
) -> Certified:
    """Create a key with a certificate, self-signed or signed ``by`` another.

    ``authority``: the basic constraint, or None for no such extension. ``begins`` and ``ends`` are
    relative to now. ``hosts``: the names and addresses of a server.
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
    for extension in _for_tls(key, hosts) if hosts else ():
        builder = builder.add_extension(extension, critical=False)
    return Certified(key, builder.sign(by.key if by else key, SHA256()))


def _for_tls(key: EllipticCurvePrivateKey, hosts: Sequence[str]) -> Iterator[x509.ExtensionType]:
    """Yield the extensions that clients require of a server's certificate."""
    yield x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    yield x509.SubjectAlternativeName([_host(host) for host in hosts])


def _host(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
