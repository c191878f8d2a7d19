"""How callers are authenticated: what each mode needs, and what is reported if it is wrong."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest

from registry_core.auth.tokens.keys import ALGORITHMS, SigningKey
from registry_core.config import (
    AuthSettings,
    ConfigError,
    Mode,
    TokenAuth,
    auth_table,
    read_settings,
    read_storage_settings,
    table,
)
from tests.support.certificates import certify
from tests.support.oidc_issuer import ec_key

from . import SECRET, without_unset

STORAGE = {
    table.ACCOUNT_NAME: "account",
    table.CONTAINER: "registry",
    table.HTTP_SECRET: SECRET,
}
PEM = certify("issuer").pem
KEY = ec_key()
JWKS = json.dumps({"keys": [KEY.jwk()]})
USERS = "alice:$2y$05$" + "a" * 21 + "." + "b" * 31
TOKEN = {
    auth_table.AUTH: "token",
    auth_table.TOKEN_REALM: "https://auth.example.com/token",
    auth_table.TOKEN_SERVICE: "registry.example.com",
    auth_table.TOKEN_ISSUER: "auth.example.com",
    auth_table.TOKEN_ROOTCERTBUNDLE: PEM,
}


def auth(environment: dict[str, str]) -> AuthSettings:
    return read_settings(without_unset(STORAGE | environment)).auth


def token(**changed: str) -> TokenAuth:
    """Read `TOKEN` with some settings changed, which are named by their last part."""
    changes = {f"REGISTRY_AUTH_TOKEN_{name.upper()}": text for name, text in changed.items()}
    read = auth(TOKEN | changes).token
    assert read is not None
    return read


def problems(environment: dict[str, str]) -> list[str]:
    with pytest.raises(ConfigError) as error:
        read_settings(without_unset(STORAGE | environment))
    return error.value.problems


def test_the_default_is_no_authentication() -> None:
    assert auth({}) == AuthSettings(Mode.NONE)
    assert auth({auth_table.AUTH: "none"}) == AuthSettings(Mode.NONE)


@pytest.mark.parametrize(
    "name", ["WEBSITE_INSTANCE_ID", "WEBSITE_SITE_NAME", "WEBSITE_SKU", "CONTAINER_APP_NAME"]
)
def test_a_mode_is_required_in_azure(name: str) -> None:
    """On every service of Azure; ``none`` is accepted."""
    [problem] = problems({name: "x"})
    assert problem.startswith("REGISTRY_AUTH is missing")
    assert all(mode in problem for mode in Mode)
    assert auth({name: "x", auth_table.AUTH: "none"}).mode is Mode.NONE


def test_an_unknown_mode_is_refused() -> None:
    [problem] = problems({auth_table.AUTH: "silly"})
    assert problem == "REGISTRY_AUTH='silly' must be one of none, htpasswd, token, builtin"


def test_the_issuer_is_read() -> None:
    read = token(signingalgorithms="[ES256, EdDSA]", jwks=JWKS)
    assert read.realm == "https://auth.example.com/token"
    assert (read.service, read.issuer) == ("registry.example.com", "auth.example.com")
    assert read.bundle is not None
    assert len(read.bundle.certificates) == 1
    assert read.keys is not None
    assert KEY.kid in read.keys.named
    assert read.algorithms == {"ES256", "EdDSA"}
    assert token().algorithms == ALGORITHMS


def test_documents_can_be_files(tmp_path: Path) -> None:
    bundle, jwks, users = (tmp_path / name for name in ("bundle.pem", "jwks.json", "users"))
    bundle.write_text(PEM)
    jwks.write_text(JWKS)
    users.write_text(USERS)
    assert token(rootcertbundle=str(bundle), jwks=str(jwks)) == token(jwks=JWKS)
    read = auth({auth_table.AUTH: "htpasswd", auth_table.HTPASSWD_PATH: str(users)}).htpasswd
    assert read is not None
    assert (read.users.path, read.users.text) == (users, USERS)


@pytest.mark.parametrize("url", ["https://auth.example.com/keys", "http://127.0.0.1:8080/keys"])
def test_keys_can_be_at_a_url(url: str) -> None:
    assert (token(jwks=url).keys_url, token(jwks=url).keys) == (url, None)


@pytest.mark.parametrize("path, expected", [("", "/auth/token"), ("/elsewhere", "/elsewhere")])
def test_the_token_service_can_be_at_the_registrys_own_address(path: str, expected: str) -> None:
    """The realm, which distribution requires even then, is ignored."""
    read = token(autoredirect="true", autoredirectpath=path)
    assert (read.realm, read.path) == (None, expected)


def test_users_can_be_given_in_the_setting_itself() -> None:
    read = auth({auth_table.AUTH: "htpasswd", auth_table.HTPASSWD_PATH: USERS}).htpasswd
    assert read is not None
    assert (read.users.path, read.users.text, read.realm) == (None, USERS, "registry")
    assert USERS not in repr(read)


@pytest.mark.parametrize(
    "name, text, expected",
    [
        (auth_table.TOKEN_REALM, "", "is missing"),
        (auth_table.TOKEN_REALM, "auth.example.com", "must be a URL"),
        (auth_table.TOKEN_SERVICE, "", "is missing"),
        (auth_table.TOKEN_ISSUER, "", "is missing"),
        (auth_table.TOKEN_ROOTCERTBUNDLE, "", "is missing"),
        (
            auth_table.TOKEN_ROOTCERTBUNDLE,
            "/no/such/file",
            "cannot be read as a file (No such file",
        ),
        (auth_table.TOKEN_ROOTCERTBUNDLE, "-----BEGIN nothing", "must hold certificates"),
        (auth_table.TOKEN_JWKS, "{", "must hold a JWK set"),
        (auth_table.TOKEN_JWKS, '{"keys": []}', "must hold a JWK set"),
        (auth_table.TOKEN_JWKS, "[" * 100_000, "must hold a JWK set"),
        (auth_table.TOKEN_JWKS, "http://auth.example.com/keys", "must begin with https://"),
        (auth_table.TOKEN_SIGNINGALGORITHMS, "HS256", "HS256 is not supported"),
        (auth_table.TOKEN_SIGNINGALGORITHMS, "ES256,none", "none is not supported"),
        (auth_table.TOKEN_AUTOREDIRECT, "perhaps", "must be true or false"),
        (auth_table.TOKEN_AUTOREDIRECTPATH, "/elsewhere", "needs REGISTRY_AUTH_TOKEN_AUTOREDIRECT"),
    ],
)
def test_a_problem_with_the_issuer_is_reported(name: str, text: str, expected: str) -> None:
    [problem] = problems(TOKEN | {name: text})
    assert problem.startswith(name)
    assert expected in problem


def test_all_missing_settings_are_reported_at_once() -> None:
    reported = problems({auth_table.AUTH: "token"})
    missing = ("REALM", "SERVICE", "ISSUER", "ROOTCERTBUNDLE")
    assert sorted(line.split()[0] for line in reported) == sorted(
        f"REGISTRY_AUTH_TOKEN_{name}" for name in missing
    )


@pytest.mark.parametrize(
    "text, expected",
    [
        ("", "is missing"),
        ("/no/such/file", "cannot be read as a file"),
        ("alice:$2y$nonsense", "REGISTRY_AUTH_HTPASSWD_PATH:1"),
    ],
)
def test_a_problem_with_the_users_is_reported(text: str, expected: str) -> None:
    [problem] = problems({auth_table.AUTH: "htpasswd", auth_table.HTPASSWD_PATH: text})
    assert problem.startswith(auth_table.HTPASSWD_PATH)
    assert expected in problem
    assert "nonsense" not in problem


@pytest.mark.parametrize(
    "mode, ignored",
    [
        ({auth_table.AUTH: "none"}, auth_table.TOKEN_REALM),
        (TOKEN, auth_table.HTPASSWD_PATH),
        ({auth_table.AUTH: "htpasswd", auth_table.HTPASSWD_PATH: USERS}, auth_table.TOKEN_JWKS),
    ],
)
def test_a_setting_of_another_mode_is_ignored_with_a_warning(
    mode: dict[str, str], ignored: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        auth(mode | {ignored: "x"})
    chosen = mode[auth_table.AUTH]
    assert caplog.messages == [f"{ignored} is ignored because REGISTRY_AUTH is {chosen}"]


def test_settings_of_a_mode_need_the_mode() -> None:
    """Rules and users that nobody reads would leave the registry open."""
    for name in (
        auth_table.AUTH_RULES,
        auth_table.HTPASSWD_PATH,
        auth_table.TOKEN_JWKS,
        auth_table.ENTRA_TENANTID,
    ):
        [problem] = problems({name: "x"})
        assert problem.startswith(f"REGISTRY_AUTH is missing; {name} is for ")


def test_repository_classes_are_checked() -> None:
    read = read_settings(STORAGE | {table.REPOSITORY_CLASSES: "[image, plugin]"})
    assert read.repository_classes == {"image", "plugin"}
    [problem] = problems({table.REPOSITORY_CLASSES: "image,helm"})
    assert problem.startswith(f"{table.REPOSITORY_CLASSES}: 'helm' is not a class")


def test_commands_that_only_work_on_storage_need_no_other_settings() -> None:
    """Keys and secrets of the registry are not required, whatever the mode."""
    environment = {**STORAGE, auth_table.AUTH: "builtin", auth_table.TOKEN_ISSUER: "somebody"}
    del environment[table.HTTP_SECRET]
    settings = read_storage_settings(environment)
    assert (settings.storage.container, settings.auth) == ("registry", AuthSettings(Mode.NONE))
    with pytest.raises(ConfigError):
        read_settings(environment)


@pytest.mark.parametrize(
    "name, text, expected",
    [
        (auth_table.ENTRA_TENANTID, "example.com", "must be the id of the tenant"),
        (auth_table.ENTRA_CLIENTID, "https://management.azure.com/", "is the audience of another"),
        (auth_table.ENTRA_CLIENTID, "x, https://containerregistry.azure.net", "of another service"),
        (auth_table.ENTRA_AUTHORITY, "login.microsoftonline.us", "begins with https://"),
        (auth_table.ENTRA_AUTHORITY, "http://login.example", "begins with https://"),
    ],
)
def test_a_problem_with_entra_id_is_reported(name: str, text: str, expected: str) -> None:
    settings = {
        auth_table.AUTH: "builtin",
        auth_table.BUILTIN_SIGNINGKEY: SigningKey.generate().pem(),
        auth_table.ENTRA_TENANTID: "11111111-2222-3333-4444-555555555555",
        auth_table.ENTRA_CLIENTID: "x",
        auth_table.AUTH_RULES: '[[rule]]\nwho = ["role:Push"]\nmay = ["push"]\non = ["**"]\n',
    }
    assert auth(settings).builtin
    [problem] = problems(settings | {name: text})
    assert problem.startswith(f"{name}=")
    assert expected in problem
