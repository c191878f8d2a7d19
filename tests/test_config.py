"""Settings: each problem is one line that names the setting and says what would be right."""

import base64
import logging

import pytest

from registry_core import config
from registry_core.config import ConfigError, Settings, read_settings, storage_is_configured

KEY = base64.b64encode(b"a key").decode()
BY_ACCOUNT = {
    config.ACCOUNT_NAME: "account",
    config.CONTAINER: "registry",
    config.HTTP_SECRET: "0123456789abcdef",
}
BY_CONNECTION_STRING = {
    config.CONNECTION_STRING: f"AccountName=account;AccountKey={KEY};EndpointSuffix=x",
    config.CONTAINER: "registry",
    config.HTTP_SECRET: "0123456789abcdef",
}


def problems(environment: dict[str, str]) -> list[str]:
    with pytest.raises(ConfigError) as error:
        read_settings(environment)
    assert str(error.value) == "\n".join(error.value.problems)
    return error.value.problems


def test_an_account_without_a_key_is_entered_by_identity() -> None:
    storage = read_settings(BY_ACCOUNT).storage
    assert storage.service_url == "https://account.blob.core.windows.net"
    assert (storage.account_key, storage.connection_string) == (None, None)


def test_what_is_not_said_has_its_default() -> None:
    settings = read_settings(BY_ACCOUNT)
    assert settings == Settings(settings.storage, "0123456789abcdef")


def test_everything_that_is_said_arrives() -> None:
    settings = read_settings(
        BY_ACCOUNT
        | {
            config.ACCOUNT_KEY: KEY,
            config.REALM: "core.example.net",
            config.ROOT_DIRECTORY: "some/folder",
            config.REDIRECT_DISABLE: "True",
            config.CACHE_MEMBERSHIP: "0",
            config.CACHE_MANIFESTS: "1000",
            config.HTTP_HOST: "https://registry.example.com",
            config.HTTP_RELATIVE_URLS: "yes",
            config.DELETE_ENABLED: "false",
            config.READ_ONLY: "on",
            config.INDEX_PLATFORMS: "none",
            config.VALIDATION_DISABLED: "true",
        }
    )
    assert settings.storage.service_url == "https://account.blob.core.example.net"
    assert settings.storage.account_key == KEY
    assert settings.root == "some/folder/"
    assert settings.redirect is False
    assert (settings.membership_seconds, settings.manifest_cache_bytes) == (0, 1000)
    assert settings.public_url == "https://registry.example.com"
    assert settings.relative_urls is True
    assert (settings.delete, settings.read_only) == (False, True)
    assert (settings.require_blobs, settings.require_children) == (False, False)


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
    """But for "/", which is distribution v2's. Where nothing is said, it is to be found."""
    assert read_settings(BY_ACCOUNT | {config.ROOT_DIRECTORY: text}).root == root


@pytest.mark.parametrize(
    "change, named, advice",
    [
        ({config.HTTP_SECRET: ""}, config.HTTP_SECRET, "openssl rand"),
        ({config.HTTP_SECRET: "short"}, config.HTTP_SECRET, "at least 16"),
        ({config.CONTAINER: ""}, config.CONTAINER, "3 to 63"),
        ({config.CONTAINER: "Upper"}, config.CONTAINER, "3 to 63"),
        ({config.ACCOUNT_NAME: ""}, config.ACCOUNT_NAME, config.CONNECTION_STRING),
        ({config.ACCOUNT_NAME: "my-account"}, config.ACCOUNT_NAME, "letters and digits"),
        ({config.ACCOUNT_KEY: "%%%"}, config.ACCOUNT_KEY, "base64"),
        ({config.SERVICE_URL: "account"}, config.SERVICE_URL, "https://"),
        ({config.HTTP_HOST: "registry.example.com"}, config.HTTP_HOST, "https://"),
        ({config.HTTP_HOST: "https://a/path"}, config.HTTP_HOST, "https://"),
        ({config.REDIRECT_DISABLE: "maybe"}, config.REDIRECT_DISABLE, "true or false"),
        ({config.DELETE_ENABLED: "never"}, config.DELETE_ENABLED, "true or false"),
        ({config.INDEX_PLATFORMS: "some"}, config.INDEX_PLATFORMS, "all, none"),
        ({config.CACHE_MEMBERSHIP: "-1"}, config.CACHE_MEMBERSHIP, "0 or more"),
        ({config.CACHE_MANIFESTS: "32M"}, config.CACHE_MANIFESTS, "whole number"),
        ({"REGISTRY_HTTP_SECRETS": "x"}, "REGISTRY_HTTP_SECRETS", config.HTTP_SECRET),
        ({"REGISTRY_STORAGE_AZURE_CONTAINERNAME": "x"}, "CONTAINERNAME", config.CONTAINER),
    ],
)
def test_a_bad_setting_is_named_with_what_would_be_right(
    change: dict[str, str], named: str, advice: str
) -> None:
    [problem] = problems(BY_ACCOUNT | change)
    assert named in problem
    assert advice in problem
    assert "\n" not in problem


@pytest.mark.parametrize("name", [config.ACCOUNT_NAME, config.ACCOUNT_KEY, config.SERVICE_URL])
def test_two_ways_into_storage_contradict_each_other(name: str) -> None:
    [problem] = problems(BY_CONNECTION_STRING | {name: "account"})
    assert name in problem
    assert config.CONNECTION_STRING in problem


@pytest.mark.parametrize("text", ["nonsense", "AccountName=a", "BlobEndpoint=x;SharedAccess=y"])
def test_a_connection_string_needs_name_and_key(text: str) -> None:
    [problem] = problems(BY_CONNECTION_STRING | {config.CONNECTION_STRING: text})
    assert "AccountKey" in problem


def test_all_problems_are_told_at_once() -> None:
    assert len(problems({})) == 3


def test_secrets_are_in_no_problem_and_no_representation() -> None:
    told = problems(BY_ACCOUNT | {config.ACCOUNT_KEY: "secret%", config.HTTP_SECRET: "secret"})
    assert not any("secret" in problem.replace(config.HTTP_SECRET, "").lower() for problem in told)
    settings = read_settings(BY_CONNECTION_STRING)
    assert KEY not in repr(settings)
    assert settings.http_secret not in repr(settings)


def test_a_setting_that_only_another_registry_knows_is_reported_and_ignored(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.WARNING):
        read_settings(BY_ACCOUNT | {"REGISTRY_LOG_LEVEL": "debug", "OTHER": "x"})
    [record] = caplog.records
    assert "REGISTRY_LOG_LEVEL" in record.getMessage()


def test_storage_is_configured_as_soon_as_anything_says_where_it_is() -> None:
    assert not storage_is_configured({config.CONTAINER: "registry"})
    for name in (config.CONNECTION_STRING, config.ACCOUNT_NAME, config.SERVICE_URL):
        assert storage_is_configured({name: "x"})
