"""Documents that parsers may interpret differently are refused: one digest, one meaning."""

from __future__ import annotations

import json
from typing import Any

import pytest

from registry_core.spec.errors import ManifestInvalid
from registry_core.spec.manifest import detect_media_type, parse_manifest

from .documents import ARTIFACT, DOCKER_IMAGE, OCI_IMAGE, OCI_INDEX, changed, encode


def refusal(content: bytes) -> str:
    with pytest.raises(ManifestInvalid) as caught:
        parse_manifest(content)
    return str(caught.value)


@pytest.mark.parametrize(
    "document, path, name",
    [
        (OCI_IMAGE, "Layers", "layers"),
        (OCI_IMAGE, "Manifests", "manifests"),
        (OCI_IMAGE, "MANIFESTS", "manifests"),
        (OCI_IMAGE, "MediaType", "mediaType"),
        (OCI_IMAGE, "mediatype", "mediaType"),
        (OCI_IMAGE, "SchemaVersion", "schemaVersion"),
        (OCI_IMAGE, "layer\u017f", "layers"),  # equal in Go's folding, too
        (OCI_INDEX, "Config", "config"),
        (DOCKER_IMAGE, "FsLayers", "fsLayers"),
        (ARTIFACT, "Subject", "subject"),
        (OCI_IMAGE, "config.Digest", "digest"),
        (OCI_IMAGE, "layers.1.SIZE", "size"),
        (OCI_INDEX, "manifests.0.Urls", "urls"),
    ],
)
def test_a_key_that_only_go_treats_as_a_field_is_refused(
    document: dict[str, Any], path: str, name: str
) -> None:
    message = refusal(encode(changed(document, path, None)))
    assert message.endswith(f"{path.rpartition('.')[2]!r} differs from {name} only in its case")


def test_annotations_may_have_any_keys() -> None:
    """Go's maps are case-sensitive, too; and one object's field names are free in another."""
    annotations = {"Layers": "1", "layers": "2", "DIGEST": "3", "Size": "4"}
    fields = {"Size": 7, "Digest": "x", "Vendor": {"Layers": []}}
    manifest = parse_manifest(encode(OCI_IMAGE | fields | {"annotations": annotations})).document
    assert manifest.annotations == annotations


@pytest.mark.parametrize(
    "text",
    [
        '{"schemaVersion":2,"schemaVersion":2}',
        '{"a":{"b":[{"c":1,"c":1}]}}',
        r'{"a":1,"\u0061":1}',
        '{"layers":[],"layers":[]}',
    ],
)
def test_a_duplicate_key_is_refused_at_any_depth_and_in_any_spelling(text: str) -> None:
    assert "occurs twice" in refusal(text.encode())


@pytest.mark.parametrize("unit", ["1,", "1.5,", "[],", "{},", '"",', '{"a":1},', "[[[]]],"])
def test_too_many_values_are_refused_before_parsing(unit: str) -> None:
    values = f"[{(unit * (3 * 2**20 // len(unit)))[:-1]}]"
    content = json.dumps(OCI_IMAGE)[:-1].encode() + f', "x": {values}}}'.encode()
    assert refusal(content) == "manifest invalid: it has more than 262144 values"
    assert detect_media_type(content) == OCI_IMAGE["mediaType"]  # other registries may have it


def test_a_manifest_of_four_mebibytes_of_layers_is_accepted() -> None:
    layer = OCI_IMAGE["layers"][1]
    layers = [layer] * (4 * 2**20 // (len(json.dumps(layer)) + 2) - 3)
    content = encode(OCI_IMAGE | {"layers": layers})
    assert 3.9 * 2**20 < len(content) <= 4 * 2**20
    assert len(parse_manifest(content).document.layers) == len(layers)
