"""Manifests as real programs write them, and functions that change them."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from typing import Any

from registry_core.spec import media_types

CONFIG = "sha256:" + "c0" * 32
LAYER = "sha256:" + "1a" * 32
OTHER_LAYER = "sha256:" + "2b" * 32
CHILD = "sha512:" + "3c" * 64
SUBJECT = "sha256:" + "4d" * 32
# image-spec, "Guidance for an Empty Descriptor"
EMPTY = {
    "mediaType": media_types.OCI_EMPTY,
    "digest": "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",
    "size": 2,
    "data": "e30=",
}

Document = dict[str, Any]

OCI_IMAGE: Document = {
    "schemaVersion": 2,
    "mediaType": media_types.OCI_MANIFEST,
    "config": {"mediaType": media_types.OCI_CONFIG, "digest": CONFIG, "size": 7023},
    "layers": [
        {
            "mediaType": "application/vnd.oci.image.layer.v1.tar+gzip",
            "digest": LAYER,
            "size": 32654,
        },
        {
            "mediaType": "application/vnd.oci.image.layer.v1.tar+zstd",
            "digest": OTHER_LAYER,
            "size": 16724,
            "annotations": {"com.example.key1": "value1"},
        },
    ],
    "annotations": {"org.opencontainers.image.created": "2026-11-23T00:00:00Z"},
}
OCI_INDEX: Document = {
    "schemaVersion": 2,
    "mediaType": media_types.OCI_INDEX,
    "manifests": [
        {
            "mediaType": media_types.OCI_MANIFEST,
            "size": 7143,
            "digest": CHILD,
            "platform": {"architecture": "ppc64le", "os": "linux"},
        },
        {
            "mediaType": media_types.OCI_INDEX,
            "size": 7682,
            "digest": SUBJECT,
            "artifactType": "application/vnd.example.sbom",
        },
    ],
    "annotations": {"com.example.index": "nested"},
}
DOCKER_IMAGE: Document = {
    "schemaVersion": 2,
    "mediaType": media_types.DOCKER_MANIFEST,
    "config": {
        "mediaType": "application/vnd.docker.container.image.v1+json",
        "size": 7023,
        "digest": CONFIG,
    },
    "layers": [
        {
            "mediaType": media_types.DOCKER_FOREIGN_LAYER,
            "size": 1713000000,
            "digest": LAYER,
            "urls": ["https://example.com/windows/base.tar.gz"],
        },
        {
            "mediaType": "application/vnd.docker.image.rootfs.diff.tar.gzip",
            "size": 32654,
            "digest": OTHER_LAYER,
        },
    ],
}
DOCKER_LIST: Document = {
    "schemaVersion": 2,
    "mediaType": media_types.DOCKER_MANIFEST_LIST,
    "manifests": [
        {
            "mediaType": media_types.DOCKER_MANIFEST,
            "size": 7143,
            "digest": CHILD,
            "platform": {"architecture": "amd64", "os": "linux", "features": ["sse4"]},
        }
    ],
}
ARTIFACT: Document = {
    "schemaVersion": 2,
    "mediaType": media_types.OCI_MANIFEST,
    "artifactType": "application/vnd.example.sbom.v1",
    "config": EMPTY,
    "layers": [EMPTY],
    "subject": {"mediaType": media_types.OCI_MANIFEST, "digest": SUBJECT, "size": 7682},
    "annotations": {"org.example.sbom.format": "json"},
}
DOCUMENTS = {
    "OCI image manifest": OCI_IMAGE,
    "OCI image index": OCI_INDEX,
    "Docker schema 2 manifest": DOCKER_IMAGE,
    "Docker manifest list": DOCKER_LIST,
    "OCI artifact": ARTIFACT,
}
ABSENT = object()


def encode(document: object) -> bytes:
    return json.dumps(document).encode()


def changed(document: Mapping[str, Any], path: str, value: object) -> Document:
    """Return a copy whose field at ``path`` (names and indexes joined by dots) is changed."""
    result = copy.deepcopy(dict(document))
    *parents, last = (int(key) if key.isdigit() else key for key in path.split("."))
    holder: Any = result
    for key in parents:
        holder = holder[key]
    if value is ABSENT:
        del holder[last]
    else:
        holder[last] = value
    return result
