"""Waits: how many rounds of storage calls a request waits for, one after the other.

Calls that do not depend on each other run at the same time and make one round. `test_call_counts`
counts the calls themselves.
"""

import json
from collections.abc import Iterator

import httpx
import pytest

from registry_core.app import RegistryApp
from registry_core.config import AzureStorage, Settings
from registry_core.globs import TagGlobs
from registry_core.object_store.interface import ObjectStore
from registry_core.object_store.memory import MemoryStore
from registry_core.spec.digest import Digest
from registry_core.spec.staging import Staging
from registry_core.storage import ingest
from tests.support.content import CONFIG, descriptor, image_index, image_manifest, random_bytes
from tests.support.rounds import Rounds, counting_rounds
from tests.support.staging import StagingMemory, put_block
from tests.support.wire import Wire

SECRET = "a secret for tests, long enough"
LAYER = b"a small layer"
MANIFEST = image_manifest(LAYER)
BLOCK = 64 * 2**10
LARGE = random_bytes(2 * BLOCK)
CONTAINERD = {"User-Agent": "containerd/2.2.0"}
REFERRER = image_manifest(
    subject=descriptor(MANIFEST, "application/vnd.oci.image.manifest.v1+json")
)


@pytest.fixture
def rounds(monkeypatch: pytest.MonkeyPatch) -> Iterator[Rounds]:
    """Blocks are small: their number does not matter, as they are staged at the same time."""
    monkeypatch.setattr(ingest, "BLOCK", BLOCK)
    with counting_rounds(MemoryStore()) as rounds:
        yield rounds


def new_instance(rounds: Rounds, settings: Settings | None = None, *, opened: bool = True) -> Wire:
    """Return a client of a new instance, with empty caches; ``opened``: its storage is open."""
    settings = settings or Settings(AzureStorage("unused"), SECRET)
    app = RegistryApp(settings, lambda _: rounds.store)
    transport = httpx.ASGITransport(app.application)
    wire = Wire(httpx.AsyncClient(transport=transport, base_url="http://test"), "a/b", set)
    if opened:
        rounds.run(app.job_context())
    return wire


async def request(wire: Wire, method: str, path: str) -> None:
    answer = await wire.client.request(method, f"{wire.base}/{path}")
    assert answer.status_code in (200, 202), answer.text


@pytest.mark.parametrize(
    "method, path, cold, warm",
    [
        ("GET", "manifests/v1", 2, 1),
        ("GET", f"manifests/{Digest.of(MANIFEST)}", 2, 0),
        ("HEAD", "manifests/v1", 1, 1),
        ("HEAD", f"manifests/{Digest.of(MANIFEST)}", 1, 0),
        ("HEAD", f"blobs/{Digest.of(LAYER)}", 2, 0),
        ("GET", f"blobs/{Digest.of(LAYER)}", 2, 1),
        ("GET", "tags/list", 1, 1),
        ("GET", f"referrers/{Digest.of(MANIFEST)}", 1, 1),
        ("GET", "../../_catalog", 1, 1),
    ],
)
def test_a_pull(rounds: Rounds, method: str, path: str, cold: int, warm: int) -> None:
    """Content is looked for once the repository is known to have it, not before."""
    rounds.run(new_instance(rounds).push_image("v1", LAYER))
    wire = new_instance(rounds)
    assert rounds.of(request(wire, method, path)) == cold
    assert rounds.of(request(wire, method, path)) == warm


def test_the_first_request_of_an_instance(rounds: Rounds) -> None:
    """Storage is looked at once, for the root of the container."""
    rounds.run(new_instance(rounds).push_image("v1", LAYER))
    assert rounds.of(request(new_instance(rounds, opened=False), "GET", "manifests/v1")) == 3


def push_rounds(rounds: Rounds, wire: Wire, layer: bytes) -> dict[str, int]:
    """Push an image of two blobs as docker does, and return the rounds of each request."""
    config = json.dumps({"config of": layer.decode()}).encode()
    waits = {"HEAD": 0, "POST": 0, "PATCH": 0, "PUT": 0}

    async def head(content: bytes) -> None:
        answer = await wire.client.head(f"{wire.base}/blobs/{Digest.of(content)}")
        assert answer.status_code == 404

    locations: list[str] = []

    async def start() -> None:
        locations.append(await wire.start())

    async def patch(content: bytes) -> None:
        locations.append((await wire.patch(locations[-1], content)).headers["Location"])

    async def finish(content: bytes) -> None:
        answer = await wire.finish(locations[-1], Digest.of(content))
        assert answer.status_code == 201

    for content in (config, layer):
        waits["HEAD"] += rounds.of(head(content))
        waits["POST"] += rounds.of(start())
        waits["PATCH"] += rounds.of(patch(content))
        waits["PUT"] += rounds.of(finish(content))
    media_type = "application/vnd.oci.image.config.v1+json"
    manifest = image_manifest(layer, config=descriptor(config, media_type))
    waits["manifest"] = rounds.of(wire.put_manifest("v1", manifest))
    return waits


def test_a_push_of_a_new_image_of_two_blobs(rounds: Rounds) -> None:
    """The manifest's: what there is, content, revision link, what leads to it, a last look.

    What there is: the tag, the generation, on a new instance the links of its blobs. Instead of the
    last look, the first push into a repository writes the revision link again.

    docs/requests.md draws it.
    """
    expected = {"HEAD": 2, "POST": 0, "PATCH": 2, "PUT": 2, "manifest": 5}
    wire = new_instance(rounds)
    assert push_rounds(rounds, wire, b"first") == expected
    assert push_rounds(rounds, wire, b"second") == expected


def test_a_manifest_whose_blobs_were_pushed_to_another_instance(rounds: Rounds) -> None:
    """All that it references is looked up at the same time: the links, then the content."""

    async def push_blobs(wire: Wire) -> None:
        for content in (CONFIG, LAYER):
            await wire.push_blob(content)

    rounds.run(push_blobs(new_instance(rounds)))
    assert rounds.of(new_instance(rounds).put_manifest("v1", MANIFEST)) == 6


def test_an_immutable_tag_is_looked_at_together_with_what_the_manifest_references(
    rounds: Rounds,
) -> None:
    """Its index link is written only once the tag is known to be the push's own.

    In the end, all that the manifest needs is looked at again.
    """
    settings = Settings(AzureStorage("unused"), SECRET, immutable_tags=TagGlobs.parse("**:v*"))

    async def push_blobs(wire: Wire) -> None:
        for content in (CONFIG, LAYER):
            await wire.push_blob(content)

    rounds.run(push_blobs(new_instance(rounds)))
    assert rounds.of(new_instance(rounds, settings).put_manifest("v1", MANIFEST)) == 8


def test_a_blob_by_post_and_put(rounds: Rounds) -> None:
    """Of a blob that is larger than one block, the blocks are staged at the same time.

    Before, a look whether it is there already, while the second block is received.
    """
    wire = new_instance(rounds)
    assert rounds.of(wire.push_blob(LAYER)) == 2
    assert rounds.of(wire.push_blob(LARGE)) == 4
    for content in (LAYER, LARGE):  # there already
        assert rounds.of(wire.push_blob(content)) == 3


def test_a_large_blob_by_patch_and_put(rounds: Rounds) -> None:
    """PATCH: stage, commit. A further one: looks for the blocks before while it stages its own."""
    wire = new_instance(rounds)
    locations = [rounds.run(wire.start())]

    async def patch(content: bytes) -> None:
        locations.append((await wire.patch(locations[-1], content)).headers["Location"])

    assert rounds.of(patch(LARGE)) == 2
    assert rounds.of(patch(LARGE)) == 2
    assert rounds.of(wire.finish(locations[-1], Digest.of(LARGE + LARGE))) == 3


def test_a_mount(rounds: Rounds) -> None:
    """The source's link, the content, the link."""
    rounds.run(new_instance(rounds).push_image("v1", LAYER))
    wire = new_instance(rounds)
    url = f"/v2/c/d/blobs/uploads/?mount={Digest.of(LAYER)}&from=a/b"
    assert rounds.of(wire.client.post(url)) == 3


def test_deletions(rounds: Rounds) -> None:
    """A deletion is announced before it looks for tags, a referrer's by its entry, too."""

    async def push(wire: Wire) -> None:
        await wire.push_image("v1", LAYER)
        for tag in ("v2", "v3"):
            await wire.put_manifest(tag, MANIFEST)
        await wire.put_manifest("signature", REFERRER)

    rounds.run(push(new_instance(rounds)))

    def of_deletion(reference: object) -> int:
        return rounds.of(request(new_instance(rounds), "DELETE", f"manifests/{reference}"))

    assert of_deletion("v3") == 6
    assert of_deletion(Digest.of(MANIFEST)) == 17
    assert of_deletion(Digest.of(REFERRER)) == 26


def test_an_index_of_manifests_of_another_instance(rounds: Rounds) -> None:
    rounds.run(new_instance(rounds).push_image("v1", LAYER))
    media_type = "application/vnd.oci.image.index.v1+json"
    pushed = new_instance(rounds).put_manifest("multi", image_index(MANIFEST), media_type)
    assert rounds.of(pushed) == 6


@pytest.fixture
def staging_rounds() -> Iterator[Rounds]:
    """Clients can write to storage by themselves."""
    with counting_rounds(StagingMemory()) as rounds:
        yield rounds


async def put_directly(wire: Wire, store: ObjectStore, *contents: bytes) -> None:
    for content in contents:
        await put_block(store, await wire.start(), content)


def test_uploads_that_their_manifest_claims(staging_rounds: Rounds) -> None:
    """Those of a manifest are looked at, hashed and published two at a time."""
    rounds, layers = staging_rounds, [b"one layer", b"another layer", b"a third"]
    wire = new_instance(rounds)
    wire.client.headers.update(CONTAINERD)
    assert rounds.of(wire.start()) == 0
    head = wire.client.head(f"{wire.base}/blobs/{Digest.of(b'absent')}")
    assert rounds.of(head) == 2
    rounds.run(put_directly(wire, rounds.store, CONFIG, *layers))
    waits = rounds.of(wire.put_manifest("v1", image_manifest(*layers)))
    assert waits == 1 + 1 + 1 + 2 * 6 + 5


def test_a_staged_upload(staging_rounds: Rounds) -> None:
    """Its end: commit, look, one read for 8 MiB, copy, link, deletion."""
    rounds = staging_rounds
    wire = new_instance(rounds)
    locations: list[str] = []

    async def stage() -> None:
        locations.append(await wire.start())
        answer = await wire.client.get(f"{locations[-1]}&staging=1")
        await put_block(rounds.store, Staging.parse(answer.content).block_url(0), LAYER)

    async def finish() -> None:
        answer = await wire.client.put(f"{locations[-1]}&digest={Digest.of(LAYER)}&blocks=1")
        assert answer.status_code == 201, answer.text

    assert rounds.of(stage()) == 1, "the block's own"
    assert rounds.of(finish()) == 6
