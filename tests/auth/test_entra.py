"""Access tokens of one Entra ID tenant prove an identity; other tokens prove nothing."""

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
    """The authority of two tenants, each with a discovery document for both token versions."""
    with OidcIssuer(rsa_key()) as authority:
        for tenant in (TENANT, OTHER_TENANT):
            authority.announce(f"/{tenant}", issuer=f"{authority.url}/{tenant}/")
            authority.announce(f"/{tenant}/v2.0")
        yield authority


def claims_v2(authority: OidcIssuer) -> dict[str, Any]:
    """Return the claims of a user's v2.0 access token."""
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
    """Return the claims of a managed identity's v1.0 access token."""
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
    """Return the identity of a user's v2.0 token, with some claims changed."""
    token = authority.token(**{**claims_v2(authority), **claims})
    return await identity_of(entra(authority), TOKEN_USER, token)


async def test_a_user_is_identified_by_object_id(authority: OidcIssuer) -> None:
    assert await identify(authority) == Identity(USER, "entra")


async def test_a_managed_identity_is_identified_by_object_id(authority: OidcIssuer) -> None:
    token = authority.token(**claims_v1(authority))
    assert await identity_of(entra(authority), TOKEN_USER, token) == Identity(USER, "entra")


async def test_the_case_of_the_tenant_id_does_not_matter(authority: OidcIssuer) -> None:
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
async def test_the_audience_is_the_client_id_or_an_application_id_uri(
    authority: OidcIssuer, audience: str
) -> None:
    source = Entra(TENANT, [CLIENT, "api://registry.example.com"], authority.url)
    token = authority.token(**{**claims_v2(authority), "aud": audience})
    assert await identity_of(source, TOKEN_USER, token)


async def test_groups_and_roles_come_from_the_token(authority: OidcIssuer) -> None:
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
async def test_groups_that_do_not_fit_the_token_are_reported(
    authority: OidcIssuer, claims: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    identity = await identify(authority, roles=["Registry.Push"], **claims)
    assert identity == Identity(USER, "entra", roles=frozenset({"Registry.Push"}))
    [warning] = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    assert USER in warning
    assert "app roles" in warning


async def test_a_token_without_groups_is_not_reported(
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
async def test_other_tokens_prove_nothing(authority: OidcIssuer, claims: dict[str, Any]) -> None:
    assert await identify(authority, **claims) is None


async def test_a_token_of_another_tenant_is_not_verified(authority: OidcIssuer) -> None:
    """Microsoft signs the tokens of all tenants with the same keys."""
    for issuer in (f"{authority.url}/{OTHER_TENANT}/v2.0", f"{authority.url}/{OTHER_TENANT}/"):
        assert await identify(authority, iss=issuer, tid=OTHER_TENANT) is None
    assert authority.requested == []


async def test_another_issuer_that_names_our_tenant_proves_nothing(authority: OidcIssuer) -> None:
    with OidcIssuer(rsa_key(1)) as forger:
        of_several = {**claims_v2(authority), "aud": [{}, "other", CLIENT]}
    for claims in (claims_v1(authority), claims_v2(authority), of_several):
        for kid in (forger.key.kid, authority.key.kid):
            token = forger.token(header={"kid": kid}, **claims)
            assert await identity_of(entra(authority), TOKEN_USER, token) is None


async def test_only_rs256_is_accepted(authority: OidcIssuer) -> None:
    """Entra ID does not sign with keys of other kinds, even if the tenant's key set has one."""
    other = ec_key()
    authority.publish(authority.key, other)
    token = authority.token(key=other, **claims_v2(authority))
    assert await identity_of(entra(authority), TOKEN_USER, token) is None


async def test_an_unreachable_tenant_is_not_an_invalid_token(
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


async def test_the_log_has_the_name_of_an_identity_and_no_token(
    authority: OidcIssuer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    token = authority.token(**claims_v2(authority))
    await identity_of(entra(authority), TOKEN_USER, token)
    await identity_of(entra(authority), TOKEN_USER, token[:-4])
    assert f"{USER} is 'alice@example.com'" in caplog.text
    for part in token.split("."):
        assert part[:40] not in caplog.text


async def test_a_login_is_not_renewed_once_its_tenant_or_app_is_another(
    authority: OidcIssuer,
) -> None:
    """Refresh tokens outlive the restart that makes new settings effective."""
    of_several = {**claims_v2(authority), "aud": [{}, "other", CLIENT]}
    for claims in (claims_v1(authority), claims_v2(authority), of_several):
        login = await entra(authority).log_in(TOKEN_USER, authority.token(**claims))
        assert login is not None
        assert await entra(authority).renew(login) == login
        assert await Entra(TENANT, ["another", CLIENT], authority.url).renew(login) == login
        for changed in (
            Entra(OTHER_TENANT, [CLIENT], authority.url),
            Entra(TENANT, ["another"], authority.url),
        ):
            assert await changed.renew(login) is None
