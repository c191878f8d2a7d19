"""TLS: which certificates are trusted, and which one the client has."""

from __future__ import annotations

import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path


@dataclass(frozen=True)
class Tls:
    """How servers are verified, and the client's own certificate.

    ``authorities``: files of certificates, or folders of such files (``*.crt``, ``*.pem``), that
    are trusted beside the system's. ``certificate`` and ``key``: the client's, for the registry's
    host alone; the key may be in the certificate's file. ``verify``: False trusts whoever answers
    for the registry's host; other hosts are verified all the same.
    """

    authorities: tuple[Path, ...] = ()
    certificate: Path | None = None
    key: Path | None = None
    verify: bool = True


@dataclass(frozen=True)
class Contexts:
    """The TLS settings of connections with the registry's host, and with others."""

    registry: ssl.SSLContext
    others: ssl.SSLContext


def make_contexts(tls: Tls) -> Contexts:
    """Read the files. Blocks.

    :raises ValueError: one of them is missing, or not what it should be; the message names it.
    """
    registry, others = _trusting(tls.authorities), _trusting(tls.authorities)
    if tls.certificate is not None:
        _load_certificate(registry, tls.certificate, tls.key)
    if not tls.verify:
        registry.check_hostname = False
        registry.verify_mode = ssl.CERT_NONE
    return Contexts(registry, others)


def _trusting(authorities: tuple[Path, ...]) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if authorities:
        # From Python 3.13 on, certificates must have all extensions of RFC 5280, which those of
        # private authorities often lack. Docker and podman do not insist on them.
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    for path in authorities:
        for file in _files(path):
            try:
                context.load_verify_locations(file)
            except (OSError, ssl.SSLError) as error:
                raise ValueError(f"{file} is not a file of certificates: {error}") from None
    return context


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    found = sorted(file for file in path.iterdir() if file.suffix in (".crt", ".pem"))
    if not found:
        raise ValueError(f"the folder {path} has no certificates (*.crt, *.pem)")
    return found


def _load_certificate(context: ssl.SSLContext, certificate: Path, key: Path | None) -> None:
    def no_passphrase() -> str:
        raise ValueError(f"the key of {certificate} has a passphrase; remove it")

    try:
        context.load_cert_chain(certificate, key, password=no_passphrase)
    except (OSError, ssl.SSLError) as error:
        raise ValueError(f"the client certificate {certificate} cannot be used: {error}") from None


def docker_tls(host: str, environ: Mapping[str, str], tls: Tls | None = None) -> Tls:
    """Return TLS settings completed by what docker and podman have for a host. Blocks.

    ``certs.d/HOST`` under ``/etc/docker``, ``/etc/containers`` and ``~/.config/containers`` has
    authorities (``*.crt``), and a client certificate (``NAME.cert`` and ``NAME.key``). HOST has a
    port if that is unusual; the user's folder takes precedence.

    Source: docs.docker.com/engine/security/certificates/, containers-certs.d(5).

    :param tls: what was asked for expressly: its certificate takes precedence.
    :raises ValueError: a certificate has no key beside it.
    """
    found = tls or Tls()
    for folder in _certificate_folders(host, environ):
        if not os.path.isdir(folder):  # noqa: PTH112 - False, too, where others may not look
            continue
        authorities = tuple(sorted(folder.glob("*.crt")))
        found = replace(found, authorities=(*found.authorities, *authorities))
        for certificate in sorted(folder.glob("*.cert")):
            key = certificate.with_suffix(".key")
            if not key.is_file():
                raise ValueError(f"{certificate} has no key beside it: {key.name} is missing")
            if found.certificate is None:
                found = replace(found, certificate=certificate, key=key)
    return found


def _certificate_folders(host: str, environ: Mapping[str, str]) -> tuple[Path, ...]:
    home = environ.get("HOME")
    config = environ.get("XDG_CONFIG_HOME") or (home and f"{home}/.config")
    users = (Path(config) / "containers",) if config else ()
    parents = (*users, Path("/etc/containers"), Path("/etc/docker"))
    return tuple(parent / "certs.d" / host for parent in parents)
