"""Every request of the registry's API with its required actions and its status."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from registry_core.registry import Registry
from registry_core.spec import endpoints as e
from registry_core.spec import media_types
from registry_core.spec.digest import Digest
from tests.support.content import image_manifest, push_image

PULL, PUSH, DELETE = "pull", "push", "delete"
TAG = "v1"
NEW_CONTENT = b"a blob that no repository has"


@dataclass(frozen=True)
class Repository:
    """A repository with an image of its own and an upload in progress."""

    name: str
    upload_id: str = ""
    state: str = ""

    @property
    def layer(self) -> bytes:
        return f"a layer of {self.name} only".encode()

    @property
    def blob(self) -> Digest:
        return Digest.of(self.layer)

    @property
    def manifest(self) -> bytes:
        return image_manifest(self.layer)

    @property
    def digest(self) -> Digest:
        return Digest.of(self.manifest)

    async def push_to(self, registry: Registry) -> None:
        """Push the image without authentication."""
        await push_image(registry, self.name, TAG, [self.layer])


@dataclass(frozen=True)
class Row:
    """A request. ``endpoint`` creates it for a repository's name and content.

    ``needs``: the required actions. ``status``: the answer when they are allowed. ``of_upload``: it
    continues an upload, which only the caller who started it may do.
    """

    endpoint: Callable[[str, Repository], e.Endpoint]
    needs: tuple[str, ...]
    status: int
    body: bytes = b""
    of_upload: bool = False

    @property
    def headers(self) -> dict[str, str]:
        if not self.body:
            return {}
        is_manifest = self.body.startswith(b"{")
        kind = media_types.OCI_MANIFEST if is_manifest else media_types.OCTET_STREAM
        return {"Content-Type": kind}


NEW_MANIFEST = image_manifest(annotations={"org.example.new": "yes"})
_NEW_BLOB, _NEW_DIGEST = Digest.of(NEW_CONTENT), Digest.of(NEW_MANIFEST)
_WRITE = (PULL, PUSH)

ROWS: Mapping[str, Row] = {
    "get blob": Row(lambda n, r: e.GetBlob(n, r.blob), (PULL,), 200),
    "head blob": Row(lambda n, r: e.HeadBlob(n, r.blob), (PULL,), 200),
    "get manifest by tag": Row(lambda n, _: e.GetManifest(n, TAG), (PULL,), 200),
    "get manifest by digest": Row(lambda n, r: e.GetManifest(n, r.digest), (PULL,), 200),
    "head manifest by tag": Row(lambda n, _: e.HeadManifest(n, TAG), (PULL,), 200),
    "head manifest by digest": Row(lambda n, r: e.HeadManifest(n, r.digest), (PULL,), 200),
    "list tags": Row(lambda n, _: e.ListTags(n), (PULL,), 200),
    "list referrers": Row(lambda n, r: e.ListReferrers(n, r.digest), (PULL,), 200),
    "start upload": Row(lambda n, _: e.StartUpload(n), _WRITE, 202),
    "upload by POST": Row(lambda n, _: e.StartUpload(n, _NEW_BLOB), _WRITE, 201, NEW_CONTENT),
    "mount blob": Row(lambda n, r: e.MountBlob(n, r.blob, n), _WRITE, 201),
    "push manifest by tag": Row(lambda n, _: e.PushManifest(n, "v2"), _WRITE, 201, NEW_MANIFEST),
    "push manifest by digest": Row(
        lambda n, _: e.PushManifest(n, _NEW_DIGEST, (TAG,)), _WRITE, 201, NEW_MANIFEST
    ),
    "get upload": Row(
        lambda n, r: e.GetUpload(n, r.upload_id, r.state), (PULL,), 204, of_upload=True
    ),
    "append to upload": Row(
        lambda n, r: e.AppendUpload(n, r.upload_id, r.state),
        _WRITE,
        202,
        NEW_CONTENT,
        of_upload=True,
    ),
    "finish upload": Row(
        lambda n, r: e.FinishUpload(n, r.upload_id, r.state, _NEW_BLOB),
        _WRITE,
        201,
        NEW_CONTENT,
        of_upload=True,
    ),
    "cancel upload": Row(
        lambda n, r: e.CancelUpload(n, r.upload_id, r.state), (PUSH,), 204, of_upload=True
    ),
    "delete tag": Row(lambda n, _: e.DeleteManifest(n, TAG), (DELETE,), 202),
    "delete manifest": Row(lambda n, r: e.DeleteManifest(n, r.digest), (DELETE,), 202),
    "delete blob": Row(lambda n, r: e.DeleteBlob(n, r.blob), (DELETE,), 202),
}
"""The requests for a repository. All repositories have the config, each its own layer."""

OF_NO_REPOSITORY: Mapping[type[e.Endpoint], e.Endpoint] = {
    e.CheckVersion: e.CheckVersion(),
    e.ListCatalog: e.ListCatalog(),
}

_ANY = Repository("any/name", "any-upload", "any-state")


def endpoints_with_a_row() -> set[type[e.Endpoint]]:
    """Return the endpoints of all rows."""
    return {type(row.endpoint(_ANY.name, _ANY)) for row in ROWS.values()} | {*OF_NO_REPOSITORY}
