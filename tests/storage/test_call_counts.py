"""Storage calls: each is billed and costs a round trip, so they are counted exactly, on Azurite."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import timedelta

import httpx
import pytest

from registry_core.app import build_application, build_registry
from registry_core.config import AzureStorage, Settings
from registry_core.serve.azurite import Azurite
from registry_core.spec.digest import Digest
from registry_core.spec.endpoints import ALL
from registry_core.spec.staging import Staging
from registry_core.storage.stored_registry import StoredRegistry
from tests.support.content import CONFIG, image_manifest, random_bytes
from tests.support.storage_calls import Stack, counted
from tests.support.wire import OCTETS, Wire

pytestmark = pytest.mark.anyio

SETTINGS = Settings(AzureStorage("unused"), "a secret for tests, long enough")
LAYER = b"a small layer"
MANIFEST = image_manifest(LAYER)
LARGE = random_bytes(16 * 2**20)
REDIRECTED = random_bytes(64 * 2**10 + 1)


@pytest.fixture
async def stack(azurite: Azurite, container_name: str) -> AsyncIterator[Stack]:
    async with counted(azurite, container_name, SETTINGS) as stack:
        yield stack


async def pull(wire: Wire, path: str, method: str = "GET") -> None:
    answer = await wire.client.request(method, f"{wire.base}/{path}")
    assert answer.status_code in (200, 307), answer.text


@pytest.mark.parametrize(
    "method, path, cold, warm",
    [
        ("GET", "manifests/v1", ["get", "get"], ["get"]),
        ("GET", f"manifests/{Digest.of(MANIFEST)}", ["get", "head"], []),
        ("HEAD", "manifests/v1", ["get"], ["get"]),
        ("HEAD", f"manifests/{Digest.of(MANIFEST)}", ["head"], []),
        ("GET", f"blobs/{Digest.of(REDIRECTED)}", ["head"], []),
        ("GET", f"blobs/{Digest.of(LAYER)}", ["get", "head"], ["get"]),
    ],
    ids=[
        "GET manifest by tag",
        "GET manifest by digest",
        "HEAD manifest by tag",
        "HEAD manifest by digest",
        "GET blob, redirected",
        "GET blob, small",
    ],
)
async def test_a_pull(
    stack: Stack, method: str, path: str, cold: list[str], warm: list[str]
) -> None:
    seed = stack.new_instance()
    await seed.push_image("v1", LAYER)
    await seed.push_blob(REDIRECTED)
    wire = stack.new_instance()
    assert sorted(await stack.calls_of(pull(wire, path, method))) == cold
    assert await stack.calls_of(pull(wire, path, method)) == warm


async def test_a_blob_that_a_push_relies_on(stack: Stack) -> None:
    """HEAD looks for the link, then for the content; without a link, for nothing else."""
    seed = stack.new_instance()
    await seed.push_image("v1", LAYER)
    wire = stack.new_instance()
    path = f"blobs/{Digest.of(LAYER)}"
    assert await stack.calls_of(pull(wire, path, "HEAD")) == ["head", "head"]
    assert await stack.calls_of(pull(wire, path, "HEAD")) == []
    elsewhere = wire.client.head(f"/v2/c/d/{path}")
    assert await stack.calls_of(elsewhere) == ["head"]


@pytest.mark.parametrize("reference", ["there", "nowhere"])
async def test_a_manifest_that_the_repository_lacks(stack: Stack, reference: str) -> None:
    """The calls are the same whether another repository has it or not."""
    await stack.new_instance().push_image("v1", LAYER)
    digest = Digest.of(MANIFEST if reference == "there" else b"nowhere")
    wire = stack.new_instance("c/d")
    for method in ("GET", "HEAD"):
        request = wire.client.request(method, f"{wire.base}/manifests/{digest}")
        assert await stack.calls_of(request) == ["head"]


async def push_small_image(wire: Wire, layer: bytes) -> None:
    """Push an image of two blobs as docker does: two HEADs, the blobs, then the manifest."""
    config = image_manifest(layer)  # any JSON that is unique to the image
    for content in (config, layer):
        answer = await wire.client.head(f"{wire.base}/blobs/{Digest.of(content)}")
        assert answer.status_code == 404
    location = (await wire.patch(await wire.start(), layer)).headers["Location"]
    assert (await wire.finish(location, Digest.of(layer))).status_code == 201
    await wire.push_blob(config)
    manifest = image_manifest(layer, config=_descriptor(config))
    assert (await wire.put_manifest("v1", manifest)).status_code == 201


def _descriptor(content: bytes) -> dict[str, object]:
    media_type = "application/vnd.oci.image.config.v1+json"
    return {"mediaType": media_type, "digest": str(Digest.of(content)), "size": len(content)}


async def test_a_push_of_a_new_image_of_two_blobs(stack: Stack) -> None:
    """Two HEADs, content and links of both blobs; then the manifest.

    Its tag (get) and the repository's generation (head) are looked at before anything is written,
    and the links of its blobs where the instance has not seen the generation lately. The last call
    checks that no deletion has begun meanwhile. The first push into a repository writes the marker
    that the catalog lists.
    """
    wire = stack.new_instance()
    blobs = ["head"] * 2 + ["put"] * 4
    cold = await stack.calls_of(push_small_image(wire, b"first"))
    assert cold == [*blobs, "get", *["head"] * 3, *["put"] * 5, "head"]
    warm = await stack.calls_of(push_small_image(wire, b"second"))
    assert warm == [*blobs, "get", "head", *["put"] * 4, "head"]
    another = await stack.calls_of(push_small_image(stack.new_instance(), b"third"))
    assert another == [*blobs, "get", *["head"] * 3, *["put"] * 4, "head"]


async def test_a_push_of_16_mib_by_patch(stack: Stack) -> None:
    wire = stack.new_instance()

    async def push() -> None:
        location = (await wire.patch(await wire.start(), LARGE)).headers["Location"]
        assert (await wire.finish(location, Digest.of(LARGE))).status_code == 201

    calls = await stack.calls_of(push())
    assert calls == ["stage", "stage", "commit", "copy", "put", "delete"]


@pytest.mark.parametrize("by", ["PUT", "POST"])
async def test_a_push_of_16_mib_by_one_request(stack: Stack, by: str) -> None:
    wire = stack.new_instance()
    digest = Digest.of(LARGE)

    async def post() -> None:
        url = f"{wire.base}/blobs/uploads/?digest={digest}"
        answer = await wire.client.post(url, content=LARGE, headers=OCTETS)
        assert answer.status_code == 201

    push: Callable[[], Awaitable[object]] = post if by == "POST" else lambda: wire.push_blob(LARGE)
    assert await stack.calls_of(push()) == ["head", "stage", "stage", "commit", "put"]
    assert await stack.calls_of(push()) == ["head", "head", "put"]


async def test_a_push_of_a_small_blob_that_is_there(stack: Stack) -> None:
    """It is compared with what is stored, which costs no more than a look."""
    wire = stack.new_instance()
    await wire.push_blob(LAYER)
    assert await stack.calls_of(stack.new_instance().push_blob(LAYER)) == ["put", "get", "put"]


async def test_starting_an_upload_and_the_version_check_and_the_home_page_cost_nothing(
    stack: Stack,
) -> None:
    wire = stack.new_instance()
    assert await stack.calls_of(wire.start()) == []
    assert await stack.calls_of(wire.client.get("/v2/")) == []
    assert await stack.calls_of(wire.client.get("/")) == []


async def test_a_cancelled_upload(stack: Stack) -> None:
    """Blocks that its client has staged are looked for, and dropped."""
    wire = stack.new_instance()
    location = await wire.start()
    looked = ["delete", "uncommitted_blocks"]
    assert await stack.calls_of(wire.client.delete(location)) == looked
    location = await wire.start()
    staging = Staging.parse((await wire.client.get(f"{location}&staging=1")).content)
    async with httpx.AsyncClient() as storage:
        (await storage.put(staging.block_url(0), content=LAYER)).raise_for_status()
    dropped = [*looked, "put", "delete", "delete"]
    assert await stack.calls_of(wire.client.delete(location)) == dropped


async def test_a_list_of_200_tags(stack: Stack) -> None:
    wire = stack.new_instance()
    await wire.push_image("v0", LAYER)
    for number in range(1, 200):
        answer = await wire.put_manifest(f"v{number}", MANIFEST)
        assert answer.status_code == 201
    assert await stack.calls_of(pull(stack.new_instance(), "tags/list")) == ["list"]


async def test_a_page_of_the_catalog(stack: Stack) -> None:
    await stack.new_instance().push_image("v1", LAYER)
    wire = stack.new_instance()
    assert await stack.calls_of(wire.client.get("/v2/_catalog")) == ["list"]


async def test_a_list_of_referrers(stack: Stack) -> None:
    """One get is that of the fallback tag, and one more that of each entry with long annotations.

    Such an entry costs no more than one put either, beside the rest of its push.
    """
    wire = stack.new_instance()
    await wire.push_image("v1", LAYER)
    subject = {"subject": _descriptor(MANIFEST)}
    for length in (10, 9000):
        note = {"note": "x" * length}
        referrer = image_manifest(LAYER, annotations=note, **subject)
        push = wire.put_manifest(Digest.of(referrer), referrer)
        assert (await stack.calls_of(push)).count("put") == 3
    url = f"{wire.base}/referrers/{Digest.of(MANIFEST)}"
    calls = await stack.calls_of(stack.new_instance().client.get(url))
    assert sorted(calls) == ["get", "get", "list"]
    calls = await stack.calls_of(stack.new_instance().client.get(f"{url}?artifactType=none"))
    assert sorted(calls) == ["get", "list"]


async def test_without_a_membership_cache_every_request_looks_again(stack: Stack) -> None:
    """REGISTRY_STORAGE_CACHE_MEMBERSHIP=0; content by digest is cached all the same."""
    settings = Settings(AzureStorage("unused"), SETTINGS.http_secret, membership_seconds=0)
    await stack.new_instance().push_image("v1", LAYER)
    application = build_application(settings, build_registry(settings, stack.store))
    transport = httpx.ASGITransport(application)
    async with httpx.AsyncClient(transport=transport, base_url="http://registry.test") as client:
        wire = Wire(client, "a/b", set)
        manifest, blob = f"manifests/{Digest.of(MANIFEST)}", f"blobs/{Digest.of(CONFIG)}"
        assert sorted(await stack.calls_of(pull(wire, manifest))) == ["get", "head"]
        assert await stack.calls_of(pull(wire, manifest)) == ["head"]
        for _ in range(2):
            assert await stack.calls_of(pull(wire, blob, "HEAD")) == ["head", "head"]


async def test_listings_with_details(stack: Stack) -> None:
    """The metadata of links come with the listing."""
    await stack.new_instance().push_image("v1", LAYER)
    registry = StoredRegistry(stack.store)
    assert await stack.calls_of(registry.list_manifests("a/b", ALL)) == ["list"]
    assert await stack.calls_of(registry.list_tags("a/b", ALL, details=True)) == ["list"]


async def test_deletions(stack: Stack) -> None:
    """The index of a tag is listed before and after; a manifest's tags are looked for twice.

    A deletion of a blob or of a manifest begins a new generation of the repository (head, put).
    Each writes its record (put) before it deletes anything; that of a tag names what its manifest
    names, which is read (get) unless it is cached.
    """
    wire = stack.new_instance()
    await wire.push_image("v1", LAYER)
    assert (await wire.put_manifest("v2", MANIFEST)).status_code == 201
    delete_tag = wire.client.delete(f"{wire.base}/manifests/v2")
    assert await stack.calls_of(delete_tag) == ["list", "put", "delete", "delete", "list"]
    assert (await wire.put_manifest("v2", MANIFEST)).status_code == 201
    delete_tag = stack.new_instance().client.delete(f"{wire.base}/manifests/v2")
    assert await stack.calls_of(delete_tag) == ["list", "get", "put", "delete", "delete", "list"]
    delete_blob = wire.client.delete(f"{wire.base}/blobs/{Digest.of(LAYER)}")
    assert await stack.calls_of(delete_blob) == ["head", "put", "delete", "head", "put"]
    delete_manifest = wire.client.delete(f"{wire.base}/manifests/{Digest.of(MANIFEST)}")
    assert await stack.calls_of(delete_manifest) == [
        *("head", "head", "put", "list"),
        "put",  # the record
        *("head", "set_metadata", "head"),  # is about to be removed; was the manifest pushed again?
        *("delete", "delete", "list"),  # the tag
        "delete",  # the revision link
        *("head", "put", "list"),  # the marker, which goes with the last one
        *("head", "put", "head", "list", "delete"),
        "list",  # was a tag added meanwhile?
    ]


async def test_deletions_that_cannot_be_undone_cost_no_record(stack: Stack) -> None:
    """REGISTRY_DELETE_RETENTION=0."""
    settings = replace(SETTINGS, delete_retention=timedelta())
    await stack.new_instance().push_image("v1", LAYER)
    registry = build_registry(settings, stack.store)
    delete_tag = registry.delete_tag("a/b", "v1")
    assert await stack.calls_of(delete_tag) == ["list", "delete", "delete", "list"]
    delete_blob = registry.delete_blob("a/b", Digest.of(LAYER))
    assert await stack.calls_of(delete_blob) == ["head", "delete", "head", "put"]
    calls = await stack.calls_of(registry.delete_manifest("a/b", Digest.of(MANIFEST)))
    assert calls.count("put") == 3, "of the marker, before it goes"
