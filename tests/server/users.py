"""Users of a registry in these tests: alice and bob may push, carol may pull."""

from __future__ import annotations

import httpx

from registry_core import BasicAuthenticator, Htpasswd
from registry_core.auth.rules import Rules
from registry_core.auth.sources.htpasswd import htpasswd_line

RULES = """
[[rule]]
who = ["user:alice", "user:bob"]
may = ["pull", "push"]
on = ["**"]

[[rule]]
who = ["user:carol"]
may = ["pull"]
on = ["**"]
"""
_NAMES = ("alice", "bob", "carol")
_USERS = Htpasswd("\n".join(htpasswd_line(name, "secret", 4) for name in _NAMES))
ALICE, BOB, CAROL = (httpx.BasicAuth(name, "secret") for name in _NAMES)


def authenticator() -> BasicAuthenticator:
    """Return an authenticator of these users."""
    return BasicAuthenticator(_USERS, "here", Rules.parse(RULES))
