"""Tokens of trusted OpenID Connect issuers prove an identity; other tokens prove nothing."""

import json
import logging
import time
from collections.abc import Iterator
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.utils import base64url_encode

from registry_core.auth.identity import Identity
from registry_core.auth.sources.federation import Federated
from tests.support.federation import MAIN, github, identify
from tests.support.identities import identity_of
from tests.support.oidc_issuer import KEYS, OidcIssuer, SigningKey, ec_key, rsa_key

pytestmark = pytest.mark.anyio


@pytest.fixture
def issuer() -> Iterator[OidcIssuer]:
    with OidcIssuer() as issuer:
        yield issuer


async def test_a_job_is_identified_by_its_federation_and_subject(issuer: OidcIssuer) -> None:
    token = issuer.token(sub=MAIN, aud="registry")
    assert await identify(issuer, token) == Identity(MAIN, "federated:github")


@pytest.mark.parametrize("key", [rsa_key(), ec_key()], ids=["RS256", "ES256"])
async def test_an_issuer_may_sign_with_rsa_or_elliptic_curves(
    issuer: OidcIssuer, key: SigningKey
) -> None:
    issuer.key = key
    issuer.publish(issuer.key)
    assert await identify(issuer, issuer.token(sub=MAIN, aud=["other", "registry"]))


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": "other"},
        {"aud": None},
        {"aud": ["other", 1]},
        {"iss": "https://elsewhere.example"},
        {"iss": None},
        {"exp": int(time.time()) - 61},
        {"exp": None},
        {"exp": "never"},
        {"nbf": int(time.time()) + 3600},
        {"sub": None},
        {"sub": ""},
        {"sub": ["repo:org/app:ref:refs/heads/main"]},
        {"sub": "repo:other/app:ref:refs/heads/main"},
    ],
    ids=repr,
)
async def test_other_tokens_prove_nothing(issuer: OidcIssuer, claims: dict[str, Any]) -> None:
    usual: dict[str, Any] = {"sub": MAIN, "aud": "registry"}
    assert await identify(issuer, issuer.token(**{**usual, **claims})) is None


async def test_an_issuer_with_a_trailing_slash_is_another_issuer(issuer: OidcIssuer) -> None:
    assert await identify(issuer, issuer.token(iss=issuer.url + "/", sub=MAIN, aud="registry")) is (
        None
    )
    assert issuer.requested == [], "the keys of an unknown issuer were fetched"


async def test_a_token_of_an_unknown_issuer_is_not_verified(
    issuer: OidcIssuer,
) -> None:
    with OidcIssuer() as other:
        token = other.token(sub=MAIN, aud="registry")
        assert await identify(issuer, token) is None
        assert other.requested == []


async def test_a_token_is_verified_with_the_keys_of_the_issuer_that_it_names(
    issuer: OidcIssuer,
) -> None:
    with OidcIssuer() as other:
        forged = other.token(iss=issuer.url, sub=MAIN, aud="registry")
        named = other.token(
            iss=issuer.url, sub=MAIN, aud="registry", header={"kid": issuer.key.kid}
        )
        assert await identify(issuer, forged) is None
        assert await identify(issuer, named) is None


async def test_a_token_without_a_signature_proves_nothing(issuer: OidcIssuer) -> None:
    header = base64url_encode(json.dumps({"alg": "none", "kid": issuer.key.kid}).encode()).decode()
    payload = issuer.token(sub=MAIN, aud="registry").split(".")[1]
    for algorithmless in (f"{header}.{payload}.", f"{header}.{payload}.AAAA"):
        assert await identify(issuer, algorithmless) is None


async def test_a_token_signed_with_the_public_key_as_a_shared_secret_proves_nothing(
    issuer: OidcIssuer,
) -> None:
    issuer.key = rsa_key()
    issuer.publish(issuer.key)
    public = issuer.key.private.public_key()
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    header = {"alg": "HS256", "kid": issuer.key.kid}
    right = issuer.token(sub=MAIN, aud="registry")
    signed = ".".join([base64url_encode(json.dumps(header).encode()).decode(), right.split(".")[1]])
    mac = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256)
    forged = f"{signed}.{base64url_encode(mac.sign(signed.encode(), pem)).decode()}"
    assert await identify(issuer, forged) is None


async def test_a_key_in_the_token_is_not_trusted(issuer: OidcIssuer) -> None:
    own = ec_key()
    with OidcIssuer(own) as other:
        for header in ({"jwk": own.jwk()}, {"jku": other.url + KEYS}, {"kid": "../../keys"}):
            forged = issuer.token(sub=MAIN, aud="registry", key=own, header=header)
            assert await identify(issuer, forged) is None
        assert other.requested == []


@pytest.mark.parametrize(
    "text", ["", "password", "a.b", "a.b.c", "....", "e30.e30.", "x" * 40_000 + "..", "é.é.é"]
)
async def test_a_password_that_is_not_a_token_is_ignored(issuer: OidcIssuer, text: str) -> None:
    assert await identify(issuer, text) is None
    assert issuer.requested == []


async def test_a_token_belongs_to_the_first_federation_that_it_matches(issuer: OidcIssuer) -> None:
    source = Federated([github(issuer, "main"), github(issuer, "any", subjects=("repo:org/**",))])
    token = issuer.token(sub=MAIN, aud="registry")
    branch = issuer.token(sub="repo:org/app:ref:refs/heads/b", aud="registry")

    async def federation(name: str, token: str) -> str | None:
        identity = await identity_of(source, name, token)
        return identity.source if identity else None

    assert await federation("oidc", token) == "federated:main"
    assert await federation("oidc", branch) == "federated:any"
    assert await federation("any", token) == "federated:any", "the user name selects the federation"
    assert await federation("main", branch) is None, "the user name selects the federation"


async def test_federations_of_one_issuer_differ_by_audience(issuer: OidcIssuer) -> None:
    source = Federated([github(issuer, "one", audience="1"), github(issuer, "two", audience="2")])
    token = issuer.token(sub=MAIN, aud="2")
    assert await identity_of(source, "oidc", token) == Identity(MAIN, "federated:two")
    assert await identity_of(source, "one", token) is None


async def test_all_claims_must_match(issuer: OidcIssuer) -> None:
    claims = {"repository_owner_id": "42", "environment": "prod-*", "verified": "true"}
    source = Federated([github(issuer, claims=claims)])
    right: dict[str, Any] = {
        "repository_owner_id": 42,
        "environment": ["test", "prod-eu"],
        "verified": True,
    }
    assert await identity_of(source, "", issuer.token(sub=MAIN, aud="registry", **right))
    wrongs: tuple[dict[str, Any], ...] = (
        {"environment": None},
        {"environment": "staging"},
        {"verified": "True"},
        {"repository_owner_id": {"42": "42"}},
    )
    for wrong in wrongs:
        token = issuer.token(sub=MAIN, aud="registry", **{**right, **wrong})
        assert await identity_of(source, "", token) is None, wrong


async def test_no_token_is_logged(issuer: OidcIssuer, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    tokens = [
        issuer.token(sub=MAIN, aud="registry"),
        issuer.token(sub=MAIN, aud="other"),
        issuer.token(sub="other", aud="registry"),
        issuer.token(sub=MAIN, aud="registry", key=ec_key()),
    ]
    source = Federated([github(issuer)])
    for token in tokens:
        await identity_of(source, "oidc", token)
    assert "another audience" in caplog.text
    for token in tokens:
        assert token.split(".")[1] not in caplog.text
        assert token.split(".")[2] not in caplog.text


async def test_a_login_is_not_renewed_once_its_federation_accepts_it_no_more(
    issuer: OidcIssuer,
) -> None:
    """Refresh tokens outlive the restart that makes new rules effective."""
    login = await Federated([github(issuer)]).log_in("oidc", issuer.token(sub=MAIN, aud="registry"))
    assert login is not None
    main_and_more = ("repo:org/*:ref:refs/heads/main", "repo:org/*:ref:refs/tags/*")
    for accepting in (
        [github(issuer)],
        [github(issuer, "other"), github(issuer)],
        [github(issuer, subjects=main_and_more)],
    ):
        assert await Federated(accepting).renew(login) == login
    with OidcIssuer() as elsewhere:
        for changed in (
            [],
            [github(issuer, "another name")],
            [github(elsewhere)],
            [github(issuer, audience="other")],
            [github(issuer, subjects=("repo:org/app:ref:refs/heads/release",))],
            [github(issuer, claims={"repository_owner_id": "42"})],
        ):
            assert await Federated(changed).renew(login) is None
