"""``REGISTRY_AUTH=builtin``: tokens of the registry's own, and what anybody may do without."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..spec.errors import RegistryError
from .caller import Caller, Granted, Permissions
from .identity import ANONYMOUS
from .issuing import identity_of_claim
from .scopes import Resource, Scope
from .token_guard import TokenGuard
from .token_service import Rules


@dataclass(frozen=True)
class _Shown:
    """What a token grants; the catalog it shows is that of whom it was given to."""

    granted: Granted
    holder: Permissions

    def allows(self, resource: Resource, action: str) -> bool:
        return self.granted.allows(resource, action)

    def reads_everything(self) -> bool:
        return self.granted.reads_everything()

    def sees(self, repository: str) -> bool:
        return self.holder.sees(repository)


@dataclass(frozen=True)
class BuiltinGuard:
    """`Guard` over the registry's own tokens. Costs no call to anywhere.

    Who shows no token may do what the rules grant to everybody; they are asked for one where that
    is not enough, and by the version check, which is where clients learn how to get one.
    """

    tokens: TokenGuard
    rules: Rules

    async def identify(self, authorization: str | None, *, at: float | None = None) -> Caller:
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            return Caller(permissions=self.rules.permissions(ANONYMOUS))
        verified = await self.tokens.verifier.verify(token.strip(), at)
        granted = Granted(verified.scopes)
        identity = verified.claims.get("identity")
        if identity is None:
            return Caller(verified.subject, granted, is_known=True)
        holder = self.rules.permissions(identity_of_claim(identity))
        return Caller(verified.subject, _Shown(granted, holder), is_known=True)

    def refusal(
        self, caller: Caller | None, needed: Sequence[Scope], base_url: str
    ) -> RegistryError:
        return self.tokens.refusal(caller, needed, base_url)
