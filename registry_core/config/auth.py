"""Who may do what: the mode, and what it needs. Named as distribution's ``auth`` section."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from urllib.parse import urlsplit

from ..auth.certificates import Bundle
from ..auth.fetching import is_fetchable
from ..auth.htpasswd_file import HtpasswdInvalid, parse_htpasswd
from ..auth.keys import ALGORITHMS, KeySet, parse_jwks
from ..auth.token_guard import TOKEN_PATH
from .auth_settings import OPEN, AuthSettings, HtpasswdAuth, Mode, TokenAuth
from .builtin import read_builtin, read_rules
from .documents import Document, read_document
from .names import (
    AUTH,
    HTPASSWD_PATH,
    HTPASSWD_REALM,
    TOKEN_AUTOREDIRECT,
    TOKEN_AUTOREDIRECTPATH,
    TOKEN_ISSUER,
    TOKEN_JWKS,
    TOKEN_REALM,
    TOKEN_ROOTCERTBUNDLE,
    TOKEN_SERVICE,
    TOKEN_SIGNINGALGORITHMS,
)
from .platform import is_azure
from .reader import Reader

_log = logging.getLogger(__name__)

_READ_BY: Mapping[str, tuple[Mode, ...]] = {
    "REGISTRY_AUTH_TOKEN_": (Mode.TOKEN,),
    "REGISTRY_AUTH_HTPASSWD_": (Mode.HTPASSWD, Mode.BUILTIN),
    "REGISTRY_AUTH_RULES": (Mode.HTPASSWD, Mode.BUILTIN),
    "REGISTRY_AUTH_BUILTIN_": (Mode.BUILTIN,),
    "REGISTRY_AUTH_ENTRA_": (Mode.BUILTIN,),
}
"""Which modes look at the settings that begin so."""


def read_auth(reader: Reader) -> AuthSettings:
    """The mode and what it needs."""
    mode = _mode(reader)
    if mode is None:
        return OPEN
    _warn_of_unread(reader, mode)
    if mode is Mode.TOKEN:
        return AuthSettings(mode, token=_token(reader))
    if mode is Mode.HTPASSWD:
        return AuthSettings(mode, htpasswd=read_htpasswd(reader), rules=read_rules(reader))
    if mode is Mode.BUILTIN:
        users = read_htpasswd(reader) if reader.text(HTPASSWD_PATH) else None
        return AuthSettings(
            mode, htpasswd=users, builtin=read_builtin(reader), rules=read_rules(reader)
        )
    return AuthSettings(mode)


def _mode(reader: Reader) -> Mode | None:
    """None where no mode is chosen, and one must be."""
    choices = ", ".join(Mode)
    text = reader.text(AUTH).lower()
    if text and text not in list(Mode):
        reader.problems.append(f"{AUTH}={text!r} must be one of {choices}")
        return None
    if not text and is_azure(reader):
        reader.problems.append(
            f"{AUTH} is missing; in Azure it must be chosen: one of {choices}, where none lets "
            "everybody push, pull and delete"
        )
        return None
    return Mode(text or Mode.NONE)


def _warn_of_unread(reader: Reader, mode: Mode) -> None:
    for name in sorted(reader.environment):
        for beginning, modes in _READ_BY.items():
            if name.startswith(beginning) and mode not in modes and reader.text(name):
                _log.warning("%s is not looked at where %s is %s", name, AUTH, mode)


def read_htpasswd(reader: Reader) -> HtpasswdAuth | None:
    """Users of a password file; None without one."""
    users = read_document(reader, HTPASSWD_PATH, inline=":$2")
    if users is None:
        if not reader.text(HTPASSWD_PATH):
            reader.problems.append(
                f"{HTPASSWD_PATH} is missing; name a password file, or give its lines"
            )
        return None
    try:
        parse_htpasswd(users.text, str(users.path or HTPASSWD_PATH))
    except HtpasswdInvalid as error:
        reader.problems += [f"{HTPASSWD_PATH}: {problem}" for problem in error.problems]
    return HtpasswdAuth(reader.text(HTPASSWD_REALM) or "registry", users)


def _token(reader: Reader) -> TokenAuth:
    path = _redirect_path(reader)
    keys, keys_url = _jwks(reader)
    if not (reader.text(TOKEN_ROOTCERTBUNDLE) or reader.text(TOKEN_JWKS)):
        reader.problems.append(
            f"{TOKEN_ROOTCERTBUNDLE} or {TOKEN_JWKS} is missing; give the certificates or the "
            "keys of the issuer"
        )
    return TokenAuth(
        realm=None if path else _realm(reader),
        service=_required(reader, TOKEN_SERVICE, "the name that the issuer knows the registry by"),
        issuer=_required(reader, TOKEN_ISSUER, "what the issuer calls itself in its tokens"),
        path=path or TOKEN_PATH,
        bundle=_bundle(reader),
        keys=keys,
        keys_url=keys_url,
        algorithms=_algorithms(reader),
    )


def _required(reader: Reader, name: str, meaning: str) -> str:
    text = reader.text(name)
    if not text:
        reader.problems.append(f"{name} is missing; give {meaning}")
    return text


def _realm(reader: Reader) -> str:
    text = _required(
        reader, TOKEN_REALM, f"the URL of the token service, or set {TOKEN_AUTOREDIRECT}"
    )
    parts = urlsplit(text)
    if text and not (parts.scheme in ("http", "https") and parts.netloc):
        reader.problems.append(
            f"{TOKEN_REALM}={text!r} must be a URL like https://auth.example.com/token"
        )
    return text


def _redirect_path(reader: Reader) -> str:
    """Empty unless the token service is at the registry's own address."""
    path = reader.text(TOKEN_AUTOREDIRECTPATH)
    if path and not path.startswith("/"):
        reader.problems.append(f"{TOKEN_AUTOREDIRECTPATH}={path!r} must begin with a slash")
    if reader.flag(TOKEN_AUTOREDIRECT):
        return path or TOKEN_PATH
    if path:
        reader.problems.append(f"{TOKEN_AUTOREDIRECTPATH} needs {TOKEN_AUTOREDIRECT}=true")
    return ""


def _bundle(reader: Reader) -> Bundle | None:
    document = read_document(reader, TOKEN_ROOTCERTBUNDLE)
    if document is None:
        return None
    try:
        return Bundle.parse(document.text)
    except ValueError as error:
        reader.problems.append(
            f"{TOKEN_ROOTCERTBUNDLE} must hold certificates in PEM, as BEGIN CERTIFICATE: {error}"
        )
        return None


def _jwks(reader: Reader) -> tuple[KeySet | None, str]:
    """The keys of a document, or the URL of one."""
    text = reader.text(TOKEN_JWKS)
    if text.startswith(("https://", "http://")) and "\n" not in text:
        if not is_fetchable(text):
            reader.problems.append(f"{TOKEN_JWKS}={text!r} must begin with https://")
        return None, text
    document = read_document(reader, TOKEN_JWKS)
    return (_parse_keys(reader, document) if document else None), ""


def _parse_keys(reader: Reader, document: Document) -> KeySet | None:
    try:
        return parse_jwks(json.loads(document.text))
    except (ValueError, RecursionError) as error:
        reader.problems.append(f"{TOKEN_JWKS} must hold a JWK set: {error}")
        return None


def _algorithms(reader: Reader) -> frozenset[str]:
    """Distribution reads a list in YAML; commas or blanks do, too."""
    text = reader.text(TOKEN_SIGNINGALGORITHMS)
    names = frozenset(text.strip("[]").replace(",", " ").replace('"', " ").split())
    if not names:
        return ALGORITHMS
    for name in sorted(names - ALGORITHMS):
        reader.problems.append(
            f"{TOKEN_SIGNINGALGORITHMS}: {name} is not taken; list some of "
            f"{', '.join(sorted(ALGORITHMS))}"
        )
    return names & ALGORITHMS
