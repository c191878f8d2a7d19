"""Settings of who is let in: what each mode needs, and what is wrong where it is."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest

from registry_core import config
from registry_core.auth.tokens.keys import ALGORITHMS
from registry_core.config import (
    AuthSettings,
    ConfigError,
    Mode,
    read_settings,
    read_storage_settings,
)
from registry_core.config.token import TokenAuth
from tests.support.certificates import certify
from tests.support.oidc_issuer import ec_key

STORAGE = {
    config.ACCOUNT_NAME: "account",
    config.CONTAINER: "registry",
    config.HTTP_SECRET: "0123456789abcdef",
}
PEM = certify("issuer").pem
KEY = ec_key()
JWKS = json.dumps({"keys": [KEY.jwk()]})
USERS = "alice:$2y$05$" + "a" * 21 + "." + "b" * 31
TOKEN = {
    config.AUTH: "token",
    config.TOKEN_REALM: "https://auth.example.com/token",
    config.TOKEN_SERVICE: "registry.example.com",
    config.TOKEN_ISSUER: "auth.example.com",
    config.TOKEN_ROOTCERTBUNDLE: PEM,
}


def auth(environment: dict[str, str]) -> AuthSettings:
    return read_settings(STORAGE | environment).auth


def token(**changed: str) -> TokenAuth:
    """As `TOKEN` says, with names of settings given by their last part."""
    changes = {f"REGISTRY_AUTH_TOKEN_{name.upper()}": text for name, text in changed.items()}
    read = auth(TOKEN | changes).token
    assert read is not None
    return read


def problems(environment: dict[str, str]) -> list[str]:
    with pytest.raises(ConfigError) as error:
        read_settings(STORAGE | environment)
    return error.value.problems


def test_without_a_mode_everybody_is_let_in() -> None:
    assert auth({}) == AuthSettings(Mode.NONE)
    assert auth({config.AUTH: "none"}) == AuthSettings(Mode.NONE)


@pytest.mark.parametrize(
    "name", ["WEBSITE_INSTANCE_ID", "WEBSITE_SITE_NAME", "WEBSITE_SKU", "CONTAINER_APP_NAME"]
)
def test_in_azure_a_mode_must_be_chosen(name: str) -> None:
    """Whatever it runs on there; ``none`` is a choice as well."""
    [problem] = problems({name: "x"})
    assert problem.startswith("REGISTRY_AUTH is missing")
    assert all(mode in problem for mode in Mode)
    assert auth({name: "x", config.AUTH: "none"}).mode is Mode.NONE


def test_an_unknown_mode_is_a_problem() -> None:
    [problem] = problems({config.AUTH: "silly"})
    assert problem == "REGISTRY_AUTH='silly' must be one of none, htpasswd, token, builtin"


def test_what_is_said_of_an_issuer_arrives() -> None:
    read = token(signingalgorithms="[ES256, EdDSA]", jwks=JWKS)
    assert read.realm == "https://auth.example.com/token"
    assert (read.service, read.issuer) == ("registry.example.com", "auth.example.com")
    assert read.bundle is not None
    assert len(read.bundle.certificates) == 1
    assert read.keys is not None
    assert KEY.kid in read.keys.named
    assert read.algorithms == {"ES256", "EdDSA"}
    assert token().algorithms == ALGORITHMS


def test_documents_may_be_files(tmp_path: Path) -> None:
    bundle, jwks, users = (tmp_path / name for name in ("bundle.pem", "jwks.json", "users"))
    bundle.write_text(PEM)
    jwks.write_text(JWKS)
    users.write_text(USERS)
    assert token(rootcertbundle=str(bundle), jwks=str(jwks)) == token(jwks=JWKS)
    read = auth({config.AUTH: "htpasswd", config.HTPASSWD_PATH: str(users)}).htpasswd
    assert read is not None
    assert (read.users.path, read.users.text) == (users, USERS)


@pytest.mark.parametrize("url", ["https://auth.example.com/keys", "http://127.0.0.1:8080/keys"])
def test_keys_may_be_at_a_url(url: str) -> None:
    assert (token(jwks=url).keys_url, token(jwks=url).keys) == (url, None)


@pytest.mark.parametrize("path, expected", [("", "/auth/token"), ("/elsewhere", "/elsewhere")])
def test_the_token_service_may_be_here(path: str, expected: str) -> None:
    """Then the realm that distribution wants nevertheless is not looked at."""
    read = token(autoredirect="true", autoredirectpath=path)
    assert (read.realm, read.path) == (None, expected)


def test_users_may_stand_in_the_setting() -> None:
    read = auth({config.AUTH: "htpasswd", config.HTPASSWD_PATH: USERS}).htpasswd
    assert read is not None
    assert (read.users.path, read.users.text, read.realm) == (None, USERS, "registry")
    assert USERS not in repr(read)


@pytest.mark.parametrize(
    "name, text, said",
    [
        (config.TOKEN_REALM, "", "is missing"),
        (config.TOKEN_REALM, "auth.example.com", "must be a URL"),
        (config.TOKEN_SERVICE, "", "is missing"),
        (config.TOKEN_ISSUER, "", "is missing"),
        (config.TOKEN_ROOTCERTBUNDLE, "", "is missing"),
        (config.TOKEN_ROOTCERTBUNDLE, "/no/such/file", "no file that can be read (No such file"),
        (config.TOKEN_ROOTCERTBUNDLE, "-----BEGIN nothing", "must hold certificates"),
        (config.TOKEN_JWKS, "{", "must hold a JWK set"),
        (config.TOKEN_JWKS, '{"keys": []}', "must hold a JWK set"),
        (config.TOKEN_JWKS, "[" * 100_000, "must hold a JWK set"),
        (config.TOKEN_JWKS, "http://auth.example.com/keys", "must begin with https://"),
        (config.TOKEN_SIGNINGALGORITHMS, "HS256", "HS256 is not taken"),
        (config.TOKEN_SIGNINGALGORITHMS, "ES256,none", "none is not taken"),
        (config.TOKEN_AUTOREDIRECT, "perhaps", "must be true or false"),
        (config.TOKEN_AUTOREDIRECTPATH, "/elsewhere", "needs REGISTRY_AUTH_TOKEN_AUTOREDIRECT"),
    ],
)
def test_what_is_wrong_with_an_issuer_is_told(name: str, text: str, said: str) -> None:
    [problem] = problems(TOKEN | {name: text})
    assert problem.startswith(name)
    assert said in problem


def test_everything_that_is_missing_is_told_at_once() -> None:
    """Each setting by its name."""
    told = problems({config.AUTH: "token"})
    missing = ("REALM", "SERVICE", "ISSUER", "ROOTCERTBUNDLE")
    assert sorted(line.split()[0] for line in told) == sorted(
        f"REGISTRY_AUTH_TOKEN_{name}" for name in missing
    )


@pytest.mark.parametrize(
    "text, said",
    [
        ("", "is missing"),
        ("/no/such/file", "no file that can be read"),
        ("alice:$2y$nonsense", "REGISTRY_AUTH_HTPASSWD_PATH:1"),
    ],
)
def test_what_is_wrong_with_users_is_told(text: str, said: str) -> None:
    [problem] = problems({config.AUTH: "htpasswd", config.HTPASSWD_PATH: text})
    assert problem.startswith(config.HTPASSWD_PATH)
    assert said in problem
    assert "nonsense" not in problem


@pytest.mark.parametrize(
    "mode, unread",
    [
        ({}, config.TOKEN_REALM),
        (TOKEN, config.HTPASSWD_PATH),
        ({config.AUTH: "htpasswd", config.HTPASSWD_PATH: USERS}, config.TOKEN_JWKS),
    ],
)
def test_settings_of_another_mode_are_warned_of(
    mode: dict[str, str], unread: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        auth(mode | {unread: "x"})
    chosen = mode.get(config.AUTH, "none")
    assert caplog.messages == [f"{unread} is not looked at where REGISTRY_AUTH is {chosen}"]


def test_classes_of_repositories_are_known() -> None:
    read = read_settings(STORAGE | {config.REPOSITORY_CLASSES: "[image, plugin]"})
    assert read.repository_classes == {"image", "plugin"}
    [problem] = problems({config.REPOSITORY_CLASSES: "image,helm"})
    assert problem.startswith(f"{config.REPOSITORY_CLASSES}: 'helm' is no class")


def test_a_command_beside_the_registry_needs_to_know_where_storage_is_and_nothing_else() -> None:
    """Its keys and secrets may stay where the registry is, whatever the mode."""
    environment = {**STORAGE, config.AUTH: "builtin", config.TOKEN_ISSUER: "somebody"}
    del environment[config.HTTP_SECRET]
    settings = read_storage_settings(environment)
    assert (settings.storage.container, settings.auth) == ("registry", AuthSettings(Mode.NONE))
    with pytest.raises(ConfigError):
        read_settings(environment)
