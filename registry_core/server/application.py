"""The application: parses a request to an endpoint, and lets the endpoint's handler answer it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any, Protocol

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

from ..spec import endpoints as e
from ..spec.errors import NameUnknown, Unsupported
from ..spec.routes import parse
from . import blobs, listings, manifests, uploads
from .access_log import Handler, logged, name_operation
from .audit import audit_record
from .authorize import authorize
from .bodies import check_length
from .context import RequestContext, ServerContext
from .cors import Cors
from .disconnects import unless_disconnected
from .errors import render

_EndpointHandler = Callable[[RequestContext, Any], Awaitable[Response]]


# end-1, `CheckVersion`, needs no registry: `Application` answers it.
HANDLERS: dict[type[e.Endpoint], _EndpointHandler] = {
    e.GetBlob: blobs.get_blob,  # end-2
    e.HeadBlob: blobs.head_blob,  # end-2
    e.GetManifest: manifests.get_manifest,  # end-3
    e.HeadManifest: manifests.head_manifest,  # end-3
    e.StartUpload: uploads.start_upload,  # end-4a, end-4b, end-4c
    e.AppendUpload: uploads.append_upload,  # end-5
    e.FinishUpload: uploads.finish_upload,  # end-6
    e.PushManifest: manifests.push_manifest,  # end-7a, end-7b
    e.ListTags: listings.list_tags,  # end-8a, end-8b
    e.DeleteManifest: manifests.delete_manifest,  # end-9
    e.DeleteBlob: blobs.delete_blob,  # end-10
    e.MountBlob: uploads.mount_blob,  # end-11
    e.ListReferrers: listings.list_referrers,  # end-12a, end-12b
    e.GetUpload: uploads.get_upload,  # end-13
    e.CancelUpload: uploads.cancel_upload,  # end-14
    e.ListCatalog: listings.list_catalog,  # Docker HTTP API V2, "Listing Repositories"
}

# In bytes: the longest request line that the Functions host accepts (MaxRequestLineSize of Kestrel,
# ASP.NET Core's server), so that all hosts refuse the same URLs.
URL_LIMIT = 8 * 2**10

# For answers that tell clients where the registry is, as this request had it: in a challenge it is
# where they send their passwords.
_UNCACHED = "no-store"

_HOME = """\
This is a container registry (OCI distribution-spec 1.1), stored in Azure Blob Storage.

    docker pull {host}/NAME:TAG
    docker push {host}/NAME:TAG

Its API is at /v2/.
"""


class TokenEndpoints(Protocol):
    """The token service over HTTP: `auth_endpoints`, imported only by the mode that has one."""

    async def serve(self, request: Request) -> Response:
        """Return the answer to a request. Raises nothing."""


async def do_nothing() -> None:
    """Do nothing at the start or end of the lifespan."""


class Application:
    """The registry over HTTP, as an ASGI application. It keeps no state between requests.

    Hosts that route by themselves, as Azure Functions does, call `serve_api`, `serve_tokens` and
    `serve_home` instead.
    """

    def __init__(
        self,
        context: ServerContext,
        tokens: TokenEndpoints | None = None,
        *,
        cors: Cors | None = None,
        log_early: bool = False,
        startup: Callable[[], Awaitable[None]] = do_nothing,
        shutdown: Callable[[], Awaitable[None]] = do_nothing,
    ) -> None:
        """Make the application.

        :param tokens: the registry's own token service, if it has one.
        :param cors: what pages of other origins may do. Without it, nothing.
        :param log_early: log a streamed answer before its body is sent (see `access_log.logged`).
        :param startup: starts what runs beside requests, at the start of the ASGI lifespan.
        :param shutdown: releases what the application holds, at the end of the ASGI lifespan.
        """
        self._context = context
        self._tokens = tokens
        self._cors = cors or Cors()
        self._log_early = log_early
        self._startup = startup
        self._shutdown = shutdown

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI 3: HTTP and lifespan."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        if scope["type"] != "http":
            raise ValueError(f"a registry has no {scope['type']} endpoints")
        response = await self._serve(Request(scope, receive))
        await response(scope, receive, send)

    async def _serve(self, request: Request) -> Response:
        match request.scope["path"].split("/", 2)[1:]:
            case [""]:
                return await self.serve_home(request)
            case ["auth" | "oauth2", *_]:
                return await self.serve_tokens(request)
        return await self.serve_api(request)

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        await self._startup()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self._shutdown()
        await send({"type": "lifespan.shutdown.complete"})

    async def serve_api(self, request: Request) -> Response:
        """Return the answer to a request for ``/v2/`` or below. Raises nothing."""
        return await self._respond(request, self._answer_api)

    async def serve_tokens(self, request: Request) -> Response:
        """Return the answer to a request below ``/auth/`` or ``/oauth2/``. Raises nothing."""
        return await self._respond(request, self._answer_tokens)

    async def serve_home(self, request: Request) -> Response:
        """Return a page that says what this is. Raises nothing."""
        return await self._respond(request, self._answer_home)

    async def _respond(self, request: Request, handler: Handler) -> Response:
        """Return the handler's answer, or that to a preflight, with the headers that all have."""
        if self._cors.permits_preflight(request):
            handler = self._cors.answer_preflight
        response = await logged(request, handler, early=self._log_early)
        response.headers["X-Content-Type-Options"] = "nosniff"
        self._cors.add_headers(request, response)
        return response

    async def _answer_api(self, request: Request) -> Response:
        self._context.registry.start()
        try:
            response = await unless_disconnected(request, self._answer_parsed)
        except Exception as error:  # noqa: BLE001 - all errors are logged and answered
            response = render(error, request)
        response.headers["Docker-Distribution-Api-Version"] = "registry/2.0"
        if response.status_code == HTTPStatus.UNAUTHORIZED:
            response.headers["Cache-Control"] = _UNCACHED
        return response

    async def _answer_parsed(self, request: Request) -> Response:
        return await self._answer_endpoint(request, _parse(request))

    async def _answer_endpoint(self, request: Request, endpoint: e.Endpoint) -> Response:
        name_operation(request.scope, type(endpoint).__name__, getattr(endpoint, "repository", ""))
        audit_record(request.scope).begin(request, endpoint)
        caller, session = await authorize(self._context, request, endpoint)
        if isinstance(endpoint, e.CheckVersion):
            return await self._check_version()
        check_length(request, self._context.body_limit)
        context = await self._context.open(request, endpoint, caller, session)
        return await HANDLERS[type(endpoint)](context, endpoint)

    async def _check_version(self) -> Response:
        """Answer without waiting for storage, unless storage could not be opened."""
        if self._context.registry.has_failed:
            await self._context.registry.get()
        return JSONResponse({})

    async def _answer_tokens(self, request: Request) -> Response:
        name_operation(request.scope, "Tokens")
        if self._tokens is None:
            return render(NameUnknown("this registry has no token service of its own"), request)
        return await self._tokens.serve(request)

    async def _answer_home(self, request: Request) -> Response:
        name_operation(request.scope, "Home")
        page = _HOME.format(host=self._context.urls.host(request))
        return PlainTextResponse(page, headers={"Cache-Control": _UNCACHED})


def _parse(request: Request) -> e.Endpoint:
    """:raises RegistryError: no endpoint has this path, method or query."""
    path = request.scope["path"]
    if len(path) + len(request.scope["query_string"]) > URL_LIMIT:
        # Also the specification's answer to more tags than a registry accepts in one push.
        raise Unsupported(
            f"the URL is longer than {URL_LIMIT} bytes", status=HTTPStatus.REQUEST_URI_TOO_LONG
        )
    return parse(request.method, path, request.query_params.multi_items())
