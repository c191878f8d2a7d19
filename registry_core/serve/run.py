"""`python -m registry_core serve`: the app's functions and, unless configured, their own storage.

In this order, so that each failure is reported before the next thing starts: the port, the storage,
the environment, the app. It stops in the reverse order.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import importlib.util
import signal
import sys
from collections.abc import Awaitable, Callable, Iterator, Mapping, MutableMapping
from dataclasses import dataclass
from pathlib import Path
from types import FrameType, ModuleType

import uvloop

from ..config import (
    AUTH,
    BUILTIN_SIGNINGKEY,
    CONNECTION_STRING,
    CONTAINER,
    HTTP_SECRET,
    REDIRECT_DISABLE,
    ConfigError,
    Mode,
    storage_is_configured,
)
from .azurite import Azurite, AzuriteError
from .container import create_container
from .data import DataError, http_secret, own_azurite, signing_key
from .functions import UnsupportedFunction, read_functions, read_route_prefix
from .listen import Listener, ListenError, listen_tcp, listen_unix
from .logs import configure_logging
from .routes import FunctionRoutes
from .server import Server
from .timers import Timers

APP_MODULE = "function_app"


@dataclass(frozen=True)
class Options:
    """What the command line says. ``uds`` goes before ``host`` and ``port``."""

    host: str = "127.0.0.1"
    port: int = 5000
    uds: Path | None = None
    data: Path | None = None
    azurite_port: int = 0
    grace: int = 30
    access_log: bool = True


class AppNotFound(Exception):
    """There is no function_app.py where Python looks for modules."""


def serve(options: Options, environ: MutableMapping[str, str]) -> int:
    """Serve until SIGTERM or SIGINT. Returns the exit code: 1 when it cannot, 2 for a bad setting.

    ``environ`` is completed with what the app needs before the app is imported.
    """
    configure_logging(access_log=options.access_log)
    try:
        with contextlib.ExitStack() as stack:
            _serve(options, environ, stack)
    except ConfigError as error:
        for problem in error.problems:
            print(f"registry: {problem}", file=sys.stderr)
        return 2
    except (AppNotFound, ListenError, DataError, AzuriteError, UnsupportedFunction) as error:
        print(f"registry: {error}", file=sys.stderr)
        return 1
    return 0


def _serve(
    options: Options,
    environ: MutableMapping[str, str],
    stack: contextlib.ExitStack,
) -> None:
    root = _app_folder()
    data = (options.data or root / ".local").resolve()
    stop = StopSignals()
    listener = stack.enter_context(contextlib.closing(_listen(options)))
    azurite = None
    if not storage_is_configured(environ):
        azurite = stack.enter_context(own_azurite(data, port=options.azurite_port))
    environ.update(completion(environ, data=data, azurite=azurite, local_only=listener.local_only))
    module = importlib.import_module(APP_MODULE)
    http, timers = read_functions(module.app, route_prefix=read_route_prefix(root))
    if azurite:
        create_container(azurite, environ[CONTAINER])
    server = Server(
        FunctionRoutes(http),
        Timers(timers),
        listener,
        grace=options.grace,
        on_ready=lambda: _say_ready(listener, azurite),
    )
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner, stop.telling(server):
        runner.run(server.run_until_exit(_closing(module)))


class StopSignals:
    """SIGTERM and SIGINT as a wish that nothing is interrupted by: what starts is started first."""

    def __init__(self) -> None:
        self._received: list[int] = []
        self._server: Server | None = None
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)

    @contextlib.contextmanager
    def telling(self, server: Server) -> Iterator[None]:
        """Pass on to the server what came before and what comes now."""
        self._server = server
        for number in self._received:
            server.handle_exit(number, None)
        yield
        self._server = None

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self._received.append(number)
        if self._server:
            self._server.handle_exit(number, frame)


def completion(
    environ: Mapping[str, str], *, data: Path, azurite: Azurite | None, local_only: bool
) -> dict[str, str]:
    """What a local registry needs to know and ``environ`` does not say.

    ``azurite``: ours, if any. ``local_only``: whether only this machine can reach the registry;
    others could not follow a redirect to our Azurite, which listens on loopback.
    """
    needed = {}
    if not environ.get(HTTP_SECRET):
        needed[HTTP_SECRET] = http_secret(data)
    if environ.get(AUTH, "").strip().lower() == Mode.BUILTIN and not environ.get(
        BUILTIN_SIGNINGKEY
    ):
        needed[BUILTIN_SIGNINGKEY] = signing_key(data)
    if azurite:
        needed[CONNECTION_STRING] = azurite.connection_string
        needed[CONTAINER] = "registry"
        if not local_only:
            needed[REDIRECT_DISABLE] = "true"
    return {name: value for name, value in needed.items() if not environ.get(name)}


def _app_folder() -> Path:
    spec = importlib.util.find_spec(APP_MODULE)
    if spec is None or spec.origin is None:
        raise AppNotFound(f"no {APP_MODULE}.py here; start it in the folder that holds it")
    return Path(spec.origin).parent


def _closing(module: ModuleType) -> Callable[[], Awaitable[None]]:
    """What gives back the connections of the app: its ``registry.close``."""
    close: Callable[[], Awaitable[None]] = module.registry.close
    return close


def _listen(options: Options) -> Listener:
    return listen_unix(options.uds) if options.uds else listen_tcp(options.host, options.port)


def _say_ready(listener: Listener, azurite: Azurite | None) -> None:
    storage = f"data in {azurite.location}" if azurite else "storage as configured"
    print(f"registry ready at {listener.url}  ({storage})")
    if listener.url.startswith("http://"):
        image = f"{listener.url.removeprefix('http://')}/NAME:TAG"
        print(f"to push: docker tag IMAGE {image} && docker push {image}")
    sys.stdout.flush()
