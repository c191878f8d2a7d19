"""A new instance imports only what its requests need: imports are most of the cold start."""

from __future__ import annotations

from importlib.util import find_spec
from itertools import chain

import pytest

from tools.cold_start import ANSWER, BASE, COLLECTING, IDENTITY, Started, settings, start

OWN = frozenset({"registry_core", "function_app"})
CRYPTOGRAPHY = frozenset({"cryptography", "_cffi_backend", "_openssl", "bcrypt"})
"""cryptography, and what it imports: its keys for SSH look for bcrypt."""

PACKAGES = {
    "none": OWN,
    "htpasswd": OWN,
    "htpasswd with rules": OWN,
    # The keys are checked at the start, which stops if one is invalid.
    "token": OWN | CRYPTOGRAPHY,
    "builtin": OWN | CRYPTOGRAPHY,
    "builtin with Entra ID": OWN | CRYPTOGRAPHY,
    IDENTITY: OWN,
    COLLECTING: OWN,
}
"""What a mode may import, besides the Functions extension, aiohttp and what these import.

A package that is missing here is imported when it is first used, in a thread if that takes long.
"""

NEVER = (
    "azure.core",
    "azure.identity",
    "azure.storage",
    "cryptography.x509",  # for bundles of certificates, and PyJWT
    "jwt",
    "registry_core.__main__",
    "registry_core.cli",
    "registry_core.relay",
    "registry_core.serve",
    "registry_core.maintenance",
    "registry_core.maintenance.retention",
    "registry_core.object_store.memory",
    "registry_core.storage.pull_recorder",
    "registry_core.storage.history",
    "registry_core.storage.pulls",
    "registry_core.storage.restoring",
)
"""What neither the start nor the first request needs, in any mode of authentication."""

OF_TOKENS = (
    "registry_core.auth.tokens",
    "registry_core.auth.tokens.keys",
    "registry_core.config.token",
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

NOT_NEEDED = {
    "none": (*OF_TOKENS, *OF_BUILTIN, *OF_USERS),
    "htpasswd": (*OF_TOKENS, *OF_BUILTIN, *OF_OTHERS, *OF_DOCUMENTS),
    "htpasswd with rules": (*OF_TOKENS, *OF_BUILTIN, *OF_OTHERS),
    "token": (*OF_BUILTIN, *OF_USERS),
    "builtin": OF_OTHERS,
    "builtin with Entra ID": (
        "registry_core.auth.sources.federation",
        "registry_core.config.token",
    ),
    IDENTITY: (*OF_TOKENS, *OF_BUILTIN, *OF_USERS),
    # A timer has instances of its own: those that serve requests never run it.
    COLLECTING: (*OF_TOKENS, *OF_BUILTIN, *OF_USERS),
}
"""What a mode does not need, besides `NEVER`."""


@pytest.fixture(scope="module")
def base() -> Started:
    """A process with the Functions extension and aiohttp, without the registry."""
    return start(BASE, {})


@pytest.fixture(scope="module")
def started() -> dict[str, Started]:
    """A process for each mode that has answered one request."""
    return {mode: start(ANSWER, environment) for mode, environment in settings().items()}


def test_every_mode_is_tested(started: dict[str, Started]) -> None:
    assert NOT_NEEDED.keys() == PACKAGES.keys() == started.keys()


def test_the_modules_that_are_not_needed_exist() -> None:
    """A renamed module would otherwise pass for one that is not imported."""
    names = {*NEVER, *chain(*NOT_NEEDED.values())}
    assert [name for name in sorted(names) if find_spec(name) is None] == []


@pytest.mark.parametrize("mode", NOT_NEEDED)
def test_an_instance_answers_without_them(mode: str, started: dict[str, Started]) -> None:
    instance = started[mode]
    assert instance.status == (200 if mode.startswith("none") else 401)
    assert [name for name in (*NEVER, *NOT_NEEDED[mode]) if instance.has(name)] == []


@pytest.mark.parametrize("mode", PACKAGES)
def test_no_other_package_is_imported(
    mode: str, started: dict[str, Started], base: Started
) -> None:
    assert started[mode].packages - base.packages - PACKAGES[mode] == frozenset()


def test_the_garbage_collector_runs_and_skips_what_was_imported(
    started: dict[str, Started],
) -> None:
    assert started["none"].collects
    assert started["none"].frozen > 10_000
