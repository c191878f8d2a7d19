"""Each problem with the settings is one line: it names the setting and says what is right."""

import base64
import logging
from datetime import timedelta

import pytest

from registry_core.config import ConfigError, Settings, read_settings, storage_is_configured, table
from registry_core.globs import UrlGlobs
from registry_core.object_store.azure import AzureBlobStore
from registry_core.spec.foreign_urls import NO_URLS, ForeignUrls
from registry_core.spec.origins import Origins

from . import SECRET, without_unset

KEY = base64.b64encode(b"a key").decode()
BY_ACCOUNT = {
    table.ACCOUNT_NAME: "account",
    table.CONTAINER: "registry",
    table.HTTP_SECRET: SECRET,
}
BY_CONNECTION_STRING = {
    table.CONNECTION_STRING: f"AccountName=account;AccountKey={KEY};EndpointSuffix=x",
    table.CONTAINER: "registry",
    table.HTTP_SECRET: SECRET,
}


def problems(environment: dict[str, str]) -> list[str]:
    with pytest.raises(ConfigError) as error:
        read_settings(without_unset(environment))
    assert str(error.value) == "\n".join(error.value.problems)
    return error.value.problems


def test_an_account_without_a_key_is_accessed_with_an_identity() -> None:
    storage = read_settings(BY_ACCOUNT).storage
    assert storage.service_url == "https://account.blob.core.windows.net"
    assert (storage.account_key, storage.connection_string) == (None, None)


def test_unset_settings_have_their_defaults() -> None:
    settings = read_settings(BY_ACCOUNT)
    assert settings == Settings(settings.storage, SECRET)


def test_every_setting_is_read() -> None:
    settings = read_settings(
        BY_ACCOUNT
        | {
            table.ACCOUNT_KEY: KEY,
            table.REALM: "core.example.net",
            table.API_VERSION: "2024-11-04",
            table.ROOT_DIRECTORY: "some/folder",
            table.REDIRECT_DISABLE: "True",
            table.REDIRECT_MINSIZE: "1048576",
            table.DIRECT_UPLOAD: "off",
            table.CACHE_MEMBERSHIP: "0",
            table.CACHE_MANIFESTS: "1000",
            table.HTTP_HOST: "https://registry.example.com",
            table.HTTP_RELATIVE_URLS: "yes",
            table.DELETE_ENABLED: "false",
            table.DELETE_RETENTION: "72h",
            table.READ_ONLY: "on",
            table.INDEX_PLATFORMS: "none",
            table.MAX_REFERENCES: "20",
            table.VALIDATION_DISABLED: "true",
        }
    )
    assert settings.storage.service_url == "https://account.blob.core.example.net"
    assert settings.storage.account_key == KEY
    assert settings.storage.api_version == "2024-11-04"
    assert settings.root == "some/folder/"
    assert (settings.redirect, settings.redirect_min_size) == (False, 2**20)
    assert settings.direct_upload is False
    assert (settings.membership_seconds, settings.manifest_cache_bytes) == (0, 1000)
    assert settings.public_url == "https://registry.example.com"
    assert settings.relative_urls is True
    assert (settings.delete, settings.read_only) == (False, True)
    assert settings.delete_retention == timedelta(days=3)
    assert (settings.require_blobs, settings.require_children) == (False, False)
    assert settings.max_references == 20


@pytest.mark.parametrize(
    "change, on",
    [({}, True), ({table.DIRECT_UPLOAD: "auto"}, True), ({table.DIRECT_UPLOAD: "off"}, False)],
)
def test_clients_may_upload_to_storage_unless_that_is_off(
    change: dict[str, str], *, on: bool
) -> None:
    assert read_settings(BY_ACCOUNT | change).direct_upload is on


@pytest.mark.parametrize(
    "text, root",
    [
        ("", None),
        (".", ""),
        ("/", "/"),
        ("folder", "folder/"),
        ("/folder/", "folder/"),
        ("some/folder/", "some/folder/"),
        ("//folder", "/folder/"),
    ],
)
def test_the_root_is_read_as_distribution_reads_it(text: str, root: str | None) -> None:
    """Except "/", which is what distribution v2 uses. Unset means: found by looking."""
    assert read_settings(without_unset(BY_ACCOUNT | {table.ROOT_DIRECTORY: text})).root == root


@pytest.mark.parametrize(
    "text, origins",
    [
        ("*", Origins(any=True)),
        ("https://a", Origins(frozenset({"https://a"}))),
        ('["https://a", "http://b:1"]', Origins(frozenset({"https://a", "http://b:1"}))),
    ],
)
def test_origins_are_a_list_or_an_asterisk(text: str, origins: Origins) -> None:
    assert read_settings(BY_ACCOUNT | {table.HTTP_CORS_ORIGINS: text}).cors_origins == origins


@pytest.mark.parametrize(
    "change, named, advice",
    [
        ({table.HTTP_SECRET: ""}, table.HTTP_SECRET, "openssl rand"),
        ({table.DELETE_RETENTION: "14"}, table.DELETE_RETENTION, "such as 12h, 14d or 2w"),
        ({table.HTTP_SECRET: "short"}, table.HTTP_SECRET, "at least 32"),
        ({table.CONTAINER: ""}, table.CONTAINER, "3 to 63"),
        ({table.CONTAINER: "Upper"}, table.CONTAINER, "3 to 63"),
        ({table.ACCOUNT_NAME: ""}, table.ACCOUNT_NAME, table.CONNECTION_STRING),
        ({table.ACCOUNT_NAME: "my-account"}, table.ACCOUNT_NAME, "letters and digits"),
        ({table.ACCOUNT_KEY: "%%%"}, table.ACCOUNT_KEY, "base64"),
        ({table.SERVICE_URL: "account"}, table.SERVICE_URL, "https://"),
        ({table.API_VERSION: "latest"}, table.API_VERSION, "such as 2024-11-04"),
        ({table.API_VERSION: "2019-07-07"}, table.API_VERSION, "from 2020-12-06"),
        ({table.API_VERSION: "2027-01-01"}, table.API_VERSION, "to 2026-10-06"),
        ({table.HTTP_HOST: "registry.example.com"}, table.HTTP_HOST, "https://"),
        ({table.HTTP_HOST: "https://a/path"}, table.HTTP_HOST, "https://"),
        ({table.HTTP_HOST: "https://user@a"}, table.HTTP_HOST, "https://"),
        ({table.HTTP_HOST: "https://a?b"}, table.HTTP_HOST, "https://"),
        ({table.ROOT_DIRECTORY: "some./folder"}, table.ROOT_DIRECTORY, "Azure strips"),
        ({table.ROOT_DIRECTORY: "folder/.."}, table.ROOT_DIRECTORY, "Azure strips"),
        ({table.HTTP_CORS_ORIGINS: "ui.example.com"}, table.HTTP_CORS_ORIGINS, "https://"),
        ({table.HTTP_CORS_ORIGINS: "https://a/, b"}, table.HTTP_CORS_ORIGINS, "write https://a"),
        ({table.HTTP_CORS_ORIGINS: "https://a *"}, table.HTTP_CORS_ORIGINS, "remove the others"),
        ({table.REDIRECT_DISABLE: "maybe"}, table.REDIRECT_DISABLE, "true or false"),
        ({table.DIRECT_UPLOAD: "on"}, table.DIRECT_UPLOAD, "auto, off"),
        ({table.DIRECT_UPLOAD: "true"}, table.DIRECT_UPLOAD, "auto, off"),
        ({table.REDIRECT_MINSIZE: "64K"}, table.REDIRECT_MINSIZE, "0 to 1048576"),
        ({table.REDIRECT_MINSIZE: "1048577"}, table.REDIRECT_MINSIZE, "0 to 1048576"),
        ({table.DELETE_ENABLED: "never"}, table.DELETE_ENABLED, "true or false"),
        ({table.INDEX_PLATFORMS: "some"}, table.INDEX_PLATFORMS, "all, none"),
        ({table.CACHE_MEMBERSHIP: "-1"}, table.CACHE_MEMBERSHIP, "0 to 900"),
        ({table.CACHE_MEMBERSHIP: "901"}, table.CACHE_MEMBERSHIP, "0 to 900"),
        ({table.MAX_REFERENCES: "-1"}, table.MAX_REFERENCES, "0 or more"),
        ({table.CACHE_MANIFESTS: "32M"}, table.CACHE_MANIFESTS, "whole number"),
        ({"REGISTRY_HTTP_SECRETS": "x"}, "REGISTRY_HTTP_SECRETS", table.HTTP_SECRET),
        ({"REGISTRY_STORAGE_AZURE_CONTAINERNAME": "x"}, "CONTAINERNAME", table.CONTAINER),
    ],
)
def test_a_bad_setting_is_named_with_what_is_right(
    change: dict[str, str], named: str, advice: str
) -> None:
    [problem] = problems(BY_ACCOUNT | change)
    assert named in problem
    assert advice in problem
    assert "\n" not in problem


@pytest.mark.parametrize("name", [table.ACCOUNT_NAME, table.ACCOUNT_KEY, table.SERVICE_URL])
def test_a_connection_string_excludes_other_credentials(name: str) -> None:
    [problem] = problems(BY_CONNECTION_STRING | {name: "account"})
    assert name in problem
    assert table.CONNECTION_STRING in problem


@pytest.mark.parametrize(
    "text",
    ["nonsense", "AccountName=a", "BlobEndpoint=x;SharedAccess=y", "UseDevelopmentStorage=false"],
)
def test_a_connection_string_needs_name_and_key(text: str) -> None:
    [problem] = problems(BY_CONNECTION_STRING | {table.CONNECTION_STRING: text})
    assert "AccountKey" in problem


@pytest.mark.parametrize("text", ["UseDevelopmentStorage=true", "usedevelopmentstorage=true;"])
def test_the_connection_string_of_an_emulator_needs_neither(text: str) -> None:
    """`AzureBlobStore.from_connection_string` accepts it as well."""
    settings = read_settings(BY_CONNECTION_STRING | {table.CONNECTION_STRING: text})
    assert settings.storage.connection_string == text
    AzureBlobStore.from_connection_string(text, settings.storage.container)


@pytest.mark.parametrize("credentials", [BY_ACCOUNT, BY_CONNECTION_STRING])
def test_the_version_of_the_protocol_can_be_chosen(credentials: dict[str, str]) -> None:
    assert (
        read_settings(credentials).storage.api_version == table.SETTINGS[table.API_VERSION].default
    )
    assert read_settings(credentials | {table.API_VERSION: "2020-12-06"}).storage.api_version == (
        "2020-12-06"
    )


def test_all_problems_are_reported_at_once() -> None:
    assert len(problems({})) == 3


def test_secrets_appear_neither_in_problems_nor_in_representations() -> None:
    lines = problems(BY_ACCOUNT | {table.ACCOUNT_KEY: "secret%", table.HTTP_SECRET: "secret"})
    assert not any("secret" in line.replace(table.HTTP_SECRET, "").lower() for line in lines)
    settings = read_settings(BY_CONNECTION_STRING)
    assert KEY not in repr(settings)
    assert settings.http_secret not in repr(settings)


def test_a_setting_of_another_registry_is_ignored_with_a_warning(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.WARNING):
        read_settings(BY_ACCOUNT | {"REGISTRY_LOG_LEVEL": "debug", "OTHER": "x"})
    [record] = caplog.records
    assert "REGISTRY_LOG_LEVEL" in record.getMessage()


def test_storage_is_configured_once_any_setting_locates_it() -> None:
    assert not storage_is_configured({table.CONTAINER: "registry"})
    for name in (table.CONNECTION_STRING, table.ACCOUNT_NAME, table.SERVICE_URL):
        assert storage_is_configured({name: "x"})
        assert storage_is_configured({name: ""}), "somebody meant to configure it"


def test_manifests_send_clients_elsewhere_only_where_that_is_allowed() -> None:
    """Nowhere by default, and without validation anywhere, as in distribution."""
    assert read_settings(BY_ACCOUNT).foreign_urls == NO_URLS
    patterns = {
        table.URLS_ALLOW: '["https://mcr.microsoft.com/**", https://*.example.com/*]',
        table.URLS_DENY: "https://old.example.com/**",
    }
    assert read_settings(BY_ACCOUNT | patterns).foreign_urls == ForeignUrls(
        UrlGlobs(("https://mcr.microsoft.com/**", "https://*.example.com/*")),
        UrlGlobs(("https://old.example.com/**",)),
    )
    without = patterns | {table.VALIDATION_DISABLED: "true"}
    assert read_settings(BY_ACCOUNT | without).foreign_urls is None


@pytest.mark.parametrize("name", [table.URLS_ALLOW, table.URLS_DENY])
def test_regular_expressions_of_distribution_are_reported(name: str) -> None:
    [problem] = problems(BY_ACCOUNT | {name: r"^https?://([^/]+\.)*example\.com/"})
    assert problem.startswith(f"{name}: ")
    assert "a glob is not a regular expression" in problem
