"""The app settings are known, sufficient for the registry to start, and free of secrets."""

from __future__ import annotations

import json
from typing import Any

import pytest

from registry_core.config import ConfigError, auth_table, read_settings
from registry_core.config import table as config
from tests.house.tree import PROJECT

from .snapshots import CLIENT_ID, HOST_CLIENT_ID, NAMES, deployment

PLATFORM = {
    "APPLICATIONINSIGHTS_AUTHENTICATION_STRING",
    "APPLICATIONINSIGHTS_CONNECTION_STRING",
    "AZURE_CLIENT_ID",
    "AZURE_TOKEN_CREDENTIALS",
    "AzureWebJobsDisableHomepage",
    "AzureWebJobsStorage__blobServiceUri",
    "AzureWebJobsStorage__clientId",
    "AzureWebJobsStorage__credential",
    "FUNCTIONS_REQUEST_BODY_SIZE_LIMIT",
}
"""Settings that the Functions host, Application Insights and azure-identity read."""

REJECTED_BY_FLEX_CONSUMPTION = {
    "FUNCTIONS_WORKER_RUNTIME",
    "FUNCTIONS_EXTENSION_VERSION",
    "WEBSITE_RUN_FROM_PACKAGE",
    "SCM_DO_BUILD_DURING_DEPLOYMENT",
    "ENABLE_ORYX_BUILD",
}

SECRET = {
    config.HTTP_SECRET,
    auth_table.HTPASSWD_PATH,
    auth_table.BUILTIN_SIGNINGKEY,
    "REGISTRY_AUTH_BUILTIN_PREVIOUSKEY",
}
KEYS = {config.ACCOUNT_KEY, config.CONNECTION_STRING, "AzureWebJobsStorage"}

ALWAYS_REQUIRED = (
    "REGISTRY_STORAGE_AZURE_ACCOUNTNAME",
    "REGISTRY_STORAGE_AZURE_CONTAINER",
    "REGISTRY_AUTH",
)
MODES = {
    "auth-none": ("none", ("REGISTRY_HTTP_SECRET",)),
    "auth-htpasswd": ("htpasswd", ("REGISTRY_HTTP_SECRET", "REGISTRY_AUTH_HTPASSWD_PATH")),
    "auth-token": (
        "token",
        (
            "REGISTRY_HTTP_SECRET",
            "REGISTRY_AUTH_TOKEN_REALM",
            "REGISTRY_AUTH_TOKEN_SERVICE",
            "REGISTRY_AUTH_TOKEN_ISSUER",
            "REGISTRY_AUTH_TOKEN_JWKS",
        ),
    ),
    "default": ("builtin", ("REGISTRY_AUTH_BUILTIN_SIGNINGKEY",)),
}
"""By setting, the mode of authentication and the app settings that the mode requires."""


def test_every_mode_of_authentication_has_a_setting(template: dict[str, Any]) -> None:
    allowed = template["parameters"]["authMode"]["allowedValues"]
    assert sorted(mode for mode, _ in MODES.values()) == sorted(allowed)


@pytest.mark.parametrize("name", NAMES)
def test_every_app_setting_is_read_by_someone(name: str) -> None:
    settings = deployment(name).app_settings().keys()
    assert settings >= PLATFORM
    assert settings - PLATFORM - config.SETTINGS.keys() == set()
    assert settings & REJECTED_BY_FLEX_CONSUMPTION == set()


@pytest.mark.parametrize("name", NAMES)
def test_every_app_setting_is_a_text_that_is_not_blank(name: str) -> None:
    settings: dict[str, Any] = dict(deployment(name).app_settings())
    assert [key for key, value in settings.items() if not isinstance(value, str) or not value] == []


@pytest.mark.parametrize("name", NAMES)
def test_secrets_are_references_to_the_vault(name: str) -> None:
    """And without account keys: the app uses its identity."""
    settings = deployment(name).app_settings()
    references = {key for key in settings if settings[key].startswith("@Microsoft.KeyVault(")}
    assert references == settings.keys() & SECRET
    assert settings.keys() & KEYS == set()


@pytest.mark.parametrize("name, mode", [(name, mode) for name, (mode, _) in MODES.items()])
def test_the_registry_starts_in_each_mode_of_authentication(name: str, mode: str) -> None:
    settings = read_settings(deployment(name).environment())
    assert settings.auth.mode == mode
    assert settings.storage.account_key is None
    assert settings.storage.connection_string is None


def test_the_registry_starts_without_users_of_its_own() -> None:
    """With identities of Entra ID. The template sets no reference to users that do not exist."""
    environment = deployment("auth-builtin-entra").environment()
    assert "REGISTRY_AUTH_HTPASSWD_PATH" not in environment
    builtin = read_settings(environment).auth.builtin
    assert builtin is not None
    assert builtin.entra is not None


@pytest.mark.parametrize(
    "name, required",
    [
        (name, setting)
        for name, (_, required) in MODES.items()
        for setting in (*ALWAYS_REQUIRED, *required)
    ],
)
def test_the_registry_does_not_start_without_a_required_setting(name: str, required: str) -> None:
    """So the template does not depend on a default by accident."""
    environment = deployment(name).environment()
    del environment[required]
    with pytest.raises(ConfigError, match=required):
        read_settings(environment)


def test_only_modes_with_users_read_the_htpasswd_file() -> None:
    for name in ("default", "auth-htpasswd"):
        assert "REGISTRY_AUTH_HTPASSWD_PATH" in deployment(name).app_settings()
    for name in ("auth-none", "auth-token"):
        assert "REGISTRY_AUTH_HTPASSWD_PATH" not in deployment(name).app_settings()


@pytest.mark.parametrize("name", NAMES)
def test_the_public_url_never_depends_on_a_request(name: str) -> None:
    """It is the custom domain, or the name that Azure gives the app."""
    app = deployment(name).one("Microsoft.Web/sites").name
    expected = "registry.example.com" if name == "options" else f"{app}.azurewebsites.net"
    assert read_settings(deployment(name).environment()).public_url == f"https://{expected}"


def test_garbage_is_collected_only_if_a_parameter_enables_it() -> None:
    """The app has no timer otherwise."""
    assert read_settings(deployment("options").environment()).gc.enabled
    assert not read_settings(deployment("default").environment()).gc.enabled


def test_an_existing_account_is_used_where_it_is() -> None:
    storage = read_settings(deployment("existing-account").environment()).storage
    assert (storage.account_name, storage.container) == ("existingaccount", "images")


@pytest.mark.parametrize(
    "name, reached",
    [
        ("default", True),
        ("existing-account", True),
        ("private-network", False),
        ("existing-account-private-network", False),
    ],
)
def test_the_registry_sends_and_receives_layers_itself_where_clients_cannot_reach_storage(
    name: str, *, reached: bool
) -> None:
    settings = read_settings(deployment(name).environment())
    assert (settings.redirect, settings.direct_upload) == (reached, reached)


def test_settings_given_by_the_operator_are_passed_on() -> None:
    assert deployment("options").app_settings()["REGISTRY_STORAGE_DELETE_ENABLED"] == "false"


@pytest.mark.parametrize("name", NAMES)
def test_the_host_the_registry_and_telemetry_use_their_identities(name: str) -> None:
    settings = deployment(name).app_settings()
    assert settings["AzureWebJobsStorage__credential"] == "managedidentity"
    assert settings["AzureWebJobsStorage__clientId"] == HOST_CLIENT_ID
    assert settings["AZURE_CLIENT_ID"] == CLIENT_ID
    assert settings["AZURE_TOKEN_CREDENTIALS"] == "ManagedIdentityCredential"
    authentication = settings["APPLICATIONINSIGHTS_AUTHENTICATION_STRING"].split(";")
    assert set(authentication) == {f"ClientId={HOST_CLIENT_ID}", "Authorization=AAD"}


@pytest.mark.parametrize("name", NAMES)
def test_the_token_for_storage_comes_straight_from_the_platform(name: str) -> None:
    """Without azure-identity, whose import takes longer than that of the whole registry."""
    endpoint = {"IDENTITY_ENDPOINT": "http://localhost:1/msi/token", "IDENTITY_HEADER": "h"}
    storage = read_settings(deployment(name).environment() | endpoint).storage
    assert storage.identity_endpoint == endpoint["IDENTITY_ENDPOINT"]
    assert storage.client_id == CLIENT_ID


def test_requests_keep_their_paths_and_streams_under_the_host() -> None:
    """host.json removes the prefix `api` and leaves the option off that reads bodies whole."""
    settings = json.loads((PROJECT / "host.json").read_text())
    assert settings["version"] == "2.0"
    assert settings["extensions"]["http"]["routePrefix"] == ""
    assert "enableChunkedRequestBinding" not in json.dumps(settings)
