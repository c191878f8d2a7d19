"""``REGISTRY_AUTH=builtin``: tokens of the registry's own, and what anybody may do without."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..spec.errors import RegistryError
from ..spec.scopes import REPOSITORY, Resource, Scope
from .caller import ANYBODY, NOTHING, Caller, Granted, Permissions
from .identity import ANONYMOUS
from .issuing import identity_of_claim
from .token_authenticator import TokenAuthenticator
from .token_service import Rules


@dataclass(frozen=True)
class _Listing(Granted):
    """What a token for the catalog grants. What is shown depends on whom the token was given to."""

    holder: Permissions = NOTHING

    def sees(self, repository: str) -> bool:
        return self.holder.sees(repository)


@dataclass(frozen=True)
class _Unnamed:
    """What everybody may do with repositories. Whoever asks for the catalog is asked who they are.

    Else a client that waits to be asked would never see what it may see.
    """

    everybody: Permissions

    def allows(self, resource: Resource, action: str) -> bool:
        return resource.type == REPOSITORY and self.everybody.allows(resource, action)

    def reads_everything(self) -> bool:
        return self.everybody.reads_everything()

    def sees(self, repository: str) -> bool:
        return self.everybody.sees(repository)


@dataclass(frozen=True)
class BuiltinAuthenticator:
    """`Authenticator` over the registry's own tokens. Costs no call to anywhere.

    Who shows nothing may do what the rules grant to everybody; they are asked for a token where
    that is not enough, and by the version check, which is where clients learn how to get one.
    """

    tokens: TokenAuthenticator
    rules: Rules

    async def authenticate(self, authorization: str | None, *, at: float | None = None) -> Caller:
        if authorization is None:
            return Caller(permissions=_Unnamed(self.rules.permissions(ANONYMOUS)))
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            return ANYBODY
        verified = await self.tokens.verifier.verify(token.strip(), at)
        permissions = Granted(verified.scopes)
        if identity := verified.claims.get("identity"):
            holder = self.rules.permissions(identity_of_claim(identity))
            permissions = _Listing(verified.scopes, holder)
        return Caller(verified.subject, permissions, is_known=True)

    def challenge(
        self, caller: Caller | None, needed: Sequence[Scope], base_url: str
    ) -> RegistryError:
        return self.tokens.challenge(caller, needed, base_url)
