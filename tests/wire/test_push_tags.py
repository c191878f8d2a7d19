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
    assert answer.headers.get_list("OCI-Tag") == TAGS
    assert (await wire.client.get(f"{wire.base}/tags/list")).json()["tags"] == TAGS
    for tag in TAGS:
        head = await wire.client.head(f"{wire.base}/manifests/{tag}")
        assert head.headers["Docker-Content-Digest"] == str(digest)


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
