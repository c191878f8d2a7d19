"""OCI distribution-spec, "Push": the kinds of manifests, pushed (end-7a) and pulled (end-3)."""

import base64
import json

import pytest

from registry_core.spec import media_types
from registry_core.spec.digest import Digest
from tests.support.content import CONFIG, LAYER, descriptor, image_index, image_manifest
from tests.support.wire import Wire, assert_error

pytestmark = pytest.mark.anyio

SMALL = b"a small layer"
EMPTY = b"{}"
EXTERNAL = b"not in this registry"
ARTIFACT = "application/vnd.example.report+json"
LIST = media_types.DOCKER_MANIFEST_LIST
SCHEMA_1 = "application/vnd.docker.distribution.manifest.v1"

IMAGE = image_manifest(SMALL)
INDEX = image_index(IMAGE)
DOCKER_IMAGE = image_manifest(SMALL, mediaType=media_types.DOCKER_MANIFEST)
EMPTY_CONFIG = descriptor(EMPTY, media_types.OCI_EMPTY)


def inline(content: bytes, data: bytes) -> dict[str, object]:
    """Return the descriptor of ``content`` with ``data`` embedded."""
    return descriptor(content) | {"data": base64.b64encode(data).decode()}


def external(media_type: str) -> dict[str, object]:
    """Return the descriptor of a layer that the registry does not have."""
    return descriptor(EXTERNAL, media_type) | {"urls": ["https://example.com/layer"]}


FOREIGN = [
    f"{LAYER.replace('.layer.', '.layer.nondistributable.')}.tar{suffix}"
    for suffix in ("", "+gzip", "+zstd")
]
UNKNOWN_FIELDS = json.loads(IMAGE) | {
    "org.example": {"nested": [1, 2.50, None, "\u00e9"]},
    "annotations": {"\u00e9": "\U0001f9ad", "": ""},
}
KINDS = {
    "image": IMAGE,
    "image without layers": image_manifest(),
    "image with layers by sha512": image_manifest(
        layers=[descriptor(SMALL) | {"digest": str(Digest.of(SMALL, "sha512"))}]
    ),
    "unknown fields": json.dumps(UNKNOWN_FIELDS, ensure_ascii=False, indent=3).encode() + b"\n\n",
    "escaped and compact": json.dumps(UNKNOWN_FIELDS, separators=(",", ":")).encode(),
    "inline data": image_manifest(layers=[inline(SMALL, SMALL)], config=inline(EMPTY, EMPTY)),
    "inline data that differs": image_manifest(layers=[inline(SMALL, b"other")]),
    "artifact": image_manifest(SMALL, config=EMPTY_CONFIG, artifactType=ARTIFACT),
    "artifact without layers": image_manifest(config=EMPTY_CONFIG, artifactType=ARTIFACT),
    "external layers": image_manifest(layers=[external(kind) for kind in FOREIGN]),
    "index": INDEX,
    "index of indexes": image_index(
        manifests=[descriptor(INDEX, media_types.OCI_INDEX), descriptor(IMAGE, ARTIFACT)]
    ),
    "index of nothing": image_index(),
    "index that is an artifact": image_index(IMAGE, artifactType=ARTIFACT),
    "index with inline data": image_index(manifests=[inline(IMAGE, IMAGE)]),
    "docker image": DOCKER_IMAGE,
    "docker image, external layers": image_manifest(
        mediaType=media_types.DOCKER_MANIFEST, layers=[external(media_types.DOCKER_FOREIGN_LAYER)]
    ),
    "docker list": image_index(
        mediaType=LIST, manifests=[descriptor(DOCKER_IMAGE, media_types.DOCKER_MANIFEST)]
    ),
}


async def push_references(wire: Wire) -> None:
    for content in (CONFIG, SMALL, EMPTY):
        await wire.push_blob(content)
    await wire.finish(await wire.start(), Digest.of(SMALL, "sha512"), SMALL)
    for manifest in (IMAGE, DOCKER_IMAGE, INDEX):
        answer = await wire.put_manifest(Digest.of(manifest), manifest, None)
        assert answer.status_code == 201, answer.text


@pytest.mark.parametrize("kind", KINDS)
async def test_every_kind_of_manifest_is_pulled_as_pushed(wire: Wire, kind: str) -> None:
    """end-7a, end-3: by tag and by either digest, byte for byte, with its own media type."""
    await push_references(wire)
    content = KINDS[kind]
    media_type = json.loads(content)["mediaType"]
    for reference in ("v1", Digest.of(content), Digest.of(content, "sha512")):
        answer = await wire.put_manifest(reference, content, media_type)
        assert answer.status_code == 201, answer.text
        digest = reference if isinstance(reference, Digest) else Digest.of(content)
        assert answer.headers["Docker-Content-Digest"] == str(digest)
        for name in (reference, digest):
            pulled = await wire.client.get(f"{wire.base}/manifests/{name}")
            assert pulled.content == content
            assert pulled.headers["Content-Type"] == media_type


async def test_inline_data_does_not_replace_a_blob(wire: Wire) -> None:
    """end-7a: clients that do not know the field pull the blob."""
    await wire.push_blob(CONFIG)
    with wire.nothing_new_in_storage():
        manifest = image_manifest(layers=[inline(SMALL, SMALL)])
        assert_error(await wire.put_manifest("v1", manifest), 400, "MANIFEST_BLOB_UNKNOWN")


@pytest.mark.parametrize("kind", [f"{LAYER}.tar+gzip", FOREIGN[0]])
async def test_only_a_nondistributable_layer_with_urls_may_be_missing(
    wire: Wire, kind: str
) -> None:
    """end-7a: neither ``urls`` nor the media type alone is enough."""
    await wire.push_blob(CONFIG)
    layer = descriptor(EXTERNAL, kind) if kind in FOREIGN else external(kind)
    with wire.nothing_new_in_storage():
        answer = await wire.put_manifest("v1", image_manifest(layers=[layer]))
        assert_error(answer, 400, "MANIFEST_BLOB_UNKNOWN")


async def test_layers_may_be_only_where_the_registry_allows(wire: Wire) -> None:
    """end-7a: distribution's ``validation.manifests.urls``."""
    await wire.push_blob(CONFIG)
    layer = external(FOREIGN[0]) | {"urls": ["http://169.254.169.254/metadata/instance"]}
    with wire.nothing_new_in_storage():
        answer = await wire.put_manifest("v1", image_manifest(layers=[layer]))
        message = assert_error(answer, 400, "MANIFEST_INVALID")
        assert (
            "layers[0].urls: 'http://169.254.169.254/metadata/instance' is not allowed" in message
        )


@pytest.mark.parametrize("content_type", [f"{SCHEMA_1}+prettyjws", f"{SCHEMA_1}+json", None])
async def test_docker_schema_1_is_refused_by_name(wire: Wire, content_type: str | None) -> None:
    """end-7a."""
    document = {"schemaVersion": 1, "name": "a", "tag": "v1", "architecture": "amd64"}
    document |= {"fsLayers": [], "history": [], "signatures": []}
    with wire.nothing_new_in_storage():
        answer = await wire.put_manifest("v1", json.dumps(document).encode(), content_type)
        assert "schema 1 is not supported" in assert_error(answer, 400, "MANIFEST_INVALID")
