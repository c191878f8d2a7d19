"""`moorage relay`: runs the relay until it is stopped."""

from __future__ import annotations

import contextlib
import logging
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from ..client.session import Session
from ..client.tls import make_contexts
from ..serve.listen import Listener, ListenError, listen_tcp
from ..serve.server import Server, StartFailed
from ..serve.signals import StopSignals
from ..server.access_log import log as access_log
from .application import Relay
from .destinations import Channel, Chooser
from .forwarding import Forwarder
from .guard import Guard
from .headers import Rewriter
from .memory import Memory
from .options import RelayOptions
from .pushing import Pusher
from .upstream import Upstream

_log = logging.getLogger(__name__)


def relay(options: RelayOptions) -> int:
    """Relay until SIGTERM or SIGINT, and return the exit code.

    :return: 0 after a stop, 1 if the relay cannot start, 2 if an option is not valid.
    """
    _configure_logging(access_lines=options.access_log)
    try:
        make_contexts(options.registry.tls)
        _relay(options)
    except ValueError as error:  # a certificate or a key cannot be read
        print(f"relay: {error}", file=sys.stderr)
        return 2
    except (ListenError, StartFailed) as error:
        print(f"relay: {error}", file=sys.stderr)
        return 1
    return 0


def build_application(options: RelayOptions, *, local_only: bool = True) -> Relay:
    """Return the relay's application.

    :param local_only: no other machine can reach it.
    """
    names = frozenset(name.lower() for name in (*options.names, options.listen))
    return Relay(Guard(names, any_address=not local_only), _open_services(options))


@asynccontextmanager
async def _open_services(options: RelayOptions) -> AsyncIterator[tuple[Forwarder, Pusher]]:
    client = options.client
    async with Session.open(client) as session:
        upstream = Upstream(session.connections, client.origin)
        rewriter = Rewriter(str(client.origin), relays_logins=options.relays_logins)
        memory = Memory()
        forwarder = Forwarder(upstream, rewriter, memory.bodies)
        chooser = Chooser(Channel(upstream, session, memory), rewriter.path_of)
        yield forwarder, Pusher(forwarder, memory, chooser.choose)


def _relay(options: RelayOptions) -> None:
    signals = StopSignals()
    with contextlib.closing(listen_tcp(options.listen, options.port)) as listener:
        app = build_application(options, local_only=listener.local_only)
        server = Server(
            app, listener, grace=options.grace, on_ready=lambda: _print_ready(listener, options)
        )
        signals.run(server)


def _print_ready(listener: Listener, options: RelayOptions) -> None:
    if not listener.local_only:
        _log.warning(
            "other machines can reach the relay at %s: what they send to it, credentials too, is "
            "not encrypted",
            listener.url,
        )
    image = f"{listener.url.removeprefix('http://')}/NAME:TAG"
    print(f"relay ready at {listener.url} for {options.registry.origin}")
    print(f"to push: docker tag IMAGE {image} && docker push {image}", flush=True)


def _configure_logging(*, access_lines: bool) -> None:
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("registry_core").setLevel(logging.INFO)
    # Uvicorn would write a warning each time that a client tries whether the server has TLS.
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
    access_log.setLevel(logging.INFO if access_lines else logging.WARNING)
