"""Mode ``builtin``: the registry issues tokens itself, and accepts only these."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..globs import RepositoryGlobs
from ..spec.errors import RegistryError
from ..spec.scopes import REPOSITORY, Resource, Scope
from .authenticators import TokenAuthenticator
from .caller import ANYBODY, NOTHING, Caller, Granted, Permissions
from .challenges import parse_bearer
from .identity import ANONYMOUS, IdentitySource, kind_of
from .rules import Rules
from .tokens.claims import identity_from_claim, shown_from_claim
from .tokens.exchange import TokenExchange
from .tokens.issuing import Issuer, RefreshTokens
from .tokens.logins import LoginCheck
from .tokens.service import TokenService
from .tokens.verification import TokenVerifier

if TYPE_CHECKING:  # not every registry has a password file
    from .sources.htpasswd import Htpasswd


@dataclass(frozen=True)
class BuiltinMode:
    """The parts of the mode: what authenticates requests, and what issues tokens."""

    authenticator: BuiltinAuthenticator
    tokens: TokenService
    exchange: TokenExchange

    @classmethod
    def assemble(
        cls,
        issuer: Issuer,
        rules: Rules,
        *,
        refresh_seconds: int,
        keys: IdentitySource | None = None,
        entra: IdentitySource | None = None,
        users: Htpasswd | None = None,
    ) -> BuiltinMode:
        """Put the parts together.

        :param refresh_seconds: the lifetime of refresh tokens; 0 issues none.
        :param keys: personal access keys.
        :param entra: a tenant of Microsoft Entra ID.
        :param users: the users of a password file.
        """
        refresh_tokens = RefreshTokens(issuer, refresh_seconds)
        external = [*([entra] if entra else []), *_federated(rules)]
        # In the order of their cost: checking a password takes longest.
        sources = [*([keys] if keys else []), *external, *([users] if users else [])]
        verifier = TokenVerifier(
            issuer.key_set,
            issuer.service,
            issuer.service,
            {key.algorithm for key in issuer.keys},
            issuer.now,
        )
        return cls(
            BuiltinAuthenticator(
                TokenAuthenticator(verifier, None, issuer.service),
                rules,
                LoginCheck.of(sources, rules),
            ),
            TokenService(sources, rules, issuer, refresh_tokens),
            TokenExchange(external, refresh_tokens),
        )


def _federated(rules: Rules) -> list[IdentitySource]:
    if not rules.federations:
        return []
    from .sources.federation import Federated

    return [Federated(rules.federations)]


@dataclass(frozen=True)
class BuiltinAuthenticator:
    """`Authenticator` by the registry's own tokens, without a call to anything else.

    Requests without credentials may do what the rules allow everybody. They get a challenge where
    that is not enough, and from the version check, which is where clients look for the token
    service.
    """

    tokens: TokenAuthenticator
    rules: Rules
    logins: LoginCheck

    async def authenticate(
        self, authorization: str | None, *, at: float | None = None, client: str = ""
    ) -> Caller:
        if authorization is None:
            return Caller(permissions=_Anonymous(self.rules.permissions(ANONYMOUS)))
        token = parse_bearer(authorization)
        if not token:
            return ANYBODY
        verified = await self.tokens.verifier.verify(token, at)
        if at is not None:
            verified = await self.logins.check(verified)
        permissions = Granted(verified.scopes)
        if holder := verified.claims.get("identity"):
            everything = self.rules.permissions(identity_from_claim(holder))
            permissions = _GrantedCatalog(verified.scopes, everything, shown_from_claim(holder))
        return Caller(
            verified.subject,
            permissions,
            is_known=True,
            kind=kind_of(verified.subject),
            key=verified.text("key"),
            token=verified.id,
        )

    def challenge(
        self, caller: Caller | None, needed: Sequence[Scope], base_url: str
    ) -> RegistryError:
        return self.tokens.challenge(caller, needed, base_url)


@dataclass(frozen=True)
class _GrantedCatalog(Granted):
    """`Permissions` of a token for the catalog, which shows what the token's holder may see.

    ``limits``: globs of the repositories that the holder's key is limited to; None: to none.
    """

    holder: Permissions = NOTHING
    limits: RepositoryGlobs | None = None

    def sees(self, repository: str) -> bool:
        is_covered = self.limits is None or self.limits.match(repository)
        return is_covered and self.holder.sees(repository)

    def beginnings(self) -> tuple[str, ...]:
        limited = ("",) if self.limits is None else self.limits.beginnings()
        return self.holder.beginnings() if limited == ("",) else limited


@dataclass(frozen=True)
class _Anonymous:
    """`Permissions` that everybody has for repositories, without the catalog.

    An anonymous request for the catalog gets a challenge. Otherwise clients that send credentials
    only after a challenge would never see more than the public repositories.
    """

    everybody: Permissions

    def allows(self, resource: Resource, action: str) -> bool:
        return resource.type == REPOSITORY and self.everybody.allows(resource, action)

    def reads_everything(self) -> bool:
        return self.everybody.reads_everything()

    def sees(self, repository: str) -> bool:
        return self.everybody.sees(repository)

    def beginnings(self) -> tuple[str, ...]:
        return self.everybody.beginnings()
