"""What is missing, lost or easy to guess stops the start, and does not open the registry."""

from __future__ import annotations

import json
import random
import secrets
import string
from pathlib import Path

import pytest

from registry_core import MemoryStore, StoredRegistry
from registry_core.app import build_application
from registry_core.auth.shared_secret import EXAMPLES, weakness
from registry_core.auth.tokens.keys import SigningKey
from registry_core.config import (
    AuthSettings,
    AzureStorage,
    BuiltinAuth,
    ConfigError,
    EntraAuth,
    Mode,
    Settings,
    auth_table,
    read_settings,
    read_storage_settings,
    table,
)
from registry_core.config.setting import Type
from tests.house.tree import PROJECT

from . import SECRET

VALID = {
    table.ACCOUNT_NAME: "account",
    table.CONTAINER: "registry",
    table.HTTP_SECRET: SECRET,
}
KEY = SigningKey.generate()
BUILTIN = {auth_table.AUTH: "builtin", auth_table.BUILTIN_SIGNINGKEY: KEY.pem()}
ENTRA = {
    auth_table.ENTRA_TENANTID: "11111111-2222-3333-4444-555555555555",
    auth_table.ENTRA_CLIENTID: "66666666-7777-8888-9999-000000000000",
}
RULES = '[[rule]]\nwho = ["role:Push"]\nmay = ["push"]\non = ["**"]\n'
REFERENCE = "@Microsoft.KeyVault(SecretUri=https://kv-abc.vault.azure.net/secrets/http-secret)"


def problems(environment: dict[str, str]) -> list[str]:
    with pytest.raises(ConfigError) as error:
        read_settings(environment)
    return error.value.problems


@pytest.mark.parametrize("blank", ["", " ", "\n"])
@pytest.mark.parametrize("name", table.SETTINGS)
def test_a_blank_setting_is_not_taken_for_an_unset_one(name: str, blank: str) -> None:
    """One line names the setting, what it is for, and what to do."""
    found = problems(VALID | {name: blank})
    [line] = [line for line in found if line.startswith(f"{name} is set, but blank; ")]
    assert "give it a value, or remove it (" in line
    assert table.SETTINGS[name].description[:20] in line
    assert not [each for each in found if name in each.split()[0] and each != line]


@pytest.mark.parametrize("text", ["[]", ",", '[""]', "[ , ]"])
@pytest.mark.parametrize(
    "name", [name for name, setting in table.SETTINGS.items() if setting.type is Type.LIST]
)
def test_a_list_without_items_is_blank(name: str, text: str) -> None:
    """Where a list restricts something, an empty one would restrict nothing."""
    [problem] = problems(VALID | BUILTIN | ENTRA | {auth_table.AUTH_RULES: RULES} | {name: text})
    assert problem.startswith(f"{name} is set, but blank")


@pytest.mark.parametrize("name", [*table.SETTINGS, "AZURE_CLIENT_ID", "REGISTRY_UNKNOWN"])
def test_a_reference_that_was_not_resolved_stops_the_start(name: str) -> None:
    """App Service hands the app the text of the reference, which is public."""
    found = problems(VALID | {name: REFERENCE})
    [line] = [line for line in found if line.startswith(f"{name} is a reference")]
    assert "Key Vault Secrets User" in line
    assert "vault.azure.net" not in line
    assert not [each for each in found if name in each.split()[0] and each != line]


def test_a_reference_to_app_configuration_is_recognised_in_any_case() -> None:
    text = "@microsoft.appconfiguration(Endpoint=https://a.azconfig.io; Key=users)"
    [problem] = problems(VALID | {auth_table.AUTH: "htpasswd", auth_table.HTPASSWD_PATH: text})
    assert "App Configuration Data Reader" in problem


def test_all_problems_are_reported_beside_blanks_and_references() -> None:
    found = problems({table.CONTAINER: "No", table.HTTP_SECRET: REFERENCE, table.ACCOUNT_NAME: " "})
    assert [line.split()[0].partition("=")[0] for line in found] == [
        table.HTTP_SECRET,
        table.ACCOUNT_NAME,
        table.CONTAINER,
    ]


@pytest.mark.parametrize(
    "secret",
    [
        secrets.token_hex(16)[:31],
        "a" * 64,
        "ab" * 16,
        "0123456789abcdef" * 2,
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ",
        "98765432109876543210987654321098",
        "correct horse battery correct horse battery",
        "00000000-0000-0000-0000-000000000000",
    ],
)
def test_a_secret_that_is_easy_to_guess_is_refused(secret: str) -> None:
    [problem] = problems(VALID | {table.HTTP_SECRET: secret})
    assert problem.startswith(f"{table.HTTP_SECRET} ")
    assert "openssl rand -hex 32" in problem
    assert secret.strip() not in problem


def test_a_random_secret_is_accepted() -> None:
    """Also one of digits, and one that occurs twice over."""
    generator = random.Random(14)
    for alphabet in (string.digits, string.hexdigits[:16], string.ascii_letters + "-_"):
        for _ in range(2000):
            assert weakness("".join(generator.choices(alphabet, k=32))) == ""
    assert weakness(SECRET * 2) == ""


@pytest.mark.parametrize("example", sorted(EXAMPLES))
def test_an_example_of_the_documentation_is_not_a_secret_in_azure(example: str) -> None:
    """Elsewhere it will do, to try the registry out."""
    settings = VALID | {table.HTTP_SECRET: example, auth_table.AUTH: "none"}
    assert read_settings(settings).http_secret == example
    [problem] = problems(settings | {"WEBSITE_SITE_NAME": "registry"})
    assert "everybody knows" in problem


def test_the_examples_are_those_of_the_documentation() -> None:
    local = json.loads((PROJECT / "local.settings.example.json").read_text())["Values"]
    assert local[table.HTTP_SECRET] in EXAMPLES
    assert 'secret="any text of 32 characters or more"' in (PROJECT / "README.md").read_text()


def test_the_secret_is_derived_from_the_signing_key_unless_it_is_set() -> None:
    """All instances have the key, however its text is laid out, so they have the same secret."""
    without = {name: text for name, text in VALID.items() if name != table.HTTP_SECRET}
    derived = read_settings(without | BUILTIN).http_secret
    laid_out = {auth_table.BUILTIN_SIGNINGKEY: KEY.pem().strip().replace("\n", "\\n")}
    assert read_settings(without | BUILTIN | laid_out).http_secret == derived
    assert weakness(derived) == ""
    another = {auth_table.BUILTIN_SIGNINGKEY: SigningKey.generate().pem()}
    assert read_settings(without | BUILTIN | another).http_secret != derived
    assert read_settings(VALID | BUILTIN).http_secret == SECRET


def test_the_secret_is_required_without_a_signing_key() -> None:
    [problem] = problems({name: VALID[name] for name in (table.ACCOUNT_NAME, table.CONTAINER)})
    assert problem.startswith(f"{table.HTTP_SECRET} is missing")
    [problem] = problems({**VALID, auth_table.AUTH: "builtin"})
    assert problem.startswith(f"{auth_table.BUILTIN_SIGNINGKEY} is missing")


@pytest.mark.parametrize(
    "name, text",
    [
        (auth_table.BUILTIN_SIGNINGKEY, "".join(KEY.pem().splitlines()[1:-1])),
        (auth_table.BUILTIN_PREVIOUSKEY, "".join(KEY.pem().splitlines()[1:-1])),
        (auth_table.HTPASSWD_PATH, "alice:a-password-without-hash"),
    ],
)
def test_a_secret_that_is_taken_for_a_path_is_not_quoted(name: str, text: str) -> None:
    """Problems are logged. A key may come without its PEM lines, a password without its hash."""
    [problem] = problems(VALID | BUILTIN | {name: text})
    assert problem.startswith(f"{name} cannot be read as a file")
    assert text[6:16] not in problem


@pytest.mark.parametrize("name", [table.ACCOUNT_NAME, table.CONTAINER, table.SERVICE_URL])
def test_the_key_of_a_connection_string_in_another_setting_is_not_quoted(name: str) -> None:
    text = "DefaultEndpointsProtocol=https;AccountName=abc;AccountKey=c2VjcmV0"
    found = problems(VALID | {name: text})
    assert any(problem.startswith(name) for problem in found)
    assert not any("c2VjcmV0" in problem for problem in found)


def test_commands_that_only_work_on_storage_need_no_usable_secret() -> None:
    unresolved = {table.HTTP_SECRET: REFERENCE, auth_table.BUILTIN_SIGNINGKEY: REFERENCE}
    settings = read_storage_settings(VALID | unresolved | {auth_table.AUTH_RULES: ""})
    assert weakness(settings.http_secret) == ""


@pytest.mark.parametrize("text", ["None", "NONE"])
def test_an_open_registry_is_meant_only_where_none_is_in_lower_case(text: str) -> None:
    """``None`` is what templates make of a value that is missing."""
    with pytest.raises(ConfigError) as refused:
        read_settings({**VALID, auth_table.AUTH: text})
    assert refused.value.problems == [
        f"REGISTRY_AUTH='{text}' must be none in lower case, if everybody may push, pull and delete"
    ]
    assert read_settings({**VALID, auth_table.AUTH: "none"}).auth.mode is Mode.NONE


def test_entra_id_needs_access_rules() -> None:
    """Otherwise every user, guest and app of the tenant could push and delete everything."""
    [problem] = problems(VALID | BUILTIN | ENTRA)
    assert problem.startswith(
        f"{auth_table.AUTH_RULES} is missing; {auth_table.ENTRA_TENANTID} lets every"
    )
    assert read_settings(VALID | BUILTIN | ENTRA | {auth_table.AUTH_RULES: RULES}).auth.rules


def test_an_empty_document_of_rules_is_not_taken_for_none(tmp_path: Path) -> None:
    """As ``REGISTRY_AUTH_RULES="$(cat rules.toml)"`` would set it in the wrong folder."""
    [problem] = problems(VALID | BUILTIN | ENTRA | {auth_table.AUTH_RULES: ""})
    assert problem.startswith(f"{auth_table.AUTH_RULES} is set, but blank")
    empty = tmp_path / "rules.toml"
    empty.write_text("")
    for identities in (ENTRA, {}):
        [problem] = problems(VALID | BUILTIN | identities | {auth_table.AUTH_RULES: str(empty)})
        assert "there is no [[rule]], so nobody may do anything" in problem


def test_settings_made_by_a_program_need_rules_for_entra_id_too() -> None:
    builtin = BuiltinAuth(
        "registry", KEY, entra=EntraAuth(ENTRA[auth_table.ENTRA_TENANTID], ("x",))
    )
    settings = Settings(
        AzureStorage("unused"), SECRET, auth=AuthSettings(Mode.BUILTIN, builtin=builtin)
    )
    with pytest.raises(ValueError, match="Entra ID needs access rules"):
        build_application(settings, StoredRegistry(MemoryStore()))
