"""What Azure makes of requests with a URL for staging, which clients send by themselves."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import AsyncIterator
from urllib.parse import quote

import httpx
import pytest

from registry_core.object_store.azure import AzureBlobStore
from tests.live.conftest import Note

pytestmark = pytest.mark.anyio

BLOCK_ID = "0123456789abcdef-000000"
_ID = quote(b64encode(BLOCK_ID.encode()).decode(), safe="")
_SECRET = b"content that its bearer may not read"


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(timeout=60) as client:
        yield client


async def staging(store: AzureBlobStore) -> str:
    return await store.staging_url("uploads/one/staged", seconds=600)


async def test_a_block_is_staged_as_containerd_sends_it(
    store: AzureBlobStore, client: httpx.AsyncClient
) -> None:
    """With the parameters sorted and encoded anew, and two that storage does not know."""
    url = httpx.URL(f"{await staging(store)}&blockid={_ID}")
    url = url.copy_add_param("digest", f"sha256:{'0' * 64}").copy_add_param("ns", "example.com")
    url = url.copy_with(params=sorted(url.params.multi_items()))
    headers = {"Content-Type": "application/octet-stream", "User-Agent": "containerd/2.4.0"}
    assert (await client.put(url, content=b"content", headers=headers)).status_code == 201
    await store.commit("uploads/one/staged", [BLOCK_ID])
    assert (await store.get("uploads/one/staged", limit=100)).content == b"content"


@pytest.mark.parametrize("is_synchronous", [True, False])
async def test_no_object_can_be_copied_to_where_the_url_permits_to_write(
    azure: AzureBlobStore, client: httpx.AsyncClient, *, is_synchronous: bool
) -> None:
    """Else whoever knows a digest could take content that they may not read.

    Azurite copies any object of the account, where the copy is asynchronous.
    """
    await azure.put("content/of/others", _SECRET)
    url = (await staging(azure)).removesuffix("&comp=block")
    source = url.partition("?")[0].replace("uploads/one/staged", "content/of/others")
    headers = {"x-ms-copy-source": source}
    if is_synchronous:
        headers["x-ms-requires-sync"] = "true"
    answer = await client.put(url, headers=headers)
    assert answer.status_code in (401, 403, 404, 409), answer.text


async def test_what_is_answered_to_an_empty_block(
    store: AzureBlobStore, client: httpx.AsyncClient, note: Note
) -> None:
    """Storage takes none, by its documentation; images have no empty blobs."""
    answer = await client.put(f"{await staging(store)}&blockid={_ID}", content=b"")
    note("an empty block is answered", answer.headers.get("x-ms-error-code", answer.status_code))
