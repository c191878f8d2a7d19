"""The registry's HTTP face as an ASGI app, in this process."""

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from registry_core.server.application import Application
from registry_core.server.opening import OpenedByUse


def asgi(application: Application | OpenedByUse) -> ASGIApp:
    """What a host makes of the application, without a host."""

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        at_home = scope["path"] == "/"
        answer = application.serve_home if at_home else application.serve_api
        response = await answer(request)
        await response(scope, receive, send)

    return serve
