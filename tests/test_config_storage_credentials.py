"""In whose name storage is asked: as CNCF distribution has it, without contradictions."""

from __future__ import annotations

import base64

import pytest

from registry_core import config
from registry_core.config import ConfigError, read_settings

KEY = base64.b64encode(b"a key").decode()
TENANT = "5f3c2bd5-2f0e-4a5e-9c68-6f8b5a3c4d11"
CLIENT = "11111111-2222-3333-4444-555555555555"
BASE = {
    config.ACCOUNT_NAME: "account",
    config.CONTAINER: "registry",
    config.HTTP_SECRET: "0123456789abcdef",
}
APPLICATION = {
    config.CREDENTIALS_CLIENTID: CLIENT,
    config.CREDENTIALS_TENANTID: TENANT,
    config.CREDENTIALS_SECRET: "the secret",
}
CONNECTION_STRING = {
    config.ACCOUNT_NAME: "",
    config.CONNECTION_STRING: f"AccountName=account;AccountKey={KEY}",
}


@pytest.mark.parametrize("kind", ["", "default_credentials"])
def test_a_client_id_alone_names_the_processs_identity(kind: str) -> None:
    chosen = {config.CREDENTIALS_TYPE: kind, config.CREDENTIALS_CLIENTID: CLIENT}
    storage = read_settings(BASE | chosen).storage
    assert (storage.client_id, storage.tenant_id, storage.client_secret) == (CLIENT, None, None)


@pytest.mark.parametrize("kind", ["", "client_secret"])
def test_an_application_signs_in_with_its_secret(kind: str) -> None:
    storage = read_settings(BASE | APPLICATION | {config.CREDENTIALS_TYPE: kind}).storage
    assert (storage.client_id, storage.tenant_id) == (CLIENT, TENANT)
    assert storage.client_secret == "the secret"
    assert "the secret" not in repr(storage)


@pytest.mark.parametrize("kind", ["", "shared_key"])
def test_a_key_says_enough(kind: str) -> None:
    by_type = {config.CREDENTIALS_TYPE: kind}
    assert read_settings(BASE | by_type | {config.ACCOUNT_KEY: KEY}).storage.account_key == KEY
    assert read_settings(BASE | by_type | CONNECTION_STRING).storage.connection_string


@pytest.mark.parametrize(
    "change, named, advice",
    [
        ({config.CREDENTIALS_TYPE: "password"}, config.CREDENTIALS_TYPE, "must be one of"),
        ({config.CREDENTIALS_TYPE: "shared_key"}, config.CREDENTIALS_TYPE, config.ACCOUNT_KEY),
        (
            {config.CREDENTIALS_TYPE: "client_secret", config.ACCOUNT_KEY: KEY},
            config.CREDENTIALS_TYPE,
            "remove the key",
        ),
        (
            CONNECTION_STRING | {config.CREDENTIALS_TYPE: "default_credentials"},
            config.CONNECTION_STRING,
            "remove the key",
        ),
        (
            {config.CREDENTIALS_CLIENTID: CLIENT, config.ACCOUNT_KEY: KEY},
            config.CREDENTIALS_CLIENTID,
            "remove the key",
        ),
        (
            CONNECTION_STRING | {config.CREDENTIALS_SECRET: "x"},
            config.CREDENTIALS_SECRET,
            "remove the key",
        ),
        (APPLICATION | {config.CREDENTIALS_CLIENTID: ""}, config.CREDENTIALS_CLIENTID, "missing"),
        (APPLICATION | {config.CREDENTIALS_TENANTID: ""}, config.CREDENTIALS_TENANTID, "missing"),
        (
            APPLICATION | {config.CREDENTIALS_SECRET: "", config.CREDENTIALS_TYPE: "client_secret"},
            config.CREDENTIALS_SECRET,
            "missing",
        ),
        (
            APPLICATION | {config.CREDENTIALS_TYPE: "default_credentials"},
            config.CREDENTIALS_SECRET,
            "client_secret",
        ),
        (
            {config.CREDENTIALS_TENANTID: TENANT},
            config.CREDENTIALS_TENANTID,
            config.CREDENTIALS_SECRET,
        ),
        (
            APPLICATION | {config.CREDENTIALS_TENANTID: "a tenant"},
            config.CREDENTIALS_TENANTID,
            "id or one of its domains",
        ),
        (
            {config.SERVICE_URL: "http://127.0.0.1:10000/account"},
            config.SERVICE_URL,
            "https://",
        ),
    ],
)
def test_a_contradiction_is_told_in_one_line(
    change: dict[str, str], named: str, advice: str
) -> None:
    with pytest.raises(ConfigError) as error:
        read_settings(BASE | change)
    [problem] = error.value.problems
    assert named in problem
    assert advice in problem
    assert "\n" not in problem
    assert "the secret" not in problem
