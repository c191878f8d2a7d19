"""What is in the container, found in the simplest way: paths by regular expressions, all in memory.

It shares nothing with the collection that it judges.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from azure.core.exceptions import ResourceNotFoundError
from azure.storage.blob import ContainerClient

from registry_core.serve.azurite import Azurite
from tests.e2e.soak.ledger import named_by
from tests.support.azurite import container_client

_DIGEST = r"(?P<algorithm>sha256|sha512)/(?P<hex>[0-9a-f]+)"
_CONTENT = re.compile(r"/blobs/(?P<algorithm>\w+)/../(?P<hex>[0-9a-f]+)/data$")
_LAYER = re.compile(rf"/repositories/(?P<name>.+)/_layers/{_DIGEST}/link$")
_REVISION = re.compile(rf"/repositories/(?P<name>.+)/_manifests/revisions/{_DIGEST}/link$")
_NAMED = re.compile(rb"(?:sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})")
_TAG = re.compile(r"/repositories/(?P<name>.+)/_manifests/tags/(?P<tag>[^/]+)/current/link$")
_BASE = "docker/registry/v2/"
_WORK = ("/_trash/", "/_uploads/", "/_quarantine/", "/_replacing/")


@dataclass
class Stored:
    """A container: its content, and the manifests, blobs and tags of each repository, by digest.

    ``paths`` are those of all objects but the records of collections. ``condemned`` are the paths
    of what is condemned, ``work`` those of what is neither content nor a link, and should not stay
    for ever. ``size`` is that of all content, in bytes.
    """

    paths: set[str] = field(default_factory=set)
    contents: set[str] = field(default_factory=set)
    layers: dict[str, set[str]] = field(default_factory=dict)
    revisions: dict[str, dict[str, bytes]] = field(default_factory=dict)
    tags: dict[str, dict[str, str]] = field(default_factory=dict)
    markers: set[str] = field(default_factory=set)
    condemned: list[str] = field(default_factory=list)
    work: list[str] = field(default_factory=list)
    objects: int = 0
    size: int = 0

    def live(self, repository: str) -> set[str]:
        """Return the manifests that tags lead to, by indexes and by subjects."""
        manifests = self.revisions.get(repository, {})
        live: set[str] = set()
        waiting = list(self.tags.get(repository, {}).values())
        while waiting:
            digest = waiting.pop()
            if digest not in live and digest in manifests:
                live.add(digest)
                waiting.extend(named_by(manifests[digest]).children)
                waiting.extend(d for d, m in manifests.items() if named_by(m).subject == digest)
        return live

    def referenced(self) -> set[str]:
        """Return what the manifests of all repositories are, and name: all that content is for."""
        return {
            digest
            for manifests in self.revisions.values()
            for name, content in manifests.items()
            for digest in (name, *_names(content))
        }

    def named_in(self, repository: str) -> set[str]:
        """Return the digests that manifests of a repository name."""
        return {name for content in self.revisions[repository].values() for name in _names(content)}


def look_at(azurite: Azurite, container: str, root: str = "") -> Stored:
    """List everything in a container, and read its links and manifests."""
    found = Stored()
    with container_client(azurite, container) as client:
        for blob in client.list_blobs(name_starts_with=root, include=["metadata"]):
            path = "/" + blob.name
            found.objects += 1
            if "/_gc/" not in path:
                found.paths.add(path)
            if blob.metadata and "condemned" in blob.metadata:
                found.condemned.append(path)
            if match := _CONTENT.search(path):
                found.contents.add(_digest(match))
                found.size += blob.size
            elif "/_catalog/" in path:
                found.markers.add(path.rpartition("/")[2].replace(".~", "/"))
            elif any(folder in path for folder in _WORK):
                found.work.append(path)
            else:
                _add_link(found, path, client, root)
    return found


def _add_link(found: Stored, path: str, client: ContainerClient, root: str) -> None:
    """Read the link at a path, if it is one of a blob, a manifest or a tag."""
    if match := _LAYER.search(path):
        found.layers.setdefault(match["name"], set()).add(_digest(match))
    elif match := _REVISION.search(path):
        content = _read(client, f"{root}{_BASE}{_content_path(_digest(match))}")
        found.revisions.setdefault(match["name"], {})[_digest(match)] = content
    elif match := _TAG.search(path):
        found.tags.setdefault(match["name"], {})[match["tag"]] = _read(client, path[1:]).decode()


def _digest(match: re.Match[str]) -> str:
    return f"{match['algorithm']}:{match['hex']}"


def _content_path(digest: str) -> str:
    algorithm, _, hexadecimal = digest.partition(":")
    return f"blobs/{algorithm}/{hexadecimal[:2]}/{hexadecimal}/data"


def _names(content: bytes) -> set[str]:
    return {name.decode() for name in _NAMED.findall(content)}


def _read(client: ContainerClient, path: str) -> bytes:
    """Return an object's content; nothing if it was deleted meanwhile."""
    try:
        return client.download_blob(path).readall()
    except ResourceNotFoundError:
        return b""
