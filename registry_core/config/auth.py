"""Reading how callers are authenticated, and what they may do.

Settings are named as those of distribution's ``auth`` section. What only one mode needs is imported
in that mode: token keys and certificates take a third of a second.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import TYPE_CHECKING

from .auth_table import (
    AUTH,
    AUTH_RULES,
    ENTRA_CLIENTID,
    ENTRA_TENANTID,
    HTPASSWD_PATH,
    HTPASSWD_REALM,
)
from .reader import SettingsReader
from .settings import OPEN, AuthSettings, HtpasswdAuth, Mode
from .table import SECTIONS

if TYPE_CHECKING:
    from ..auth.rules import Rules

_log = logging.getLogger(__name__)


def read_auth(reader: SettingsReader) -> AuthSettings:
    """Return the mode and what it needs."""
    mode = _mode(reader)
    if mode is None:
        return OPEN
    _warn_of_ignored(reader, mode)
    match mode:
        case Mode.NONE:
            return OPEN
        case Mode.TOKEN:
            from .token import read_token

            return AuthSettings(mode, token=read_token(reader))
        case Mode.HTPASSWD:
            return AuthSettings(mode, htpasswd=_htpasswd(reader), rules=_rules(reader))
        case Mode.BUILTIN:
            from .builtin import read_builtin

            users = _htpasswd(reader) if reader.text(HTPASSWD_PATH) else None
            builtin, rules = read_builtin(reader), _rules(reader)
            _require_rules(reader)
            return AuthSettings(mode, htpasswd=users, builtin=builtin, rules=rules)


def _mode(reader: SettingsReader) -> Mode | None:
    """Return the mode; None if it is invalid or has to be selected."""
    if not reader.given(AUTH) and reader.in_azure:
        reader.problems.append(
            f"{AUTH} is missing; in Azure, select one of {', '.join(Mode)} "
            "(none lets everybody push, pull and delete)"
        )
        return None
    ignored = None if reader.given(AUTH) else next(_ignored(reader, Mode.NONE), None)
    if ignored:
        name, modes = ignored
        reader.problems.append(
            f"{AUTH} is missing; {name} is for {' and '.join(modes)} only, and without a mode "
            "everybody may push, pull and delete"
        )
        return None
    mode = reader.choice(AUTH)
    if mode == Mode.NONE and reader.text(AUTH) != Mode.NONE:
        # Templates write None where a value is missing.
        reader.problems.append(
            f"{AUTH}={reader.given(AUTH)!r} must be {Mode.NONE} in lower case, if everybody may "
            "push, pull and delete"
        )
        return None
    return Mode(mode) if mode else None


def _warn_of_ignored(reader: SettingsReader, mode: Mode) -> None:
    for name, _ in _ignored(reader, mode):
        _log.warning("%s is ignored because %s is %s", name, AUTH, mode)


def _ignored(reader: SettingsReader, mode: Mode) -> Iterator[tuple[str, tuple[Mode, ...]]]:
    """Yield the settings that only other modes read, with those modes."""
    for section in SECTIONS:
        for setting in section.settings:
            if section.modes and mode not in section.modes and reader.given(setting.name):
                yield setting.name, section.modes


def _htpasswd(reader: SettingsReader) -> HtpasswdAuth | None:
    """Return the users of a password file; None without one, which is a problem."""
    from ..auth.sources.htpasswd import HtpasswdInvalid, parse_htpasswd

    users = reader.document(HTPASSWD_PATH, inline=":$2", is_secret=True)
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
    return HtpasswdAuth(reader.text(HTPASSWD_REALM), users)


def _require_rules(reader: SettingsReader) -> None:
    """Report missing access rules where callers are not those of a password file."""
    entra = next((name for name in (ENTRA_TENANTID, ENTRA_CLIENTID) if reader.text(name)), None)
    if entra and not reader.text(AUTH_RULES):
        reader.problems.append(
            f"{AUTH_RULES} is missing; {entra} lets every user, guest and app of the tenant log "
            "in, so say in access rules who may do what (docs/access-rules.md)"
        )


def _rules(reader: SettingsReader) -> Rules | None:
    """Return the access rules; None without a document."""
    document = reader.document(AUTH_RULES)
    if document is None:
        return None
    from ..auth.rules import Rules
    from ..toml_tables import DocumentInvalid

    try:
        rules = Rules.parse(document.text, str(document.path or AUTH_RULES))
    except DocumentInvalid as error:
        reader.problems += [f"{AUTH_RULES}: {problem}" for problem in error.problems]
        return None
    for warning in rules.warnings:
        _log.warning("%s: %s", AUTH_RULES, warning)
    return rules
