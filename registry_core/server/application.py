"""The application: a request is parsed to an endpoint, the endpoint's handler answers."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any, Protocol

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from ..spec import endpoints as e
from ..spec.errors import NameUnknown, Unsupported
from ..spec.routes import parse
from . import blobs, catalog, manifests, referrers, tags, uploads
from .access_log import exchanged, name_operation
from .authorize import admit
from .body_limit import check_length
from .call import Call, Service
from .errors import render

_Handler = Callable[[Call, Any], Awaitable[Response]]


# end-1, `CheckVersion`, needs nothing of the registry: `Application` answers it.
HANDLERS: dict[type[e.Endpoint], _Handler] = {
    e.GetBlob: blobs.get_blob,  # end-2
    e.HeadBlob: blobs.head_blob,  # end-2
    e.GetManifest: manifests.get_manifest,  # end-3
    e.HeadManifest: manifests.head_manifest,  # end-3
    e.StartUpload: uploads.start_upload,  # end-4a, end-4b, end-4c
    e.AppendUpload: uploads.append_upload,  # end-5
    e.FinishUpload: uploads.finish_upload,  # end-6
    e.PushManifest: manifests.push_manifest,  # end-7a, end-7b
    e.ListTags: tags.list_tags,  # end-8a, end-8b
    e.DeleteManifest: manifests.delete_manifest,  # end-9
    e.DeleteBlob: blobs.delete_blob,  # end-10
    e.MountBlob: uploads.mount_blob,  # end-11
    e.ListReferrers: referrers.list_referrers,  # end-12a, end-12b
    e.GetUpload: uploads.get_upload,  # end-13
    e.CancelUpload: uploads.cancel_upload,  # end-14
    e.ListCatalog: catalog.list_catalog,  # Docker HTTP API V2, "Listing Repositories"
}

# In bytes. What ASP.NET Core, which stands before Functions, takes as a request's first line
# (Kestrel's MaxRequestLineSize), so that every host refuses the same.
URL_LIMIT = 8 * 2**10

_ENCODED_SLASH = re.compile("%2f", re.IGNORECASE)

_HOME = """\
This is a container registry: OCI distribution-spec 1.1, kept in Azure Blob Storage.

    docker pull {host}/NAME:TAG
    docker push {host}/NAME:TAG

Its API is at /v2/.
"""


class TokenEndpoints(Protocol):
    """What answers for the token service: `auth_endpoints`, imported only where there is one."""

    async def serve(self, request: Request) -> Response:
        """The answer to a request. Raises nothing."""


class Application:
    """Answers requests. It keeps nothing between them but what the registry remembers."""

    def __init__(self, service: Service, tokens: TokenEndpoints | None = None) -> None:
        """``tokens``: the registry's own token service, if it has one."""
        self._service = service
        self._tokens = tokens

    async def serve_api(self, request: Request) -> Response:
        """The answer to a request for ``/v2/`` or below. Raises nothing."""
        return await exchanged(request, self._answer_api)

    async def serve_tokens(self, request: Request) -> Response:
        """The answer to a request for ``/auth/`` or ``/oauth2/``, or below. Raises nothing."""
        return await exchanged(request, self._answer_tokens)

    async def serve_home(self, request: Request) -> Response:
        """A page that says what this is. Raises nothing."""
        return await exchanged(request, self._answer_home)

    async def _answer_api(self, request: Request) -> Response:
        self._service.registry.start()
        try:
            response = await self._answer_endpoint(request, _parse(request))
        except Exception as error:  # noqa: BLE001 - what is unexpected is logged and answered, too
            response = render(error, request)
        response.headers["Docker-Distribution-Api-Version"] = "registry/2.0"
        return response

    async def _answer_endpoint(self, request: Request, endpoint: e.Endpoint) -> Response:
        name_operation(request.scope, type(endpoint).__name__, getattr(endpoint, "repository", ""))
        caller = await admit(self._service, request, endpoint)
        if isinstance(endpoint, e.CheckVersion):
            return await self._check_version()
        check_length(request, self._service.body_limit)
        registry = await self._service.registry.get()
        call = Call(self._service, registry, request, caller)
        return await HANDLERS[type(endpoint)](call, endpoint)

    async def _check_version(self) -> Response:
        """It is asked first of all, so storage is not waited for, unless it could not be had."""
        if self._service.registry.has_failed:
            await self._service.registry.get()
        return JSONResponse({})

    async def _answer_tokens(self, request: Request) -> Response:
        name_operation(request.scope, "Tokens")
        if self._tokens is None:
            return render(NameUnknown("this registry has no token service of its own"), request)
        return await self._tokens.serve(request)

    async def _answer_home(self, request: Request) -> Response:
        name_operation(request.scope, "Home")
        return PlainTextResponse(_HOME.format(host=self._service.urls.host(request)))


def _parse(request: Request) -> e.Endpoint:
    """:raises RegistryError: when the request is for no endpoint."""
    path = request.scope["path"]
    if len(path) + len(request.scope["query_string"]) > URL_LIMIT:
        # The specification's answer to more tags than a registry takes in one push, too.
        raise Unsupported(
            f"the URL is longer than {URL_LIMIT} bytes", status=HTTPStatus.REQUEST_URI_TOO_LONG
        )
    # Hosts differ in whether they decode it; nothing that an endpoint's path holds has a "%".
    path = _ENCODED_SLASH.sub("/", path)
    return parse(request.method, path, request.query_params.multi_items())
