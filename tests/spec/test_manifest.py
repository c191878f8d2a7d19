"""Manifests as real programs write them are parsed: their types and references."""

from __future__ import annotations

import sys
from collections.abc import Callable
from json.decoder import scanstring  # type: ignore[attr-defined]
from types import FrameType
from typing import Any, TypeVar

import pytest

from registry_core.spec import media_types
from registry_core.spec.descriptor import Descriptor
from registry_core.spec.digest import Digest
from registry_core.spec.errors import ManifestInvalid
from registry_core.spec.manifest import ManifestDocument, detect_media_type, parse_manifest

from . import documents
from .documents import ABSENT, DOCUMENTS, changed, encode

T = TypeVar("T")
EVERY_DOCUMENT = pytest.mark.parametrize("document", DOCUMENTS.values(), ids=list(DOCUMENTS))

REFUSED = (
    b"",
    b"{",
    b"\xef\xbb\xbf{}",
    b'{"a":1,}',
    b'{"a":NaN}',
    b'{"a":-Infinity}',
    b'{"a" 1}',
    b'{"a":1 "b":2}',
    b'{"a":[1,]}',
    b'{"a":"\n"}',
    b'{"a":"\\ud800","schemaVersion":2}',
    b'{"a":1,"a":2}',
    b'{"a":01}',
    b'{"a":tru}',
    b"{} x",
    b"{a:1}",
)


def parse(document: object, content_type: str | None = None) -> ManifestDocument:
    return parse_manifest(encode(document), content_type).document


def digests(descriptors: tuple[Descriptor, ...]) -> list[str]:
    return [str(descriptor.digest) for descriptor in descriptors]


def test_an_oci_image_manifest_is_parsed_completely() -> None:
    tar = "application/vnd.oci.image.layer.v1.tar"
    assert parse(documents.OCI_IMAGE) == ManifestDocument(
        media_types.OCI_MANIFEST,
        config=Descriptor(media_types.OCI_CONFIG, Digest.parse(documents.CONFIG), 7023),
        layers=(
            Descriptor(f"{tar}+gzip", Digest.parse(documents.LAYER), 32654),
            Descriptor(
                f"{tar}+zstd",
                Digest.parse(documents.OTHER_LAYER),
                16724,
                annotations={"com.example.key1": "value1"},
            ),
        ),
        annotations={"org.opencontainers.image.created": "2026-11-23T00:00:00Z"},
    )


def test_an_index_may_list_indexes() -> None:
    assert parse(documents.OCI_INDEX) == ManifestDocument(
        media_types.OCI_INDEX,
        manifests=(
            Descriptor(media_types.OCI_MANIFEST, Digest.parse(documents.CHILD), 7143),
            Descriptor(
                media_types.OCI_INDEX,
                Digest.parse(documents.SUBJECT),
                7682,
                artifact_type="application/vnd.example.sbom",
            ),
        ),
        annotations={"com.example.index": "nested"},
    )


def test_a_docker_manifest_list_lists_its_manifests() -> None:
    manifest = parse(documents.DOCKER_LIST)
    assert digests(manifest.manifests) == [documents.CHILD]
    assert manifest.required_blobs == ()


def test_an_artifact_names_its_type_and_subject() -> None:
    manifest = parse(documents.ARTIFACT)
    assert manifest.artifact_type == "application/vnd.example.sbom.v1"
    assert manifest.subject == Descriptor(
        media_types.OCI_MANIFEST, Digest.parse(documents.SUBJECT), 7682
    )
    assert digests(manifest.required_blobs) == [documents.EMPTY["digest"]] * 2


def test_an_index_may_have_a_subject_and_a_type() -> None:
    subject = documents.ARTIFACT["subject"]
    manifest = parse(documents.OCI_INDEX | {"subject": subject, "artifactType": "a/b"})
    assert manifest.subject is not None
    assert (str(manifest.subject.digest), manifest.artifact_type) == (documents.SUBJECT, "a/b")


def test_config_and_layers_must_be_in_the_repository_before_the_manifest() -> None:
    required = parse(documents.OCI_IMAGE).required_blobs
    assert digests(required) == [documents.CONFIG, documents.LAYER, documents.OTHER_LAYER]


def test_a_foreign_layer_with_urls_need_not_be_in_the_repository() -> None:
    manifest = parse(documents.DOCKER_IMAGE)
    assert manifest.layers[0].urls == ("https://example.com/windows/base.tar.gz",)
    assert digests(manifest.required_blobs) == [documents.CONFIG, documents.OTHER_LAYER]


@pytest.mark.parametrize("urls", [ABSENT, None, []])
def test_a_foreign_layer_without_urls_must_be_in_the_repository(urls: object) -> None:
    manifest = parse(changed(documents.DOCKER_IMAGE, "layers.0.urls", urls))
    assert documents.LAYER in digests(manifest.required_blobs)


def test_an_ordinary_layer_with_urls_must_be_in_the_repository() -> None:
    manifest = parse(changed(documents.OCI_IMAGE, "layers.0.urls", ["https://example.com/"]))
    assert documents.LAYER in digests(manifest.required_blobs)


def test_a_subject_need_not_be_in_the_repository() -> None:
    """The spec: "the registry MUST accept" a `subject` that "does not exist"."""
    manifest = parse(documents.ARTIFACT)
    assert documents.SUBJECT not in digests(manifest.required_blobs + manifest.manifests)


@EVERY_DOCUMENT
def test_unknown_fields_are_ignored(document: dict[str, Any]) -> None:
    more = {"x": [{"a": None}], "History": 1.5e300, "": "\ud800", "huge": 10**4000}
    assert parse(document | more) == parse(document)


@EVERY_DOCUMENT
@pytest.mark.parametrize("field", ["subject", "artifactType", "annotations"])
def test_an_optional_field_may_be_null(document: dict[str, Any], field: str) -> None:
    rest = {name: value for name, value in document.items() if name != field}
    assert parse(document | {field: None}) == parse(rest)


@pytest.mark.parametrize("value", [ABSENT, None, []])
def test_an_image_may_have_no_layers(value: object) -> None:
    """The spec says: "the list of blobs MAY be empty". Go programs write an empty list as null."""
    assert parse(changed(documents.OCI_IMAGE, "layers", value)).layers == ()


@pytest.mark.parametrize("value", [None, []])
@pytest.mark.parametrize("media_type", [media_types.OCI_INDEX, ABSENT])
def test_an_index_may_list_nothing(value: object, media_type: object) -> None:
    document = changed(documents.OCI_INDEX, "manifests", value)
    manifest = parse(changed(document, "mediaType", media_type))
    assert (manifest.media_type, manifest.manifests) == (media_types.OCI_INDEX, ())


@pytest.mark.parametrize("document", [documents.OCI_IMAGE, documents.OCI_INDEX, documents.ARTIFACT])
def test_an_oci_document_may_leave_its_media_type_to_the_header(document: dict[str, Any]) -> None:
    untyped = changed(document, "mediaType", ABSENT)
    assert parse(untyped, document["mediaType"]) == parse(document)


@pytest.mark.parametrize("document", [documents.OCI_IMAGE, documents.OCI_INDEX, documents.ARTIFACT])
@pytest.mark.parametrize("media_type", [ABSENT, None, ""])
def test_an_oci_document_without_a_media_type_is_recognised_by_its_fields(
    document: dict[str, Any], media_type: object
) -> None:
    assert parse(changed(document, "mediaType", media_type)) == parse(document)


def test_a_null_field_does_not_decide_the_type() -> None:
    untyped = changed(documents.OCI_IMAGE, "mediaType", ABSENT) | {"manifests": None}
    for header in (None, media_types.OCI_MANIFEST):
        assert parse(untyped, header) == parse(documents.OCI_IMAGE)
    assert detect_media_type(encode(untyped)) == media_types.OCI_MANIFEST


def test_a_docker_document_must_have_a_media_type() -> None:
    """Otherwise it could not be distinguished from an OCI one later, without the header."""
    untyped = changed(documents.DOCKER_IMAGE, "mediaType", ABSENT)
    with pytest.raises(ManifestInvalid, match="mediaType is missing, which only OCI manifests may"):
        parse(untyped, media_types.DOCKER_MANIFEST)


@EVERY_DOCUMENT
@pytest.mark.parametrize("suffix", ["", "; charset=utf-8", ";charset=utf-8 ; x=y"])
def test_the_headers_parameters_are_ignored(document: dict[str, Any], suffix: str) -> None:
    assert parse(document, document["mediaType"] + suffix) == parse(document)


@EVERY_DOCUMENT
@pytest.mark.parametrize("header", [*sorted(media_types.MANIFESTS), "application/json", "x"])
def test_a_header_that_disagrees_with_the_document_is_refused(
    document: dict[str, Any], header: str
) -> None:
    if header == document["mediaType"]:
        assert parse(document, header).media_type == header
    else:
        with pytest.raises(ManifestInvalid, match=r"mediaType .* disagrees with Content-Type"):
            parse(document, header)


@EVERY_DOCUMENT
def test_the_type_of_a_stored_manifest_is_known(document: dict[str, Any]) -> None:
    assert detect_media_type(encode(document)) == document["mediaType"]


def test_the_type_of_a_stored_manifest_is_known_even_if_a_push_of_it_would_be_refused() -> None:
    """CNCF distribution accepts manifests that are refused here; they must still be served."""
    twice = b'{"a": 1, "a": 2, ' + encode(documents.OCI_IMAGE)[1:]
    with pytest.raises(ManifestInvalid):
        parse_manifest(twice)
    assert detect_media_type(twice) == media_types.OCI_MANIFEST


def test_descriptors_and_manifests_can_be_kept_in_sets() -> None:
    manifest = parse(documents.OCI_IMAGE)
    assert len({manifest, parse(documents.OCI_IMAGE)}) == 1
    assert len({*manifest.layers, *parse(documents.OCI_IMAGE).layers}) == 2


@pytest.mark.parametrize(
    "more, media_type",
    [
        ({}, media_types.DOCKER_SCHEMA_1),
        ({"signatures": []}, media_types.DOCKER_SCHEMA_1_SIGNED),
    ],
)
def test_schema_1_is_recognised_if_another_registry_stored_it(
    more: dict[str, object], media_type: str
) -> None:
    """It cannot be pushed."""
    document = encode({"schemaVersion": 1, "name": "app", "tag": "v1", "fsLayers": []} | more)
    assert detect_media_type(document) == media_type
    with pytest.raises(ManifestInvalid):
        parse_manifest(document)


@pytest.mark.parametrize("content", [*map(encode, DOCUMENTS.values()), *REFUSED])
def test_json_of_any_size_is_read_alike(content: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Large manifests have a scanner of their own."""
    found = outcome(content)
    monkeypatch.setattr("registry_core.spec.manifest._ONE_GO", 0)
    assert outcome(content) == found


def outcome(content: bytes) -> object:
    try:
        return parse_manifest(content)
    except ManifestInvalid as error:
        return str(error)


def steps_of(parse: Callable[[], T]) -> tuple[T, int]:
    """Return what a function returns, and how many strings it had scanned by Python's own steps."""
    steps = 0

    def count(_frame: FrameType, event: str, called: object) -> None:
        nonlocal steps
        steps += event == "c_call" and called is scanstring

    sys.setprofile(count)
    try:
        found = parse()
    finally:
        sys.setprofile(None)
    return found, steps


def test_other_threads_may_run_between_any_two_values_of_a_large_manifest() -> None:
    """The interpreter switches threads between steps of Python's own, not within one in C."""
    annotations = {f"key-{number}": "x" * 300 for number in range(5000)}
    content = encode(documents.OCI_IMAGE | {"annotations": annotations})
    assert len(content) > 2**20
    manifest, steps = steps_of(lambda: parse_manifest(content))
    assert manifest.document.annotations == annotations
    assert steps > 2 * len(annotations)


def test_they_may_run_while_a_bomb_of_another_registry_is_read() -> None:
    """What it stored is readable; most manifests are read by the quicker scanner."""
    content = encode(documents.OCI_IMAGE | {"x": ["y"] * 2**18})
    found, steps = steps_of(lambda: detect_media_type(content))
    assert found == documents.OCI_IMAGE["mediaType"]
    assert steps > 2**18
