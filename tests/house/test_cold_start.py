"""A new instance imports what its requests need, and nothing else: imports are the cold start."""

from __future__ import annotations

from importlib.util import find_spec

import pytest

from tools.cold_start import ANSWER, EXTENSION, IDENTITY, SDK, Started, settings, start

OURS = {"registry_core", "function_app"}

NEVER = (
    "registry_core.__main__",
    "registry_core.cli",
    "registry_core.serve",
    "registry_core.maintenance.doctor",
    "registry_core.object_store.memory",
    "rich",
    "uvloop",
)
"""What neither a start nor a first request needs, whoever is let in."""

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

SPARED = {
    "none": (*OF_TOKENS, *OF_BUILTIN, *OF_USERS, *OF_IDENTITY),
    "htpasswd": (*OF_TOKENS, *OF_BUILTIN, *OF_OTHERS, *OF_DOCUMENTS, *OF_IDENTITY),
    "htpasswd with rules": (*OF_TOKENS, *OF_BUILTIN, *OF_OTHERS, *OF_IDENTITY),
    "token": (*OF_BUILTIN, *OF_USERS, *OF_IDENTITY),
    "builtin": (*OF_OTHERS, *OF_IDENTITY),
    IDENTITY: (*OF_BUILTIN, *OF_USERS, *OF_IDENTITY, "registry_core.config.token"),
}
"""Beyond `NEVER`, what a mode does not need."""


@pytest.fixture(scope="module")
def environments() -> dict[str, dict[str, str]]:
    return settings()


@pytest.fixture(scope="module")
def needed() -> Started:
    """A process with the Functions extension and the storage SDK, and nothing of ours."""
    return start((*EXTENSION, *SDK), {})


def test_every_mode_is_looked_at(environments: dict[str, dict[str, str]]) -> None:
    assert SPARED.keys() == environments.keys()


def test_what_is_spared_exists() -> None:
    """So that a module which goes by another name is not taken for one that is spared."""
    names = {*NEVER, *(name for spared in SPARED.values() for name in spared)} - {"uvloop", "rich"}
    assert [name for name in sorted(names) if find_spec(name) is None] == []


@pytest.mark.parametrize("mode", SPARED)
def test_an_instance_answers_without(mode: str, environments: dict[str, dict[str, str]]) -> None:
    started = start(ANSWER, environments[mode])
    assert started.status == (200 if mode.startswith("none") else 401)
    assert [name for name in (*NEVER, *SPARED[mode]) if started.has(name)] == []


def test_an_open_registry_adds_no_package_to_what_it_cannot_do_without(
    environments: dict[str, dict[str, str]], needed: Started
) -> None:
    assert start(ANSWER, environments["none"]).packages - needed.packages == OURS


def test_our_own_tokens_add_two_packages(
    environments: dict[str, dict[str, str]], needed: Started
) -> None:
    """PyJWT, and what cryptography looks for; cryptography itself comes with the SDK."""
    added = start(ANSWER, environments["builtin"]).packages - needed.packages
    assert added == OURS | {"bcrypt", "jwt"}


def test_the_collector_works_and_leaves_alone_what_was_imported(
    environments: dict[str, dict[str, str]],
) -> None:
    started = start(ANSWER, environments["none"])
    assert started.collects
    assert started.frozen > 10_000
