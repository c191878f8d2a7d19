"""What the registry itself says about what the clients pushed."""

from __future__ import annotations

import httpx

_MEDIA_TYPES = (
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)


def get_manifest(repository: str, tag: str) -> httpx.Response:
    """The manifest or index that `tag` names in `repository`, a `host:port/name`."""
    url = f"{_url(repository)}/manifests/{tag}"
    return httpx.get(url, headers={"Accept": ", ".join(_MEDIA_TYPES)}).raise_for_status()


def blob_size(repository: str, digest: str) -> int:
    """How many bytes the blob has in storage, whatever a manifest says."""
    answer = httpx.head(f"{_url(repository)}/blobs/{digest}").raise_for_status()
    return int(answer.headers["Content-Length"])


def _url(repository: str) -> str:
    authority, name = repository.split("/", 1)
    return f"http://{authority}/v2/{name}"
