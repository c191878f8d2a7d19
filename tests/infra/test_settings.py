"""What the template sets for the app is what the registry needs to start, in each mode."""

from __future__ import annotations

import pytest

from registry_core.config import ConfigError, read_settings
from tests.support.bicep.app_settings import app_settings
from tests.support.bicep.declarations import Parameter

from .samples import SECRET, deployment, environment, instance, key, template, users

MODES = {
    "none": (),
    "htpasswd": ("REGISTRY_AUTH_HTPASSWD_PATH",),
    "builtin": ("REGISTRY_AUTH_BUILTIN_SIGNINGKEY",),
    "token": (
        "REGISTRY_AUTH_TOKEN_REALM",
        "REGISTRY_AUTH_TOKEN_SERVICE",
        "REGISTRY_AUTH_TOKEN_ISSUER",
        "REGISTRY_AUTH_TOKEN_JWKS",
    ),
}
"""What each mode of authentication cannot be without."""

ALWAYS = (
    "REGISTRY_STORAGE_AZURE_ACCOUNTNAME",
    "REGISTRY_STORAGE_AZURE_CONTAINER",
    "REGISTRY_HTTP_SECRET",
    "REGISTRY_AUTH",
)


def test_every_mode_that_may_be_chosen_is_tested() -> None:
    mode = template().main.named(Parameter, "authMode")
    assert mode is not None
    assert set(mode.choices) == set(MODES)


@pytest.mark.parametrize("mode", MODES)
def test_the_registry_starts_with_what_the_template_sets(mode: str) -> None:
    settings = read_settings(environment(mode))
    assert settings.auth.mode == mode
    assert settings.storage.account_key is None
    assert settings.storage.connection_string is None


@pytest.mark.parametrize(
    "mode, name", [(mode, name) for mode, needed in MODES.items() for name in (*ALWAYS, *needed)]
)
def test_without_any_of_them_it_does_not(mode: str, name: str) -> None:
    """So none that is required is left to chance, and no setting is checked that nobody needs."""
    rest = environment(mode)
    del rest[name]
    with pytest.raises(ConfigError, match=name):
        read_settings(rest)


def test_a_domain_of_ones_own_is_the_name_that_clients_are_told() -> None:
    settings = read_settings(environment("builtin", customHost="https://registry.example.com"))
    assert settings.public_url == "https://registry.example.com"


def test_a_registry_that_is_taken_over_is_read_where_it_lies() -> None:
    given = {"existingStorageAccountName": "theirs", "containerName": "images"}
    storage = read_settings(environment("builtin", **given)).storage
    assert (storage.account_name, storage.container) == ("theirs", "images")


def test_blobs_come_from_the_registry_where_storage_is_out_of_reach() -> None:
    assert read_settings(environment("builtin")).redirect
    assert not read_settings(environment("builtin", privateNetwork=True)).redirect


def test_no_secret_stands_in_the_settings() -> None:
    """What the app reads from the vault is, among its settings, an address."""
    plain = app_settings(deployment("builtin"))
    for secret in (SECRET, key(), users()):
        assert not [name for name, value in plain.items() if secret in value]
    assert {name for name in plain if plain[name].startswith("@Microsoft.KeyVault(")} >= {
        "REGISTRY_HTTP_SECRET",
        "REGISTRY_AUTH_BUILTIN_SIGNINGKEY",
    }


def test_no_secret_stands_in_the_outputs() -> None:
    shown = str(instance("builtin").outputs())
    assert [secret for secret in (SECRET, key(), users()) if secret in shown] == []
