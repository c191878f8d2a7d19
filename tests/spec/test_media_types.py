"""The kinds of media types."""

from __future__ import annotations

import pytest

from registry_core.spec import media_types


@pytest.mark.parametrize(
    "header",
    [
        media_types.OCI_MANIFEST,
        media_types.OCI_MANIFEST + "; charset=utf-8",
        media_types.OCI_MANIFEST + ";charset=utf-8;x=y",
        f"  {media_types.OCI_MANIFEST} ;",
        "Application/vnd.oci.IMAGE.manifest.v1+JSON",
    ],
)
def test_parameters_space_and_case_of_a_content_type_are_ignored(header: str) -> None:
    assert media_types.bare(header) == media_types.OCI_MANIFEST


def test_every_manifest_is_either_an_image_manifest_or_an_index() -> None:
    assert media_types.IMAGE_MANIFESTS | media_types.INDEXES == media_types.MANIFESTS
    assert not media_types.IMAGE_MANIFESTS & media_types.INDEXES
    assert media_types.DOCKER < media_types.MANIFESTS


@pytest.mark.parametrize(
    "media_type",
    [
        "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
        "application/vnd.oci.image.layer.nondistributable.v1.tar",
        "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
        "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd",
    ],
)
def test_non_distributable_layers_are_recognised(media_type: str) -> None:
    assert media_types.is_non_distributable(media_type)


@pytest.mark.parametrize(
    "media_type",
    [
        "application/vnd.oci.image.layer.v1.tar+gzip",
        "application/vnd.docker.image.rootfs.diff.tar.gzip",
        media_types.OCI_CONFIG,
        media_types.OCI_EMPTY,
        "",
    ],
)
def test_other_content_is_distributable(media_type: str) -> None:
    assert not media_types.is_non_distributable(media_type)
