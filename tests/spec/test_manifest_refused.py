"""A malformed manifest is refused with a message that names the field."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from registry_core.spec import media_types
from registry_core.spec.errors import ManifestInvalid
from registry_core.spec.manifest import detect_media_type, parse_manifest

from . import documents
from .documents import (
    ABSENT,
    ARTIFACT,
    DOCKER_IMAGE,
    DOCKER_LIST,
    OCI_IMAGE,
    OCI_INDEX,
    changed,
    encode,
)

SCHEMA_1 = "application/vnd.docker.distribution.manifest.v1+prettyjws"


def refusal(content: bytes, content_type: str | None = None) -> str:
    with pytest.raises(ManifestInvalid) as caught:
        parse_manifest(content, content_type)
    return str(caught.value)


DESCRIPTOR_FAULTS: list[tuple[str, list[object]]] = [
    ("mediaType", [ABSENT, None, "", 7, ["a/b"], "\ud800"]),
    ("digest", [ABSENT, None, "", 7, "sha256:zz", "md5:" + "0" * 32, documents.LAYER + "\n"]),
    ("size", [ABSENT, None, -1, 1.0, "7", True, 2**63, [], 10**4000]),
    ("urls", ["https://example.com", [7], [None], {}, ["\udfff"]]),
    ("annotations", [[], "x", {"a": 7}, {"a": None}, {"a": "\ud800"}, {"\ud800": "a"}]),
    ("artifactType", [7, {}]),
]
DESCRIPTORS = [
    (OCI_IMAGE, "config"),
    (OCI_IMAGE, "layers.1"),
    (DOCKER_IMAGE, "config"),
    (DOCKER_IMAGE, "layers.0"),
    (OCI_INDEX, "manifests.0"),
    (DOCKER_LIST, "manifests.0"),
    (ARTIFACT, "subject"),
]


def spelled(path: str) -> str:
    """``layers.1.size`` is ``layers[1].size`` in messages."""
    first, *rest = path.split(".")
    return first + "".join(f"[{key}]" if key.isdigit() else f".{key}" for key in rest)


@pytest.mark.parametrize("document, path", DESCRIPTORS)
@pytest.mark.parametrize("field, values", DESCRIPTOR_FAULTS)
def test_a_fault_in_a_descriptor_is_reported_with_its_place(
    document: dict[str, Any], path: str, field: str, values: list[object]
) -> None:
    full = changed(document, f"{path}.{field}", None)
    for value in values:
        message = refusal(encode(changed(full, f"{path}.{field}", value)))
        assert message.startswith(f"manifest invalid: {spelled(path)}.{field}")


@pytest.mark.parametrize("document, path", DESCRIPTORS)
@pytest.mark.parametrize(
    "value, kind",
    [("x", "a string"), (7, "a number"), (0.5, "a number"), ([], "a list"), (True, "a boolean")],
)
def test_a_value_that_is_not_a_descriptor_is_reported_with_its_place(
    document: dict[str, Any], path: str, value: object, kind: str
) -> None:
    message = refusal(encode(changed(document, path, value)))
    assert message == f"manifest invalid: {spelled(path)} is {kind}, not a descriptor"


@pytest.mark.parametrize(
    "document, path, value",
    [(OCI_IMAGE, "config", ABSENT), (OCI_IMAGE, "config", None), (OCI_INDEX, "manifests.0", None)],
)
def test_a_missing_descriptor_is_reported_with_its_place(
    document: dict[str, Any], path: str, value: object
) -> None:
    message = refusal(encode(changed(document, path, value)))
    assert message == f"manifest invalid: {spelled(path)} is missing or null"


def test_a_null_annotation_is_reported_with_its_key() -> None:
    """image-spec, "Annotations": "Values MUST be strings"."""
    for path, place in (
        ("annotations", "annotations"),
        ("layers.0.annotations", "layers[0].annot"),
    ):
        message = refusal(encode(changed(OCI_IMAGE, path, {"a": "b", "org.example.k": None})))
        assert message.startswith(f"manifest invalid: {place}")
        assert message.endswith("['org.example.k'] is null, not a string")


@pytest.mark.parametrize(
    "document, field, values",
    [
        (OCI_IMAGE, "schemaVersion", [ABSENT, None, 1, 3, "2", 2.0, True]),
        (OCI_INDEX, "schemaVersion", [ABSENT, None, 1, 3, "2", 2.0, True]),
        (OCI_IMAGE, "mediaType", [7, {}, "text/plain", "x" * 10**6, media_types.OCI_CONFIG]),
        (OCI_IMAGE, "mediaType", ["Application/vnd.oci.image.manifest.v1+json", SCHEMA_1]),
        (OCI_IMAGE, "config", [ABSENT, None]),
        (OCI_IMAGE, "layers", [{}, "x", 7, False]),
        (OCI_INDEX, "manifests", [ABSENT, {}, "x", 7, False]),
        (DOCKER_IMAGE, "config", [ABSENT, None]),
        (DOCKER_LIST, "manifests", [ABSENT, {}]),
        (ARTIFACT, "artifactType", [7, [], "\ud800"]),
        (ARTIFACT, "annotations", ["x", [], {"a": 7}]),
    ],
)
def test_a_fault_in_the_document_is_reported_with_its_field(
    document: dict[str, Any], field: str, values: list[object]
) -> None:
    for value in values:
        message = refusal(encode(changed(document, field, value)))
        assert re.match(rf"manifest invalid: {field}\b", message)
        assert len(message) < 600


@pytest.mark.parametrize(
    "document, field",
    [
        (OCI_IMAGE, "manifests"),
        (DOCKER_IMAGE, "manifests"),
        (OCI_INDEX, "config"),
        (OCI_INDEX, "layers"),
        (DOCKER_LIST, "config"),
        (DOCKER_LIST, "layers"),
        (OCI_IMAGE, "fsLayers"),
        (OCI_INDEX, "fsLayers"),
    ],
)
def test_fields_of_another_kind_of_document_are_refused(
    document: dict[str, Any], field: str
) -> None:
    """CVE-2021-41190. A null is harmless."""
    values: list[object] = [[], {}, OCI_IMAGE["layers"]]
    for value in values:
        message = refusal(encode(changed(document, field, value)))
        assert message.startswith(f"manifest invalid: {field} does not belong")
    assert (
        parse_manifest(encode(changed(document, field, None))).media_type == document["mediaType"]
    )


ARTIFACT_MANIFEST = "application/vnd.oci.artifact.manifest.v1+json"


@pytest.mark.parametrize(
    "document, content_type",
    [
        ({"schemaVersion": 1, "name": "a", "tag": "b", "fsLayers": [], "history": []}, SCHEMA_1),
        ({"schemaVersion": 1, "fsLayers": []}, None),
        ({"schemaVersion": 1, "mediaType": media_types.DOCKER_MANIFEST}, None),
        ({"fsLayers": []}, SCHEMA_1),
        ({"fsLayers": [], "mediaType": SCHEMA_1}, None),
        (OCI_IMAGE | {"mediaType": SCHEMA_1}, SCHEMA_1),
    ],
)
def test_docker_schema_1_is_refused_by_name(
    document: dict[str, Any], content_type: str | None
) -> None:
    message = refusal(encode(document), content_type)
    assert "Docker's schema 1 is not supported; push schema 2" in message


@pytest.mark.parametrize(
    "document, content_type, field",
    [
        ({"mediaType": ARTIFACT_MANIFEST, "blobs": []}, ARTIFACT_MANIFEST, "mediaType"),
        ({"mediaType": ARTIFACT_MANIFEST, "blobs": []}, None, "mediaType"),
        ({"mediaType": ARTIFACT_MANIFEST, "schemaVersion": 2}, None, "mediaType"),
        ({"blobs": []}, ARTIFACT_MANIFEST, "Content-Type"),
    ],
)
def test_artifact_manifests_are_refused_by_name(
    document: dict[str, Any], content_type: str | None, field: str
) -> None:
    """They have no schemaVersion. oras falls back to image manifests when it gets a 400."""
    message = refusal(encode(document), content_type)
    assert message.startswith(f"manifest invalid: {field} is {ARTIFACT_MANIFEST}: the OCI spec")
    assert "push an image manifest with an artifactType" in message


def test_the_message_for_an_unknown_type_names_its_place_and_lists_the_known_ones() -> None:
    in_header = refusal(encode({"schemaVersion": 2}), "application/json; charset=utf-8")
    in_document = refusal(encode({"mediaType": "application/json"}))
    assert in_header.startswith("manifest invalid: Content-Type 'application/json' is not that of")
    assert in_document.startswith("manifest invalid: mediaType 'application/json' is not that of")
    for message in (in_header, in_document):
        assert all(known in message for known in media_types.MANIFESTS)


@pytest.mark.parametrize(
    "content, reason",
    [
        (b"", "it is empty"),
        (b" \n", "it is empty"),
        (b"[" * 100_000, "it is nested too deeply"),
        (b'{"a": NaN}', "NaN is not a JSON number"),
        (b"x", "Expecting value: line 1 column 1 (char 0)"),
    ],
)
def test_the_message_for_text_that_is_not_json_says_why(content: bytes, reason: str) -> None:
    assert refusal(content) == f"manifest is not valid JSON: {reason}"


def test_a_document_whose_type_cannot_be_inferred_is_refused() -> None:
    assert "mediaType is missing" in refusal(encode({"schemaVersion": 2}))


DEEP = 100_000
TEXT = json.dumps(OCI_IMAGE)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b" ",
        b"{",
        b"\0",
        b"not json",
        b"{'schemaVersion': 2}",
        TEXT.encode() + b"x",
        TEXT.encode() * 2,
        TEXT.encode()[:-1] + b",}",
        TEXT.encode() + b"\xff",
        b"\xef\xbb\xbf" + TEXT.encode(),
        TEXT.encode("utf-16"),
        TEXT.encode("utf-16-le"),
        TEXT.encode("utf-32"),
        TEXT.replace("value1", "value\xe9").encode("latin-1"),
        TEXT.replace("value1", "\ud800").encode("utf-8", "surrogatepass"),
        TEXT.replace("value1", "a\nb").encode(),
        TEXT.replace("7023", "NaN").encode(),
        TEXT.replace("7023", "Infinity").encode(),
        TEXT.replace("7023", "-Infinity").encode(),
        TEXT.replace("7023", "1" * 5000).encode(),
        b"[" * DEEP,
        b"[" * DEEP + b"]" * DEEP,
        b'{"a":' * DEEP,
        b'{"a":' * DEEP + b"1" + b"}" * DEEP,
        TEXT.encode()[:-1] + b',"x":' + b"[" * DEEP + b"]" * DEEP + b"}",
    ],
    ids=lambda content: repr(content[:20]),
)
def test_text_that_is_not_json_is_refused(content: bytes) -> None:
    message = refusal(content, media_types.OCI_MANIFEST)
    assert message.startswith("manifest is not valid JSON: ")
    assert len(message) < 300
    with pytest.raises(ManifestInvalid):
        detect_media_type(content)


@pytest.mark.parametrize("value", [[], "x", 7, None, True, [OCI_IMAGE]])
def test_json_that_is_not_an_object_is_refused(value: object) -> None:
    message = refusal(encode(value))
    assert message.startswith("manifest invalid: it is ")
    assert message.endswith(", not a JSON object")


@pytest.mark.parametrize("key", ["layers", "x", "x" * 10**6])
def test_the_message_names_a_duplicate_key(key: str) -> None:
    for place in (f'{{"{key}": 1, "b": 2, "{key}": 1, ', f'{{"a": [{{"{key}": 1, "{key}": 2}}], '):
        message = refusal((place + TEXT[1:]).encode())
        assert f"the key '{key[:160]}' occurs twice in one object" in message


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)
FIELDS = ["schemaVersion", "mediaType", "config", "layers", "manifests", "fsLayers"]
FIELDS += ["subject", "artifactType", "annotations"]
HEADERS = st.sampled_from([None, *sorted(media_types.MANIFESTS)])


SAMPLES = st.sampled_from(list(documents.DOCUMENTS.values()))
SOME_FIELDS = st.sets(st.sampled_from(FIELDS))


@st.composite
def mixtures(draw: st.DrawFn) -> dict[str, Any]:
    """Generate real documents with fields added, removed or replaced."""
    document, other = draw(SAMPLES), draw(SAMPLES)
    borrowed, dropped = draw(SOME_FIELDS), draw(SOME_FIELDS)
    mixed = document | {name: other[name] for name in borrowed if name in other}
    kept = {name: value for name, value in mixed.items() if name not in dropped}
    return kept | draw(st.dictionaries(st.sampled_from(FIELDS), JSON, max_size=2))


@given(document=mixtures(), header=HEADERS)
def test_any_document_is_refused_or_keeps_its_type_once_stored(
    document: dict[str, Any], header: str | None
) -> None:
    content = encode(document)
    try:
        manifest = parse_manifest(content, header)
    except ManifestInvalid:
        return
    assert detect_media_type(content) == manifest.media_type
    assert header in (None, manifest.media_type)


@given(content=st.binary(), header=HEADERS)
@example(content=b"\xef\xbb\xbf{}", header=None)
def test_any_bytes_are_refused_without_another_error(content: bytes, header: str | None) -> None:
    assert refusal(content, header)
