"""The composition root of ``REGISTRY_AUTH=builtin``: its authenticator and token service."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from .auth.acr import ENTRA_SECONDS, FEDERATED_SECONDS, Exchange, RefreshTokenLogins
from .auth.builtin_authenticator import BuiltinAuthenticator
from .auth.htpasswd import Htpasswd
from .auth.issuing import Issuer
from .auth.logins import Login, LoginSource, Passing, PasswordLogins
from .auth.personal_keys import SOURCE, name_in
from .auth.refresh import RefreshTokens
from .auth.rules import EVERYONE_KNOWN, Rules
from .auth.token_authenticator import TokenAuthenticator
from .auth.token_service import TokenService
from .auth.verification import TokenVerifier
from .config import AuthSettings, BuiltinAuth
from .server.auth_endpoints import AuthEndpoints
from .server.urls import Urls
from .storage.personal_keys import PersonalKeys


def build_builtin(
    auth: AuthSettings,
    builtin: BuiltinAuth,
    urls: Urls,
    open_keys: Callable[[], Awaitable[PersonalKeys]] | None,
) -> tuple[BuiltinAuthenticator, AuthEndpoints]:
    """Without ``open_keys``, no personal access keys are taken."""
    rules = auth.rules or EVERYONE_KNOWN
    issuer = Issuer(builtin.key, builtin.service, builtin.previous, builtin.seconds)
    refresh_tokens = RefreshTokens(issuer, builtin.refresh_seconds)
    file = auth.htpasswd.users if auth.htpasswd else None
    users = Htpasswd.of(file.text, file.path) if file else None
    proofs = _proofs(builtin, rules)
    lasting: list[LoginSource] = [*proofs]
    if open_keys:
        lasting.insert(0, OpenedKeys(open_keys, users))
    if users:
        lasting.append(PasswordLogins(users))
    # A password costs most to check, so it comes last.
    sources = [RefreshTokenLogins(refresh_tokens, lasting), *lasting]
    service = TokenService(sources, rules, issuer, refresh_tokens)
    verifier = TokenVerifier(
        issuer.key_set, builtin.service, builtin.service, {key.algorithm for key in issuer.keys}
    )
    authenticator = BuiltinAuthenticator(TokenAuthenticator(verifier, None, builtin.service), rules)
    return authenticator, AuthEndpoints(service, Exchange(proofs, refresh_tokens), urls)


def _proofs(builtin: BuiltinAuth, rules: Rules) -> list[LoginSource]:
    """Those that others sign."""
    found: list[LoginSource] = []
    if entra := builtin.entra:
        from .auth.entra import ENTRA, PUBLIC_AUTHORITY, Entra

        tenant = Entra(entra.tenant_id, entra.client_ids, entra.authority or PUBLIC_AUTHORITY)
        found.append(Passing(ENTRA, tenant, ENTRA_SECONDS))
    if rules.federations:
        from .auth.federation import Federated

        found.append(Passing("federated", Federated(rules.federations), FEDERATED_SECONDS))
    return found


@dataclass(frozen=True)
class OpenedKeys:
    """A `LoginSource`: personal access keys, in storage that is opened for the first of them.

    Where there is a password file, a key ends with its user.
    """

    open_keys: Callable[[], Awaitable[PersonalKeys]]
    users: Htpasswd | None

    @property
    def source(self) -> str:
        return SOURCE

    async def log_in(self, name: str, secret: str) -> Login | None:
        """See `PersonalKeys`."""
        return await (await self._keys()).log_in(name, secret) if name_in(secret) else None

    async def renew(self, login: Login) -> Login | None:
        """See `PersonalKeys`."""
        return await (await self._keys()).renew(login)

    async def _keys(self) -> PersonalKeys:
        keys = await self.open_keys()
        return replace(keys, is_user=self._is_user) if self.users else keys

    async def _is_user(self, name: str) -> bool:
        return self.users is not None and await self.users.fingerprint(name) is not None
