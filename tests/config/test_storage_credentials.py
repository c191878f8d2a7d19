"""The credentials for storage: the same as in CNCF distribution, without contradictions."""

from __future__ import annotations

import base64

import pytest

from registry_core.config import ConfigError, read_settings, table

from . import SECRET, without_unset

KEY = base64.b64encode(b"a key").decode()
TENANT = "5f3c2bd5-2f0e-4a5e-9c68-6f8b5a3c4d11"
CLIENT = "11111111-2222-3333-4444-555555555555"
BASE = {
    table.ACCOUNT_NAME: "account",
    table.CONTAINER: "registry",
    table.HTTP_SECRET: SECRET,
}
APPLICATION = {
    table.CREDENTIALS_CLIENTID: CLIENT,
    table.CREDENTIALS_TENANTID: TENANT,
    table.CREDENTIALS_SECRET: "the secret",
}
CONNECTION_STRING = {
    table.ACCOUNT_NAME: "",
    table.CONNECTION_STRING: f"AccountName=account;AccountKey={KEY}",
}


@pytest.mark.parametrize("kind", ["", "default_credentials"])
def test_a_client_id_alone_selects_an_identity_of_the_process(kind: str) -> None:
    chosen = {table.CREDENTIALS_TYPE: kind, table.CREDENTIALS_CLIENTID: CLIENT}
    storage = read_settings(without_unset(BASE | chosen)).storage
    assert (storage.client_id, storage.tenant_id, storage.client_secret) == (CLIENT, None, None)


@pytest.mark.parametrize("kind", ["", "client_secret"])
def test_an_application_signs_in_with_its_secret(kind: str) -> None:
    storage = read_settings(
        without_unset(BASE | APPLICATION | {table.CREDENTIALS_TYPE: kind})
    ).storage
    assert (storage.client_id, storage.tenant_id) == (CLIENT, TENANT)
    assert storage.client_secret == "the secret"
    assert "the secret" not in repr(storage)


@pytest.mark.parametrize("kind", ["", "shared_key"])
def test_a_key_needs_no_type(kind: str) -> None:
    by_type = {table.CREDENTIALS_TYPE: kind}
    assert (
        read_settings(without_unset(BASE | by_type | {table.ACCOUNT_KEY: KEY})).storage.account_key
        == KEY
    )
    assert read_settings(
        without_unset(BASE | by_type | CONNECTION_STRING)
    ).storage.connection_string


@pytest.mark.parametrize(
    "change, named, advice",
    [
        ({table.CREDENTIALS_TYPE: "password"}, table.CREDENTIALS_TYPE, "must be one of"),
        ({table.CREDENTIALS_TYPE: "shared_key"}, table.CREDENTIALS_TYPE, table.ACCOUNT_KEY),
        (
            {table.CREDENTIALS_TYPE: "client_secret", table.ACCOUNT_KEY: KEY},
            table.CREDENTIALS_TYPE,
            "remove the key",
        ),
        (
            CONNECTION_STRING | {table.CREDENTIALS_TYPE: "default_credentials"},
            table.CONNECTION_STRING,
            "remove the key",
        ),
        (
            {table.CREDENTIALS_CLIENTID: CLIENT, table.ACCOUNT_KEY: KEY},
            table.CREDENTIALS_CLIENTID,
            "remove the key",
        ),
        (
            CONNECTION_STRING | {table.CREDENTIALS_SECRET: "x"},
            table.CREDENTIALS_SECRET,
            "remove the key",
        ),
        (APPLICATION | {table.CREDENTIALS_CLIENTID: ""}, table.CREDENTIALS_CLIENTID, "missing"),
        (APPLICATION | {table.CREDENTIALS_TENANTID: ""}, table.CREDENTIALS_TENANTID, "missing"),
        (
            APPLICATION | {table.CREDENTIALS_SECRET: "", table.CREDENTIALS_TYPE: "client_secret"},
            table.CREDENTIALS_SECRET,
            "missing",
        ),
        (
            APPLICATION | {table.CREDENTIALS_TYPE: "default_credentials"},
            table.CREDENTIALS_SECRET,
            "client_secret",
        ),
        (
            {table.CREDENTIALS_TENANTID: TENANT},
            table.CREDENTIALS_TENANTID,
            table.CREDENTIALS_SECRET,
        ),
        (
            APPLICATION | {table.CREDENTIALS_TENANTID: "a tenant"},
            table.CREDENTIALS_TENANTID,
            "id or one of its domains",
        ),
        (
            {table.SERVICE_URL: "http://127.0.0.1:10000/account"},
            table.SERVICE_URL,
            "https://",
        ),
        (
            {table.ACCOUNT_NAME: "", table.SERVICE_URL: "https://blobs.example.com"},
            table.ACCOUNT_NAME,
            "does not contain the name of the account",
        ),
    ],
)
def test_a_contradiction_is_reported_in_one_line(
    change: dict[str, str], named: str, advice: str
) -> None:
    with pytest.raises(ConfigError) as error:
        read_settings(without_unset(BASE | change))
    [problem] = error.value.problems
    assert named in problem
    assert advice in problem
    assert "\n" not in problem
    assert "the secret" not in problem


@pytest.mark.parametrize(
    "url",
    [
        "https://account.blob.core.windows.net",
        "https://account.blob.core.usgovcloudapi.net/",
        "https://account.z12.blob.storage.azure.net",
        "https://127.0.0.1:10000/account",
    ],
)
def test_an_address_that_contains_the_account_suffices(url: str) -> None:
    storage = read_settings(
        without_unset(BASE | {table.ACCOUNT_NAME: "", table.SERVICE_URL: url})
    ).storage
    assert (storage.service_url, storage.account_name) == (url, "")


def test_a_custom_domain_needs_the_name_of_the_account() -> None:
    storage = read_settings(
        without_unset(BASE | {table.SERVICE_URL: "https://blobs.example.com"})
    ).storage
    assert (storage.service_url, storage.account_name) == ("https://blobs.example.com", "account")


APP_SERVICE = {"IDENTITY_ENDPOINT": "http://127.0.0.1:1/msi/token", "IDENTITY_HEADER": "h"}


@pytest.mark.parametrize(
    "other",
    [
        {},
        {"AZURE_TOKEN_CREDENTIALS": "prod"},
        {"AZURE_TOKEN_CREDENTIALS": "ManagedIdentityCredential"},
        {"AZURE_TOKEN_CREDENTIALS": "ManagedIdentityCredential", "AZURE_CLIENT_SECRET": "s"},
    ],
)
def test_the_token_endpoint_of_app_service_is_used_for_its_identities(
    other: dict[str, str],
) -> None:
    storage = read_settings(
        without_unset(BASE | APP_SERVICE | {"AZURE_CLIENT_ID": CLIENT} | other)
    ).storage
    assert storage.identity_endpoint == APP_SERVICE["IDENTITY_ENDPOINT"]
    assert (storage.identity_header, storage.client_id) == ("h", CLIENT)


@pytest.mark.parametrize(
    "other",
    [
        APPLICATION,
        {"IDENTITY_HEADER": ""},
        {"AZURE_CLIENT_SECRET": "s"},
        {"AZURE_FEDERATED_TOKEN_FILE": "/token"},
        {"AZURE_TOKEN_CREDENTIALS": "dev"},
        {"AZURE_TOKEN_CREDENTIALS": "WorkloadIdentityCredential"},
        {"AZURE_TOKEN_CREDENTIALS": "prod", "AZURE_CLIENT_SECRET": "s"},
        {"IDENTITY_SERVER_THUMBPRINT": "of Service Fabric"},
    ],
)
def test_the_token_endpoint_is_not_used_where_something_else_has_precedence(
    other: dict[str, str],
) -> None:
    assert read_settings(without_unset(BASE | APP_SERVICE | other)).storage.identity_endpoint == ""
