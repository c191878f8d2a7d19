"""Authentication at one registry, as it demands it: Docker's ``Bearer``, or ``Basic``.

Nothing is sent before the registry has challenged the client. Then a token is requested for what
each request needs, ahead of it.

Sources: RFC 9110, section 11; RFC 6750, section 3; Docker's "Token Authentication Specification".
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from ..auth.challenges import Challenge, ChallengeError, parse_challenges
from ..spec.errors import Unauthorized
from ..spec.scopes import REPOSITORY
from .access import Access
from .answers import Answer
from .credentials import Login, RegistryToken
from .destinations import Destinations
from .errors import PeerUnavailable, UrlRefused
from .options import ClientOptions
from .origins import Origin
from .sites import is_same_site
from .tokens import Send, Token, TokenEndpoint, Tokens, basic_authorization


@dataclass(frozen=True)
class Authorization:
    """The header of a request. ``token``: the one in it, ``is_new`` if it was just requested."""

    header: str = field(repr=False)
    token: Token | None = None
    is_new: bool = False


class Authentication:
    """What one registry demands of its clients, and what it has granted to this one."""

    def __init__(self, options: ClientOptions, destinations: Destinations, send: Send) -> None:
        self._options = options
        self._registry = options.origin
        self._destinations = destinations
        self._tokens = Tokens(send)
        # The challenge to answer: its scheme in lower case, and the token service of Bearer.
        self._scheme = ""
        self._service: TokenEndpoint | None = None

    async def authorize(self, access: Access) -> Authorization | None:
        """Return the header for a request that needs ``access``; None before any challenge.

        :raises Unauthorized: the login cannot be read, is missing, or is not accepted.
        :raises Unavailable: a token cannot be fetched.
        """
        if not self._scheme:
            return None
        login = await self._login(access)
        if isinstance(login, RegistryToken):
            self._check_encryption(self._registry)
            return Authorization(basic_authorization(login))
        if self._scheme == "basic":
            return self._basic(login)
        service = self._service
        assert service is not None
        token = self._tokens.find(access, login)
        if token is not None:
            return Authorization(f"Bearer {token.text}", token)
        self._check_realm(service, login)
        token = await self._tokens.fetch(service, access, login)
        return Authorization(f"Bearer {token.text}", token, is_new=True)

    def challenged(
        self, answer: Answer, used: Authorization | None, access: Access
    ) -> Access | None:
        """Take in a registry's 401, or 403, and return what to request access for now.

        :param used: what the request was authorized with.
        :param access: what it was requested for.
        :return: None if the same request would be answered alike.
        """
        challenge = _select(answer.headers.get("WWW-Authenticate", ""))
        if challenge is None:
            return None
        error = challenge.parameters.get("error")
        if answer.status == 403 and error != ChallengeError.INSUFFICIENT_SCOPE:
            return None
        wanted = Access.parse(challenge.parameters.get("scope", "")) | access
        if used is None:
            self._learn(challenge, answer)
            return wanted
        if used.token is None:
            return None  # neither another password nor another registry token is at hand
        self._tokens.drop(used.token)
        self._learn(challenge, answer)
        return wanted if not (used.is_new and access.covers(wanted)) else None

    async def close(self) -> None:
        """Cancel requests for tokens under way."""
        await self._tokens.close()

    def _learn(self, challenge: Challenge, answer: Answer) -> None:
        """Note what the registry demands."""
        self._scheme = challenge.scheme.lower()
        if self._scheme == "bearer":
            named = challenge.parameters.get("realm")
            if not named:
                raise PeerUnavailable(f"{self._registry} demands a token and does not say of whom")
            realm = self._destinations.follow(named, self._registry.url)
            self._service = TokenEndpoint(realm, challenge.parameters.get("service"))

    async def _login(self, access: Access) -> Login | None:
        """Return the login for the repository that a request is about: the first it names."""
        if self._options.credentials is None:
            return None
        named = (each.resource for each in access.granted if each.resource)
        repository = next((each.name for each in named if each.type == REPOSITORY), "")
        return await self._options.credentials.get(self._registry.authority, repository)

    def _basic(self, login: Login | None) -> Authorization:
        if login is None:
            raise Unauthorized(
                f"{self._registry} requires a login; log in to {self._registry.authority} first"
            )
        self._check_encryption(self._registry)
        return Authorization(basic_authorization(login))

    def _check_realm(self, service: TokenEndpoint, login: Login | None) -> None:
        """Check that a login may be sent to a token service.

        :raises UrlRefused: it may not.
        """
        origin = service.origin
        if login is None:
            return
        self._check_encryption(origin)
        if not (
            is_same_site(origin.host, self._registry.host) or origin.host in self._options.realms
        ):
            raise UrlRefused(
                f"{self._registry} wants its login sent to {origin}, which is not of its domain; "
                "if that is right, allow this host explicitly"
            )

    def _check_encryption(self, origin: Origin) -> None:
        if origin.scheme != "https" and not origin.is_loopback:
            raise UrlRefused(
                f"{self._registry} requires a login, which is not sent to {origin} without "
                "encryption; use https"
            )


def _select(header: str) -> Challenge | None:
    """Return the challenge to answer: Bearer if it is offered, else Basic."""
    try:
        challenges = parse_challenges(header)
    except ValueError:
        return None
    return _first(challenges, "bearer") or _first(challenges, "basic")


def _first(challenges: Iterable[Challenge], scheme: str) -> Challenge | None:
    return next((each for each in challenges if each.scheme.lower() == scheme), None)
