"""`moorage serve`: the registry on this machine, with its own storage unless one is configured.

It starts in this order, so that each failure is reported before the next thing starts: the port,
the storage, the settings, the application. It stops in the reverse order.
"""

from __future__ import annotations

import contextlib
import logging
import sys
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from pathlib import Path

from starlette.types import ASGIApp

from ..app import RegistryApp, log_to_stderr
from ..config import (
    AUTH,
    BUILTIN_SIGNINGKEY,
    CONNECTION_STRING,
    CONTAINER,
    HTTP_SECRET,
    REDIRECT_DISABLE,
    ConfigError,
    Mode,
    read_settings,
    storage_is_configured,
)
from ..jobs import jobs_for
from ..server.access_log import log as access_log
from .azurite import Azurite, AzuriteError
from .data import DataError, http_secret, own_azurite, signing_key
from .listen import Listener, ListenError, listen_tcp, listen_unix
from .server import Server, StartFailed
from .signals import StopSignals


@dataclass(frozen=True)
class Options:
    """The options of the command line; it has their defaults.

    ``uds`` takes precedence over ``host`` and ``port``. ``grace`` is in seconds. With
    ``allow_anonymous``, other machines may reach a registry without authentication.
    """

    host: str
    port: int
    uds: Path | None
    data: Path
    azurite_port: int
    grace: int
    access_log: bool
    allow_anonymous: bool = False


def serve(options: Options, environ: MutableMapping[str, str]) -> int:
    """Serve until SIGTERM or SIGINT, and return the exit code.

    :param environ: the settings; what a local registry needs besides is added.
    :return: 0 after a stop, 1 if the server cannot start, 2 if a setting is invalid, or would open
        the registry to other machines.
    """
    _configure_logging(access_lines=options.access_log)
    try:
        with contextlib.ExitStack() as stack:
            _serve(options, environ, stack)
    except ConfigError as error:
        for problem in error.problems:
            print(f"registry: {problem}", file=sys.stderr)
        return 2
    except (ListenError, DataError, AzuriteError, StartFailed) as error:
        print(f"registry: {error}", file=sys.stderr)
        return 1
    return 0


def _serve(
    options: Options, environ: MutableMapping[str, str], stack: contextlib.ExitStack
) -> None:
    data = options.data.resolve()
    signals = StopSignals()
    listener = stack.enter_context(contextlib.closing(_listen(options)))
    if not (listener.local_only or options.allow_anonymous):
        _require_authentication(options, environ)
    azurite = None
    if not storage_is_configured(environ):
        azurite = stack.enter_context(own_azurite(data, port=options.azurite_port))
    environ.update(
        default_settings(environ, data=data, azurite=azurite, local_only=listener.local_only)
    )
    app = build_application(environ)
    if azurite:
        azurite.create_container(environ[CONTAINER])
    server = Server(
        app, listener, grace=options.grace, on_ready=lambda: _print_ready(listener, azurite)
    )
    signals.run(server)


def build_application(environ: Mapping[str, str]) -> ASGIApp:
    """Return the registry that the environment describes; it runs the maintenance jobs as well.

    :raises ConfigError: a setting is missing or invalid.
    """
    settings = read_settings(environ)
    return RegistryApp(settings, jobs=jobs_for(settings)).application


def _require_authentication(options: Options, environ: Mapping[str, str]) -> None:
    """:raises ConfigError: everybody who reaches the address could push and delete."""
    if _mode(environ) not in ("", Mode.NONE):
        return
    problem = (
        f"{AUTH} is none: everybody who reaches {options.host} could push, pull and delete; select "
        "a mode of authentication, or permit it with --allow-anonymous"
    )
    raise ConfigError([problem])


def _mode(environ: Mapping[str, str]) -> str:
    """Return the mode of authentication as it is set; it may be invalid."""
    return environ.get(AUTH, "").strip().lower()


def default_settings(
    environ: Mapping[str, str], *, data: Path, azurite: Azurite | None, local_only: bool
) -> dict[str, str]:
    """Return the settings that a local registry needs and ``environ`` lacks.

    :param data: the folder that keeps what is generated.
    :param azurite: the server's own, if any.
    :param local_only: only this machine can reach the registry. Others could not follow a redirect
        to an Azurite that listens on loopback.
    """
    needed = {}
    if HTTP_SECRET not in environ:
        needed[HTTP_SECRET] = http_secret(data)
    if _mode(environ) == Mode.BUILTIN and BUILTIN_SIGNINGKEY not in environ:
        needed[BUILTIN_SIGNINGKEY] = signing_key(data)
    if azurite:
        needed[CONNECTION_STRING] = azurite.connection_string
        needed[CONTAINER] = "registry"
        if not local_only:
            needed[REDIRECT_DISABLE] = "true"
    return {name: value for name, value in needed.items() if name not in environ}


def _listen(options: Options) -> Listener:
    return listen_unix(options.uds) if options.uds else listen_tcp(options.host, options.port)


def _print_ready(listener: Listener, azurite: Azurite | None) -> None:
    storage = f"data in {azurite.location}" if azurite else "storage as configured"
    print(f"registry ready at {listener.url}  ({storage})")
    if listener.url.startswith("http://"):
        image = f"{listener.url.removeprefix('http://')}/NAME:TAG"
        print(f"to push: docker tag IMAGE {image} && docker push {image}")
    sys.stdout.flush()


def _configure_logging(*, access_lines: bool) -> None:
    log_to_stderr()
    # Uvicorn would write a warning each time that a client tries whether the server has TLS.
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
    access_log.setLevel(logging.INFO if access_lines else logging.WARNING)
