"""The registry's HTTP face as an ASGI app, in this process."""

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from registry_core.server.application import Application


def asgi(application: Application) -> ASGIApp:
    """What a host makes of the application, without a host."""

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        if scope["path"] == "/":
            response = await application.serve_home(request)
        elif scope["path"].startswith(("/auth/", "/oauth2/")):
            response = await application.serve_tokens(request)
        else:
            response = await application.serve_api(request)
        await response(scope, receive, send)

    return serve
