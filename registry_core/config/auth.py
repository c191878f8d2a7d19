"""Who may do what: the mode, and what it needs. Named as distribution's ``auth`` section.

What a mode needs is imported in that mode: token keys and certificates are a third of a second.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping

from .auth_settings import OPEN, AuthSettings, Mode
from .names import AUTH, HTPASSWD_PATH
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
    match mode:
        case Mode.TOKEN:
            from .token import read_token

            return AuthSettings(mode, token=read_token(reader))
        case Mode.HTPASSWD | Mode.BUILTIN:
            return _of_users(reader, mode)
    return AuthSettings(mode)


def _of_users(reader: Reader, mode: Mode) -> AuthSettings:
    from .htpasswd import read_htpasswd
    from .rules import read_rules

    if mode is Mode.HTPASSWD:
        return AuthSettings(mode, htpasswd=read_htpasswd(reader), rules=read_rules(reader))
    from .builtin import read_builtin

    users = read_htpasswd(reader) if reader.text(HTPASSWD_PATH) else None
    builtin = read_builtin(reader)
    return AuthSettings(mode, htpasswd=users, builtin=builtin, rules=read_rules(reader))


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
