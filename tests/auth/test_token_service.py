"""Who gets a token, and what it grants."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import bcrypt
import pytest

from registry_core.auth.authenticators import TokenAuthenticator
from registry_core.auth.builtin import BuiltinAuthenticator
from registry_core.auth.caller import CredentialsInvalid
from registry_core.auth.identity import ANONYMOUS, Identity, Login, kind_of
from registry_core.auth.rules import Rules
from registry_core.auth.sources.htpasswd import Htpasswd
from registry_core.auth.sources.personal_keys import PersonalKey, PersonalKeySource
from registry_core.auth.tokens.claims import VerifiedToken
from registry_core.auth.tokens.issuing import Issuer, RefreshTokens
from registry_core.auth.tokens.keys import SigningKey
from registry_core.auth.tokens.logins import LoginCheck
from registry_core.auth.tokens.service import ANONYMOUS_LOGIN, TokenService
from registry_core.auth.tokens.verification import TokenVerifier
from registry_core.object_store.memory import MemoryStore
from registry_core.spec.errors import Unsupported
from registry_core.spec.scopes import WHOLE_CATALOG, Scope, parse_scopes
from registry_core.storage.layout import Layout
from registry_core.storage.personal_keys import PersonalKeys

pytestmark = pytest.mark.anyio

RULES = Rules.parse("""
[[rule]]
who = ["anonymous"]
may = ["pull"]
on = ["public/**"]

[[rule]]
who = ["user:alice"]
may = ["pull", "push", "list"]
on = ["team/*"]

[[rule]]
who = ["key:ci"]
may = ["push"]
on = ["builds/*"]
""")
SERVICE = "registry.test"
KEY = SigningKey.generate()
NOW = datetime(2026, 11, 24, tzinfo=UTC)


class Platform:
    """An `IdentitySource` of jobs of another platform, which get no refresh tokens."""

    name = "platform"

    async def log_in(self, name: str, secret: str, *, client: str = "") -> Login | None:
        if not name == secret == "job":
            return None
        return Login(Identity(name, self.name), self.name, refresh_seconds=0)

    async def renew(self, login: Login) -> Login | None:
        return login


def users(**passwords: str) -> Htpasswd:
    hashes = {
        name: bcrypt.hashpw(password.encode(), bcrypt.gensalt(4)).decode()
        for name, password in passwords.items()
    }
    return Htpasswd("\n".join(f"{name}:{hashed}" for name, hashed in hashes.items()))


def service(htpasswd: Htpasswd, store: MemoryStore | None = None) -> TokenService:
    issuer = Issuer(KEY, SERVICE)
    stored = PersonalKeys(store or MemoryStore(), Layout())
    keys = PersonalKeySource(stored.find, htpasswd.has_user, now=lambda: NOW)
    sources = (keys, Platform(), htpasswd)
    return TokenService(sources, RULES, issuer, RefreshTokens(issuer))


HTPASSWD = users(alice="secret", bob="secret")
SERVED = service(HTPASSWD)


async def verified(token: str) -> VerifiedToken:
    return await TokenVerifier(SERVED.issuer.key_set, SERVICE, SERVICE).verify(token)


async def granted(login: Login, asked: str) -> str:
    """Return the scopes of a requested token."""
    grant = SERVED.grant(login, parse_scopes([asked]))
    token = await verified(grant.token)
    assert token.scopes == grant.scopes
    return " ".join(map(str, grant.scopes))


@pytest.mark.parametrize(
    "asked, expected",
    [
        ("", ""),
        ("repository:team/a:pull", "repository:team/a:pull"),
        ("repository:team/a:pull,push,delete", "repository:team/a:pull,push"),
        ("repository:team/a:*", "repository:team/a:pull,push"),
        ("repository:team/a:pull repository:team/a:push", "repository:team/a:pull,push"),
        ("repository:other/a:pull", ""),
        (
            "repository:team/a:pull,push repository:other/a:pull repository:public/a:pull,push",
            "repository:team/a:pull,push repository:public/a:pull",
        ),
        ("repository:Team/a:pull", ""),
        ("repository:team/a/b:pull", ""),
        ("repository:team/../team/a:pull", ""),
        ("registry:catalog:*", "registry:catalog:*"),
        ("registry:other:*", ""),
        ("sausage:team/a:pull", ""),
        ("repository(plugin):team/a:pull", "repository(plugin):team/a:pull"),
    ],
)
async def test_requested_scopes_are_granted_if_allowed(asked: str, expected: str) -> None:
    assert await granted(await SERVED.log_in("alice", "secret"), asked) == expected


async def test_an_anonymous_token_grants_what_everybody_may_do() -> None:
    asked = "repository:public/a/b:pull,push repository:team/a:pull"
    assert await granted(ANONYMOUS_LOGIN, asked) == "repository:public/a/b:pull"


@pytest.mark.parametrize(
    "name, secret", [("alice", "wrong"), ("nobody", "secret"), ("", ""), ("alice", "")]
)
async def test_wrong_credentials_are_refused_and_not_quoted(name: str, secret: str) -> None:
    with pytest.raises(CredentialsInvalid) as refused:
        await SERVED.log_in(name, secret)
    assert str(refused.value) == "unknown user or wrong password"


async def test_a_refresh_token_is_issued_on_request_except_to_anonymous_callers() -> None:
    login = await SERVED.log_in("alice", "secret")
    assert SERVED.grant(login, ()).refresh_token is None
    assert SERVED.grant(ANONYMOUS_LOGIN, (), offline=True).refresh_token is None
    token = SERVED.grant(login, (), offline=True).refresh_token
    assert token is not None
    renewed = await SERVED.renew(token)
    assert renewed.identity == login.identity
    assert SERVED.grant(renewed, (), offline=True).refresh_token is None


@pytest.mark.parametrize(
    "later", [users(alice="another"), users(bob="secret")], ids=["changed", "gone"]
)
async def test_a_refresh_token_is_invalid_after_the_password_changes(later: Htpasswd) -> None:
    login = await SERVED.log_in("alice", "secret")
    token = SERVED.grant(login, (), offline=True).refresh_token or ""
    with pytest.raises(CredentialsInvalid, match="changed or revoked"):
        await service(later).renew(token)


async def test_a_source_may_exclude_refresh_tokens() -> None:
    login = await SERVED.log_in("job", "job")
    assert SERVED.grant(login, (), offline=True).refresh_token is None


async def test_a_refresh_token_of_a_removed_source_is_refused() -> None:
    token = SERVED.refresh_tokens.issue(Login(Identity("x", "entra"), "entra")) or ""
    with pytest.raises(CredentialsInvalid):
        await SERVED.renew(token)


async def make(store: MemoryStore, name: str, user: str = "", limits: str = "") -> str:
    text, key = PersonalKey.make(
        name,
        user,
        created=NOW,
        expires=NOW + timedelta(days=1),
        limits=parse_scopes([limits]) if limits else None,
    )
    await PersonalKeys(store, Layout()).add(key)
    return text


async def test_a_key_of_a_user_may_do_what_the_user_may() -> None:
    store = MemoryStore()
    key = await make(store, "laptop", "alice")
    for name in ("alice", "laptop"):
        login = await service(HTPASSWD, store).log_in(name, key)
        assert await granted(login, "repository:team/a:push") == "repository:team/a:push"
    with pytest.raises(CredentialsInvalid):
        await service(HTPASSWD, store).log_in("bob", key)


async def test_a_key_without_a_user_has_its_own_rules() -> None:
    store = MemoryStore()
    key = await make(store, "ci")
    login = await service(HTPASSWD, store).log_in("ci", key)
    assert await granted(login, "repository:builds/a:push") == "repository:builds/a:push"
    assert await granted(login, "repository:team/a:push") == ""
    assert login.identity.subject == "key:ci"


async def test_limits_bound_what_a_key_may_do() -> None:
    store = MemoryStore()
    key = await make(store, "reader", "alice", "repository:team/a*:pull")
    login = await service(HTPASSWD, store).log_in("alice", key)
    asked = "repository:team/app:pull,push repository:team/b:pull registry:catalog:*"
    assert await granted(login, asked) == "repository:team/app:pull"
    refresh = SERVED.grant(login, (), offline=True).refresh_token or ""
    renewed = await service(HTPASSWD, store).renew(refresh)
    assert await granted(renewed, asked) == "repository:team/app:pull"


@pytest.mark.parametrize(
    "limits, shown",
    [
        ("", ["team/a", "team/app", "team/b"]),
        ("repository:team/a*:pull registry:catalog:*", ["team/a", "team/app"]),
        (
            "repository:team/app:push repository:**/b:delete registry:catalog:*",
            ["team/app", "team/b"],
        ),
        ("repository:other/*:pull registry:catalog:*", []),
        ("registry:catalog:*", []),
        ("repository:team/*:pull registry:catalog:pull", None),
        ("repository:team/*:pull", None),
    ],
)
async def test_the_catalog_of_a_limited_key_shows_no_more_than_its_limits(
    limits: str, shown: list[str] | None
) -> None:
    """Nor more than its user may see; also with a token that a refresh token was exchanged for."""
    store = MemoryStore()
    key = await make(store, "reader", "alice", limits)
    served = service(HTPASSWD, store)
    login = await served.log_in("alice", key)
    refresh = served.grant(login, (), offline=True).refresh_token or ""
    for each in (login, await served.renew(refresh)):
        token = served.grant(each, [WHOLE_CATALOG]).token
        caller = await AUTHENTICATOR.authenticate(f"Bearer {token}")
        assert bool(caller.lacks([WHOLE_CATALOG])) == (shown is None)
        names = ["other/a", "public/a", "team/a", "team/app", "team/b"]
        visible = [name for name in names if caller.permissions.sees(name)]
        if shown is None:
            continue
        assert visible == (shown if limits else ["public/a", *shown])
        beginnings = caller.permissions.beginnings()
        assert all(name.startswith(tuple(beginnings)) for name in visible)


async def test_a_token_that_no_host_would_accept_is_not_issued() -> None:
    """In headers, hosts accept 32 KiB in all; a key may have more limits than fit there."""
    store = MemoryStore()
    limits = " ".join(f"repository:team/{'a' * 200}{number}:pull" for number in range(100))
    key = await make(store, "reader", "alice", f"{limits} registry:catalog:*")
    login = await service(HTPASSWD, store).log_in("alice", key)
    assert SERVED.grant(login, parse_scopes(["repository:team/a:pull"])).token
    with pytest.raises(Unsupported, match="more than 16384 bytes") as refused:
        SERVED.grant(login, [WHOLE_CATALOG])
    assert refused.value.http_status == 400


async def revoke(store: MemoryStore) -> Htpasswd:
    await PersonalKeys(store, Layout()).revoke("laptop")
    return HTPASSWD


async def make_again(store: MemoryStore) -> Htpasswd:
    await revoke(store)
    await make(store, "laptop", "alice")
    return HTPASSWD


async def remove_user(_store: MemoryStore) -> Htpasswd:
    return users(bob="secret")


@pytest.mark.parametrize("end", [revoke, make_again, remove_user])
async def test_a_key_and_its_refresh_tokens_become_invalid_at_once(
    end: Callable[[MemoryStore], Awaitable[Htpasswd]],
) -> None:
    """When it is revoked, when another key takes its name, when its user is removed."""
    store = MemoryStore()
    key = await make(store, "laptop", "alice")
    login = await service(HTPASSWD, store).log_in("alice", key)
    refresh = SERVED.grant(login, (), offline=True).refresh_token or ""
    assert (await service(HTPASSWD, store).renew(refresh)).identity == login.identity
    now = service(await end(store), store)
    with pytest.raises(CredentialsInvalid):
        await now.log_in("alice", key)
    with pytest.raises(CredentialsInvalid):
        await now.renew(refresh)


def test_no_two_identities_have_the_same_subject() -> None:
    sources = ("htpasswd", "key", "entra", "federated:github")
    assert len({Identity("alice", source).subject for source in sources}) == len(sources)


def test_a_subject_says_of_which_kind_the_identity_is() -> None:
    """For the audit log."""
    sources = ("htpasswd", "key", "entra", "federated:github")
    kinds = [kind_of(Identity("a:b/c" if ":" in s else "alice", s).subject) for s in sources]
    assert kinds == ["htpasswd", "key", "entra", "federated"]
    assert kind_of(ANONYMOUS.subject) == ""


AUTHENTICATOR = BuiltinAuthenticator(
    TokenAuthenticator(TokenVerifier(SERVED.issuer.key_set, SERVICE, SERVICE), None, SERVICE),
    RULES,
    LoginCheck.of(SERVED.sources, RULES),
)


async def test_an_anonymous_caller_may_do_what_everybody_may() -> None:
    """Except list the catalog, which gets a challenge."""
    caller = await AUTHENTICATOR.authenticate(None)
    assert not caller.is_known
    assert not caller.lacks(parse_scopes(["repository:public/a:pull"]))
    assert caller.lacks(parse_scopes(["repository:team/a:pull"]))
    assert caller.lacks([WHOLE_CATALOG])


@pytest.mark.parametrize("header", ["", "Basic YWxpY2U6c2VjcmV0", "Bearer "])
async def test_other_credentials_than_a_token_get_a_challenge(header: str) -> None:
    caller = await AUTHENTICATOR.authenticate(header)
    assert not caller.is_known
    assert caller.lacks(parse_scopes(["repository:public/a:pull"]))


async def test_a_token_grants_its_scopes_and_the_catalog_of_its_holder() -> None:
    login = await SERVED.log_in("alice", "secret")
    asked: list[Scope] = [WHOLE_CATALOG, *parse_scopes(["repository:team/a:pull"])]
    caller = await AUTHENTICATOR.authenticate(f"bearer {SERVED.grant(login, asked).token}")
    assert (caller.name, caller.is_known, caller.lacks(asked)) == ("alice", True, [])
    assert caller.permissions.sees("team/a")
    assert not caller.permissions.sees("other/a")
    assert caller.lacks(parse_scopes(["repository:team/a:push"]))


async def test_a_token_of_another_registry_is_refused() -> None:
    for issuer in (Issuer(SigningKey.generate(), SERVICE), replace(SERVED.issuer, service="x")):
        with pytest.raises(CredentialsInvalid):
            await AUTHENTICATOR.authenticate(f"Bearer {issuer.issue('alice')}")
