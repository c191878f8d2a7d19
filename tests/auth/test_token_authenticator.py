"""Callers with a token, and the challenges that others get."""

from __future__ import annotations

import re

import pytest

from registry_core.auth.authenticators import TokenAuthenticator
from registry_core.auth.caller import ANYBODY, Caller, CredentialsInvalid, Granted
from registry_core.auth.challenges import ChallengeError, bearer_challenge
from registry_core.spec.scopes import WHOLE_CATALOG, Scope, repository_scope

from .tokens import SERVICE, signed, verifier

pytestmark = pytest.mark.anyio

REALM = "https://auth.test/token"
HERE = "https://registry.test:5000"
AUTHENTICATOR = TokenAuthenticator(verifier(), REALM, SERVICE)


def challenge(
    authenticator: TokenAuthenticator, caller: Caller | None, *needed: Scope, base_url: str = HERE
) -> str:
    error = authenticator.challenge(caller, needed, base_url)
    assert error.http_status == 401
    return error.headers["WWW-Authenticate"]


async def test_a_token_names_the_caller() -> None:
    caller = await AUTHENTICATOR.authenticate(f"Bearer {signed()}")
    assert (caller.name, caller.is_known) == ("alice", True)
    assert caller.lacks([repository_scope("a/b", "pull", "push")]) == []
    assert caller.lacks([repository_scope("a/b", "delete")]) == [repository_scope("a/b", "delete")]


@pytest.mark.parametrize("scheme", ["bearer", "BEARER", "Bearer "])
async def test_the_case_of_the_scheme_does_not_matter(scheme: str) -> None:
    """RFC 9110, section 11.1: "case-insensitive"."""
    assert (await AUTHENTICATOR.authenticate(f"{scheme} {signed()}")).is_known


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        " ",
        "Bearer",
        "Bearer ",
        "Basic YTpi",
        "Basic",
        "nonsense",
        "Negotiate x",
        "Bearer\ta.b.c",
    ],
)
async def test_without_a_token_the_caller_is_anonymous(header: str | None) -> None:
    """They get the challenge without an error, as without credentials."""
    assert await AUTHENTICATOR.authenticate(header) == ANYBODY


@pytest.mark.parametrize("header", ["Bearer a b", "Bearer x", "Bearer ,", "Bearer Bearer a.b.c"])
async def test_a_malformed_token_is_refused(header: str) -> None:
    with pytest.raises(CredentialsInvalid):
        await AUTHENTICATOR.authenticate(header)


@pytest.mark.parametrize(
    "name", ["a", "a/b/c", "A/B", "a/B", "a/b/", "/a/b", "a/./b", "a/*", "a/b:pull", "", "*"]
)
async def test_a_grant_is_for_its_repository_only(name: str) -> None:
    """Not for similar names."""
    access = [{"type": "repository", "name": name, "actions": ["*"]}]
    caller = await AUTHENTICATOR.authenticate(f"Bearer {signed(access=access)}")
    assert caller.lacks([repository_scope("a/b", "pull")])


@pytest.mark.parametrize(
    "entry, resource",
    [
        ({"type": "registry", "name": "catalog", "actions": ["pull"]}, WHOLE_CATALOG),
        ({"type": "repository", "name": "catalog", "actions": ["*"]}, WHOLE_CATALOG),
        ({"type": "registry", "name": "a/b", "actions": ["*"]}, repository_scope("a/b", "pull")),
        ({"type": "Repository", "name": "a/b", "actions": ["*"]}, repository_scope("a/b", "pull")),
        (
            {"type": "repository", "name": "a/b", "actions": ["pull,"]},
            repository_scope("a/b", "pull"),
        ),
        ({"type": "repository", "name": "a/b", "actions": []}, repository_scope("a/b", "pull")),
        ({"type": "repository", "name": "a/b"}, repository_scope("a/b", "pull")),
    ],
)
async def test_a_grant_is_for_its_type_and_actions_only(
    entry: dict[str, object], resource: Scope
) -> None:
    caller = await AUTHENTICATOR.authenticate(f"Bearer {signed(access=[entry])}")
    assert caller.lacks([resource]) == [resource]


async def test_a_star_grants_every_action() -> None:
    access = [
        {"type": "repository", "name": "a/b", "actions": ["*"]},
        {"type": "registry", "name": "catalog", "actions": ["*"]},
    ]
    caller = await AUTHENTICATOR.authenticate(f"Bearer {signed(access=access)}")
    assert caller.lacks([repository_scope("a/b", "pull", "push", "delete"), WHOLE_CATALOG]) == []


async def test_several_grants_of_one_repository_add_up() -> None:
    """Whatever class they name: the class is checked when a manifest is pushed."""
    entry = {"type": "repository", "name": "a/b"}
    access = [{**entry, "actions": ["pull"]}, {**entry, "class": "plugin", "actions": ["push"]}]
    caller = await AUTHENTICATOR.authenticate(f"Bearer {signed(access=access)}")
    assert caller.lacks([repository_scope("a/b", "pull", "push")]) == []


def test_the_challenge_has_realm_service_and_scopes() -> None:
    """In the form that distribution uses."""
    needed = (repository_scope("a", "pull", "push"), repository_scope("b", "pull"))
    assert challenge(AUTHENTICATOR, ANYBODY, *needed) == (
        f'Bearer realm="{REALM}",service="{SERVICE}",'
        'scope="repository:a:pull,push repository:b:pull"'
    )


def test_the_challenge_of_the_version_check_has_no_scope() -> None:
    assert challenge(AUTHENTICATOR, ANYBODY) == f'Bearer realm="{REALM}",service="{SERVICE}"'


@pytest.mark.parametrize(
    "caller, error",
    [(None, "invalid_token"), (Caller("a", Granted(), is_known=True), "insufficient_scope")],
)
def test_the_challenge_has_the_error_of_a_token(caller: Caller | None, error: str) -> None:
    assert challenge(AUTHENTICATOR, caller, WHOLE_CATALOG).endswith(
        f',scope="registry:catalog:*",error="{error}"'
    )


@pytest.mark.parametrize("path", ["/auth/token", "/elsewhere"])
def test_the_realm_may_be_at_the_registry_itself(path: str) -> None:
    """At the address that the client uses."""
    authenticator = TokenAuthenticator(verifier(), None, SERVICE, path)
    assert f'realm="{HERE}{path}"' in challenge(authenticator, ANYBODY)
    assert f'realm="http://other{path}"' in challenge(
        authenticator, ANYBODY, base_url="http://other"
    )


def test_a_challenge_lists_each_resource_once() -> None:
    """For example, in a mount from the repository itself."""
    scopes = [
        repository_scope("a", "pull", "push"),
        repository_scope("a", "pull"),
        repository_scope("b", "pull"),
    ]
    assert 'scope="repository:a:pull,push repository:b:pull"' in bearer_challenge("r", "s", scopes)


@pytest.mark.parametrize("text", ['a"b', "a\\b", 'a\\"', "a,b=c", ""])
def test_values_are_quoted(text: str) -> None:
    """RFC 9110, section 5.6.4."""
    made = bearer_challenge(text, text, (), ChallengeError.INVALID_TOKEN)
    read = re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"(?:,|$)', made.removeprefix("Bearer "))
    values = {name: re.sub(r"\\(.)", r"\1", value) for name, value in read}
    assert values == {"realm": text, "service": text, "error": "invalid_token"}
