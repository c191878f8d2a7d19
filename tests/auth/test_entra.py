"""Access tokens of one Entra ID tenant prove who somebody is, and nothing else does."""

import logging
import time
from collections.abc import Iterator
from typing import Any

import pytest

from registry_core.auth.identity import Identity
from registry_core.auth.sources.entra import Entra
from registry_core.auth.tokens.service import TOKEN_USER
from registry_core.spec.errors import Unavailable
from tests.support.identities import identity_of
from tests.support.oidc_issuer import KEYS, WELL_KNOWN, OidcIssuer, ec_key, rsa_key

pytestmark = pytest.mark.anyio

TENANT = "409520d4-8100-4d1d-ad47-72432ddcc120"
OTHER_TENANT = "11111111-8100-4d1d-ad47-72432ddcc120"
CLIENT = "6731de76-14a6-49ae-97bc-6eba6914391e"
USER = "690222be-ff1a-4d56-abd1-7e4f7d38e474"


@pytest.fixture
def authority() -> Iterator[OidcIssuer]:
    """Where tenants are: each has a discovery document for either version of tokens."""
    with OidcIssuer(rsa_key()) as authority:
        for tenant in (TENANT, OTHER_TENANT):
            authority.announce(f"/{tenant}", issuer=f"{authority.url}/{tenant}/")
            authority.announce(f"/{tenant}/v2.0")
        yield authority


def claims_v2(authority: OidcIssuer) -> dict[str, Any]:
    """What a v2.0 access token of a user says."""
    return {
        "ver": "2.0",
        "iss": f"{authority.url}/{TENANT}/v2.0",
        "aud": CLIENT,
        "tid": TENANT,
        "oid": USER,
        "sub": "pairwise",
        "azp": "04b07795-8ddb-461a-bbee-02f9e1bf7b46",
        "preferred_username": "alice@example.com",
        "scp": "access_as_user",
    }


def claims_v1(authority: OidcIssuer) -> dict[str, Any]:
    """What a v1.0 access token of a managed identity says."""
    return {
        "ver": "1.0",
        "iss": f"{authority.url}/{TENANT}/",
        "aud": f"api://{CLIENT}",
        "tid": TENANT,
        "oid": USER,
        "sub": USER,
        "appid": "04b07795-8ddb-461a-bbee-02f9e1bf7b46",
        "idtyp": "app",
    }


def entra(authority: OidcIssuer) -> Entra:
    return Entra(TENANT, [CLIENT], authority.url)


async def identify(authority: OidcIssuer, **claims: object) -> Identity | None:
    """Who a user's v2.0 token is about, with some claims changed."""
    token = authority.token(**{**claims_v2(authority), **claims})
    return await identity_of(entra(authority), TOKEN_USER, token)


async def test_a_user_is_known_by_object_id(authority: OidcIssuer) -> None:
    assert await identify(authority) == Identity(USER, "entra")


async def test_a_managed_identity_is_known_by_object_id(authority: OidcIssuer) -> None:
    token = authority.token(**claims_v1(authority))
    assert await identity_of(entra(authority), TOKEN_USER, token) == Identity(USER, "entra")


async def test_the_tenant_is_the_same_in_capital_letters(authority: OidcIssuer) -> None:
    source = Entra(TENANT.upper(), [CLIENT], authority.url + "/")
    assert await identity_of(source, TOKEN_USER, authority.token(**claims_v2(authority)))


@pytest.mark.parametrize(
    "authority, v1, v2",
    [
        (
            "https://login.microsoftonline.com",
            f"https://sts.windows.net/{TENANT}/",
            f"https://login.microsoftonline.com/{TENANT}/v2.0",
        ),
        (
            "https://login.microsoftonline.us/",
            f"https://sts.windows.net/{TENANT}/",
            f"https://login.microsoftonline.us/{TENANT}/v2.0",
        ),
        (
            "https://login.partner.microsoftonline.cn",
            f"https://sts.chinacloudapi.cn/{TENANT}/",
            f"https://login.partner.microsoftonline.cn/{TENANT}/v2.0",
        ),
    ],
)
def test_each_cloud_has_its_issuers(authority: str, v1: str, v2: str) -> None:
    source = Entra(TENANT, [CLIENT], authority)
    assert set(source._tokens) == {v1, v2}


@pytest.mark.parametrize("audience", [CLIENT, f"api://{CLIENT}", "api://registry.example.com"])
async def test_an_app_has_an_id_and_uris(authority: OidcIssuer, audience: str) -> None:
    source = Entra(TENANT, [CLIENT, "api://registry.example.com"], authority.url)
    token = authority.token(**{**claims_v2(authority), "aud": audience})
    assert await identity_of(source, TOKEN_USER, token)


async def test_groups_and_roles_are_those_of_the_token(authority: OidcIssuer) -> None:
    identity = await identify(authority, groups=["g1", "g2", 3], roles=["Registry.Push"])
    assert identity is not None
    assert identity.groups == {"g1", "g2"}
    assert identity.roles == {"Registry.Push"}


@pytest.mark.parametrize(
    "claims",
    [
        {"hasgroups": True},
        {"hasgroups": "true"},
        {"_claim_names": {"groups": "src1"}, "_claim_sources": {"src1": {"endpoint": "https://…"}}},
    ],
    ids=["implicit", "implicit as text", "elsewhere"],
)
async def test_groups_that_the_token_leaves_out_are_reported_and_not_guessed(
    authority: OidcIssuer, claims: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    identity = await identify(authority, roles=["Registry.Push"], **claims)
    assert identity == Identity(USER, "entra", roles=frozenset({"Registry.Push"}))
    [warning] = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    assert USER in warning
    assert "app roles" in warning


async def test_no_groups_are_nothing_to_report(
    authority: OidcIssuer, caplog: pytest.LogCaptureFixture
) -> None:
    await identify(authority, _claim_names={"wids": "src1"}, hasgroups=False)
    assert not [r for r in caplog.records if r.levelno >= logging.WARNING]


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": "https://management.azure.com"},
        {"aud": f"https://{CLIENT}"},
        {"aud": f"api://{CLIENT}/"},
        {"aud": OTHER_TENANT},
        {"tid": OTHER_TENANT},
        {"tid": None},
        {"oid": None},
        {"oid": ""},
        {"oid": [USER]},
        {"azp": None},
        {"exp": int(time.time()) - 61},
        {"exp": None},
        {"nbf": int(time.time()) + 3600},
        {"iss": "https://login.microsoftonline.com/common/v2.0"},
    ],
    ids=repr,
)
async def test_a_token_for_something_else_proves_nothing(
    authority: OidcIssuer, claims: dict[str, Any]
) -> None:
    assert await identify(authority, **claims) is None


async def test_another_tenants_token_is_not_looked_into(authority: OidcIssuer) -> None:
    """Its keys are the same as ours: Microsoft signs for all tenants with them."""
    for issuer in (f"{authority.url}/{OTHER_TENANT}/v2.0", f"{authority.url}/{OTHER_TENANT}/"):
        assert await identify(authority, iss=issuer, tid=OTHER_TENANT) is None
    assert authority.requested == []


async def test_another_issuer_that_names_our_tenant_proves_nothing(authority: OidcIssuer) -> None:
    with OidcIssuer(rsa_key(1)) as forger:
        for claims in (claims_v1(authority), claims_v2(authority)):
            for kid in (forger.key.kid, authority.key.kid):
                token = forger.token(header={"kid": kid}, **claims)
                assert await identity_of(entra(authority), TOKEN_USER, token) is None


async def test_only_rs256_is_taken(authority: OidcIssuer) -> None:
    """A key of another kind in the tenant's own set is not what Entra ID signs with."""
    other = ec_key()
    authority.publish(authority.key, other)
    token = authority.token(key=other, **claims_v2(authority))
    assert await identity_of(entra(authority), TOKEN_USER, token) is None


async def test_a_tenant_that_cannot_be_asked_is_told_from_a_wrong_token(
    authority: OidcIssuer,
) -> None:
    authority.documents.clear()
    with pytest.raises(Unavailable):
        await identify(authority)


async def test_both_versions_need_their_own_discovery(authority: OidcIssuer) -> None:
    authority.announce(f"/{TENANT}/v2.0", issuer=f"{authority.url}/{OTHER_TENANT}/v2.0")
    with pytest.raises(Unavailable):
        await identify(authority)
    assert authority.requested == [f"/{TENANT}/v2.0{WELL_KNOWN}"]
    assert await identity_of(entra(authority), TOKEN_USER, authority.token(**claims_v1(authority)))
    assert authority.requested[1:] == [f"/{TENANT}{WELL_KNOWN}", KEYS]


async def test_the_log_says_who_an_object_id_is_and_holds_no_token(
    authority: OidcIssuer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    token = authority.token(**claims_v2(authority))
    await identity_of(entra(authority), TOKEN_USER, token)
    await identity_of(entra(authority), TOKEN_USER, token[:-4])
    assert f"{USER} is 'alice@example.com'" in caplog.text
    for part in token.split("."):
        assert part[:40] not in caplog.text
