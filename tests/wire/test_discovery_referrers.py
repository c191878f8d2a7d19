"""OCI distribution-spec, "Content Discovery", referrers: end-12a, end-12b; subjects: end-7a."""

import json
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from registry_core.spec import media_types
from registry_core.spec.digest import Digest
from tests.support.content import CONFIG, descriptor, image_index, image_manifest
from tests.support.wire import Wire, assert_error

pytestmark = pytest.mark.anyio

LAYER = b"a layer"
SUBJECT = image_manifest(LAYER)
OF_SUBJECT = Digest.of(SUBJECT)
EMPTY = b"{}"
SIGNATURE = "application/vnd.dev.cosign.artifact.sig.v1+json"
SBOM = "application/spdx+json; version=2.3"
ALGORITHMS = pytest.mark.parametrize("algorithm", ["sha256", "sha512"])

Entry = dict[str, Any]


def artifact(
    name: str, artifact_type: str | None = SIGNATURE, subject: Digest = OF_SUBJECT, **fields: object
) -> bytes:
    """Return a manifest that refers to the subject; each ``name`` makes a different one."""
    return image_manifest(
        config=descriptor(EMPTY, media_types.OCI_EMPTY),
        artifactType=artifact_type,
        subject=descriptor(SUBJECT, media_types.OCI_MANIFEST) | {"digest": str(subject)},
        annotations=fields.pop("annotations", {"name": name}),
        **fields,
    )


def entry_of(content: bytes, algorithm: str = "sha256") -> Entry:
    """Return the descriptor of an artifact as the specification wants it listed."""
    manifest = json.loads(content)
    return {
        "mediaType": manifest["mediaType"],
        "digest": str(Digest.of(content, algorithm)),
        "size": len(content),
        "artifactType": manifest["artifactType"],
        "annotations": manifest["annotations"],
    }


async def push(wire: Wire, content: bytes, reference: object = None) -> httpx.Response:
    """Push an artifact and its empty config, by digest unless there is a ``reference``."""
    await wire.push_blob(EMPTY)
    media_type = json.loads(content)["mediaType"]
    answer = await wire.put_manifest(reference or Digest.of(content), content, media_type)
    assert answer.status_code == 201, answer.text
    return answer


async def get_referrers(
    wire: Wire, subject: object = OF_SUBJECT, query: str = ""
) -> httpx.Response:
    answer = await wire.client.get(f"{wire.base}/referrers/{subject}{query}")
    assert answer.status_code == 200, answer.text
    assert answer.headers["Content-Type"] == media_types.OCI_INDEX
    index = answer.json()
    assert (index["schemaVersion"], index["mediaType"]) == (2, media_types.OCI_INDEX)
    return answer


async def referrers(wire: Wire, subject: object = OF_SUBJECT, query: str = "") -> list[Entry]:
    entries: list[Entry] = (await get_referrers(wire, subject, query)).json()["manifests"]
    return entries


def in_order(*entries: Entry) -> list[Entry]:
    return sorted(entries, key=lambda entry: str(entry["digest"]))


@ALGORITHMS
async def test_an_unknown_subject_has_an_empty_list(wire: Wire, algorithm: str) -> None:
    """end-12a: never 404, whether the repository or the subject is unknown."""
    unknown = Digest.of(b"unknown", algorithm)
    assert await referrers(wire, unknown) == []
    await wire.push_image("v1", LAYER)
    assert await referrers(wire, unknown) == []
    assert await referrers(wire) == []


@pytest.mark.parametrize("subject", ["sha256:x", "md5:0123", f"sha256:{'A' * 64}", "v1"])
async def test_a_subject_is_a_digest(wire: Wire, subject: str) -> None:
    """end-12a."""
    answer = await wire.client.get(f"{wire.base}/referrers/{subject}")
    assert_error(answer, 400, "DIGEST_INVALID")


@ALGORITHMS
async def test_a_push_with_a_subject_is_confirmed_by_a_header(wire: Wire, algorithm: str) -> None:
    """end-7a."""
    subject = Digest.of(SUBJECT, algorithm)
    content = artifact("one", subject=subject)
    for reference in ("tag", Digest.of(content), Digest.of(content, "sha512")):
        assert (await push(wire, content, reference)).headers["OCI-Subject"] == str(subject)
    await wire.push_blob(CONFIG)
    assert "OCI-Subject" not in (await wire.put_manifest("v1", image_manifest())).headers


@ALGORITHMS
async def test_a_subject_may_come_before_its_referrers_after_them_or_never(
    wire: Wire, algorithm: str
) -> None:
    """end-12a, end-7a."""
    subject = Digest.of(SUBJECT, algorithm)
    first, second = artifact("first", subject=subject), artifact("second", subject=subject)
    await push(wire, first)
    assert await referrers(wire, subject) == [entry_of(first)]
    await wire.push_image(str(OF_SUBJECT), LAYER)
    await wire.put_manifest(subject, SUBJECT)
    assert await referrers(wire, subject) == [entry_of(first)]
    await push(wire, second)
    assert await referrers(wire, subject) == in_order(entry_of(first), entry_of(second))


async def test_a_list_is_limited_to_one_repository(wire: Wire) -> None:
    """end-12a."""
    await push(wire, artifact("one"))
    elsewhere = Wire(wire.client, f"{wire.repository}/below", wire.paths)
    assert await referrers(elsewhere) == []


@pytest.mark.every_host
async def test_a_list_is_filtered_by_artifact_type(wire: Wire) -> None:
    """end-12b."""
    signature, sbom = artifact("one"), artifact("two", SBOM)
    for content in (signature, sbom):
        await push(wire, content)
    answer = await get_referrers(wire)
    assert answer.json()["manifests"] == in_order(entry_of(signature), entry_of(sbom))
    assert "OCI-Filters-Applied" not in answer.headers
    for artifact_type, expected in ((SBOM, [entry_of(sbom)]), ("a/b", [])):
        answer = await get_referrers(wire, query=f"?artifactType={quote(artifact_type, safe='')}")
        assert answer.json()["manifests"] == expected
        assert answer.headers["OCI-Filters-Applied"] == "artifactType"


async def test_the_configs_media_type_stands_in_for_an_artifact_type(wire: Wire) -> None:
    """end-12b: "MUST be set to the config descriptor mediaType value"."""
    await push(wire, artifact("one", None))
    [entry] = await referrers(wire, query=f"?artifactType={quote(media_types.OCI_EMPTY)}")
    assert entry["artifactType"] == media_types.OCI_EMPTY


@pytest.mark.parametrize("artifact_type", [None, SBOM])
async def test_an_index_may_have_a_subject(wire: Wire, artifact_type: str | None) -> None:
    """end-12a: without an artifact type of its own, the field "MUST be omitted"."""
    subject = descriptor(SUBJECT, media_types.OCI_MANIFEST)
    index = image_index(subject=subject, artifactType=artifact_type)
    answer = await push(wire, index)
    assert answer.headers["OCI-Subject"] == str(OF_SUBJECT)
    entry = descriptor(index, media_types.OCI_INDEX)
    if artifact_type:
        entry["artifactType"] = artifact_type
    assert await referrers(wire) == [entry]


@pytest.mark.every_host
@pytest.mark.parametrize(
    "annotations",
    [
        {},
        {"é": "ß 語 🦭", "newline": "\r\nX-Injected: yes", "null": "\0", "del": "\x7f"},
        {"quotes": "\"'\\", "xml": "<&>", "percent": "%41", "blanks": "  a   b  ", "": ""},
        {"marks": "{}[]:,/+=@()*!$;~#?|^`"},
        {"fits": "x" * 6500},
        {"long": "x" * 8193},
        {"longer": "é " * 200_000},
    ],
    ids=lambda annotations: next(iter(annotations), "none"),
)
async def test_annotations_are_listed_as_they_were_pushed(
    wire: Wire, annotations: dict[str, str]
) -> None:
    """end-12a, end-12b: however long, and with any characters."""
    content = artifact("one", annotations=annotations)
    await push(wire, content)
    assert await referrers(wire) == [entry_of(content)]
    filtered = await referrers(wire, query=f"?artifactType={quote(SIGNATURE, safe='')}")
    assert filtered == [entry_of(content)]


async def test_a_manifest_under_several_tags_is_listed_once(wire: Wire) -> None:
    """end-12a."""
    content = artifact("one")
    for tag in ("a", "b"):
        await push(wire, content, tag)
    assert await referrers(wire) == [entry_of(content)]


@pytest.mark.every_host
async def test_a_deleted_manifest_is_no_longer_listed(wire: Wire) -> None:
    """end-12a, end-9."""
    gone, kept = artifact("gone"), artifact("kept")
    for content in (gone, kept):
        await push(wire, content)
    answer = await wire.client.delete(f"{wire.base}/manifests/{Digest.of(gone)}")
    assert answer.status_code == 202, answer.text
    assert await referrers(wire) == [entry_of(kept)]
    await push(wire, gone)
    assert await referrers(wire) == in_order(entry_of(gone), entry_of(kept))


async def test_referrers_outlive_their_subject(wire: Wire) -> None:
    """end-12a, end-9."""
    await wire.push_image("v1", LAYER)
    content = artifact("one")
    await push(wire, content)
    answer = await wire.client.delete(f"{wire.base}/manifests/{OF_SUBJECT}")
    assert answer.status_code == 202, answer.text
    assert await referrers(wire) == [entry_of(content)]


@pytest.mark.every_host
async def test_long_lists_come_in_pages(wire: Wire) -> None:
    """end-12a, end-12b: each page but the last has a ``Link`` to the next one."""
    contents = [artifact(f"{i}", [SIGNATURE, SBOM][i % 2]) for i in range(5)]
    for content in contents:
        await push(wire, content)
    entries = in_order(*map(entry_of, contents))
    found = [page async for page in pages(wire, "?n=2")]
    assert found == [entries[:2], entries[2:4], entries[4:]]
    query = f"?artifactType={quote(SBOM, safe='')}&n=1"
    found = [page async for page in pages(wire, query)]
    assert found == [[entry] for entry in entries if entry["artifactType"] == SBOM]


async def pages(wire: Wire, query: str) -> AsyncIterator[list[Entry]]:
    url = f"{wire.base}/referrers/{OF_SUBJECT}{query}"
    while url:
        answer = await wire.client.get(url)
        assert answer.status_code == 200, answer.text
        assert ("OCI-Filters-Applied" in answer.headers) == ("artifactType" in query)
        yield answer.json()["manifests"]
        url = answer.links.get("next", {}).get("url", "")


async def test_a_forged_link_is_refused(wire: Wire) -> None:
    """end-12a."""
    answer = await wire.client.get(f"{wire.base}/referrers/{OF_SUBJECT}?_token=x")
    assert_error(answer, 400, "PAGINATION_NUMBER_INVALID")


async def push_fallback(wire: Wire, *contents: bytes) -> None:
    """Push the index that clients keep under a tag when a registry has no referrers API."""
    index = image_index(manifests=[entry_of(content) for content in contents])
    tag = f"{OF_SUBJECT.algorithm}-{OF_SUBJECT.hex}"
    answer = await wire.put_manifest(tag, index, media_types.OCI_INDEX)
    assert answer.status_code == 201, answer.text


async def test_the_index_under_the_fallback_tag_is_merged_in(wire: Wire) -> None:
    """end-12a, "Enabling the Referrers API": existing entries MUST be included."""
    both, ours = artifact("both"), artifact("ours")
    # Without a subject, the registry keeps no entry for it: like one pushed to another registry.
    theirs = image_manifest(artifactType=SBOM, annotations={"name": "theirs"})
    await wire.push_blob(CONFIG)
    for content in (both, ours, theirs):
        await push(wire, content)
    await push_fallback(wire, both, theirs)
    entries = [entry_of(content) for content in (both, ours, theirs)]
    assert await referrers(wire) == in_order(*entries)
    found = [page async for page in pages(wire, "?n=1")]
    assert found == [[entry] for entry in in_order(*entries)]
    for content in (both, theirs):
        answer = await wire.client.delete(f"{wire.base}/manifests/{Digest.of(content)}")
        assert answer.status_code == 202, answer.text
    assert await referrers(wire) == [entry_of(ours)]


async def test_a_signature_is_found_the_way_cosign_looks_for_it(wire: Wire) -> None:
    """end-12b, end-3: by the API, and by the fallback tag."""
    await wire.push_image("v1", LAYER)
    payload = json.dumps({"critical": {"image": {"docker-manifest-digest": str(OF_SUBJECT)}}})
    await wire.push_blob(payload.encode())
    layer = descriptor(payload.encode(), "application/vnd.dev.cosign.simplesigning.v1+json")
    signature = artifact(
        "signature",
        layers=[layer | {"annotations": {"dev.cosignproject.cosign/signature": "MEUCIQ=="}}],
        annotations={"org.opencontainers.image.created": "2026-01-02T03:04:05Z"},
    )
    await push(wire, signature)
    await push_fallback(wire, signature)
    filtered = f"?artifactType={quote(SIGNATURE)}"
    [by_api] = await referrers(wire, query=filtered)
    tag = f"{OF_SUBJECT.algorithm}-{OF_SUBJECT.hex}"
    by_tag = (await wire.client.get(f"{wire.base}/manifests/{tag}")).json()["manifests"]
    assert [by_api] == by_tag == [entry_of(signature)]
    pulled = await wire.client.get(f"{wire.base}/manifests/{by_api['digest']}")
    assert pulled.content == signature
    blob = pulled.json()["layers"][0]["digest"]
    answer = await wire.client.get(f"{wire.base}/blobs/{blob}", follow_redirects=True)
    assert answer.text == payload
