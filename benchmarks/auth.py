"""`python -m benchmarks.auth`: what it costs to know who asks, for each mode of `REGISTRY_AUTH`.

The request is a HEAD of a blob that the instance knows to be there, so that storage is not asked.
Azurite and a host in each mode are started for it; nothing else is measured meanwhile.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import json
import secrets
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path

from registry_core.auth.sources.htpasswd import htpasswd_line
from registry_core.auth.tokens.issuing import Issuer
from registry_core.auth.tokens.keys import SigningKey
from registry_core.serve.azurite import Azurite, AzuriteError
from registry_core.spec.scopes import PULL, repository_scope
from tests.support.azurite import create_container
from tests.support.host import HostFailed, RunningHost, start_host

from .connection import Connection
from .content import new_content
from .process_meter import ProcessMeter
from .registry_client import RegistryClient
from .scale import KIB

REPOSITORY = "benchmark/auth"
SERVICE = "registry.test"
PASSWORD = "the same for all"
COST = 10  # of the hashes, as `python -m registry_core auth hash` makes them


@dataclass(frozen=True)
class Scale:
    """How many different users and tokens there are, and how often one of them comes again."""

    users: int = 40
    tokens: int = 2000
    again: int = 4000


QUICK = Scale(users=4, tokens=20, again=20)


@dataclass(frozen=True)
class Row:
    """``headers``: what is sent as ``Authorization``, one request each; empty for none."""

    name: str
    mode: str
    headers: Sequence[str]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print. Returns 1 when it could not be measured."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.auth", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few requests: does everything work?")
    scale = QUICK if parser.parse_args(arguments).quick else Scale()
    try:
        with tempfile.TemporaryDirectory() as folder, Azurite(Path(folder)) as azurite:
            _measure(azurite, scale)
    except (AzuriteError, HostFailed) as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return 1
    return 0


def _measure(azurite: Azurite, scale: Scale) -> None:
    key = SigningKey.generate()
    issuer = Issuer(key, SERVICE)
    with _hosts(azurite, key, scale) as hosts:
        blob = new_content(4 * KIB)
        with RegistryClient(hosts["none"].url, REPOSITORY) as client:
            client.push_by_put(blob)
            target = client.blob(blob.digest)
        print("| mode | CPU per request, ms | of none |\n|---|---:|---:|")
        least = 0.0
        for row in _rows(issuer, scale):
            cost = _cpu_per_request(hosts[row.mode], target, row.headers)
            least = least or cost
            ratio = f"{cost / least:.1f}" if least else ""
            print(f"| {row.name} | {1000 * cost:.2f} | {ratio} |", flush=True)


def _rows(issuer: Issuer, scale: Scale) -> Iterator[Row]:
    users = [_basic(_user(number)) for number in range(scale.users)]
    scope = repository_scope(REPOSITORY, PULL)
    yield Row("none", "none", [""] * scale.again)
    yield Row("htpasswd, a user's first", "htpasswd", users)
    yield Row("htpasswd, later", "htpasswd", list(islice(cycle(users), scale.again)))
    for mode in ("token", "builtin"):
        tokens = [f"Bearer {issuer.issue('somebody', [scope])}" for _ in range(scale.tokens)]
        yield Row(f"{mode}, a token's first", mode, tokens)
        yield Row(f"{mode}, later", mode, list(islice(cycle(tokens), scale.again)))


def _cpu_per_request(host: RunningHost, target: str, headers: Sequence[str]) -> float:
    """In seconds, of the serving process."""
    meter = ProcessMeter(host.pid)
    with Connection(host.url) as connection:
        connection.request("GET", "/", expect=[200])
        before = meter.cpu_seconds()
        for authorization in headers:
            sent = {"Authorization": authorization} if authorization else {}
            connection.request("HEAD", target, headers=sent, expect=[200])
        return (meter.cpu_seconds() - before) / len(headers)


@contextlib.contextmanager
def _hosts(azurite: Azurite, key: SigningKey, scale: Scale) -> Iterator[Mapping[str, RunningHost]]:
    """A host for each mode, on one container."""
    storage = {
        "REGISTRY_STORAGE_AZURE_CONNECTIONSTRING": azurite.connection_string,
        "REGISTRY_STORAGE_AZURE_CONTAINER": create_container(azurite),
        "REGISTRY_STORAGE_CACHE_MEMBERSHIP": "3600",
        "REGISTRY_HTTP_SECRET": secrets.token_urlsafe(48),
    }
    with contextlib.ExitStack() as stack:
        yield {
            mode: stack.enter_context(
                start_host({**storage, **settings, "REGISTRY_AUTH": mode}, arguments=QUIET)
            )
            for mode, settings in _settings(key, scale).items()
        }


QUIET = ("--no-access-log",)


def _settings(key: SigningKey, scale: Scale) -> Mapping[str, Mapping[str, str]]:
    _, _, hashed = htpasswd_line("any", PASSWORD, COST).partition(":")
    users = "".join(f"{_user(number)}:{hashed}\n" for number in range(scale.users))
    return {
        "none": {},
        "htpasswd": {"REGISTRY_AUTH_HTPASSWD_PATH": users},
        "token": {
            "REGISTRY_AUTH_TOKEN_REALM": "https://issuer.test/token",
            "REGISTRY_AUTH_TOKEN_SERVICE": SERVICE,
            "REGISTRY_AUTH_TOKEN_ISSUER": SERVICE,
            "REGISTRY_AUTH_TOKEN_JWKS": json.dumps({"keys": [key.jwk]}),
        },
        "builtin": {
            "REGISTRY_AUTH_BUILTIN_SERVICE": SERVICE,
            "REGISTRY_AUTH_BUILTIN_SIGNINGKEY": key.pem(),
            "REGISTRY_AUTH_HTPASSWD_PATH": users,
        },
    }


def _user(number: int) -> str:
    return f"user-{number}"


def _basic(user: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{PASSWORD}".encode()).decode()


if __name__ == "__main__":
    sys.exit(main())
