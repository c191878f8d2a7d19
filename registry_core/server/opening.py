"""An application that takes some asking to open, and may fail to: the first request sees to it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

from starlette.requests import Request
from starlette.responses import Response

from .application import Application
from .errors import render


class OpenedByUse:
    """Answers as `Application` does, once ``open_application`` has given it one.

    Requests that come meanwhile wait for the same opening. When it fails they are told why, and the
    next request tries again.
    """

    def __init__(self, open_application: Callable[[], Awaitable[Application]]) -> None:
        self._open = open_application
        self._opening: asyncio.Task[Application] | None = None

    async def serve_api(self, request: Request) -> Response:
        """The answer to a request for ``/v2/`` or below. Raises nothing."""
        return await self._serve(request, Application.serve_api)

    async def serve_tokens(self, request: Request) -> Response:
        """The answer to a request for the token service. Raises nothing."""
        return await self._serve(request, Application.serve_tokens)

    async def serve_home(self, request: Request) -> Response:
        """A page that says what this is. Raises nothing."""
        return await self._serve(request, Application.serve_home)

    async def shut(self) -> None:
        """Let go of the application; the next request opens another."""
        opening, self._opening = self._opening, None
        if opening is not None:
            opening.cancel()
            with suppress(asyncio.CancelledError, Exception):  # told to those who waited for it
                await opening

    async def _serve(
        self, request: Request, answer: Callable[[Application, Request], Awaitable[Response]]
    ) -> Response:
        try:
            application = await self._opened()
        except Exception as error:  # noqa: BLE001 - what is unexpected is logged and answered, too
            return render(error, request)
        return await answer(application, request)

    async def _opened(self) -> Application:
        if self._opening is None:
            self._opening = asyncio.ensure_future(self._open())
        opening = self._opening
        try:
            # A client that hangs up takes back its own request, not what the others wait for.
            return await asyncio.shield(opening)
        except Exception:
            if self._opening is opening:
                self._opening = None
            raise
