"""Manifests with a subject, pushed into the referrers lists of the storage layer."""

from registry_core.object_store.interface import ObjectStore
from registry_core.object_store.memory import MemoryStore
from registry_core.registry import Listing
from registry_core.spec import media_types
from registry_core.spec.descriptor import Descriptor
from registry_core.spec.digest import Digest
from registry_core.spec.endpoints import PageQuery
from registry_core.spec.manifest import parse_manifest
from registry_core.spec.references import fallback_tag
from registry_core.storage.content import Content
from registry_core.storage.layout import Layout
from registry_core.storage.links import Link, put_link
from registry_core.storage.membership import Membership
from registry_core.storage.referrers import Referrers
from tests.support.content import descriptor, image_index, image_manifest

LAYOUT = Layout()
SUBJECT = image_manifest(b"the subject")
OF_SUBJECT = Digest.of(SUBJECT)
SIGNATURE = "application/vnd.example.signature"
SBOM = "application/vnd.example.sbom"


def artifact(name: str, artifact_type: str | None = SIGNATURE, **fields: object) -> bytes:
    """Return a manifest that refers to the subject; each ``name`` makes a different one."""
    subject = descriptor(SUBJECT, media_types.OCI_MANIFEST)
    return image_manifest(name.encode(), artifactType=artifact_type, subject=subject, **fields)


def new_referrers(store: ObjectStore) -> Referrers:
    """Return the lists over a store, with nothing cached."""
    return Referrers(Membership(store), Content(store))


async def push(referrers: Referrers, content: bytes, repository: str = "a") -> Descriptor:
    """Write content and entry as `push_manifest` does. Return the expected entry."""
    manifest = parse_manifest(content)
    await Content(referrers.content.store).put(manifest.digest, content)
    await referrers.add(repository, manifest)
    return Descriptor(
        manifest.media_type,
        manifest.digest,
        len(content),
        annotations=manifest.document.annotations,
        artifact_type=manifest.document.artifact_type,
    )


async def push_fallback(memory: MemoryStore, content: bytes) -> None:
    """Write what clients write to registries without the referrers API: the fallback index."""
    link = Link(Digest.of(content), media_types.OCI_INDEX, len(content))
    await Content(memory, LAYOUT).put(link.digest, content)
    await put_link(memory, LAYOUT.tag_link("a", fallback_tag(OF_SUBJECT)), link)


async def push_fallback_index(memory: MemoryStore, *entries: Descriptor) -> None:
    """Write a fallback index of these entries, and their revision links."""
    for entry in entries:
        await put_link(memory, LAYOUT.revision_link("a", entry.digest), Link.to(entry))
    await push_fallback(memory, image_index(manifests=[entry.to_json() for entry in entries]))


async def pages(
    referrers: Referrers, n: int | None, artifact_type: str | None = None
) -> list[Listing[Descriptor]]:
    """Return every page, following the links."""
    page: PageQuery | None = PageQuery(n)
    found = []
    while page:
        found.append(await referrers.list_referrers("a", OF_SUBJECT, artifact_type, page))
        page = found[-1].next
    return found


async def everything(
    referrers: Referrers, artifact_type: str | None = None, n: int | None = None
) -> list[Descriptor]:
    return [entry for page in await pages(referrers, n, artifact_type) for entry in page.entries]


def in_order(*entries: Descriptor) -> list[Descriptor]:
    return sorted(entries, key=lambda entry: entry.digest)
