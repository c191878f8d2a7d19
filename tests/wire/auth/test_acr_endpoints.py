"""The requests of clients of Azure Container Registry: azure-cli, the Azure SDK, AKS."""

import re
from collections.abc import AsyncIterator, Iterator
from typing import Any
from urllib.parse import urlsplit

import httpx
import jwt
import pytest

from registry_core.app import build_application, build_registry
from registry_core.auth.rules import Rules
from registry_core.auth.sources.entra import REFRESH_SECONDS
from registry_core.auth.tokens.keys import SigningKey
from registry_core.auth.tokens.service import TOKEN_USER
from registry_core.config import AuthSettings, AzureStorage, BuiltinAuth, EntraAuth, Settings
from registry_core.object_store.memory import MemoryStore
from tests.support.federation import MAIN
from tests.support.oidc_issuer import OidcIssuer, rsa_key

pytestmark = pytest.mark.anyio

HOST = "registry.test"
TENANT = "409520d4-8100-4d1d-ad47-72432ddcc120"
CLIENT = "6731de76-14a6-49ae-97bc-6eba6914391e"
IDENTITY = "690222be-ff1a-4d56-abd1-7e4f7d38e474"

RULES = """
[[federation]]
name = "github"
issuer = "{issuer}"
audience = "registry"
subjects = ["repo:org/*:ref:refs/heads/main"]

[[rule]]
who = ["anonymous"]
may = ["pull"]
on = ["public/*"]

[[rule]]
who = ["role:Registry.Push", "federated:github"]
may = ["pull", "push", "list"]
on = ["team/*"]
"""


@pytest.fixture
def issuer() -> Iterator[OidcIssuer]:
    """GitHub and a tenant of Entra ID in one issuer."""
    with OidcIssuer(rsa_key()) as issuer:
        issuer.announce(f"/{TENANT}/v2.0")
        yield issuer


def settings(issuer: OidcIssuer) -> Settings:
    """A registry with its own token service."""
    builtin = BuiltinAuth(
        HOST, SigningKey.generate(), entra=EntraAuth(TENANT, (CLIENT,), issuer.url)
    )
    auth = AuthSettings(builtin=builtin, rules=Rules.parse(RULES.format(issuer=issuer.url)))
    secret = "a secret for tests, long enough"
    return Settings(AzureStorage("unused"), secret, redirect=False, auth=auth)


@pytest.fixture
async def client(issuer: OidcIssuer) -> AsyncIterator[httpx.AsyncClient]:
    given = settings(issuer)
    app = build_application(given, build_registry(given, MemoryStore()))
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url=f"https://{HOST}"
    ) as client:
        yield client


def entra_token(issuer: OidcIssuer, **claims: Any) -> str:
    """A managed identity's access token for the registry's app."""
    usual: dict[str, Any] = {
        "iss": f"{issuer.url}/{TENANT}/v2.0",
        "aud": CLIENT,
        "tid": TENANT,
        "oid": IDENTITY,
        "sub": IDENTITY,
        "azp": IDENTITY,
        "roles": ["Registry.Push"],
    }
    return issuer.token(**{**usual, **claims})


def challenge_as_azure_cli_reads_it(header: str) -> dict[str, str]:
    """``acr/_docker_utils.py``, "_handle_challenge_phase": blanks and commas end what it reads."""
    scheme, parameters = header.split(" ", 2)[:2]
    assert scheme.lower() == "bearer"
    pairs = (pair.strip().split("=", 2) for pair in parameters.split(","))
    return {pair[0]: pair[1].strip('"') for pair in pairs}


def challenge_as_azure_sdk_reads_it(header: str) -> dict[str, str]:
    """``azure/containerregistry/_helpers.py``, "_parse_challenge"."""
    return dict(re.findall(r'(\w+)="([^"]*)"', header.removeprefix("Bearer ")))


async def exchange(client: httpx.AsyncClient, **form: str) -> httpx.Response:
    return await client.post("/oauth2/exchange", data={"service": HOST, **form})


async def test_docker_logs_in_with_the_refresh_token_of_azure_cli(
    client: httpx.AsyncClient, issuer: OidcIssuer
) -> None:
    refused = await client.get("/v2/")
    assert refused.status_code == 401
    challenge = challenge_as_azure_cli_reads_it(refused.headers["WWW-Authenticate"])
    realm = urlsplit(challenge["realm"])
    assert (realm.scheme, realm.netloc) == ("https", HOST)

    exchanged = await exchange(
        client,
        grant_type="access_token",
        service=challenge["service"],
        tenant=TENANT,
        access_token=entra_token(issuer),
    )
    assert exchanged.status_code == 200, exchanged.text
    assert set(exchanged.json()) == {"refresh_token"}
    refresh_token = exchanged.json()["refresh_token"]

    login = await client.get(
        challenge["realm"],
        params={"service": challenge["service"], "offline_token": "true", "account": TOKEN_USER},
        auth=(TOKEN_USER, refresh_token),
    )
    assert login.status_code == 200, login.text
    assert "refresh_token" not in login.json(), "a refresh token leads to no other"
    bearer = {"Authorization": f"Bearer {login.json()['token']}"}
    assert (await client.get("/v2/", headers=bearer)).status_code == 200


async def test_azure_sdk_exchanges_a_refresh_token_for_an_access_token(
    client: httpx.AsyncClient, issuer: OidcIssuer
) -> None:
    path = "/v2/team/app/blobs/uploads/"
    refused = await client.post(path)
    challenge = challenge_as_azure_sdk_reads_it(refused.headers["WWW-Authenticate"])
    exchanged = await client.post(
        "/oauth2/exchange?api-version=2021-07-01",
        data={
            "grant_type": "access_token",
            "service": challenge["service"],
            "access_token": entra_token(issuer),
        },
    )
    granted = await client.post(
        "/oauth2/token?api-version=2021-07-01",
        data={
            "grant_type": "refresh_token",
            "service": challenge["service"],
            "scope": challenge["scope"],
            "refresh_token": exchanged.json()["refresh_token"],
        },
    )
    assert granted.status_code == 200, granted.text
    bearer = {"Authorization": f"Bearer {granted.json()['access_token']}"}
    assert (await client.post(path, headers=bearer)).status_code == 202
    assert (await client.post("/v2/other/blobs/uploads/", headers=bearer)).status_code == 401


async def test_aks_sends_one_token_as_two(client: httpx.AsyncClient, issuer: OidcIssuer) -> None:
    token = entra_token(issuer)
    exchanged = await exchange(
        client,
        grant_type="access_token_refresh_token",
        access_token=token,
        refresh_token=token,
        tenant=TENANT,
    )
    assert exchanged.status_code == 200, exchanged.text
    form = {
        "grant_type": "password",
        "username": TOKEN_USER,
        "password": exchanged.json()["refresh_token"],
        "service": HOST,
        "scope": "repository:team/app:pull",
    }
    granted = await client.post("/oauth2/token", data=form)  # as containerd does
    assert granted.json()["scope"] == "repository:team/app:pull"


@pytest.mark.parametrize("path", ["/oauth2/token", "/auth/token"])
async def test_an_access_token_of_entra_id_is_also_a_password(
    client: httpx.AsyncClient, issuer: OidcIssuer, path: str
) -> None:
    scope = {"scope": "repository:team/app:pull,push", "service": HOST}
    answer = await client.get(path, params=scope, auth=(TOKEN_USER, entra_token(issuer)))
    assert answer.json()["scope"] == "repository:team/app:pull,push"
    without_role = entra_token(issuer, roles=[])
    answer = await client.get(path, params=scope, auth=(TOKEN_USER, without_role))
    assert answer.json()["scope"] == ""


async def test_dockers_refresh_token_is_valid_as_long_as_acrs(
    client: httpx.AsyncClient, issuer: OidcIssuer
) -> None:
    query = {"offline_token": "true"}
    auth = (TOKEN_USER, entra_token(issuer))
    answer = await client.get("/auth/token", params=query, auth=auth)
    claims = jwt.decode(answer.json()["refresh_token"], options={"verify_signature": False})
    assert claims["exp"] - claims["iat"] == REFRESH_SECONDS


async def test_a_job_of_github_logs_in_and_exchanges_its_token(
    client: httpx.AsyncClient, issuer: OidcIssuer
) -> None:
    token = issuer.token(sub=MAIN, aud="registry")
    scope = {"scope": "repository:team/app:pull,push repository:other/app:pull"}
    answer = await client.get("/auth/token", params=scope, auth=("oidc", token))
    assert answer.json()["scope"] == "repository:team/app:pull,push"
    exchanged = await exchange(client, grant_type="access_token", access_token=token)
    assert exchanged.status_code == 200


async def test_azure_sdk_without_credentials_pulls_what_is_public(
    client: httpx.AsyncClient,
) -> None:
    """``_anonymous_exchange_client.py``: a password grant without a name."""
    form = {
        "grant_type": "password",
        "service": HOST,
        "scope": "repository:public/app:pull",
        "refresh_token": "",
    }
    granted = await client.post("/oauth2/token", data=form)
    assert granted.status_code == 200, granted.text
    assert granted.json()["scope"] == "repository:public/app:pull"


async def test_an_invalid_token_is_refused_as_by_acr(
    client: httpx.AsyncClient, issuer: OidcIssuer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    foreign = entra_token(issuer, aud="https://management.azure.com")
    answer = await exchange(client, grant_type="access_token", access_token=foreign)
    assert answer.status_code == 401
    assert answer.json()["errors"][0]["code"] == "UNAUTHORIZED"
    assert "another audience" in caplog.text
    assert foreign.split(".")[1] not in caplog.text + answer.text


async def test_a_refresh_token_of_entra_id_is_not_accepted(client: httpx.AsyncClient) -> None:
    answer = await exchange(client, grant_type="refresh_token", refresh_token="0.AAAA")
    assert answer.status_code == 400
    assert "access_token" in answer.json()["errors"][0]["message"]


async def test_while_the_tenant_is_unreachable_clients_get_retry_after(
    client: httpx.AsyncClient, issuer: OidcIssuer
) -> None:
    issuer.documents.clear()
    token = entra_token(issuer)
    for answer in (
        await exchange(client, grant_type="access_token", access_token=token),
        await client.get("/auth/token", auth=(TOKEN_USER, token)),
    ):
        assert answer.status_code == 503
        assert int(answer.headers["Retry-After"]) > 0
