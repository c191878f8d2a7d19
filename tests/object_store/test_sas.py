"""Shared access signatures equal those of Microsoft's SDK, and storage accepts them."""

from __future__ import annotations

import base64
import dataclasses
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

import httpx
import pytest
from azure.storage.blob import UserDelegationKey, generate_blob_sas
from azure.storage.blob._serialize import _SUPPORTED_API_VERSIONS
from hypothesis import given
from hypothesis import strategies as st

from registry_core.object_store.azure.delegation_key import DelegationKey, key_request, parse_key
from registry_core.object_store.azure.sas import (
    NEWEST_VERSION,
    OLDEST_VERSION,
    check_version,
    service_sas,
    user_delegation_sas,
)
from registry_core.serve.azurite import ACCOUNT, KEY, Azurite
from tests.support.azurite import container_client, create_container
from tests.support.managed_identity import RESOURCE, storage_token
from tests.support.secure_azurite import SecureAzurite

Kind = Literal["service", "delegation"]

# What sas_of_older_sdks.txt was made with.
OLD_KEY = "a2V5IG9mIHRoZSBnb2xkZW4gc2lnbmF0dXJlcywgb25lIGZvciBib3RoIGtpbmRzIQ=="
OLD_EXPIRY = datetime(2026, 11, 27, 20, 45, 10, 999999, tzinfo=UTC)
OLD_CASES = {
    "plain": ("docker/registry/v2/blobs/sha256/ab/abcd/data", "r", "https"),
    "write-to-an-emulator": ("_uploads/library/alpine/1/data", "cw", "https,http"),
    "leading-slash": ("/docker/registry//v2/data", "r", "https"),
    "awkward": ("a b/c%2Fd%20e/?x=1&y=2#z+~'\"/Größe/日本/v1.", "r", "https"),
}
OLD_SIGNATURES = [
    line.split()
    for line in Path(__file__).with_name("sas_of_older_sdks.txt").read_text().splitlines()
    if not line.startswith("#")
]

SIGNABLE_VERSIONS = [known for known in _SUPPORTED_API_VERSIONS if known >= OLDEST_VERSION]


def delegation_key(value: str, version: str) -> DelegationKey:
    return DelegationKey(
        oid="6f6964-0001",
        tid="746964-0002",
        start="2026-11-27T19:45:10Z",
        expiry="2026-12-03T20:45:10Z",
        service="b",
        version=version,
        value=value,
    )


def key_of_sdk(key: DelegationKey) -> UserDelegationKey:
    """Return a key as the SDK's type."""
    converted = UserDelegationKey()  # type: ignore[no-untyped-call]
    for name, value in dataclasses.asdict(key).items():
        setattr(converted, name if name == "value" else f"signed_{name}", value)
    return converted


def sign(  # noqa: PLR0917 - what a signature is made of
    kind: Kind, account: str, key: str, container: str, path: str, version: str, **options: Any
) -> str:
    """Return a signature of either kind."""
    if kind == "service":
        return service_sas(account, key, container, path, version=version, **options)
    delegated = delegation_key(key, version)
    return user_delegation_sas(account, delegated, container, path, version=version, **options)


@pytest.mark.parametrize("release, version, case, kind, query", OLD_SIGNATURES)
def test_a_signature_equals_that_of_the_sdk_for_its_version(
    release: str,  # noqa: ARG001 - part of the test's name
    version: str,
    case: str,
    kind: Kind,
    query: str,
) -> None:
    path, permissions, protocol = OLD_CASES[case]
    options = {"expiry": OLD_EXPIRY, "permissions": permissions, "protocol": protocol}
    assert sign(kind, "moorage", OLD_KEY, "my-container", path, version, **options) == query


@given(
    kind=st.sampled_from(["service", "delegation"]),
    path=st.text(min_size=1),
    permissions=st.sets(st.sampled_from("racwdxytmei"), min_size=1),
    protocol=st.sampled_from(["https", "https,http"]),
    expiry=st.datetimes(
        datetime(2000, 1, 1),  # noqa: DTZ001 - Hypothesis adds the zone
        timezones=st.timezones(),
    ),
    key=st.binary(min_size=1, max_size=100),
)
def test_any_signature_equals_that_of_the_installed_sdk(  # noqa: PLR0917 - generated
    kind: Kind, path: str, permissions: set[str], protocol: str, expiry: datetime, key: bytes
) -> None:
    ordered = "".join(letter for letter in "racwdxytmei" if letter in permissions)
    value = base64_of(key)
    if kind == "service":
        secret: dict[str, Any] = {"account_key": value}
    else:
        secret = {"user_delegation_key": key_of_sdk(delegation_key(value, NEWEST_VERSION))}
    expected = generate_blob_sas(
        "account", "container", path, permission=ordered, protocol=protocol, expiry=expiry, **secret
    )
    options = {"expiry": expiry, "permissions": ordered, "protocol": protocol}
    assert sign(kind, "account", value, "container", path, NEWEST_VERSION, **options) == expected


@pytest.mark.parametrize("version", SIGNABLE_VERSIONS)
def test_storage_accepts_a_service_sas_of_every_version(azurite: Azurite, version: str) -> None:
    container, path = create_container(azurite), "/a b/Größe%2F1"
    with container_client(azurite, container) as client:
        client.upload_blob(path, b"content")
    query = service_sas(
        ACCOUNT, KEY, container, path, version=version, expiry=in_a_minute(), protocol="https,http"
    )
    url = f"{azurite.service_url}/{container}/{quote(path)}"
    assert httpx.get(f"{url}?{query}").content == b"content"
    assert httpx.get(f"{url}?{altered(query)}").status_code == 403


@pytest.mark.parametrize("version", SIGNABLE_VERSIONS)
def test_storage_accepts_a_user_delegation_sas_of_every_version(
    secure_azurite: SecureAzurite, version: str
) -> None:
    container, path = create_container(secure_azurite), "/a b/Größe%2F1"
    with container_client(secure_azurite, container) as client:
        client.upload_blob(path, b"content")
    with httpx.Client(verify=secure_azurite.trust.client_context()) as http:
        key = fetch_key(http, secure_azurite, version)
        query = user_delegation_sas(
            ACCOUNT, key, container, path, version=version, expiry=in_a_minute()
        )
        url = f"{secure_azurite.service_url}/{container}/{quote(path)}"
        assert http.get(f"{url}?{query}").content == b"content"
        assert http.get(f"{url}?{altered(query)}").status_code == 403


def test_a_signature_may_permit_writing_one_blob(azurite: Azurite) -> None:
    container = create_container(azurite)
    options: dict[str, Any] = {"version": NEWEST_VERSION, "expiry": in_a_minute()}
    query = service_sas(
        ACCOUNT, KEY, container, "a", permissions="cw", protocol="https,http", **options
    )
    headers = {"x-ms-blob-type": "BlockBlob"}
    url = f"{azurite.service_url}/{container}"
    assert httpx.put(f"{url}/a?{query}", content=b"1", headers=headers).status_code == 201
    assert httpx.put(f"{url}/b?{query}", content=b"1", headers=headers).status_code == 403
    assert httpx.get(f"{url}/a?{query}").status_code == 403


@pytest.mark.parametrize("kind", ["service", "delegation"])
@pytest.mark.parametrize("version", SIGNABLE_VERSIONS)
def test_a_signature_has_no_start(kind: Kind, version: str) -> None:
    query = sign(kind, "account", OLD_KEY, "container", "a", version, expiry=OLD_EXPIRY)
    assert "&st=" not in f"&{query}"


def test_the_newest_version_is_that_of_the_installed_sdk() -> None:
    assert SIGNABLE_VERSIONS[-1] == NEWEST_VERSION
    assert SIGNABLE_VERSIONS[0] == OLDEST_VERSION


@pytest.mark.parametrize(
    "version", ["2020-10-02", "2027-01-06", "2026-2-6", "2026-02-06\n", "latest", ""]
)
@pytest.mark.parametrize("kind", ["service", "delegation"])
def test_other_versions_are_refused(kind: Kind, version: str) -> None:
    supported = f"not a protocol version from {OLDEST_VERSION} to {NEWEST_VERSION}"
    with pytest.raises(ValueError, match=supported):
        check_version(version)
    with pytest.raises(ValueError, match=supported):
        sign(kind, "account", OLD_KEY, "container", "a", version, expiry=OLD_EXPIRY)


@pytest.mark.parametrize("permissions", ["", "wc", "rr", "r w", "z", "r\n"])
def test_permissions_that_storage_would_refuse_are_refused(permissions: str) -> None:
    with pytest.raises(ValueError, match="are not permissions on a blob"):
        sign(
            "service",
            "account",
            OLD_KEY,
            "container",
            "a",
            NEWEST_VERSION,
            expiry=OLD_EXPIRY,
            permissions=permissions,
        )


def base64_of(key: bytes) -> str:
    return base64.b64encode(key).decode()


def altered(query: str) -> str:
    """Return a signed query with another expiry."""
    assert "se=20" in query
    return query.replace("se=20", "se=21")


def in_a_minute() -> datetime:
    return datetime.now(UTC) + timedelta(minutes=1)


def fetch_key(http: httpx.Client, azurite: SecureAzurite, version: str) -> DelegationKey:
    """Return a user delegation key from Azurite."""
    now = datetime.now(UTC)
    answer = http.post(
        f"{azurite.service_url}/?restype=service&comp=userdelegationkey",
        content=key_request(now - timedelta(minutes=15), now + timedelta(days=1)),
        headers={"Authorization": f"Bearer {storage_token(RESOURCE)}", "x-ms-version": version},
    )
    assert answer.status_code == 200, answer.text
    return parse_key(answer.content)
