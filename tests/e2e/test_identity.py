"""Storage accessed with a managed identity: clients follow redirects over TLS.

Without an account key, the URLs of blobs are signed with a user delegation key.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import httpx
import pytest

from tests.e2e.clients import ImageClient
from tests.e2e.conftest import only_nightly
from tests.e2e.images import LayoutImage
from tests.e2e.registries import get_manifest
from tests.support.azurite import create_container
from tests.support.hosts import best_host, registry_under
from tests.support.managed_identity import IdentityEndpoint, storage_settings
from tests.support.secure_azurite import SecureAzurite


@pytest.fixture(scope="module")
def registry(secure_azurite: SecureAzurite, shared_identity: IdentityEndpoint) -> Iterator[str]:
    """Run a registry with a managed identity; return its `host:port`."""
    environment = {
        **storage_settings(secure_azurite, create_container(secure_azurite)),
        **shared_identity.environment,
        "REGISTRY_HTTP_SECRET": "a secret for tests, which is long enough",
    }
    with registry_under(best_host(), environment) as host:
        yield f"127.0.0.1:{host.port}"


@pytest.mark.parametrize("client", ["skopeo", *only_nightly(["docker", "ctr"])])
def test_an_image_is_pushed_and_pulled(
    registry: str,
    client_named: Callable[[str], ImageClient],
    debian: LayoutImage,
    client: str,
) -> None:
    reference = f"{registry}/identity/by-{client}:latest"
    digest = client_named(client).push(debian, reference)
    assert client_named(client).pull(reference).digest == digest
    manifest = get_manifest(reference.removesuffix(":latest"), "latest").json()
    blob = manifest["layers"][0]["digest"]
    answer = httpx.get(f"http://{registry}/v2/identity/by-{client}/blobs/{blob}")
    assert answer.status_code == 307
    assert answer.headers["Location"].startswith("https://localhost:")
    assert "skoid=" in answer.headers["Location"]
