"""A new instance imports only what its requests need: imports are most of the cold start."""

from __future__ import annotations

from importlib.util import find_spec
from itertools import chain

import pytest

from tools.cold_start import ANSWER, EXTENSION, IDENTITY, SDK, Started, settings, start

OWN = {"registry_core", "function_app"}

NEVER = (
    "registry_core.__main__",
    "registry_core.cli",
    "registry_core.serve",
    "registry_core.maintenance.doctor",
    "registry_core.object_store.memory",
    "rich",
    "uvloop",
)
"""What neither the start nor the first request needs, in any mode of authentication."""

OF_TOKENS = (
    "registry_core.auth.tokens",
    "registry_core.auth.tokens.keys",
    "registry_core.config.token",
    "bcrypt",  # cryptography looks for it
    "cryptography.x509.verification",
    "jwt",
)
OF_OTHERS = (
    "registry_core.auth.sources.entra",
    "registry_core.auth.sources.federation",
    "registry_core.auth.sources.oidc",
    "registry_core.config.token",
)
OF_BUILTIN = (
    "registry_core.auth.builtin",
    "registry_core.auth.tokens.issuing",
    "registry_core.config.builtin",
    "registry_core.server.auth_endpoints",
    "registry_core.storage.personal_keys",
)
OF_USERS = ("registry_core.auth.sources", "registry_core.auth.rules")
OF_DOCUMENTS = ("registry_core.auth.rules.document", "tomllib")
OF_IDENTITY = ("azure.identity", "msal")

NOT_NEEDED = {
    "none": (*OF_TOKENS, *OF_BUILTIN, *OF_USERS, *OF_IDENTITY),
    "htpasswd": (*OF_TOKENS, *OF_BUILTIN, *OF_OTHERS, *OF_DOCUMENTS, *OF_IDENTITY),
    "htpasswd with rules": (*OF_TOKENS, *OF_BUILTIN, *OF_OTHERS, *OF_IDENTITY),
    "token": (*OF_BUILTIN, *OF_USERS, *OF_IDENTITY),
    "builtin": (*OF_OTHERS, *OF_IDENTITY),
    IDENTITY: (*OF_BUILTIN, *OF_USERS, *OF_IDENTITY, "registry_core.config.token"),
}
"""What a mode does not need, besides `NEVER`."""


@pytest.fixture(scope="module")
def environments() -> dict[str, dict[str, str]]:
    return settings()


@pytest.fixture(scope="module")
def needed() -> Started:
    """A process with the Functions extension and the storage SDK, without the registry."""
    return start((*EXTENSION, *SDK), {})


def test_every_mode_is_tested(environments: dict[str, dict[str, str]]) -> None:
    assert NOT_NEEDED.keys() == environments.keys()


def test_the_modules_that_are_not_needed_exist() -> None:
    """A renamed module would otherwise pass for one that is not imported."""
    names = {*NEVER, *chain(*NOT_NEEDED.values())} - {"uvloop", "rich"}
    assert [name for name in sorted(names) if find_spec(name) is None] == []


@pytest.mark.parametrize("mode", NOT_NEEDED)
def test_an_instance_answers_without_them(
    mode: str, environments: dict[str, dict[str, str]]
) -> None:
    started = start(ANSWER, environments[mode])
    assert started.status == (200 if mode.startswith("none") else 401)
    assert [name for name in (*NEVER, *NOT_NEEDED[mode]) if started.has(name)] == []


def test_an_open_registry_imports_no_package_besides_extension_and_sdk(
    environments: dict[str, dict[str, str]], needed: Started
) -> None:
    assert start(ANSWER, environments["none"]).packages - needed.packages == OWN


def test_the_built_in_token_service_imports_two_more_packages(
    environments: dict[str, dict[str, str]], needed: Started
) -> None:
    """PyJWT, and bcrypt, which cryptography looks for; cryptography comes with the SDK."""
    added = start(ANSWER, environments["builtin"]).packages - needed.packages
    assert added == OWN | {"bcrypt", "jwt"}


def test_the_garbage_collector_runs_and_skips_what_was_imported(
    environments: dict[str, dict[str, str]],
) -> None:
    started = start(ANSWER, environments["none"])
    assert started.collects
    assert started.frozen > 10_000
