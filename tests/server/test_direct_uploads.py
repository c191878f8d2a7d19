"""Direct uploads: how they begin, and how the blobs are found by those who may claim them."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import httpx
import pytest

from registry_core import MemoryStore, StoredRegistry, asgi
from registry_core.app import build_application, build_registry
from registry_core.config import AzureStorage, Settings
from registry_core.registry import Registry
from registry_core.server.access_log import log as access_log
from registry_core.server.audit import log as audit_log
from registry_core.spec import media_types
from registry_core.spec.digest import Digest
from registry_core.wrappers import ReadOnly
from tests.support.content import CONFIG, LAYER, descriptor, image_index, image_manifest
from tests.support.counting import CountingStore
from tests.support.in_process import client_of
from tests.support.stager import SECRET, STORAGE, StagingRegistry, Storage
from tests.support.staging import StagingMemory, put_block
from tests.support.wire import Wire, assert_error

from .users import ALICE, BOB, CAROL, authenticator

pytestmark = pytest.mark.anyio

CONTAINERD = "containerd/2.2.0"
REGCTL = "regclient/regctl (v0.11.5)"
DOCKER = "docker/29.0.4 go/go1.25 os/linux arch/amd64"
CONTENT = b"the content of a layer"
DIGEST = Digest.of(CONTENT)


@dataclass
class Scene:
    """A registry, a client of it, and the storage that it writes to.

    The caller is alice. Requests of the scene's own are containerd's, those of ``wire`` another's.
    """

    wire: Wire
    storage: Storage
    store: CountingStore

    async def send(
        self, method: str, path: str, agent: str = CONTAINERD, **options: Any
    ) -> httpx.Response:
        """Send a request to the repository."""
        headers = {"User-Agent": agent} | options.pop("headers", {})
        url = f"{self.wire.base}/{path}"
        return await self.wire.client.request(method, url, headers=headers, **options)

    async def begin(
        self, query: str = "", agent: str = CONTAINERD, **options: Any
    ) -> httpx.Response:
        return await self.send("POST", f"blobs/uploads/{query}", agent, **options)

    async def upload(self, *contents: bytes) -> None:
        """Put blobs to storage as alice."""
        for content in contents:
            answer = await self.begin()
            self.storage.put(answer.headers["Location"], content)

    async def push(
        self, manifest: bytes, agent: str = CONTAINERD, **options: Any
    ) -> httpx.Response:
        return await self.send("PUT", "manifests/v1", agent, content=manifest, **options)

    async def get(
        self, content: bytes, agent: str = CONTAINERD, method: str = "GET", **options: Any
    ) -> httpx.Response:
        return await self.send(method, f"blobs/{Digest.of(content)}", agent, **options)

    async def head(self, content: bytes = CONTENT, **options: Any) -> int:
        return (await self.get(content, method="HEAD", **options)).status_code


@asynccontextmanager
async def serving(
    wrap: type[ReadOnly] | None = None, *, require_children: bool = True
) -> AsyncIterator[Scene]:
    storage, store = Storage(), CountingStore(MemoryStore())
    stored = StoredRegistry(store, foreign_urls=None, require_children=require_children)
    registry: Registry = StagingRegistry(stored, storage)
    if wrap:
        registry = wrap(registry)
    app = asgi(
        registry,
        secret="a secret for tests, which is long enough",
        authenticator=authenticator(),
    )
    async with client_of(app) as client:
        client.auth = ALICE
        yield Scene(Wire(client, "a", set), storage, store)


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    async with serving() as scene:
        yield scene


@pytest.mark.parametrize(
    "query, agent",
    [
        ("", CONTAINERD),
        ("?digest-algorithm=sha256", CONTAINERD),
        (f"?mount={DIGEST}&from=b", CONTAINERD),
        (f"?mount={DIGEST}", REGCTL),
    ],
)
async def test_a_client_that_can_is_sent_to_storage(scene: Scene, query: str, agent: str) -> None:
    """The answer is one for this client alone, and costs no storage call but that of a mount."""
    answer = await scene.begin(query, agent)
    assert answer.status_code == 202, answer.text
    assert answer.headers["Location"] == f"{STORAGE}/direct-0?comp=block&sig={SECRET}"
    assert answer.headers["Docker-Upload-UUID"] == "direct-0"
    assert answer.headers["Range"] == "0-0"
    assert answer.headers["Cache-Control"] == "no-store"
    assert "OCI-Chunk-Max-Length" not in answer.headers
    assert len(scene.store.take()) == ("mount" in query)


@pytest.mark.parametrize(
    "query, agent",
    [
        ("", DOCKER),
        ("", "containerd/2.1.5"),
        ("", REGCTL),
        ("?digest-algorithm=sha512", CONTAINERD),
        (f"?mount={Digest.of(CONTENT, 'sha512')}&from=b", CONTAINERD),
        (f"?mount={DIGEST}&from=b", DOCKER),
    ],
)
async def test_others_get_an_upload_of_the_registrys_own(
    scene: Scene, query: str, agent: str
) -> None:
    answer = await scene.begin(query, agent)
    assert answer.status_code == 202
    assert answer.headers["Location"].startswith("http://registry.test/v2/a/blobs/uploads/")


async def test_a_post_with_content_stays_at_the_registry(scene: Scene) -> None:
    for query, status in ((f"?digest={DIGEST}", 201), ("", 202)):
        answer = await scene.begin(query, content=CONTENT)
        assert answer.status_code == status
        assert answer.headers["Location"].startswith("http://registry.test/")


async def test_a_mount_that_succeeds_needs_no_upload(scene: Scene) -> None:
    await Wire(scene.wire.client, "b", set).push_blob(CONTENT)
    answer = await scene.begin(f"?mount={DIGEST}&from=b")
    assert answer.status_code == 201


async def test_an_upload_needs_the_right_to_push(scene: Scene) -> None:
    assert_error(await scene.begin(auth=CAROL), 403, "DENIED")
    assert scene.storage.owners == {}


async def test_on_loopback_storage_has_another_name_than_the_registry(scene: Scene) -> None:
    """Go's clients would send their credentials along."""
    scene.storage.host = "http://localhost:10000"
    answer = await scene.begin(headers={"Host": "localhost:5000"})
    assert answer.headers["Location"].startswith("http://127.0.0.1:10000/")


async def test_the_push_of_a_manifest_makes_blobs_of_uploads(scene: Scene) -> None:
    """Its sizes say which uploads may be wanted."""
    layers = [CONTENT, b"another layer"]
    await scene.upload(CONFIG, *layers)
    answer = await scene.push(image_manifest(*layers))
    assert answer.status_code == 201, answer.text
    for content in (CONFIG, *layers):
        assert (await scene.get(content)).content == content
    assert scene.storage.claims == [{Digest.of(c): len(c) for c in (CONFIG, *layers)}]


async def test_more_blobs_than_one_error_names_are_claimed_at_once(scene: Scene) -> None:
    """The registry stops to look after 50 that are missing, and a claim may take minutes."""
    layers = [b"layer %d" % number for number in range(120)]
    await scene.upload(CONFIG, *layers)
    answer = await scene.push(image_manifest(*layers))
    assert answer.status_code == 201, answer.text
    assert len(scene.storage.claims) == 1


async def test_a_blob_that_nobody_has_uploaded_is_missing_as_usual(scene: Scene) -> None:
    """Claims end as soon as one finds nothing."""
    await scene.upload(CONFIG)
    answer = await scene.push(image_manifest(CONTENT))
    assert_error(answer, 400, "MANIFEST_BLOB_UNKNOWN")
    assert len(scene.storage.claims) == 2
    assert await scene.head() == 404


async def test_content_of_another_size_is_not_claimed(scene: Scene) -> None:
    await scene.upload(CONFIG, CONTENT)
    layer = descriptor(CONTENT) | {"size": 1}
    answer = await scene.push(image_manifest(layers=[layer]))
    assert_error(answer, 400, "MANIFEST_BLOB_UNKNOWN")


async def test_children_that_an_index_lacks_are_not_looked_for(scene: Scene) -> None:
    """They are manifests: pushed before, and their blobs claimed then."""
    index = image_index(image_manifest(CONTENT))
    assert_error(await scene.push(index), 400, "MANIFEST_BLOB_UNKNOWN")
    assert scene.storage.claims == []


@pytest.mark.parametrize("require_children", [True, False])
async def test_blobs_that_an_index_lists_are_claimed(*, require_children: bool) -> None:
    """BuildKit's caches are such indexes; whether what they list has to be there, or not."""
    cache = descriptor(CONFIG, "application/vnd.buildkit.cacheconfig.v0")
    layer = descriptor(CONTENT, f"{LAYER}.tar")
    index = image_index(manifests=[layer, cache])
    async with serving(require_children=require_children) as scene:
        await scene.upload(CONFIG, CONTENT)
        answer = await scene.push(index)
        assert answer.status_code == 201, answer.text
        assert await scene.head(agent=DOCKER) == 200
        assert await scene.head(CONFIG, agent=DOCKER) == 200


async def test_a_layer_that_need_not_be_there_is_claimed_all_the_same(scene: Scene) -> None:
    """A layer that is not to be distributed has `urls`; its client has uploaded it even so."""
    foreign = descriptor(CONTENT, media_types.DOCKER_FOREIGN_LAYER)
    foreign["urls"] = ["https://example.com/layer"]
    manifest = image_manifest(layers=[foreign])
    await scene.upload(CONFIG, CONTENT)
    assert (await scene.push(manifest)).status_code == 201
    assert await scene.head(agent=DOCKER) == 200
    scene.storage.claims.clear()
    assert (await scene.push(manifest)).status_code == 201
    assert scene.storage.claims == []


async def test_a_layer_that_need_not_be_there_may_be_nowhere(scene: Scene) -> None:
    foreign = descriptor(CONTENT, media_types.DOCKER_FOREIGN_LAYER)
    foreign["urls"] = ["https://example.com/layer"]
    await scene.upload(CONFIG)
    assert (await scene.push(image_manifest(layers=[foreign]))).status_code == 201


@pytest.mark.parametrize("method", ["HEAD", "GET"])
async def test_a_read_of_the_blob_makes_it_of_the_upload(scene: Scene, method: str) -> None:
    await scene.upload(CONTENT)
    answer = await scene.get(CONTENT, method=method)
    assert answer.status_code == 200
    assert answer.headers["Docker-Content-Digest"] == str(DIGEST)
    assert scene.storage.claims == [{DIGEST: None}]


async def test_what_is_not_hashed_yet_is_429_until_it_is(scene: Scene) -> None:
    await scene.upload(CONFIG, CONTENT)
    scene.storage.busy = [True, True]
    for status in (429, 429, 201):
        answer = await scene.push(image_manifest(CONTENT))
        assert answer.status_code == status
        assert answer.headers.get("Retry-After") == ("1" if status == 429 else None)


async def test_a_blob_that_is_not_hashed_yet_is_missing_until_it_is(scene: Scene) -> None:
    """Clients look for a blob before they upload it; containerd gives up after five times 429."""
    await scene.upload(b"x")
    scene.storage.busy = [True]
    assert [await scene.head(b"x"), await scene.head(b"x")] == [404, 200]


async def test_nothing_is_claimed_where_nothing_is_missing(scene: Scene) -> None:
    """A push and a pull cost the same calls, whatever the client is."""
    await scene.wire.push_image("v1", CONTENT)
    await scene.push(image_manifest(CONTENT))
    costs = []
    for agent in (CONTAINERD, DOCKER):
        scene.store.take()
        await scene.push(image_manifest(CONTENT), agent)
        await scene.head(agent=agent)
        await scene.get(CONTENT, agent)
        costs.append(scene.store.take())
    assert costs[0] == costs[1]
    assert scene.storage.claims == []


@pytest.mark.parametrize(
    "auth, agent",
    [(CAROL, CONTAINERD), (ALICE, DOCKER), (ALICE, "containerd/2.1.5")],
    ids=["a reader", "another client", "an older client"],
)
async def test_only_who_may_push_with_a_client_that_can_claims(
    scene: Scene, auth: httpx.BasicAuth, agent: str
) -> None:
    """A read by others writes nothing, and costs nothing more."""
    await scene.upload(CONTENT)
    scene.store.take()
    assert await scene.head(auth=auth, agent=agent) == 404
    assert scene.store.take() == ["head"]
    assert scene.storage.claims == []


async def test_nobody_claims_what_another_caller_has_uploaded(scene: Scene) -> None:
    await scene.upload(CONFIG, CONTENT)
    assert await scene.head(auth=BOB) == 404
    answer = await scene.push(image_manifest(CONTENT), auth=BOB)
    assert_error(answer, 400, "MANIFEST_BLOB_UNKNOWN")
    assert await scene.head() == 200


SETTINGS = Settings(AzureStorage("unused"), "a secret for tests, which is long enough")


@pytest.mark.parametrize(
    "settings, staging",
    [
        (replace(SETTINGS, direct_upload=False), 204),
        (replace(SETTINGS, redirect=False), 204),
        (replace(SETTINGS, require_blobs=False), 200),
    ],
    ids=["off", "without redirects", "without validation"],
)
async def test_where_it_is_off_clients_upload_to_the_registry(
    settings: Settings, staging: int
) -> None:
    """A missing blob costs nothing more. Staging is off as well where clients cannot use it."""
    store = CountingStore(StagingMemory())
    async with client_of(build_application(settings, build_registry(settings, store))) as client:
        scene = Scene(Wire(client, "a", set), Storage(), store)
        location = (await scene.begin()).headers["Location"]
        assert location.startswith("http://registry.test/")
        assert (await client.get(f"{location}&staging=1")).status_code == staging
        store.take()
        assert await scene.head() == 404
    assert store.take() == ["head"]


async def test_it_is_on_where_clients_are_redirected() -> None:
    store = CountingStore(StagingMemory())
    async with client_of(build_application(SETTINGS, build_registry(SETTINGS, store))) as client:
        scene = Scene(Wire(client, "a", set), Storage(), store)
        assert (await scene.begin()).headers["Location"].startswith("memory:")
        location = (await scene.begin(agent=DOCKER)).headers["Location"]
        assert (await client.get(f"{location}&staging=1")).status_code == 200


async def test_a_read_that_finds_other_blobs_makes_them_all_the_same(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """They are hashed once: a client looks for one blob after another, and uploads each."""
    caplog.set_level(logging.INFO, audit_log.name)
    store = CountingStore(StagingMemory())
    async with client_of(build_application(SETTINGS, build_registry(SETTINGS, store))) as client:
        scene = Scene(Wire(client, "a", set), Storage(), store)
        await put_block(store, (await scene.begin()).headers["Location"], CONFIG)
        store.take()
        assert await scene.head() == 404
        assert store.take()[-1] == "delete", "the blob is not looked up again"
        assert await scene.head(CONFIG, agent=DOCKER) == 200
    [line] = [text for text in caplog.messages if text.startswith("audit ")]
    assert json.loads(line.removeprefix("audit "))["digest"] == str(Digest.of(CONFIG))


async def test_a_client_that_hangs_up_does_not_keep_a_claim_out_of_the_audit_log(
    scene: Scene, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever may push could otherwise make blobs of which the log knows nothing."""
    caplog.set_level(logging.INFO, audit_log.name)
    claim, has_claimed, may_end = (
        StagingRegistry.claim_direct_uploads,
        asyncio.Event(),
        asyncio.Event(),
    )

    async def slow(*arguments: Any) -> Collection[Digest]:
        found = await claim(*arguments)
        has_claimed.set()
        await may_end.wait()
        return found

    monkeypatch.setattr(StagingRegistry, "claim_direct_uploads", slow)
    await scene.upload(CONTENT)
    head = asyncio.ensure_future(scene.head())
    await has_claimed.wait()
    head.cancel()
    await asyncio.sleep(0)
    may_end.set()
    with pytest.raises(asyncio.CancelledError):
        await head
    [line] = [text for text in caplog.messages if text.startswith("audit ")]
    assert json.loads(line.removeprefix("audit "))["digest"] == str(DIGEST)


async def test_a_read_only_registry_claims_nothing() -> None:
    async with serving(ReadOnly) as scene:
        assert_error(await scene.begin(), 405, "UNSUPPORTED")
        assert await scene.head() == 404
        assert scene.storage.claims == []


async def test_each_claimed_blob_has_a_line_in_the_audit_log(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    """Those too that a request has made which ended with 429; what only begins has none."""
    caplog.set_level(logging.INFO, audit_log.name)
    await scene.upload(CONFIG, CONTENT)
    scene.storage.busy = [False, True]
    assert (await scene.push(image_manifest(CONTENT))).status_code == 429
    assert (await scene.push(image_manifest(CONTENT))).status_code == 201
    await scene.upload(b"x")
    await scene.get(b"x")
    texts = [text.removeprefix("audit ") for text in caplog.messages if text.startswith("audit ")]
    lines = [json.loads(text) for text in texts]
    shown = [(line["action"], line["status"], line["digest"]) for line in lines]
    manifest = Digest.of(image_manifest(CONTENT))
    assert shown == [
        ("push_blob", 201, str(Digest.of(CONFIG))),
        ("push_blob", 201, str(DIGEST)),
        ("push_manifest", 201, str(manifest)),
        ("push_blob", 201, str(Digest.of(b"x"))),
    ]
    for line in lines:
        assert (line["subject"], line["repository"], line["outcome"]) == ("alice", "a", "success")


async def test_no_log_has_the_url(
    scene: Scene, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    for each in (access_log, audit_log):
        monkeypatch.setattr(each, "disabled", False)
    caplog.set_level(logging.DEBUG, "registry_core")
    await scene.upload(CONFIG, CONTENT)
    await scene.push(image_manifest(CONTENT))
    assert "status=202" in caplog.text
    assert SECRET not in caplog.text
