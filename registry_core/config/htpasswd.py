"""Users of a password file."""

from __future__ import annotations

from ..auth.sources.htpasswd import HtpasswdInvalid, parse_htpasswd
from .auth_settings import HtpasswdAuth
from .documents import read_document
from .names import HTPASSWD_PATH, HTPASSWD_REALM
from .reader import Reader


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
