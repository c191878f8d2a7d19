"""`python -m benchmarks.auth`: the CPU cost of authentication in each mode of `REGISTRY_AUTH`.

The request is a HEAD of a blob whose membership the instance has cached, so that it makes no
storage call. Starts Azurite and one host for each mode. Then: how long a right password takes to be
accepted while others guess.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import json
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path

from registry_core.auth.sources.htpasswd import htpasswd_line
from registry_core.auth.tokens.issuing import Issuer
from registry_core.auth.tokens.keys import SigningKey
from registry_core.serve.azurite import Azurite, AzuriteError
from registry_core.spec.scopes import PULL, repository_scope
from tools.process_meter import ProcessMeter

from . import guessing
from .connection import Connection
from .content import new_content
from .hosts import Host, HostFailed, local_host, new_storage
from .registry_client import RegistryClient
from .scale import KIB

REPOSITORY = "benchmark/auth"
SERVICE = "registry.test"
PASSWORD = "the same for all"
COST = 10  # of the bcrypt hashes, the default of `python -m registry_core auth hash`


_VICTIMS = ("alice", "bob", "carol", "dave")


@dataclass(frozen=True)
class Scale:
    """The number of different users and tokens, and of requests with known credentials."""

    users: int = 40
    tokens: int = 2000
    again: int = 4000


QUICK = Scale(users=4, tokens=20, again=20)


@dataclass(frozen=True)
class Row:
    """A row of the table: the ``Authorization`` header of each request, empty for none."""

    name: str
    mode: str
    headers: Sequence[str]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print. Returns 1 when measuring failed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.auth", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few requests: a smoke test")
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
        print("| mode | CPU per request, ms | relative to none |\n|---|---:|---:|")
        without = 0.0
        for row in _rows(issuer, scale):
            cost = _cpu_per_request(hosts[row.mode], target, row.headers)
            without = without or cost
            ratio = f"{cost / without:.1f}" if without else ""
            print(f"| {row.name} | {1000 * cost:.2f} | {ratio} |", flush=True)
    print(f"\n{guessing.HEADER}")
    with _host_under_attack(azurite) as host:
        for attack in guessing.attacks(_VICTIMS):
            print(guessing.measure(host.url, attack, basic, PASSWORD).row(), flush=True)


def _rows(issuer: Issuer, scale: Scale) -> Iterator[Row]:
    users = [basic(_user(number), PASSWORD) for number in range(scale.users)]
    scope = repository_scope(REPOSITORY, PULL)
    yield Row("none", "none", [""] * scale.again)
    yield Row("htpasswd, first request of a user", "htpasswd", users)
    yield Row("htpasswd, later requests", "htpasswd", list(islice(cycle(users), scale.again)))
    for mode in ("token", "builtin"):
        tokens = [f"Bearer {issuer.issue('somebody', [scope])}" for _ in range(scale.tokens)]
        yield Row(f"{mode}, first request with a token", mode, tokens)
        yield Row(f"{mode}, later requests", mode, list(islice(cycle(tokens), scale.again)))


def _cpu_per_request(host: Host, target: str, headers: Sequence[str]) -> float:
    """Return the CPU seconds of the serving process per request."""
    meter = ProcessMeter(host.pid)
    with Connection(host.url) as connection:
        connection.request("GET", "/", expect=[200])
        before = meter.cpu_seconds()
        for authorization in headers:
            sent = {"Authorization": authorization} if authorization else {}
            connection.request("HEAD", target, headers=sent, expect=[200])
        return (meter.cpu_seconds() - before) / len(headers)


@contextlib.contextmanager
def _hosts(azurite: Azurite, key: SigningKey, scale: Scale) -> Iterator[Mapping[str, Host]]:
    """Run a host for each mode, all on one container."""
    storage, _ = new_storage(azurite)
    storage["REGISTRY_STORAGE_CACHE_MEMBERSHIP"] = "900"
    with contextlib.ExitStack() as stack:
        yield {
            mode: stack.enter_context(local_host({**storage, **settings, "REGISTRY_AUTH": mode}))
            for mode, settings in _settings(key, scale).items()
        }


@contextlib.contextmanager
def _host_under_attack(azurite: Azurite) -> Iterator[Host]:
    """Run a host that has not checked any password yet."""
    storage, _ = new_storage(azurite)
    mode = {"REGISTRY_AUTH": "htpasswd", "REGISTRY_AUTH_HTPASSWD_PATH": htpasswd(_VICTIMS)}
    with local_host({**storage, **mode}) as host:
        yield host


def _settings(key: SigningKey, scale: Scale) -> Mapping[str, Mapping[str, str]]:
    users = htpasswd(_user(number) for number in range(scale.users))
    return {
        "none": {},
        "htpasswd": {"REGISTRY_AUTH_HTPASSWD_PATH": users},
        "token": {
            "REGISTRY_AUTH_TOKEN_REALM": "https://issuer.test/token",
            "REGISTRY_AUTH_TOKEN_SERVICE": SERVICE,
            "REGISTRY_AUTH_TOKEN_ISSUER": SERVICE,
            "REGISTRY_AUTH_TOKEN_JWKS": json.dumps({"keys": [key.jwk]}),
        },
        "builtin": builtin_settings(key, users),
    }


def builtin_settings(key: SigningKey, users: str) -> dict[str, str]:
    """Return the settings of the token service: its key, and the text of its password file."""
    return {
        "REGISTRY_AUTH_BUILTIN_SERVICE": SERVICE,
        "REGISTRY_AUTH_BUILTIN_SIGNINGKEY": key.pem(),
        "REGISTRY_AUTH_HTPASSWD_PATH": users,
    }


def htpasswd(users: Iterable[str]) -> str:
    """Return the text of a password file in which all users have `PASSWORD`."""
    _, _, hashed = htpasswd_line("any", PASSWORD, COST).partition(":")
    return "".join(f"{user}:{hashed}\n" for user in users)


def basic(user: str, password: str) -> str:
    """Return the `Authorization` header for a user and password."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def _user(number: int) -> str:
    return f"user-{number}"


if __name__ == "__main__":
    sys.exit(main())
