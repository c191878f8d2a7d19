"""OCI distribution-spec, "Push", several tags in one push: end-7b."""

import pytest

from registry_core.spec.digest import Digest
from tests.support.content import CONFIG, image_manifest
from tests.support.wire import Wire, assert_error

pytestmark = pytest.mark.anyio

TAGS = [f"tag-{number:02}" for number in range(12)]


def query(*tags: str) -> str:
    return "&".join(f"tag={tag}" for tag in tags)


@pytest.mark.every_host
@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
async def test_one_push_sets_several_tags(wire: Wire, algorithm: str) -> None:
    """end-7b: each tag points to the pushed digest; an existing tag is moved."""
    await wire.push_image(TAGS[3], b"layer")
    manifest = image_manifest()
    digest = Digest.of(manifest, algorithm)
    answer = await wire.put_manifest(f"{digest}?{query(*TAGS, TAGS[0])}", manifest)
    assert answer.status_code == 201, answer.text
    assert answer.headers["Docker-Content-Digest"] == str(digest)
    assert answer.headers.get_list("OCI-Tag") == [", ".join(TAGS)]
    assert (await wire.client.get(f"{wire.base}/tags/list")).json()["tags"] == TAGS
    for tag in TAGS:
        head = await wire.client.head(f"{wire.base}/manifests/{tag}")
        assert head.headers["Docker-Content-Digest"] == str(digest)


@pytest.mark.every_host
async def test_100_tags_are_set_in_one_push_and_their_answer_has_few_header_lines(
    wire: Wire,
) -> None:
    """end-7b: Python's http.client refuses answers of more than 100 lines."""
    await wire.push_blob(CONFIG)
    manifest = image_manifest()
    tags = [f"{number:03}" for number in range(100)]
    answer = await wire.put_manifest(f"{Digest.of(manifest)}?{query(*tags)}", manifest)
    assert answer.status_code == 201, answer.text
    assert answer.headers["OCI-Tag"].split(", ") == tags
    assert len(answer.headers.raw) < 30
    assert (await wire.client.get(f"{wire.base}/tags/list")).json()["tags"] == tags


async def test_more_than_100_tags_are_refused_together(wire: Wire) -> None:
    """end-7b."""
    await wire.push_blob(CONFIG)
    manifest = image_manifest()
    tags = [f"{number:03}" for number in range(101)]
    with wire.nothing_new_in_storage():
        answer = await wire.put_manifest(f"{Digest.of(manifest)}?{query(*tags)}", manifest)
    assert "send at most 100" in assert_error(answer, 414, "UNSUPPORTED")


async def test_a_tag_that_ends_with_a_dot_is_neither_set_nor_deleted(wire: Wire) -> None:
    """end-7a, end-7b, end-9: Azure would move or delete the tag without the dot."""
    manifest = await wire.push_image("v1", b"layer")
    other = image_manifest()
    with wire.nothing_new_in_storage():
        for reference in ("v1.", f"{Digest.of(other)}?tag=v1."):
            message = assert_error(await wire.put_manifest(reference, other), 400, "TAG_INVALID")
            assert "ends with a dot" in message
        answer = await wire.client.delete(f"{wire.base}/manifests/v1.")
        assert_error(answer, 400, "TAG_INVALID")
    answer = await wire.client.get(f"{wire.base}/manifests/v1")
    assert answer.content == manifest


@pytest.mark.parametrize("bad", ["-bad", "", "a" * 129, "v1%2Bbuild", "v1%0D%0AX-Injected:%20y"])
async def test_an_invalid_tag_among_several_changes_nothing(wire: Wire, bad: str) -> None:
    """end-7b: the error names it."""
    await wire.push_blob(CONFIG)
    manifest = image_manifest()
    with wire.nothing_new_in_storage():
        url = f"{Digest.of(manifest)}?{query('good', bad, 'fine')}"
        answer = await wire.put_manifest(url, manifest)
        message = assert_error(answer, 400, "TAG_INVALID")
        assert bad[:100].split("%", maxsplit=1)[0] in message
    assert "OCI-Tag" not in answer.headers
    assert "X-Injected" not in answer.headers
