"""`relay`: a local registry that is another one, for layers of any size."""

from __future__ import annotations

import argparse
from collections.abc import MutableMapping
from pathlib import Path
from typing import TYPE_CHECKING

from .options import Commands, boolean, port, seconds
from .storage_commands import MISCONFIGURED, print_problem

if TYPE_CHECKING:
    from ..client import ClientOptions

RELAY = """\
Serve a registry at this machine that is another one: docker, podman and all other clients push to
it and pull from it as from the registry itself, with their own login there. Layers, of any size, go
straight to the registry's storage, several blocks at a time; all the rest is forwarded. Registries
other than Moorage work, too, without these blocks. Proxies are those of HTTPS_PROXY and NO_PROXY.
SIGTERM or Ctrl-C stops the relay when running requests are done, a second one at once. The exit
code is 1 if the relay cannot start, and 2 if an option is not valid.
"""
EXAMPLES = """\
examples:
  %(prog)s https://registry.example.com
  docker login 127.0.0.1:5001
  docker push 127.0.0.1:5001/team/app:v1
"""


URL = "MOORAGE_RELAY_URL"
"""The variable with the registry's URL, for containers whose command cannot be changed."""


def add_relay(commands: Commands) -> None:
    """Add the command's parser."""
    parser = commands.add_parser(
        "relay",
        help="push layers of any size to a registry, through this machine",
        description=RELAY,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "registry",
        nargs="?",
        metavar="URL",
        help=f"such as https://registry.example.com; by default {URL} of the environment",
    )
    listening = parser.add_argument_group("address")
    listening.add_argument(
        "--listen",
        default="127.0.0.1",
        metavar="HOST",
        help="address to listen on; others than loopback let other machines use the relay, without "
        "encryption (default %(default)s)",
    )
    listening.add_argument(
        "--port", type=port, default=5001, help="0 picks a free one (default %(default)s)"
    )
    listening.add_argument(
        "--name",
        action="append",
        default=[],
        dest="names",
        metavar="NAME",
        help="another host name by which clients call the relay; can be repeated",
    )
    _add_access(parser)
    parser.add_argument(
        "--grace",
        type=seconds,
        default=300,
        metavar="SECONDS",
        help="time that requests in progress have to finish at a stop (default %(default)s)",
    )
    parser.add_argument(
        "--no-access-log",
        dest="access_log",
        action="store_false",
        help="do not log a line for each request",
    )
    parser.set_defaults(run=_relay)


def _add_access(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("access to the registry")
    group.add_argument(
        "--tls-verify",
        type=boolean,
        default=True,
        metavar="BOOL",
        help="false: accept any certificate, and http",
    )
    group.add_argument(
        "--ca",
        type=Path,
        metavar="FILE",
        help="trust the authorities whose certificates are in this file (PEM)",
    )
    group.add_argument("--cert", type=Path, metavar="FILE", help="the client's certificate (PEM)")
    group.add_argument("--key", type=Path, metavar="FILE", help="its key, if that is another file")


def _relay(arguments: argparse.Namespace, environment: MutableMapping[str, str]) -> int:
    # Imported here because other commands do not need a web server.
    from ..relay.options import RelayOptions
    from ..relay.run import relay

    try:
        registry = _client_options(arguments, environment)
    except ValueError as error:
        print_problem(str(error))
        return MISCONFIGURED
    options = RelayOptions(
        registry=registry,
        listen=arguments.listen,
        port=arguments.port,
        names=arguments.names,
        grace=arguments.grace,
        access_log=arguments.access_log,
    )
    return relay(options)


def _client_options(
    arguments: argparse.Namespace, environment: MutableMapping[str, str]
) -> ClientOptions:
    """:raises ValueError: the URL is missing; or it, or the environment's proxy, is not valid."""
    from ..client import ClientOptions
    from ..client.proxies import Proxies
    from ..client.tls import Tls

    if arguments.key is not None and arguments.cert is None:
        raise ValueError("--key needs --cert")
    url = arguments.registry or environment.get(URL)
    if not url:
        raise ValueError(f"name the registry: moorage relay https://registry.example.com, or {URL}")
    return ClientOptions(
        url,
        tls=Tls(
            authorities=() if arguments.ca is None else (arguments.ca,),
            certificate=arguments.cert,
            key=arguments.key,
            verify=arguments.tls_verify,
        ),
        insecure=not arguments.tls_verify,
        proxies=Proxies.from_environment(environment),
    )
