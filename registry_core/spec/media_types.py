"""Media types of manifests and their parts.

Sources: OCI image-spec, "OCI Image Media Types"; Docker "Image Manifest Version 2, Schema 2".
"""

from __future__ import annotations

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_EMPTY = "application/vnd.oci.empty.v1+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_MANIFEST_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
DOCKER_PLUGIN_CONFIG = "application/vnd.docker.plugin.v1+json"
DOCKER_SCHEMA_1 = "application/vnd.docker.distribution.manifest.v1+json"
DOCKER_SCHEMA_1_SIGNED = "application/vnd.docker.distribution.manifest.v1+prettyjws"
OCI_ARTIFACT_MANIFEST = "application/vnd.oci.artifact.manifest.v1+json"  # not in 1.1 any more
DOCKER_FOREIGN_LAYER = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"
OCTET_STREAM = "application/octet-stream"

DOCKER = frozenset({DOCKER_MANIFEST, DOCKER_MANIFEST_LIST})
IMAGE_MANIFESTS = frozenset({OCI_MANIFEST, DOCKER_MANIFEST})
INDEXES = frozenset({OCI_INDEX, DOCKER_MANIFEST_LIST})
MANIFESTS = IMAGE_MANIFESTS | INDEXES

IMAGE_CONFIGS = frozenset({OCI_CONFIG, DOCKER_CONFIG})

# image-spec, "Non-Distributable Layers": "SHOULD NOT be pushed", so registries may lack them.
_NON_DISTRIBUTABLE = "application/vnd.oci.image.layer.nondistributable.v1."


def is_non_distributable(media_type: str) -> bool:
    """Return whether a registry may lack a layer of this type, even if it has the manifest."""
    return media_type == DOCKER_FOREIGN_LAYER or media_type.startswith(_NON_DISTRIBUTABLE)


def bare(content_type: str) -> str:
    """Return the media type of a ``Content-Type`` header, without its parameters."""
    return content_type.partition(";")[0].strip().lower()
