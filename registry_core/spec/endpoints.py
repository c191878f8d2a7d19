"""The endpoints of the specification as values, and the URLs built from them.

Source: OCI distribution-spec, "Endpoints", its main branch included; ``/v2/_catalog`` is Docker's
HTTP API V2. `build` and `routes.parse` are exact inverses: server and client cannot drift apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar
from urllib.parse import quote, urlencode

from .digest import Digest
from .scopes import DELETE, PULL, PUSH, WHOLE_CATALOG, Scope, repository_scope

# "the `<reference>` MUST be either a) a digest or b) a tag"
Reference = Digest | str

Query = Sequence[tuple[str, str]]
"""Names and values in order, decoded; a name may occur more than once."""


@dataclass(frozen=True)
class Endpoint:
    """One operation on one resource, and the scopes that it needs.

    Source of the scopes: distribution's registry/handlers/app.go, "appendAccessRecords".
    """

    method: ClassVar[str]

    @property
    def scopes(self) -> tuple[Scope, ...]:
        """What the caller must be allowed to do."""
        return ()

    @property
    def optional_scopes(self) -> tuple[Scope, ...]:
        """What a challenge should ask for besides: without it the request does less."""
        return ()

    @property
    def path(self) -> str:
        raise NotImplementedError

    @property
    def query(self) -> Query:
        return ()


@dataclass(frozen=True)
class CheckVersion(Endpoint):
    """end-1. Whether the registry implements the specification.

    It needs no scope, but credentials: its challenge is where clients learn how to get a token.
    """

    method = "GET"

    @property
    def path(self) -> str:
        return "/v2/"


@dataclass(frozen=True)
class _OfRepository(Endpoint):
    repository: str

    actions: ClassVar[tuple[str, ...]]

    @property
    def scopes(self) -> tuple[Scope, ...]:
        return (repository_scope(self.repository, *self.actions),)

    def _at(self, *segments: object) -> str:
        return "/".join(["/v2", self.repository, *map(str, segments)])


@dataclass(frozen=True)
class _OfBlob(_OfRepository):
    digest: Digest

    @property
    def path(self) -> str:
        return self._at("blobs", self.digest)


class GetBlob(_OfBlob):
    """end-2."""

    method = "GET"
    actions = (PULL,)


class HeadBlob(_OfBlob):
    """end-2."""

    method = "HEAD"
    actions = (PULL,)


class DeleteBlob(_OfBlob):
    """end-10."""

    method = "DELETE"
    actions = (DELETE,)


@dataclass(frozen=True)
class _OfManifest(_OfRepository):
    reference: Reference

    @property
    def path(self) -> str:
        return self._at("manifests", self.reference)


class GetManifest(_OfManifest):
    """end-3."""

    method = "GET"
    actions = (PULL,)


class HeadManifest(_OfManifest):
    """end-3."""

    method = "HEAD"
    actions = (PULL,)


@dataclass(frozen=True)
class PushManifest(_OfManifest):
    """end-7a. ``tags`` are set beside the reference, which is a digest then: end-7b."""

    method = "PUT"
    actions = (PULL, PUSH)
    tags: tuple[str, ...] = ()

    @property
    def query(self) -> Query:
        return tuple(("tag", tag) for tag in self.tags)


class DeleteManifest(_OfManifest):
    """end-9."""

    method = "DELETE"
    actions = (DELETE,)


@dataclass(frozen=True)
class StartUpload(_OfRepository):
    """end-4a; with ``digest`` end-4b: the request's body is the whole blob.

    ``algorithm`` is what the content will be hashed with, when the client knows that alone: end-4c.
    """

    method = "POST"
    actions = (PULL, PUSH)
    digest: Digest | None = None
    algorithm: str | None = None

    @property
    def path(self) -> str:
        return self._at("blobs", "uploads", "")

    @property
    def query(self) -> Query:
        return _pairs(digest=self.digest, **{"digest-algorithm": self.algorithm})


@dataclass(frozen=True)
class MountBlob(_OfRepository):
    """end-11. ``source`` is the repository that has the blob, None where that is not known."""

    method = "POST"
    actions = (PULL, PUSH)
    digest: Digest
    source: str | None = None

    @property
    def optional_scopes(self) -> tuple[Scope, ...]:
        return () if self.source is None else (repository_scope(self.source, PULL),)

    @property
    def path(self) -> str:
        return self._at("blobs", "uploads", "")

    @property
    def query(self) -> Query:
        return _pairs(mount=self.digest, **{"from": self.source})


@dataclass(frozen=True)
class _OfUpload(_OfRepository):
    upload_id: str
    state: str = ""

    @property
    def path(self) -> str:
        return self._at("blobs", "uploads", self.upload_id)

    @property
    def query(self) -> Query:
        return _pairs(_state=self.state or None)


class GetUpload(_OfUpload):
    """end-13."""

    method = "GET"
    actions = (PULL,)


class AppendUpload(_OfUpload):
    """end-5."""

    method = "PATCH"
    actions = (PULL, PUSH)


class CancelUpload(_OfUpload):
    """end-14. Give the upload up."""

    method = "DELETE"
    actions = (PUSH,)  # a part of pushing


@dataclass(frozen=True)
class FinishUpload(_OfUpload):
    """end-6. ``digest`` is None when the query has none, which the specification does not allow."""

    method = "PUT"
    actions = (PULL, PUSH)
    digest: Digest | None = None

    @property
    def query(self) -> Query:
        return _pairs(_state=self.state or None, digest=self.digest)


@dataclass(frozen=True)
class PageQuery:
    """Which part of a listing: at most ``n`` entries of those behind ``last``.

    ``token`` is where the registry's own link to the next page goes on, opaque to everybody else.
    """

    n: int | None = None
    last: str | None = None
    token: str | None = None

    @property
    def pairs(self) -> Query:
        return _pairs(n=self.n, last=self.last, _token=self.token)


ALL = PageQuery()


@dataclass(frozen=True)
class ListTags(_OfRepository):
    """end-8a; with a part of it asked for end-8b."""

    method = "GET"
    actions = (PULL,)
    page: PageQuery = ALL

    @property
    def path(self) -> str:
        return self._at("tags", "list")

    @property
    def query(self) -> Query:
        return self.page.pairs


@dataclass(frozen=True)
class ListReferrers(_OfRepository):
    """end-12a; with ``artifact_type`` end-12b."""

    method = "GET"
    actions = (PULL,)
    digest: Digest
    artifact_type: str | None = None
    page: PageQuery = ALL

    @property
    def path(self) -> str:
        return self._at("referrers", self.digest)

    @property
    def query(self) -> Query:
        return (*_pairs(artifactType=self.artifact_type), *self.page.pairs)


@dataclass(frozen=True)
class ListCatalog(Endpoint):
    """Docker HTTP API V2, "Listing Repositories"."""

    method = "GET"
    page: PageQuery = ALL

    @property
    def scopes(self) -> tuple[Scope, ...]:
        return (WHOLE_CATALOG,)

    @property
    def path(self) -> str:
        return "/v2/_catalog"

    @property
    def query(self) -> Query:
        return self.page.pairs


def _pairs(**values: object) -> Query:
    """What is given of a query."""
    return tuple((name, str(value)) for name, value in values.items() if value is not None)


def build(endpoint: Endpoint) -> str:
    """The path and query to request, percent-encoded."""
    path = quote(endpoint.path, safe="/:")
    query = urlencode(endpoint.query, safe=":", quote_via=quote)
    return f"{path}?{query}" if query else path
