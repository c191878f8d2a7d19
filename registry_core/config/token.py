"""Reading an external issuer of tokens. Settings are named as distribution's ``auth.token``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ..auth.authenticators import TOKEN_PATH
from ..auth.secure_urls import is_secure_url
from ..auth.tokens.keys import ALGORITHMS, KeySet, parse_jwks
from .auth_table import (
    TOKEN_AUTOREDIRECT,
    TOKEN_AUTOREDIRECTPATH,
    TOKEN_ISSUER,
    TOKEN_JWKS,
    TOKEN_REALM,
    TOKEN_ROOTCERTBUNDLE,
    TOKEN_SERVICE,
    TOKEN_SIGNINGALGORITHMS,
)
from .reader import SettingsReader
from .settings import Document, TokenAuth

if TYPE_CHECKING:
    from ..auth.tokens.certificates import Bundle


def read_token(reader: SettingsReader) -> TokenAuth:
    """Return the issuer, its keys and its address."""
    path = _redirect_path(reader)
    keys, keys_url = _jwks(reader)
    if not (reader.text(TOKEN_ROOTCERTBUNDLE) or reader.text(TOKEN_JWKS)):
        reader.problems.append(
            f"{TOKEN_ROOTCERTBUNDLE} or {TOKEN_JWKS} is missing; give the certificates or the "
            "keys of the issuer"
        )
    return TokenAuth(
        realm=None if path else _realm(reader),
        service=_required(reader, TOKEN_SERVICE, "the registry's name at the issuer"),
        issuer=_required(reader, TOKEN_ISSUER, "the issuer's name in its tokens"),
        path=path or TOKEN_PATH,
        algorithms=_algorithms(reader),
        bundle=_bundle(reader),
        keys=keys,
        keys_url=keys_url,
    )


def _required(reader: SettingsReader, name: str, meaning: str) -> str:
    text = reader.text(name)
    if not text:
        reader.problems.append(f"{name} is missing; give {meaning}")
    return text


def _realm(reader: SettingsReader) -> str:
    text = _required(
        reader, TOKEN_REALM, f"the URL of the token service, or set {TOKEN_AUTOREDIRECT}"
    )
    parts = urlsplit(text)
    if text and not (parts.scheme in ("http", "https") and parts.netloc):
        reader.problems.append(
            f"{TOKEN_REALM}={text!r} must be a URL like https://auth.example.com/token"
        )
    return text


def _redirect_path(reader: SettingsReader) -> str:
    """Return the token service's path at the registry's own address, or "" if it is elsewhere."""
    path = reader.text(TOKEN_AUTOREDIRECTPATH)
    if path and not path.startswith("/"):
        reader.problems.append(f"{TOKEN_AUTOREDIRECTPATH}={path!r} must begin with a slash")
    if reader.flag(TOKEN_AUTOREDIRECT):
        return path or TOKEN_PATH
    if path:
        reader.problems.append(f"{TOKEN_AUTOREDIRECTPATH} needs {TOKEN_AUTOREDIRECT}=true")
    return ""


def _bundle(reader: SettingsReader) -> Bundle | None:
    document = reader.document(TOKEN_ROOTCERTBUNDLE)
    if document is None:
        return None
    from ..auth.tokens.certificates import Bundle

    try:
        return Bundle.parse(document.text)
    except ValueError as error:
        reader.problems.append(
            f"{TOKEN_ROOTCERTBUNDLE} must hold certificates in PEM (BEGIN CERTIFICATE): {error}"
        )
        return None


def _jwks(reader: SettingsReader) -> tuple[KeySet | None, str]:
    """Return the keys of a document, or the URL of one."""
    text = reader.text(TOKEN_JWKS)
    if text.startswith(("https://", "http://")) and "\n" not in text:
        if not is_secure_url(text):
            reader.problems.append(f"{TOKEN_JWKS}={text!r} must begin with https://")
        return None, text
    document = reader.document(TOKEN_JWKS)
    return (_parse_keys(reader, document) if document else None), ""


def _parse_keys(reader: SettingsReader, document: Document) -> KeySet | None:
    try:
        return parse_jwks(json.loads(document.text))
    except (ValueError, RecursionError) as error:
        reader.problems.append(f"{TOKEN_JWKS} must hold a JWK set: {error}")
        return None


def _algorithms(reader: SettingsReader) -> frozenset[str]:
    names = frozenset(reader.words(TOKEN_SIGNINGALGORITHMS))
    for name in sorted(names - ALGORITHMS):
        reader.problems.append(
            f"{TOKEN_SIGNINGALGORITHMS}: {name} is not supported; list some of "
            f"{', '.join(sorted(ALGORITHMS))}"
        )
    return names & ALGORITHMS or ALGORITHMS
