"""The token service over HTTP: ``/auth/token``, ``/auth/jwks``, and the endpoints of ACR clients.

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

from ..auth.caller import CredentialsInvalid
from ..auth.challenges import basic_challenge, parse_basic
from ..auth.identity import Login
from ..auth.tokens.exchange import ExchangeUnsupported, TokenExchange
from ..auth.tokens.pyjwt import load_pyjwt
from ..auth.tokens.service import ANONYMOUS_LOGIN, Grant, TokenService
from ..spec.errors import NameUnknown, Unauthorized, Unsupported
from ..spec.scopes import Scope
from .audit import audit_record
from .authorize import authorization_of
from .bodies import read_form
from .client_address import client_address
from .errors import one_line, render
from .urls import Urls

_log = logging.getLogger(__name__)

_JWKS_SECONDS = 300

MAX_SCOPES = 100
"""The most scopes of one token request. A push that mounts from many repositories names a few."""


@dataclass(frozen=True)
class AuthEndpoints:
    """The endpoints of the registry's own token service."""

    tokens: TokenService
    exchange: TokenExchange
    urls: Urls

    async def serve(self, request: Request) -> Response:
        """Answer a request for a path below ``/auth`` or ``/oauth2``. Raises nothing."""
        try:
            handler = _handler(request)
            await load_pyjwt()
            response = await handler(self, request)
        except CredentialsInvalid as error:
            _log.info("%s %r: %s", request.method, request.scope["path"], one_line(str(error)))
            challenge = basic_challenge(self.tokens.issuer.service)
            refusal = Unauthorized(error.message, headers={"WWW-Authenticate": challenge})
            response = render(refusal, request)
        except Exception as error:  # noqa: BLE001 - unexpected errors are logged and answered, too
            response = render(error, request)
        response.headers.setdefault("Cache-Control", "no-store")
        return response

    async def get_token(self, request: Request) -> Response:
        """Issue a token, without credentials too: Docker's "Token Authentication Specification"."""
        query = request.query_params
        self._check_service(request, query)
        login = ANONYMOUS_LOGIN
        if authorization := authorization_of(request):
            login = await self._log_in(request, *parse_basic(authorization))
        offline = query.get("offline_token", "").lower() in ("true", "1")
        return self._grant(request, login, _scopes(query), offline=offline)

    async def post_token(self, request: Request) -> Response:
        """Issue a token: Docker's "OAuth2 Token Authentication"."""
        form = await _read_form(request)
        self._check_service(request, form)
        login = await self._login(request, form)
        offline = form.get("access_type") == "offline"
        return self._grant(request, login, _scopes(form), offline=offline)

    async def _login(self, request: Request, form: QueryParams) -> Login:
        match form.get("grant_type"):
            case "password":
                name, password = form.get("username", ""), form.get("password", "")
                if not name and not password:  # the Azure SDK without credentials
                    return ANONYMOUS_LOGIN
                return await self._log_in(request, name, password)
            case "refresh_token":
                audit_record(request.scope).begin_login("")
                return await self.tokens.renew(form.get("refresh_token", ""))
        raise _bad_request("grant_type must be password or refresh_token")

    async def _log_in(self, request: Request, name: str, secret: str) -> Login:
        audit_record(request.scope).begin_login(name)
        return await self.tokens.log_in(name, secret, client=client_address(request))

    def _grant(
        self, request: Request, login: Login, scopes: Iterable[Scope], *, offline: bool
    ) -> Response:
        grant = self.tokens.grant(login, scopes, offline=offline)
        audit_record(request.scope).complete_login(login, grant.id, grant.scopes)
        return _answer(grant)

    async def post_exchange(self, request: Request) -> Response:
        """Exchange another issuer's token for a refresh token, as Azure Container Registry does."""
        form, record = await _read_form(request), audit_record(request.scope)
        record.begin_login("")
        try:
            login = await self.exchange.log_in(dict(form))
            token = self.exchange.issue(login)
        except ExchangeUnsupported as error:
            raise _bad_request(str(error)) from None
        record.complete_login(login)
        return JSONResponse({"refresh_token": token})

    async def get_jwks(self, request: Request) -> Response:
        """Return the keys that verify the tokens, as a JWK set: RFC 7517, section 5."""
        headers = {"Cache-Control": f"public, max-age={_JWKS_SECONDS}"}
        return JSONResponse(self.tokens.issuer.jwks, headers=headers)

    def _check_service(self, request: Request, parameters: QueryParams) -> None:
        """Check the parameter ``service``: a token of this registry is useless for another one."""
        asked = parameters.get("service", "")
        ours = self.tokens.issuer.service
        if asked not in ("", ours, self.urls.host(request)):
            raise _bad_request(f"service={asked[:100]!r} is another service; this one is {ours!r}")


_Handler = Callable[[AuthEndpoints, Request], Awaitable[Response]]
_TOKEN: Mapping[str, _Handler] = {
    "GET": AuthEndpoints.get_token,
    "POST": AuthEndpoints.post_token,
}
_ROUTES: Mapping[str, Mapping[str, _Handler]] = {
    "/auth/token": _TOKEN,
    "/auth/jwks": {"GET": AuthEndpoints.get_jwks, "HEAD": AuthEndpoints.get_jwks},
    "/oauth2/token": _TOKEN,
    "/oauth2/exchange": {"POST": AuthEndpoints.post_exchange},
}


def _handler(request: Request) -> _Handler:
    """:raises NameUnknown, Unsupported:"""
    path = request.scope["path"].rstrip("/")
    by_method = _ROUTES.get(path)
    if by_method is None:
        raise NameUnknown(f"no such endpoint: {path[:300]!r}")
    if request.method not in by_method:
        names = ", ".join(sorted(by_method))
        raise Unsupported(
            f"method {request.method[:40]!r} is not supported here; use {names}",
            headers={"Allow": names},
        )
    return by_method[request.method]


async def _read_form(request: Request) -> QueryParams:
    """Return the fields of a form, of which only ``scope`` may come several times.

    RFC 6749, section 3.2: programs would read the others differently.

    :raises Unsupported: see `read_form`; or a field is there twice (400).
    """
    form = await read_form(request)
    twice = sorted(name for name in form if name != "scope" and len(form.getlist(name)) > 1)
    if twice:
        raise _bad_request(f"the form has several values for {twice[0][:40]!r}; send one")
    return form


def _bad_request(message: str) -> Unsupported:
    return Unsupported(message, status=HTTPStatus.BAD_REQUEST)


def _scopes(parameters: QueryParams) -> Iterable[Scope]:
    """Return the requested scopes: several in one parameter, or a parameter for each.

    Malformed ones are left out, as other token services do: they grant nothing.

    :raises Unsupported: there are more than `MAX_SCOPES` (400).
    """
    texts = [text for many in parameters.getlist("scope") for text in many.split()]
    if len(texts) > MAX_SCOPES:
        raise _bad_request(
            f"{len(texts)} scopes were requested; one token has {MAX_SCOPES} at most"
        )
    return list(_parsed(texts))


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
