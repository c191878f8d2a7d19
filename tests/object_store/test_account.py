"""Connection strings mean what they mean to Microsoft's SDK; invalid ones are explained."""

from __future__ import annotations

import pytest
from azure.storage.blob._shared.base_client import parse_connection_str

from registry_core.object_store.azure import AzureBlobStore
from registry_core.object_store.azure.account import account_name_of, parse_connection_string

KEY = "c2VjcmV0IHNlY3JldA=="
PAIR = f"AccountName=acme;AccountKey={KEY}"
PORTAL = f"DefaultEndpointsProtocol=https;{PAIR};EndpointSuffix=core.windows.net"
EMULATOR = "http://127.0.0.1:10000/devstoreaccount1"

VALID = {
    "of the portal": PORTAL,
    "trailing semicolon": f"{PORTAL};",
    "trailing semicolons": f"{PORTAL};;;",
    "name and key": PAIR,
    "key first": f"AccountKey={KEY};AccountName=acme",
    "another case": f"ACCOUNTNAME=acme;accountkey={KEY}",
    "a sovereign cloud": f"{PAIR};EndpointSuffix=core.chinacloudapi.cn",
    "suffix and protocol": (
        f"DefaultEndpointsProtocol=http;{PAIR};EndpointSuffix=core.usgovcloudapi.net"
    ),
    "blob endpoint": f"{PAIR};BlobEndpoint=https://blobs.contoso.com",
    "blob endpoint with a path": f"{PAIR};BlobEndpoint={EMULATOR}",
    "blob endpoint wins": f"{PORTAL};BlobEndpoint=https://acme.z1.blob.storage.azure.net",
    "other endpoints": f"{PAIR};QueueEndpoint=https://q;TableEndpoint=https://t;FileEndpoint=x",
    "secondary endpoint": (
        f"{PAIR};BlobEndpoint=https://acme.b;BlobSecondaryEndpoint=https://acme-secondary.b"
    ),
    "key beside a signature": f"{PAIR};SharedAccessSignature=sv=2026-02-06&sig=secret",
    "a URL with =": f"{PAIR};BlobEndpoint=https://proxy.test/a=b",
    "development storage": "UseDevelopmentStorage=true",
    "development storage;": "UseDevelopmentStorage=true;",
}


@pytest.mark.parametrize("text", VALID.values(), ids=VALID)
def test_a_connection_string_means_what_it_means_to_the_sdk(text: str) -> None:
    url, _, credential = parse_connection_str(text, None, "blob")
    if isinstance(credential, dict):
        name, key = credential["account_name"], credential["account_key"]
    else:  # the well-known account of the emulator
        name, key = "devstoreaccount1", str(credential)
    account = parse_connection_string(text)
    assert (account.service_url, account.name, account.key) == (url, name, key)


@pytest.mark.parametrize(
    "text, url",
    [
        (f" {PAIR} ; EndpointSuffix=core.windows.net ", "https://acme.blob.core.windows.net"),
        (f"{PAIR};BlobEndpoint=https://blobs.contoso.com/", "https://blobs.contoso.com"),
        (f"DefaultEndpointsProtocol=http;{PAIR}", "http://acme.blob.core.windows.net"),
        (f"{PAIR};;EndpointSuffix=", "https://acme.blob.core.windows.net"),
    ],
)
def test_what_the_sdk_does_not_accept_or_makes_an_invalid_url_of(text: str, url: str) -> None:
    account = parse_connection_string(text)
    assert (account.service_url, account.name, account.key) == (url, "acme", KEY)


INVALID = {
    "": "NAME=VALUE",
    ";": "NAME=VALUE",
    "nonsense": "NAME=VALUE",
    KEY.rstrip("="): "NAME=VALUE",
    f"AccountName=acme;{KEY.rstrip('=')}": "NAME=VALUE",
    "AccountName=acme": "no AccountKey",
    "AccountName=acme;AccountKey=": "no AccountKey",
    f"AccountKey={KEY}": "no AccountName",
    f"AccountName=;AccountKey={KEY}": "no AccountName",
    f"BlobEndpoint=https://acme.test;AccountKey={KEY}": "no AccountName",
    "BlobEndpoint=https://acme.test;SharedAccessSignature=sv=1&sig=secret": "SharedAccessSig",
    "AccountName=acme;SharedAccessSignature=sv=1&sig=secret": "SharedAccessSignature",
    "UseDevelopmentStorage=false": "no AccountKey",
    f"{PAIR};BlobSecondaryEndpoint=https://acme-secondary.test": "BlobSecondaryEndpoint",
}


@pytest.mark.parametrize("text, problem", INVALID.items())
def test_the_problem_of_an_invalid_one_is_named_and_nothing_secret(text: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem) as caught:
        parse_connection_string(text)
    assert str(caught.value).startswith("the connection string ")
    for secret in (KEY.rstrip("="), "sig=", "secret"):
        assert secret not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_key_is_not_part_of_a_representation() -> None:
    assert KEY not in repr(parse_connection_string(PORTAL))


@pytest.mark.parametrize(
    "url, name",
    [
        ("https://acme.blob.core.windows.net", "acme"),
        ("https://acme.blob.core.windows.net/", "acme"),
        ("https://acme.z1.blob.storage.azure.net:443", "acme"),
        (EMULATOR, "devstoreaccount1"),
        (f"{EMULATOR}/", "devstoreaccount1"),
    ],
)
def test_an_account_is_named_by_its_url(url: str, name: str) -> None:
    assert account_name_of(url) == name


@pytest.mark.parametrize("key", ["c2VjcmV0IHNlY3JldA", "c2VjcmV0-secret_", "sécret"])
def test_a_key_that_is_not_base64_is_named_and_not_disclosed(key: str) -> None:
    with pytest.raises(ValueError, match="the account key is not base64") as caught:
        AzureBlobStore.from_connection_string(f"AccountName=acme;AccountKey={key}", "registry")
    assert "cret" not in str(caught.value)
    assert caught.value.__cause__ is None
