"""What a registry over HTTP has: tags, referrers and repositories, page by page.

Sources: OCI distribution-spec, "Listing Tags", "Listing Referrers" and "Unavailable Referrers API";
Docker HTTP API V2, "Listing Repositories".
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, TypeVar

from ..aio import for_each, in_slices, off_loop
from ..registry import Listing, ManifestInfo, TagInfo
from ..spec.descriptor import Descriptor
from ..spec.digest import Digest
from ..spec.endpoints import ListCatalog, ListReferrers, ListTags, PageQuery
from ..spec.errors import (
    DigestInvalid,
    ManifestUnknown,
    NameUnknown,
    Unsupported,
)
from ..spec.manifest import load_json
from ..spec.media_types import INDEXES, OCI_INDEX, bare
from ..spec.references import fallback_tag
from .manifests import Manifests
from .meanings import about, malformed
from .pages import next_page, page_target
from .session import Session

# On one page. A registry may have a limit, and refuse what is above it; 1,000 is distribution's.
MAX_ENTRIES: Final = 1000

# A registry that ignores `n` returns all there is at once.
_MAX_BYTES = 32 * 2**20

_JSON = "application/json"

# Details are requested tag by tag.
_AT_ONCE = 8

T = TypeVar("T")


@dataclass(frozen=True)
class Listings:
    """`Lister`'s methods."""

    session: Session
    manifests: Manifests

    async def list_tags(
        self, repository: str, page: PageQuery, *, details: bool = False
    ) -> Listing[TagInfo]:
        """See `Lister`. One GET; with details a HEAD for each tag. ``updated`` is never known."""
        endpoint = ListTags(repository, _bounded(page))
        with about(self.session, repository, NameUnknown, "the repository"):
            found = await self._get(endpoint, page)
            names = _page(await found.names("tags"), page, found.following, str)
        if not details:
            return Listing(tuple(map(TagInfo, names.entries)), names.next)

        async def look(name: str) -> TagInfo:
            return await self._details(repository, name)

        return Listing(tuple(await for_each(names.entries, look, limit=_AT_ONCE)), names.next)

    async def list_manifests(self, repository: str, page: PageQuery) -> Listing[ManifestInfo]:
        """See `Lister`.

        :raises Unsupported: always.
        """
        raise Unsupported(
            f"{self.session.options.origin.authority}/{repository}: the manifests of a repository "
            "cannot be listed over HTTP, for the specification has no request for it; list its tags"
        )

    async def list_repositories(self, page: PageQuery) -> Listing[str]:
        """See `Lister`. One GET. Many registries do not offer it, or not to everybody."""
        endpoint = ListCatalog(_bounded(page))
        with about(self.session, "", Unsupported, "the catalog"):
            found = await self._get(endpoint, page)
            return _page(await found.names("repositories"), page, found.following, str)

    async def list_referrers(
        self, repository: str, subject: Digest, artifact_type: str | None, page: PageQuery
    ) -> Listing[Descriptor]:
        """See `Lister`. One GET; one more where the registry has no referrers API.

        Clients keep the list under a tag there: `fallback_tag`.
        """
        endpoint = ListReferrers(repository, subject, artifact_type, replace(page, token=None))
        try:
            with about(self.session, repository, ManifestUnknown):
                found = await self._get(endpoint, page, OCI_INDEX)
        except (ManifestUnknown, Unsupported):
            found = None
        with about(self.session, repository):
            if found is None or found.media_type != OCI_INDEX:  # such as a page for people
                found = await self._fallback(repository, subject)
            entries = await found.descriptors()
        if artifact_type is not None:
            # A registry need not filter.
            entries = [entry for entry in entries if entry.artifact_type == artifact_type]
        return _page(entries, page, found.following, lambda entry: str(entry.digest))

    async def _fallback(self, repository: str, subject: Digest) -> _Found:
        """Return the image index under the fallback tag; an empty one without it."""
        try:
            manifest = await self.manifests.get_manifest(repository, fallback_tag(subject))
        except ManifestUnknown:
            return _NO_REFERRERS
        if manifest.media_type not in INDEXES:
            return _NO_REFERRERS  # the tag is somebody's own
        return _Found(manifest.content, manifest.media_type)

    async def _details(self, repository: str, name: str) -> TagInfo:
        try:
            found = await self.manifests.resolve_manifest(repository, name)
        except ManifestUnknown:
            return TagInfo(name)  # it points nowhere, or was deleted meanwhile
        return TagInfo(name, found.digest, found.media_type, found.size)

    async def _get(
        self, endpoint: ListTags | ListCatalog | ListReferrers, page: PageQuery, accept: str = _JSON
    ) -> _Found:
        """Request a page.

        :raises PaginationNumberInvalid: its token is not one of this listing.
        """
        target = page_target(endpoint, page.token)
        headers = {"Accept": accept}
        async with self.session.request(
            "GET", target, headers=headers, scopes=endpoint.scopes
        ) as answer:
            following = next_page(answer, endpoint, str(self.session.options.origin))
            if following is not None and following == page.token:
                raise malformed("the link to the next page leads to the same page")
            media_type = bare(answer.headers.get("Content-Type", ""))
            return _Found(await answer.read(_MAX_BYTES), media_type, following)


@dataclass(frozen=True)
class _Found:
    """A page as it was answered. ``following``: the path and query of the next one."""

    content: bytes
    media_type: str
    following: str | None = None

    async def names(self, field: str) -> list[str]:
        """Return a list of texts; one that is null, as Go programs write it, is empty.

        :raises Unavailable: there is none.
        """
        names = await self._list(field)
        if not all(isinstance(name, str) for name in names):
            raise malformed(f"{field!r} is not a list of names")
        return names

    async def descriptors(self) -> list[Descriptor]:
        """Return what an image index lists.

        :raises Unavailable: it is not an image index.
        """
        entries = await self._list("manifests")
        try:
            return [
                Descriptor.of_json(entry) async for some in in_slices(entries) for entry in some
            ]
        except (ValueError, DigestInvalid) as error:
            raise malformed(f"'manifests' is not a list of descriptors: {error}") from error

    async def _list(self, field: str) -> list[Any]:
        try:
            document = await off_loop(len(self.content), load_json, self.content.decode())
        except (ValueError, RecursionError):
            document = None
        values = document.get(field) or [] if isinstance(document, dict) else None
        if not isinstance(values, list):
            raise malformed(f"it is not a JSON object with a list {field!r}")
        return values


_NO_REFERRERS = _Found(b'{"manifests":[]}', OCI_INDEX)


def _bounded(page: PageQuery) -> PageQuery:
    """Return the query for a page, without a token, that does not exceed what registries take."""
    return PageQuery(MAX_ENTRIES if page.n is None else min(page.n, MAX_ENTRIES), page.last)


def _page(
    entries: Sequence[T], page: PageQuery, following: str | None, key: Callable[[T], str]
) -> Listing[T]:
    """Return a page of what a registry answered.

    One that does not link to a next page may have ignored where this one begins and ends: it has
    returned everything then, in any order.
    """
    if page.n == 0:
        return Listing(())
    if following is not None:
        last = key(entries[-1]) if entries else page.last
        return Listing(tuple(entries), PageQuery(page.n, last, following))
    if page.token is not None:
        return Listing(tuple(entries))
    ordered = sorted((entry for entry in entries if key(entry) > (page.last or "")), key=key)
    cut = tuple(ordered[: page.n])
    more = len(ordered) > len(cut)
    return Listing(cut, PageQuery(page.n, key(cut[-1])) if more else None)
