"""What the bearer of a URL for staging can do: write that one object for a while, and nothing else.

With the account key and with a user delegation key: Azurite checks the signatures of both.

learn.microsoft.com/rest/api/storageservices/create-service-sas, "Specify permissions"
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from urllib.parse import quote

import httpx
import pytest

from registry_core.object_store.azure import AzureBlobStore
from registry_core.object_store.errors import NotFound
from registry_core.serve.azurite import Azurite
from tests.support.azurite import create_container, opened, signed_in
from tests.support.managed_identity import IdentityEndpoint
from tests.support.secure_azurite import SecureAzurite
from tests.support.wire import NO_TLS

pytestmark = pytest.mark.anyio

STAGED, OTHER = "uploads/one/staged", "content/of/others"
BLOCK_ID = "0123456789abcdef-000000"
_ID = quote(b64encode(BLOCK_ID.encode()).decode(), safe="")
SECONDS = 3600


@dataclass
class Bearer:
    """Whoever has the URL that stages blocks of `STAGED`, and knows how storage works."""

    url: str
    client: httpx.AsyncClient

    async def put_block(
        self, content: bytes = b"content", changed: Mapping[str, str] | None = None
    ) -> httpx.Response:
        """Put a block; the parameters of ``changed`` have these values instead of theirs."""
        return await self.send("PUT", _changed(f"{self.url}&blockid={_ID}", changed or {}), content)

    async def use(self, method: str, **query: str) -> httpx.Response:
        """Send a request for the object itself, with ``query`` beside the signature."""
        url = self.url.removesuffix("&comp=block")
        return await self.send(method, url + "".join(f"&{k}={v}" for k, v in query.items()))

    async def send(
        self, method: str, url: str, content: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> httpx.Response:
        return await self.client.request(method, url, content=content, headers=headers)


def _changed(url: str, changed: Mapping[str, str]) -> str:
    for name, value in changed.items():
        url, count = re.subn(rf"(?<=[?&]){name}=[^&]*", f"{name}={value}", url)
        assert count == 1, (name, url)
    return url


@pytest.fixture(params=["account key", "user delegation key"])
async def store(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[AzureBlobStore]:
    """A store over a container with one object, whose URLs are signed with each kind of key."""
    opening: AbstractAsyncContextManager[AzureBlobStore]
    if request.param == "account key":
        azurite: Azurite = request.getfixturevalue("azurite")
        opening = opened(azurite, create_container(azurite))
    else:
        identity: IdentityEndpoint = request.getfixturevalue("shared_identity")
        for name, value in identity.environment.items():
            monkeypatch.setenv(name, value)
        secure: SecureAzurite = request.getfixturevalue("secure_azurite")
        opening = signed_in(secure, create_container(secure))
    async with opening as store:
        await store.put(OTHER, b"secret")
        yield store


@pytest.fixture
async def bearer(request: pytest.FixtureRequest, store: AzureBlobStore) -> AsyncIterator[Bearer]:
    url = await store.staging_url(STAGED, seconds=SECONDS)
    tls = NO_TLS
    if url.startswith("https:"):
        secure: SecureAzurite = request.getfixturevalue("secure_azurite")
        tls = secure.trust.client_context()
    async with httpx.AsyncClient(verify=tls) as client:
        yield Bearer(url, client)


async def test_it_stages_a_block(bearer: Bearer, store: AzureBlobStore) -> None:
    """Put Block answers 201. Nothing can be read before the registry commits the block."""
    assert (await bearer.put_block()).status_code == 201
    assert (await store.uncommitted_blocks(STAGED)).size == len(b"content")
    with pytest.raises(NotFound):
        await store.head(STAGED)


async def test_a_block_that_is_put_again_replaces_itself(
    bearer: Bearer, store: AzureBlobStore
) -> None:
    await bearer.put_block(b"torn")
    await bearer.put_block(b"content")
    await store.commit(STAGED, [BLOCK_ID])
    assert (await store.get(STAGED, limit=100)).content == b"content"


async def test_parameters_that_storage_does_not_know_change_nothing(bearer: Bearer) -> None:
    """Containerd adds the digest, and sorts and encodes the parameters anew."""
    url = f"{bearer.url}&blockid={_ID}&digest=sha256%3A{'0' * 64}&ns=docker.io"
    parts = httpx.URL(url)
    again = parts.copy_with(params=sorted(parts.params.multi_items()))
    assert (await bearer.send("PUT", url, b"content")).status_code == 201
    assert (await bearer.send("PUT", str(again), b"content")).status_code == 201


async def test_it_expires(bearer: Bearer, store: AzureBlobStore) -> None:
    bearer.url = await store.staging_url(STAGED, seconds=-60)
    assert (await bearer.put_block()).status_code == 403


@pytest.mark.parametrize(
    "changed",
    [
        {"se": "2099-01-01T00%3A00%3A00Z"},
        {"sp": "rw"},
        {"sp": "rwdlacx"},
        {"sr": "c"},
        {"spr": "http"},
        {"sv": "2021-12-02"},
        {"sig": "AAAA"},
    ],
    ids=str,
)
async def test_no_parameter_of_it_can_be_changed(bearer: Bearer, changed: dict[str, str]) -> None:
    assert (await bearer.put_block()).status_code == 201
    assert (await bearer.put_block(changed=changed)).status_code == 403


@pytest.mark.parametrize("extra", ["sp=rwd", "sr=c", "se=2099-01-01T00%3A00%3A00Z"])
async def test_a_parameter_that_is_given_twice_permits_nothing_more(
    bearer: Bearer, extra: str
) -> None:
    await bearer.put_block()
    url = bearer.url.removesuffix("&comp=block")
    assert (await bearer.send("GET", url.replace("?", f"?{extra}&"))).status_code == 403
    assert (await bearer.send("GET", f"{url}&{extra}")).status_code == 403


@pytest.mark.parametrize("path", [OTHER, "uploads/one/hashed", "uploads/one/staged/nested"])
async def test_it_does_not_write_another_object(bearer: Bearer, path: str) -> None:
    bearer.url = bearer.url.replace(STAGED, path)
    assert (await bearer.put_block()).status_code == 403


async def test_it_does_not_write_to_another_container(
    bearer: Bearer, request: pytest.FixtureRequest
) -> None:
    is_secure = bearer.url.startswith("https:")
    azurite: Azurite = request.getfixturevalue("secure_azurite" if is_secure else "azurite")
    own = bearer.url.split("/")[4]
    bearer.url = bearer.url.replace(own, create_container(azurite), 1)
    assert (await bearer.put_block()).status_code == 403


@pytest.mark.parametrize(
    "method, query",
    [
        ("GET", {}),
        ("HEAD", {}),
        ("GET", {"comp": "metadata"}),
        ("GET", {"comp": "blocklist", "blocklisttype": "all"}),
        ("GET", {"comp": "tags"}),
        ("DELETE", {}),
    ],
)
@pytest.mark.parametrize("is_committed", [True, False])
async def test_it_neither_reads_nor_deletes(
    bearer: Bearer,
    store: AzureBlobStore,
    method: str,
    query: dict[str, str],
    is_committed: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    await bearer.put_block()
    if is_committed:
        await store.commit(STAGED, [BLOCK_ID])
    assert (await bearer.use(method, **query)).status_code == 403


async def test_it_lists_nothing(bearer: Bearer) -> None:
    container, _, query = bearer.url.removesuffix("&comp=block").partition(f"/{STAGED}")
    for comp in ("list", "metadata", "acl", ""):
        url = f"{container}{query}&restype=container&comp={comp}"
        assert (await bearer.send("GET", url)).status_code in (400, 403), comp


async def test_what_was_staged_cannot_be_copied_out_with_it(
    bearer: Bearer, store: AzureBlobStore
) -> None:
    """Not to another upload of the same user, whose URL permits to write there."""
    await bearer.put_block()
    await store.commit(STAGED, [BLOCK_ID])
    other = await store.staging_url("uploads/two/staged", seconds=SECONDS)
    source = {"x-ms-copy-source": bearer.url.removesuffix("&comp=block")}
    answer = await bearer.send("PUT", f"{other}&blockid={_ID}", headers=source)
    assert answer.status_code == 403
    assert answer.headers["x-ms-error-code"] == "CannotVerifyCopySource"


async def test_blocks_cannot_be_taken_from_objects_of_others(
    bearer: Bearer, store: AzureBlobStore
) -> None:
    """Whoever knows a digest knows the path of its content, and may not read it."""
    other = bearer.url.replace(STAGED, OTHER)
    for source in (other.partition("?")[0], other.removesuffix("&comp=block")):
        headers = {"x-ms-copy-source": source}
        answer = await bearer.send("PUT", f"{bearer.url}&blockid={_ID}", headers=headers)
        assert answer.status_code in (403, 404), source
    with pytest.raises(NotFound):
        await store.uncommitted_blocks(STAGED)
