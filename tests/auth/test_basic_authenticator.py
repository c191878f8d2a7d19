"""``REGISTRY_AUTH=htpasswd``: which callers are authenticated, and what others get."""

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
async def test_a_user_with_their_password_may_do_everything_without_rules(
    scheme: str,
) -> None:
    caller = await authenticator().authenticate(basic("alice:secret").replace("Basic", scheme))
    assert (caller.name, caller.is_known) == ("alice", True)
    assert not caller.lacks([PUSH, repository_scope("any", "delete")])
    assert caller.permissions.reads_everything()


async def test_without_rules_an_anonymous_caller_may_do_nothing() -> None:
    caller = await authenticator().authenticate(None)
    assert (caller.name, caller.is_known) == ("", False)
    pull = repository_scope("public/app", "pull")
    assert caller.lacks([pull]) == [pull]


@pytest.mark.parametrize("header", [None, basic(":")])
async def test_rules_for_everybody_apply_to_anonymous_callers(
    header: str | None,
) -> None:
    """Some clients without credentials send an empty name and password."""
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
async def test_invalid_credentials_are_refused_even_where_none_are_needed(header: str) -> None:
    with pytest.raises(CredentialsInvalid) as error:
        await authenticator(RULES).authenticate(header)
    assert "secret" not in str(error.value)


async def test_an_unknown_caller_gets_a_challenge() -> None:
    """The realm is quoted."""
    caller = await authenticator().authenticate(None)
    for who in (caller, None):
        refusal = authenticator().challenge(who, [PUSH], BASE)
        assert isinstance(refusal, Unauthorized)
        assert refusal.headers == {"WWW-Authenticate": r'Basic realm="My \"own\""'}


async def test_a_known_caller_without_permission_is_denied() -> None:
    """401 would make clients ask for another password. The error lists only the missing scopes."""
    caller = await authenticator(RULES).authenticate(basic("bob:secret"))
    refusal = authenticator().challenge(caller, [PUSH], BASE)
    assert isinstance(refusal, Denied)
    assert refusal.http_status == 403
    assert refusal.detail == ["repository:team/app:pull,push"]
