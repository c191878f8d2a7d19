"""Each call sends what Microsoft's SDK sends for it, and returns what the SDK returns.

Deliberate differences are in `DIFFERENCES`. Both talk to Azurite through a proxy that records.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

import pytest
from aiohttp import ClientSession, web
from azure.core import MatchConditions
from azure.core.exceptions import ResourceExistsError, ResourceModifiedError
from azure.core.pipeline import PipelineContext, PipelineRequest
from azure.core.pipeline.transport import HttpRequest
from azure.storage.blob import BlobBlock
from azure.storage.blob._shared.authentication import SharedKeyCredentialPolicy
from azure.storage.blob.aio import ContainerClient
from hypothesis import given
from hypothesis import strategies as st

from registry_core.object_store.azure import AzureBlobStore
from registry_core.object_store.azure.client import query_text, quote_path
from registry_core.object_store.azure.shared_key import SharedKey
from registry_core.object_store.errors import ConditionFailed
from registry_core.object_store.interface import IF_ABSENT, UNCONDITIONAL, if_match
from registry_core.serve.azurite import ACCOUNT, KEY, Azurite
from tests.support.azurite import opened_at
from tests.support.batches import SentPart, parse_batch
from tests.support.reverse_proxy import ReverseProxy

pytestmark = pytest.mark.anyio

CONTENT = b"0123456789"
METADATA = {"digest": "sha256:0", "size_of_all": "12"}
PATH = "/docker/r/a b/_catalog/team%2Fapp/Größe"
BLOCK = "block-1".ljust(23, "-")
MD5 = hashlib.md5(CONTENT).digest()

DIFFERENCES = {
    "accept": "sent where an answer has a format: see test_sent_requests.py",
    "accept-encoding": "aiohttp's default, which storage ignores",
    "authorization": "it covers the others",
    "connection": "belongs to the connection",
    "content-type": "of blobs and lists it is the same; the SDK names one for no body, too",
    "date": "x-ms-date is what is signed",
    "host": "the same proxy",
    "user-agent": "it names the program",
    "x-ms-client-request-id": "storage's own request id is logged",
    "x-ms-date": "the time",
    "x-ms-version": "a setting",
    "x-ms-return-client-request-id": "see x-ms-client-request-id",
    "x-ms-copy-source": "a signed URL, which tests/object_store/test_sas.py compares",
    "x-ms-blob-content-type": "the default of storage",
    "x-ms-requires-sync": "the documentation has true where the SDK sends True",
    "x-ms-delete-snapshots": "a blob with snapshots could not be deleted without it",
    "transfer-encoding": "belongs to the connection",
    "content-length": "of a request without a body: aiohttp leaves it out, or sends 0",
    "if-match": "of any object: the SDK sends * where nothing was said",
}
DIFFERENT_PARAMETERS = {
    "timeout": "bounds how long a small write may travel",
    "maxresults": "the largest page is named",
    "showonly": "the SDK sends it empty",
}


@dataclass(frozen=True)
class Sent:
    """A request as storage gets it, without `DIFFERENCES`."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes


class Recorder(ReverseProxy):
    """Records the requests that it forwards to Azurite."""

    def __init__(self, azurite: Azurite) -> None:
        super().__init__()
        self._azurite = azurite
        self.sent: list[Sent] = []

    @property
    def port(self) -> int:
        return int(self.authority.rpartition(":")[2])

    async def answer(self, out: ClientSession, request: web.BaseRequest) -> web.StreamResponse:
        path, _, query = request.raw_path.partition("?")
        parameters = parse_qs(query)
        body = await request.read()
        self.sent.append(
            Sent(
                request.method,
                path,
                {
                    name: values[0]
                    for name, values in parameters.items()
                    if name not in DIFFERENT_PARAMETERS
                },
                {
                    name.lower(): value
                    for name, value in request.headers.items()
                    if name.lower() not in DIFFERENCES
                },
                _normalized(request.headers.get("Content-Type", ""), body),
            )
        )
        return await self.forward(out, request, f"127.0.0.1:{self._azurite.port}", body)


def _normalized(content_type: str, body: bytes) -> bytes:
    """Return a body without what does not matter.

    That is the boundary of a batch, and in its parts what does not in a request, and the quotes of
    an XML declaration.
    """
    if content_type.startswith("multipart/"):
        return "\n".join(map(_described, parse_batch(content_type, body))).encode()
    return body.replace(b"'", b'"').replace(b"?>\n", b"?>")


def _described(part: SentPart) -> str:
    headers = {name: value for name, value in part.headers.items() if name not in DIFFERENCES}
    if_match = part.headers.get("if-match")
    return f"{part.content_id} {part.method} {part.path.rstrip('?')} {headers} {if_match}"


@pytest.fixture
def recorder(azurite: Azurite) -> Iterator[Recorder]:
    with Recorder(azurite) as recorder:
        yield recorder


@pytest.fixture
async def store(recorder: Recorder, container_name: str) -> AsyncIterator[AzureBlobStore]:
    async with opened_at(recorder.port, container_name) as store:
        yield store


@pytest.fixture
async def sdk(recorder: Recorder, container_name: str) -> AsyncIterator[ContainerClient]:
    url = f"http://127.0.0.1:{recorder.port}/{ACCOUNT}"
    connection = f"AccountName={ACCOUNT};AccountKey={KEY};BlobEndpoint={url}"
    async with ContainerClient.from_connection_string(connection, container_name) as client:
        yield client


Ours = Callable[[AzureBlobStore], Awaitable[Any]]
Theirs = Callable[[Any], Awaitable[Any]]
MATCH = MatchConditions.IfNotModified

CALLS: dict[str, tuple[Ours, Theirs]] = {
    "head": (lambda s: s.head(PATH), lambda b: b.get_blob_properties()),
    "get_range": (
        lambda s: s.get_range(PATH, 2, 5),
        lambda b: b.download_blob(offset=2, length=5),
    ),
    "put": (
        lambda s: s.put(PATH, CONTENT, metadata=METADATA),
        lambda b: b.upload_blob(CONTENT, metadata=METADATA, overwrite=True),
    ),
    "put nothing if absent": (
        lambda s: s.put("new", b"", condition=IF_ABSENT),
        lambda b: b.of("new").upload_blob(b"", match_condition=MatchConditions.IfMissing),
    ),
    "put if match": (
        lambda s: s.put(PATH, CONTENT, condition=if_match('"0x1"')),
        lambda b: b.upload_blob(CONTENT, etag='"0x1"', match_condition=MATCH),
    ),
    "set_metadata": (
        lambda s: s.set_metadata(PATH, METADATA),
        lambda b: b.set_blob_metadata(METADATA),
    ),
    "set_metadata if match": (
        lambda s: s.set_metadata(PATH, METADATA, condition=if_match('"0x1"')),
        lambda b: b.set_blob_metadata(METADATA, etag='"0x1"', match_condition=MATCH),
    ),
    "stage": (
        lambda s: s.stage(PATH, BLOCK, CONTENT, md5=MD5),
        lambda b: b.stage_block(
            BLOCK, CONTENT, headers={"Content-MD5": base64.b64encode(MD5).decode()}
        ),
    ),
    "stage_from": (
        lambda s: s.stage_from("new", BLOCK, PATH, offset=1, length=4),
        lambda b: b.of("new").stage_block_from_url(
            BLOCK, b.url_with_key, source_offset=1, source_length=4
        ),
    ),
    "commit": (
        lambda s: s.commit("staged", [BLOCK], metadata=METADATA),
        lambda b: b.of("staged").commit_block_list([BlobBlock(BLOCK)], metadata=METADATA),
    ),
    "committed_blocks": (
        lambda s: s.committed_blocks(PATH),
        lambda b: b.get_block_list("committed"),
    ),
    "uncommitted_blocks": (
        lambda s: s.uncommitted_blocks("staged"),
        lambda b: b.of("staged").get_block_list("uncommitted"),
    ),
    "copy": (
        lambda s: s.copy("new", PATH, size=10, metadata=METADATA, source_etag='"0x1"'),
        lambda b: b.of("new").start_copy_from_url(
            b.url_with_key,
            metadata=METADATA,
            requires_sync=True,
            source_etag='"0x1"',
            source_match_condition=MATCH,
        ),
    ),
    "delete": (lambda s: s.delete(PATH), lambda b: b.delete_blob()),
    "delete if match": (
        lambda s: s.delete(PATH, condition=if_match('"0x1"')),
        lambda b: b.delete_blob(etag='"0x1"', match_condition=MATCH),
    ),
    "delete_batch": (
        lambda s: s.delete_batch([(PATH, if_match('"0x1"')), ("new", UNCONDITIONAL)]),
        lambda b: b.container.delete_blobs(
            {"name": PATH, "etag": '"0x1"'}, "new", raise_on_any_failure=False
        ),
    ),
    "list": (
        lambda s: s.list_page("/docker/", metadata=True),
        lambda b: _first_page(b.container.list_blobs("/docker/", include=["metadata"])),
    ),
    "list by folder": (
        lambda s: s.list_page("/docker/", by_folder=True, start_from="/docker/q"),
        lambda b: _first_page(b.container.walk_blobs("/docker/", start_from="/docker/q")),
    ),
    "list with staged blocks": (
        lambda s: s.list_page("/docker/", metadata=True, uncommitted=True),
        lambda b: _first_page(
            b.container.list_blobs("/docker/", include=["metadata", "uncommittedblobs"])
        ),
    ),
    "create container": (
        lambda s: s.ensure_container(),
        lambda b: b.container.create_container(),
    ),
}


async def _first_page(rows: Any) -> None:
    await anext(rows.by_page())


@pytest.mark.parametrize("call", CALLS)
async def test_a_call_is_the_request_of_the_sdk(
    recorder: Recorder, store: AzureBlobStore, sdk: ContainerClient, call: str
) -> None:
    ours, theirs = CALLS[call]
    sent = []
    for run in (ours, theirs):
        await store.put(PATH, CONTENT, metadata=METADATA)
        await store.stage("staged", BLOCK, CONTENT, md5=MD5)
        url = await store.signed_url(PATH, seconds=60)
        blob = _Blob(sdk, sdk.get_blob_client(PATH), url)
        recorder.sent.clear()
        with suppress(ConditionFailed, ResourceModifiedError, ResourceExistsError):
            await run(store if run is ours else blob)  # type: ignore[arg-type] # either
        sent.append(recorder.sent[0])
    assert sent[0] == sent[1]


@dataclass(frozen=True)
class _Blob:
    """The SDK's client of a blob, and of what else a call needs."""

    container: ContainerClient
    client: Any
    url_with_key: str

    def __getattr__(self, name: str) -> Any:
        return getattr(self.client, name)

    def of(self, path: str) -> Any:
        return self.container.get_blob_client(path)


async def test_results_are_those_of_the_sdk(store: AzureBlobStore, sdk: ContainerClient) -> None:
    etag = await store.put(PATH, CONTENT, metadata=METADATA)
    expected = await sdk.get_blob_client(PATH).get_blob_properties()
    [row] = (await store.list_page("", metadata=True)).entries
    for found in (
        await store.head(PATH),
        (await store.get(PATH, limit=10)).properties,
        (await store.get_range(PATH, 2, 3)).properties,
        row.properties,
    ):
        assert found is not None
        assert found.etag == etag == expected.etag
        assert found.size == expected.size
        assert found.last_modified == expected.last_modified
        assert dict(found.metadata) == expected.metadata == METADATA
    assert row.properties
    assert row.properties.tier == (await store.head(PATH)).tier == expected.blob_tier == "Hot"


NAMES = st.text("abcz059_", min_size=1, max_size=8).filter(lambda name: not name[0].isdigit())
PRINTABLE = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=20)


@given(
    method=st.sampled_from(["GET", "HEAD", "PUT", "DELETE"]),
    path=st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=20),
    query=st.dictionaries(
        st.sampled_from(["comp", "restype", "prefix", "marker", "timeout", "startFrom"]),
        st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=20),
    ),
    metadata=st.dictionaries(NAMES, PRINTABLE),
    size=st.integers(0, 2**30),
)
def test_a_signature_is_that_of_the_sdk(
    method: str, path: str, query: dict[str, str], metadata: dict[str, str], size: int
) -> None:
    headers = {
        "x-ms-date": "Fri, 27 Nov 2026 20:00:00 GMT",
        "x-ms-version": "2026-02-06",
        "x-ms-copy-source": "https://a/b",
        "If-Match": '"0x1"',
        "Content-Type": "application/octet-stream",
        **{f"x-ms-meta-{name}": value for name, value in metadata.items()},
    }
    if size:
        headers["Content-Length"] = str(size)
    sent = quote_path(path)
    request = HttpRequest(method, f"http://host{sent}{query_text(query)}", headers=headers)
    policy: Any = SharedKeyCredentialPolicy
    policy(ACCOUNT, KEY).on_request(PipelineRequest(request, PipelineContext(None)))
    signature = SharedKey(ACCOUNT, KEY).sign(method, sent, query, headers)
    assert signature == request.headers["Authorization"]
