"""``If-Match`` and ``If-None-Match`` on reads, pushes and deletions: RFC 9110 section 13."""

import asyncio

import httpx
import pytest

from registry_core import MemoryStore, StoredRegistry, asgi
from registry_core.spec import media_types
from registry_core.spec.digest import Digest
from tests.support.content import CONFIG, image_manifest
from tests.support.counting import CountingStore
from tests.support.wire import Wire, assert_error

pytestmark = pytest.mark.anyio

OTHER = f'"{Digest.of(b"another manifest")}"'


def etag(content: bytes) -> str:
    return f'"{Digest.of(content)}"'


async def test_a_manifest_is_read_only_if_if_match_holds(wire: Wire) -> None:
    """end-3. A manifest that is not there is 404 whatever the condition."""
    manifest = await wire.push_image("v1", b"layer")
    for reference in ("v1", Digest.of(manifest)):
        url = f"{wire.base}/manifests/{reference}"
        for held in (etag(manifest), "*", f"{OTHER}, {etag(manifest)}"):
            answer = await wire.client.get(url, headers={"If-Match": held})
            assert (answer.status_code, answer.content) == (200, manifest)
        refused = await wire.client.get(url, headers={"If-Match": OTHER})
        assert "If-Match does not hold" in assert_error(refused, 412, "DENIED")
        assert (await wire.client.head(url, headers={"If-Match": OTHER})).status_code == 412
    absent = await wire.client.get(f"{wire.base}/manifests/v2", headers={"If-Match": "*"})
    assert_error(absent, 404, "MANIFEST_UNKNOWN")


async def test_if_match_precedes_if_none_match(wire: Wire) -> None:
    """end-3: RFC 9110 section 13.2.2."""
    manifest = await wire.push_image("v1", b"layer")
    url = f"{wire.base}/manifests/v1"
    both = {"If-Match": OTHER, "If-None-Match": etag(manifest)}
    assert_error(await wire.client.get(url, headers=both), 412, "DENIED")
    both = {"If-Match": "*", "If-None-Match": etag(manifest)}
    assert (await wire.client.get(url, headers=both)).status_code == 304


async def put(wire: Wire, reference: object, content: bytes, **headers: str) -> int:
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    answer = await wire.client.put(
        f"{wire.base}/manifests/{reference}",
        content=content,
        headers={"Content-Type": media_types.OCI_MANIFEST} | sent,
    )
    if answer.status_code != 201:
        assert_error(answer, answer.status_code, "DENIED")
    return answer.status_code


@pytest.mark.every_host
async def test_a_tag_is_moved_only_from_where_its_client_saw_it(wire: Wire) -> None:
    """end-7a: no update is lost. The ETag is the one that GET, HEAD and a push's digest give."""
    await wire.push_blob(CONFIG)
    first, second, third = (image_manifest(annotations={"n": n}) for n in "123")
    assert await put(wire, "v1", first, If_Match="*") == 412
    assert await put(wire, "v1", first, If_None_Match="*") == 201
    seen = (await wire.client.head(f"{wire.base}/manifests/v1")).headers["ETag"]
    assert await put(wire, "v1", second, If_Match=seen) == 201
    with wire.nothing_new_in_storage():
        assert await put(wire, "v1", third, If_Match=seen) == 412
        assert await put(wire, "v1", third, If_None_Match="*") == 412
        assert await put(wire, "v1", third, If_None_Match=f"{OTHER}, {etag(second)}") == 412
        assert await put(wire, "v1", third, If_Match="garbage") == 412
    assert (await wire.client.get(f"{wire.base}/manifests/v1")).content == second
    assert await put(wire, "v1", third, If_Match=f"{seen}, {etag(second)}") == 201
    assert await put(wire, "v1", first, If_None_Match=OTHER) == 201
    assert await put(wire, "v1", second) == 201


@pytest.mark.every_host
async def test_of_many_who_set_a_tag_at_once_on_condition_one_succeeds(wire: Wire) -> None:
    """end-7a: whether it should not be there yet, or be what they all have seen."""
    await wire.push_blob(CONFIG)
    manifests = [image_manifest(annotations={"n": str(n)}) for n in range(10)]
    condition = {"If_None_Match": "*"}
    for _ in range(2):
        answers = [asyncio.create_task(put(wire, "v1", each, **condition)) for each in manifests]
        statuses = await asyncio.gather(*answers)
        assert sorted(statuses) == [201] + [412] * 9
        winner = manifests.pop(statuses.index(201))
        assert (await wire.client.get(f"{wire.base}/manifests/v1")).content == winner
        manifests.append(image_manifest(annotations={"n": "another"}))
        condition = {"If_Match": etag(winner)}


async def test_the_precondition_of_a_push_concerns_the_reference_in_its_path(wire: Wire) -> None:
    """end-7b: not the other tags that it sets."""
    manifest = await wire.push_image("other", b"layer")
    new = image_manifest()
    assert await put(wire, "v1?tag=other", new, If_None_Match="*") == 201
    head = await wire.client.head(f"{wire.base}/manifests/other")
    assert head.headers["ETag"] == etag(new)
    digest = Digest.of(manifest)
    assert await put(wire, f"{digest}?tag=other", manifest, If_Match=etag(manifest)) == 201


async def test_a_tag_is_deleted_only_if_it_is_what_its_client_saw(wire: Wire) -> None:
    """end-9. A tag that is not there is 404 whatever the condition."""
    manifest = await wire.push_image("v1", b"layer")
    url = f"{wire.base}/manifests/v1"
    for headers in ({"If-Match": OTHER}, {"If-None-Match": "*"}):
        assert_error(await wire.client.delete(url, headers=headers), 412, "DENIED")
    assert (await wire.client.get(url)).content == manifest
    assert (await wire.client.delete(url, headers={"If-Match": etag(manifest)})).status_code == 202
    answer = await wire.client.delete(url, headers={"If-Match": "*"})
    assert_error(answer, 404, "MANIFEST_UNKNOWN")


async def test_a_push_by_digest_has_a_precondition_on_that_manifest(wire: Wire) -> None:
    """end-7a: its ETag is its digest, whether or not it is there yet."""
    await wire.push_blob(CONFIG)
    manifest = image_manifest()
    digest = Digest.of(manifest)
    with wire.nothing_new_in_storage():
        assert await put(wire, digest, manifest, If_Match="*") == 412
        assert await put(wire, digest, manifest, If_Match=etag(manifest)) == 412
    assert await put(wire, digest, manifest, If_None_Match="*") == 201
    assert await put(wire, digest, manifest, If_Match=etag(manifest)) == 201
    with wire.nothing_new_in_storage():
        assert await put(wire, f"{digest}?tag=v1", manifest, If_None_Match="*") == 412
        assert await put(wire, f"{digest}?tag=v1", manifest, If_Match=OTHER) == 412


async def test_a_deletion_by_digest_has_a_precondition(wire: Wire) -> None:
    """end-9, end-10. What is not there is 404 whatever the condition."""
    manifest = await wire.push_image("v1", b"layer")
    layer = Digest.of(b"layer")
    for url, held in (
        (f"{wire.base}/manifests/{Digest.of(manifest)}", etag(manifest)),
        (f"{wire.base}/blobs/{layer}", f'"{layer}"'),
    ):
        for headers in ({"If-Match": OTHER}, {"If-None-Match": "*"}, {"If-None-Match": held}):
            answer = await wire.client.delete(url, headers=headers)
            assert_error(answer, 412, "DENIED")
            assert (await wire.client.head(url)).status_code == 200
        assert (await wire.client.delete(url, headers={"If-Match": held})).status_code == 202
        assert (await wire.client.delete(url, headers={"If-Match": held})).status_code == 404


async def test_a_precondition_costs_a_call_on_a_push_by_digest_and_none_on_a_push_by_tag() -> None:
    memory = MemoryStore()
    store = CountingStore(memory)
    application = asgi(
        StoredRegistry(store, membership_seconds=0),
        secret="a secret for tests, with enough characters",
    )
    transport = httpx.ASGITransport(application)
    async with httpx.AsyncClient(transport=transport, base_url="http://registry.test") as client:
        wire = Wire(client, "a", lambda: set(memory.objects))
        manifest = await wire.push_image("v1", b"layer")

        async def calls(reference: object, **headers: str) -> int:
            store.take()
            assert await put(wire, reference, manifest, **headers) == 201
            return len(store.take())

        for reference, more in (("v1", 0), (Digest.of(manifest), 1)):
            plain = await calls(reference)
            assert await calls(reference, If_Match=etag(manifest)) == plain + more
