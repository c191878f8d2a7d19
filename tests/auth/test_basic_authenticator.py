"""``REGISTRY_AUTH=htpasswd``: who is let in, and what others are told."""

from __future__ import annotations

from base64 import b64encode

import pytest

from registry_core.auth.authenticators import BasicAuthenticator
from registry_core.auth.caller import CredentialsInvalid
from registry_core.auth.rules import EVERYONE_KNOWN, Rules
from registry_core.auth.sources.htpasswd import Htpasswd, htpasswd_line
from registry_core.spec.errors import Denied, Unauthorized
from registry_core.spec.scopes import repository_scope

pytestmark = pytest.mark.anyio

USERS = "\n".join(htpasswd_line(name, "secret", 4) for name in ("alice", "bob"))
RULES = Rules.parse("""
[[rule]]
who = ["user:alice"]
may = ["push"]
on = ["team/**"]
[[rule]]
who = ["anonymous"]
may = ["pull"]
on = ["public/**"]
""")
PUSH = repository_scope("team/app", "pull", "push")
BASE = "https://registry.example"


def authenticator(rules: Rules | None = None) -> BasicAuthenticator:
    users = Htpasswd(USERS)
    return (
        BasicAuthenticator(users, 'My "own"', EVERYONE_KNOWN)
        if rules is None
        else BasicAuthenticator(users, "Team", rules)
    )


def basic(text: str) -> str:
    return f"Basic {b64encode(text.encode()).decode()}"


@pytest.mark.parametrize("scheme", ["Basic", "basic", "BASIC"])
async def test_a_user_with_their_password_is_known_and_without_rules_may_do_everything(
    scheme: str,
) -> None:
    caller = await authenticator().authenticate(basic("alice:secret").replace("Basic", scheme))
    assert (caller.name, caller.is_known) == ("alice", True)
    assert not caller.lacks([PUSH, repository_scope("any", "delete")])
    assert caller.permissions.reads_everything()


async def test_without_rules_who_shows_nothing_may_do_nothing() -> None:
    caller = await authenticator().authenticate(None)
    assert (caller.name, caller.is_known) == ("", False)
    pull = repository_scope("public/app", "pull")
    assert caller.lacks([pull]) == [pull]


@pytest.mark.parametrize("header", [None, basic(":")])
async def test_rules_give_to_who_shows_nothing_what_they_give_to_everybody(
    header: str | None,
) -> None:
    """Some clients without a login send an empty name and password."""
    caller = await authenticator(RULES).authenticate(header)
    assert not caller.is_known
    assert not caller.lacks([repository_scope("public/app", "pull")])
    assert caller.lacks([PUSH]) == [PUSH]


@pytest.mark.parametrize(
    "header",
    [
        basic("alice:wrong"),
        basic("alice:"),
        basic("mallory:secret"),
        basic(":secret"),
        basic("alice"),
        "Basic",
        "Basic ",
        "Basic %%%",
        "Basic " + b64encode(b"\xff:\xff").decode(),
        "Basic YWxpY2U6c2VjcmV0 YWxpY2U6c2VjcmV0",
        "Bearer secret",
        "",
    ],
)
async def test_what_proves_nothing_is_refused_even_where_nothing_need_be_shown(header: str) -> None:
    with pytest.raises(CredentialsInvalid) as error:
        await authenticator(RULES).authenticate(header)
    assert "secret" not in str(error.value)


async def test_who_is_unknown_is_asked_who_they_are() -> None:
    """The realm is quoted."""
    caller = await authenticator().authenticate(None)
    for who in (caller, None):
        refusal = authenticator().challenge(who, [PUSH], BASE)
        assert isinstance(refusal, Unauthorized)
        assert refusal.headers == {"WWW-Authenticate": r'Basic realm="My \"own\""'}


async def test_who_is_known_and_may_not_is_denied_and_not_asked_again() -> None:
    """401 would make clients ask for another password. What they lack is told, nothing else is."""
    caller = await authenticator(RULES).authenticate(basic("bob:secret"))
    refusal = authenticator().challenge(caller, [PUSH], BASE)
    assert isinstance(refusal, Denied)
    assert refusal.http_status == 403
    assert refusal.detail == ["repository:team/app:pull,push"]
