"""``REGISTRY_AUTH=htpasswd``: a user name and a password with each request."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..spec.errors import Denied, RegistryError, Unauthorized
from ..spec.scopes import Scope
from .basic import basic_challenge, parse_basic
from .caller import Caller, CredentialsInvalid
from .identity import ANONYMOUS, IdentitySource
from .rules import EVERYONE_KNOWN, Rules


@dataclass(frozen=True)
class BasicAuthenticator:
    """`Authenticator` by name and password. ``realm`` is what browsers show when they ask."""

    source: IdentitySource
    realm: str
    rules: Rules = EVERYONE_KNOWN

    async def authenticate(self, authorization: str | None, *, at: float | None = None) -> Caller:
        name, password = ("", "") if authorization is None else parse_basic(authorization)
        if not name and not password:  # clients without a login send this, too
            return Caller(permissions=self.rules.permissions(ANONYMOUS))
        identity = await self.source.identify(name, password)
        if identity is None:
            raise CredentialsInvalid("unknown user or wrong password")
        return Caller(identity.name, self.rules.permissions(identity), is_known=True)

    def challenge(
        self, caller: Caller | None, needed: Sequence[Scope], base_url: str
    ) -> RegistryError:
        if caller is not None and caller.is_known:
            return Denied(detail=[str(scope) for scope in caller.lacks(needed)])
        message = "unknown user or wrong password" if caller is None else ""
        return Unauthorized(message, headers={"WWW-Authenticate": basic_challenge(self.realm)})
