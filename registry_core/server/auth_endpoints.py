"""The token service over HTTP: ``/auth/token``, ``/auth/jwks``, and what clients of ACR call.

Sources: distribution.github.io/distribution/spec/auth/token/ and .../oauth/; for ``/oauth2/``,
github.com/Azure/acr, docs/AAD-OAuth.md.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus

from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ..auth.acr import Exchange, ExchangeUnsupported
from ..auth.basic import basic_challenge, parse_basic
from ..auth.caller import CredentialsInvalid
from ..auth.logins import Login
from ..auth.token_service import ANYBODY, Grant, TokenService
from ..spec.errors import NameUnknown, Unauthorized, Unsupported
from ..spec.scopes import Scope
from .bodies import read_form
from .errors import render
from .urls import Urls

_log = logging.getLogger(__name__)

_JWKS_SECONDS = 300
_Handler = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True)
class AuthEndpoints:
    """Answers what is asked of the registry's own token service."""

    tokens: TokenService
    exchange: Exchange
    urls: Urls

    async def serve(self, request: Request) -> Response:
        """The answer to a request for ``/auth/`` or ``/oauth2/``, or below. Raises nothing."""
        try:
            response = await self._handler(request)(request)
        except CredentialsInvalid as error:
            _log.info("%s %r: %s", request.method, request.scope["path"], error)
            challenge = basic_challenge(self.tokens.issuer.service)
            refusal = Unauthorized(str(error), headers={"WWW-Authenticate": challenge})
            response = render(refusal, request)
        except Exception as error:  # noqa: BLE001 - what is unexpected is logged and answered, too
            response = render(error, request)
        response.headers.setdefault("Cache-Control", "no-store")
        return response

    def _handler(self, request: Request) -> _Handler:
        """:raises NameUnknown, Unsupported:"""
        path = request.scope["path"].rstrip("/")
        by_method = self._routes.get(path)
        if by_method is None:
            raise NameUnknown(f"no such endpoint: {path[:300]!r}")
        if request.method not in by_method:
            names = ", ".join(sorted(by_method))
            raise Unsupported(
                f"method {request.method[:40]!r} is not supported here; use {names}",
                headers={"Allow": names},
            )
        return by_method[request.method]

    @property
    def _routes(self) -> Mapping[str, Mapping[str, _Handler]]:
        token: Mapping[str, _Handler] = {"GET": self._get_token, "POST": self._post_token}
        return {
            "/auth/token": token,
            "/auth/jwks": {"GET": self._get_jwks, "HEAD": self._get_jwks},
            "/oauth2/token": token,
            "/oauth2/exchange": {"POST": self._exchange},
        }

    async def _get_token(self, request: Request) -> Response:
        """Docker's "Token Authentication Specification"; without credentials, for anybody."""
        query = request.query_params
        self._check_service(request, query)
        login = ANYBODY
        if authorization := request.headers.get("authorization"):
            login = await self.tokens.log_in(*parse_basic(authorization))
        offline = query.get("offline_token", "").lower() in ("true", "1")
        return _answer(self.tokens.grant(login, _scopes(query), offline=offline))

    async def _post_token(self, request: Request) -> Response:
        """Docker's "OAuth2 Token Authentication"."""
        form = await read_form(request)
        self._check_service(request, form)
        login = await self._login(form)
        offline = form.get("access_type") == "offline"
        return _answer(self.tokens.grant(login, _scopes(form), offline=offline))

    async def _login(self, form: QueryParams) -> Login:
        match form.get("grant_type"):
            case "password":
                name, password = form.get("username", ""), form.get("password", "")
                # The Azure SDK without credentials asks so.
                return await self.tokens.log_in(name, password) if name or password else ANYBODY
            case "refresh_token":
                return await self.tokens.renew(form.get("refresh_token", ""))
        raise _bad_request("grant_type must be password or refresh_token")

    async def _exchange(self, request: Request) -> Response:
        """A refresh token for somebody else's token, as Azure Container Registry has it."""
        try:
            token = await self.exchange.exchange(dict(await read_form(request)))
        except ExchangeUnsupported as error:
            raise _bad_request(str(error)) from None
        return JSONResponse({"refresh_token": token})

    async def _get_jwks(self, request: Request) -> Response:
        """What verifies the tokens: RFC 7517, section 5."""
        headers = {"Cache-Control": f"public, max-age={_JWKS_SECONDS}"}
        return JSONResponse(self.tokens.issuer.jwks, headers=headers)

    def _check_service(self, request: Request, parameters: QueryParams) -> None:
        """A token for another service would be of no use to who asks. Absent it is ours."""
        asked = parameters.get("service", "")
        ours = self.tokens.issuer.service
        if asked not in ("", ours, self.urls.host(request)):
            raise _bad_request(f"service={asked[:100]!r} is not served here; it is {ours!r}")


def _bad_request(message: str) -> Unsupported:
    return Unsupported(message, status=HTTPStatus.BAD_REQUEST)


def _scopes(parameters: QueryParams) -> Iterable[Scope]:
    """All that are asked for: several in one parameter, or a parameter for each.

    What is none is left out, as other token services do: it grants nothing.
    """
    return list(_parsed(text for many in parameters.getlist("scope") for text in many.split()))


def _parsed(texts: Iterable[str]) -> Iterator[Scope]:
    for text in texts:
        try:
            yield Scope.parse(text)
        except ValueError:
            continue


def _answer(grant: Grant) -> Response:
    issued = datetime.fromtimestamp(grant.issued, UTC)
    body: dict[str, object] = {
        "token": grant.token,
        "access_token": grant.token,
        "scope": " ".join(map(str, grant.scopes)),
        "expires_in": grant.seconds,
        "issued_at": issued.strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    if grant.refresh_token is not None:
        body["refresh_token"] = grant.refresh_token
    return JSONResponse(body)
