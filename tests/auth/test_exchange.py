"""The exchange of other issuers' tokens for refresh tokens, as clients of ACR use it."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from registry_core.auth.caller import CredentialsInvalid
from registry_core.auth.identity import Identity, Login
from registry_core.auth.rules import EVERYONE_KNOWN
from registry_core.auth.sources.federation import Federated
from registry_core.auth.tokens.exchange import ExchangeUnsupported, TokenExchange
from registry_core.auth.tokens.issuing import Issuer, RefreshTokens
from registry_core.auth.tokens.keys import SigningKey
from registry_core.auth.tokens.service import TOKEN_USER, TokenService
from registry_core.spec.errors import Unavailable
from tests.support.federation import MAIN, github
from tests.support.oidc_issuer import OidcIssuer

pytestmark = pytest.mark.anyio

EXCHANGED = 3600
START = 1_800_000_000.0


@dataclass
class Acr:
    """A registry that trusts one issuer, with a clock that tests can set."""

    issuer: OidcIssuer
    now: float = START
    longest: int = 30 * 86400

    def __post_init__(self) -> None:
        own = Issuer(SigningKey.generate(), "registry.example.com", now=lambda: self.now)
        self.refresh_tokens = RefreshTokens(own, self.longest)
        sources = [Federated([github(self.issuer)])]
        self.exchange = TokenExchange(sources, self.refresh_tokens)
        self.service = TokenService(sources, EVERYONE_KNOWN, own, self.refresh_tokens)

    async def log_in(self, name: str, secret: str, *, client: str = "") -> Login | None:
        """Return the login; None if the credentials are refused."""
        try:
            return await self.service.log_in(name, secret)
        except CredentialsInvalid:
            return None

    def token(self) -> str:
        return self.issuer.token(sub=MAIN, aud="registry")


@pytest.fixture
def issuer() -> Iterator[OidcIssuer]:
    with OidcIssuer() as issuer:
        yield issuer


@pytest.fixture
def acr(issuer: OidcIssuer) -> Acr:
    return Acr(issuer)


@pytest.mark.parametrize("grant_type", ["access_token", "access_token_refresh_token"])
async def test_a_refresh_token_is_a_password_of_the_token_user(acr: Acr, grant_type: str) -> None:
    form = {"grant_type": grant_type, "access_token": acr.token(), "refresh_token": "whatever"}
    refresh_token = await acr.exchange.exchange(form)
    login = await acr.log_in(TOKEN_USER, refresh_token)
    assert login is not None
    assert login.identity == Identity(MAIN, "federated:github")
    assert await acr.log_in("oidc", refresh_token) is None


async def test_a_refresh_token_lasts_as_long_as_its_source_says(acr: Acr) -> None:
    form = {"grant_type": "access_token", "access_token": acr.token()}
    refresh_token = await acr.exchange.exchange(form)
    acr.now = START + EXCHANGED - 1
    assert await acr.log_in(TOKEN_USER, refresh_token)
    acr.now = START + EXCHANGED + 120
    assert await acr.log_in(TOKEN_USER, refresh_token) is None


async def test_a_refresh_token_cannot_be_renewed(acr: Acr) -> None:
    """Otherwise it would be valid for ever."""
    form = {"grant_type": "access_token", "access_token": acr.token()}
    login = await acr.log_in(TOKEN_USER, await acr.exchange.exchange(form))
    assert login is not None
    assert acr.refresh_tokens.issue(login) is None


async def test_a_registry_without_refresh_tokens_says_so(issuer: OidcIssuer) -> None:
    acr = Acr(issuer, longest=0)
    with pytest.raises(ExchangeUnsupported, match=TOKEN_USER):
        await acr.exchange.exchange({"grant_type": "access_token", "access_token": acr.token()})


@pytest.mark.parametrize(
    "form, says",
    [
        ({}, "grant_type"),
        ({"grant_type": "password"}, "grant_type"),
        ({"grant_type": "refresh_token", "refresh_token": "0.AAAA"}, "refresh token of Entra ID"),
        ({"grant_type": "access_token"}, "access_token must be"),
        ({"grant_type": "access_token", "access_token": ""}, "access_token must be"),
    ],
)
async def test_a_request_that_is_not_supported_says_what_is(
    acr: Acr, form: dict[str, str], says: str
) -> None:
    with pytest.raises(ExchangeUnsupported, match=says):
        await acr.exchange.exchange(form)


async def test_a_token_that_proves_nothing_is_not_exchanged(acr: Acr) -> None:
    other = acr.issuer.token(sub=MAIN, aud="other")
    for token in (other, acr.token()[:-3], "password"):
        with pytest.raises(CredentialsInvalid):
            await acr.exchange.exchange({"grant_type": "access_token", "access_token": token})


async def test_a_refresh_token_cannot_be_exchanged_for_another(acr: Acr) -> None:
    form = {"grant_type": "access_token", "access_token": acr.token()}
    form["access_token"] = await acr.exchange.exchange(form)
    with pytest.raises(CredentialsInvalid):
        await acr.exchange.exchange(form)


async def test_an_unreachable_issuer_is_not_an_invalid_token(acr: Acr) -> None:
    acr.issuer.documents.clear()
    with pytest.raises(Unavailable):
        await acr.exchange.exchange({"grant_type": "access_token", "access_token": acr.token()})


async def test_other_secrets_are_not_taken_for_refresh_tokens(acr: Acr) -> None:
    access_token = acr.refresh_tokens.issuer.issue("federated:github")
    for secret in ("", "password", access_token):
        assert await acr.log_in(TOKEN_USER, secret) is None
    with pytest.raises(CredentialsInvalid):
        await acr.service.renew(acr.token())
    login = await acr.log_in(TOKEN_USER, acr.token())
    assert login is not None, "the token of a federation was not left to its source"
    assert login.refresh_seconds == EXCHANGED


async def test_a_refresh_token_of_a_removed_source_proves_nothing(acr: Acr) -> None:
    gone = Login(Identity("x", "entra"), "entra", refresh_seconds=60)
    refresh_token = acr.refresh_tokens.issue(gone)
    assert refresh_token is not None
    assert await acr.log_in(TOKEN_USER, refresh_token) is None
