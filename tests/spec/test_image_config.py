"""What is taken from an image config, and that any other blob is left alone."""

import json

import pytest

from registry_core.spec.image_config import MAX_BYTES, ImageConfig, parse_image_config

CREATED = "2026-01-02T03:04:05Z"


@pytest.mark.parametrize(
    "document, config",
    [
        ({"os": "linux", "architecture": "amd64"}, ImageConfig("linux", "amd64")),
        (
            {
                "os": "linux",
                "architecture": "arm",
                "variant": "v7",
                "created": "2026-01-02T03:04:05Z",
            },
            ImageConfig("linux", "arm", "v7", "2026-01-02T03:04:05Z"),
        ),
        ({"os": "linux", "architecture": None, "created": 7}, ImageConfig("linux")),
        ({"os": "linux", "architecture": "a" * 65}, ImageConfig("linux")),
        ({"os": "linux", "variant": "a\nb"}, ImageConfig("linux")),
        (
            {"os": "linux", "config": {"Labels": {"quay.expires-after": "2w", "a": "b"}}},
            ImageConfig("linux", expires_after="2w"),
        ),
        (
            {"os": "linux", "config": {"Labels": {"quay.expires-after": "soon"}}},
            ImageConfig("linux"),
        ),
        ({"os": "linux", "config": {"Labels": None}}, ImageConfig("linux")),
        ({"os": "linux", "config": {"Labels": ["quay.expires-after"]}}, ImageConfig("linux")),
        ({"os": "linux", "config": "quay.expires-after"}, ImageConfig("linux")),
        ({"created": CREATED}, None),
        ({}, None),
        (["os"], None),
    ],
)
def test_an_image_config_is_parsed(document: object, config: ImageConfig | None) -> None:
    assert parse_image_config(json.dumps(document).encode()) == config


@pytest.mark.parametrize("content", [b"", b"{", b"\x1f\x8b\x08", b'{"os": "\xff"}', b"{" * 60_000])
def test_another_blob_is_not_one(content: bytes) -> None:
    assert parse_image_config(content) is None


def test_a_large_blob_is_not_parsed() -> None:
    """Parsing takes CPU of the event loop."""
    config = {"os": "linux", "history": "x" * MAX_BYTES}
    assert parse_image_config(json.dumps(config).encode()) is None
