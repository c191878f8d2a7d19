"""A registry in its own process, and an external token service that it trusts."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator

import httpx
import pytest

from registry_core.serve.azurite import Azurite
from tests.support.azurite import create_container
from tests.support.host import RunningHost
from tests.support.hosts import HOSTS, registry_under
from tests.support.token_issuer import NAME, TokenIssuer, User
from tests.support.wire import NO_TLS, assert_error

from .guarded import Guarded, guarded

SERVICE = "registry.test"
PASSWORD = "a password of alice"
PUBLIC = "repository:public/app:pull"


@pytest.fixture(scope="module")
def issuer() -> Iterator[TokenIssuer]:
    with TokenIssuer(SERVICE) as running:
        running.users["alice"] = User(PASSWORD, ("repository:team/app:pull,push",))
        running.public = (PUBLIC,)
        yield running


@pytest.fixture(scope="module", params=HOSTS, ids=lambda kind: kind.name)
def host(
    request: pytest.FixtureRequest, issuer: TokenIssuer, azurite: Azurite
) -> Iterator[RunningHost]:
    """Each host in turn."""
    storage = {
        "REGISTRY_STORAGE_AZURE_CONNECTIONSTRING": azurite.connection_string,
        "REGISTRY_STORAGE_AZURE_CONTAINER": create_container(azurite),
        "REGISTRY_HTTP_SECRET": "a secret for tests, which is long enough",
    }
    with registry_under(request.param, {**storage, **issuer.settings()}) as running:
        yield running


def ask(
    host: RunningHost, method: str, path: str, login: tuple[str, str] | None = None
) -> httpx.Response:
    """Send a request as clients do: without a token, then with one as the challenge says."""
    with httpx.Client(base_url=host.url, verify=NO_TLS) as client:
        refused = client.request(method, path)
        assert_error(refused, 401, "UNAUTHORIZED")
        challenge = dict(re.findall(r'(\w+)="([^"]*)"', refused.headers["WWW-Authenticate"]))
        realm = challenge.pop("realm")
        given = client.get(realm, params=challenge, auth=httpx.BasicAuth(*login) if login else None)
        if given.status_code != 200:
            return given
        token = given.json()["token"]
        return client.request(method, path, headers={"Authorization": f"Bearer {token}"})


ALICE = ("alice", PASSWORD)


def test_the_challenge_leads_to_a_valid_token(host: RunningHost) -> None:
    assert ask(host, "GET", "/v2/", ALICE).status_code == 200
    assert ask(host, "POST", "/v2/team/app/blobs/uploads/", ALICE).status_code == 202
    assert_error(ask(host, "GET", "/v2/team/app/tags/list", ALICE), 404, "NAME_UNKNOWN")


def test_a_token_grants_only_what_its_user_may_do(host: RunningHost) -> None:
    for method, path in (
        ("POST", "/v2/other/blobs/uploads/"),
        ("DELETE", "/v2/team/app/manifests/v1"),
        ("GET", "/v2/_catalog"),
    ):
        assert_error(ask(host, method, path, ALICE), 401, "UNAUTHORIZED")


def test_an_anonymous_caller_may_pull_what_is_public(host: RunningHost) -> None:
    """The issuer also issues tokens to anonymous users."""
    assert_error(ask(host, "GET", "/v2/public/app/tags/list"), 404, "NAME_UNKNOWN")
    assert_error(ask(host, "GET", "/v2/team/app/tags/list"), 401, "UNAUTHORIZED")


def test_the_issuer_refuses_a_wrong_password(host: RunningHost) -> None:
    assert ask(host, "GET", "/v2/", ("alice", "wrong")).status_code == 401


@pytest.mark.anyio
async def test_keys_are_rotated_without_a_restart() -> None:
    """A token that names the new key makes the registry fetch it; the old one is not trusted.

    While the issuer is away, the registry goes on with what it knows.
    """
    exp = int(time.time()) + 9000
    with TokenIssuer(SERVICE) as rotating, TokenIssuer(SERVICE) as late:
        async with guarded(keys_url=rotating.jwks, issuer=NAME) as registry:
            old = rotating.token("alice", ())
            assert await status(registry, old) == 200
            rotating.keys.rotate()
            new = rotating.token("alice", ())
            assert await status(registry, old) == 200
            assert await status(registry, new) == 200
            assert await status(registry, rotating.token("bob", ())) == 200
            assert len(rotating.keys.requested) == 2
            registry.clock.pass_by(301)
            assert await status(registry, old) == 401
            rotating.keys.documents.clear()
            registry.clock.pass_by(30)
            assert await status(registry, late.token("alice", (), exp=exp)) == 401
            assert await status(registry, rotating.token("alice", (), exp=exp)) == 200


async def status(registry: Guarded, token: str) -> int:
    """Return the status of the version check."""
    return (await registry.wire("x", token).client.get("/v2/")).status_code


def test_requests_with_a_known_key_fetch_nothing(host: RunningHost, issuer: TokenIssuer) -> None:
    ask(host, "GET", "/v2/", ALICE)
    count = len(issuer.keys.requested)
    for _ in range(5):
        assert ask(host, "GET", "/v2/", ALICE).status_code == 200
    assert len(issuer.keys.requested) == count


def test_credentials_are_not_in_the_hosts_log(host: RunningHost, issuer: TokenIssuer) -> None:
    """Nor are tokens, valid or not."""
    good, bad = issuer.token("alice", ()), issuer.token("alice", (), aud="other")
    for token in (good, bad, "nonsense.nonsense.nonsense"):
        httpx.get(f"{host.url}/v2/", headers={"Authorization": f"Bearer {token}"}, verify=NO_TLS)
    httpx.get(f"{host.url}/v2/", auth=ALICE, verify=NO_TLS)
    log = host.log()
    assert "the token is for another audience" in log
    for token in (good, bad):
        assert [part for part in token.split(".") if part[:40] in log] == []
    assert PASSWORD not in log
