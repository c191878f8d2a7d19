"""Every path in the container. No path is put together anywhere else.

::

    <root>docker/registry/v2/
      blobs/<algorithm>/<first two hex>/<hex>/data          content: layers, configs, manifests
      repositories/<name>/
        _layers/<algorithm>/<hex>/link                      the repository has this blob
        _manifests/revisions/<algorithm>/<hex>/link         the repository has this manifest
        _manifests/tags/<tag>/current/link                  what the tag points to now
        _manifests/tags/<tag>/index/<algorithm>/<hex>/link  what it has ever pointed to
        _uploads/<upload id>/data                           an upload under way
    <root>docker/registry/v2/_catalog/<name, escaped>       one marker per repository; ours


Source: CNCF distribution, registry/storage/paths.go; it skips what begins with ``_`` and is not its
own.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote

from ..spec.digest import Digest


@dataclass(frozen=True)
class Layout:
    """``root`` is what stands before ``docker/``: empty, or ends with a slash."""

    root: str = ""

    @property
    def _base(self) -> str:
        return f"{self.root}docker/registry/v2"

    def content(self, digest: Digest) -> str:
        return f"{self._base}/blobs/{digest.algorithm}/{digest.hex[:2]}/{digest.hex}/data"

    def repository(self, name: str) -> str:
        return f"{self._base}/repositories/{name}"

    def blob_link(self, name: str, digest: Digest) -> str:
        return f"{self.repository(name)}/_layers/{digest.algorithm}/{digest.hex}/link"

    def manifests(self, name: str) -> str:
        """The prefix of all that tells of manifests."""
        return f"{self.repository(name)}/_manifests/"

    def revision_link(self, name: str, digest: Digest) -> str:
        return f"{self.manifests(name)}revisions/{digest.algorithm}/{digest.hex}/link"

    def tags(self, name: str) -> str:
        """The prefix of all tags: one folder each."""
        return f"{self.manifests(name)}tags/"

    def tag_link(self, name: str, tag: str) -> str:
        return f"{self.tags(name)}{tag}/current/link"

    def tag_index_link(self, name: str, tag: str, digest: Digest) -> str:
        return f"{self.tags(name)}{tag}/index/{digest.algorithm}/{digest.hex}/link"

    def upload(self, name: str, upload_id: str) -> str:
        return f"{self.repository(name)}/_uploads/{upload_id}/data"

    def catalog_marker(self, name: str) -> str:
        return f"{self._base}/_catalog/{quote(name, safe='')}"
