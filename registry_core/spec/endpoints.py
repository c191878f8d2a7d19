"""The endpoints of the specification as values; `routes` parses requests to them and builds URLs.

To add an endpoint, write its class, list it in `routes.ENDPOINTS`, and give it a handler.

Source: OCI distribution-spec, "Endpoints", its main branch included; ``/v2/_catalog`` is Docker's
HTTP API V2.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, ClassVar

from .digest import SHA256, SHA512, Digest
from .errors import DigestInvalid, PaginationNumberInvalid, Unsupported
from .names import is_name, parse_name, parse_tag
from .parameters import Parameters, Query, query_of, valid_digest
from .references import parse_deleted_reference, parse_new_reference, parse_reference
from .scopes import DELETE, PULL, PUSH, WHOLE_CATALOG, Scope, repository_scope

# "the `<reference>` MUST be either a) a digest or b) a tag"
Reference = Digest | str

MAX_PUSHED_TAGS = 100
"""The most tags that a push may set: each takes storage calls. "MAY return a 414 ... if too many
tags are included in the request".
"""


@dataclass(frozen=True)
class PageQuery:
    """A page of a listing: at most ``n`` entries, those that follow ``last``.

    ``token`` is the position in the registry's own link to the next page. Clients return it as is.
    """

    n: int | None = None
    last: str | None = None
    token: str | None = None

    @classmethod
    def parse(cls, parameters: Parameters) -> PageQuery:
        """:raises PaginationNumberInvalid:"""
        n = parameters.last("n")
        if n is not None and not re.fullmatch(r"[0-9]{1,18}", n):
            raise PaginationNumberInvalid(f"n={n[:40]!r} is not a number of results")
        return cls(
            None if n is None else int(n),
            parameters.last("last") or None,
            parameters.last("_token") or None,
        )

    @property
    def query(self) -> Query:
        return query_of(n=self.n, last=self.last, _token=self.token)


ALL = PageQuery()


@dataclass(frozen=True)
class Endpoint:
    """One operation on one resource: its method, its path, its query, and the scopes it requires.

    ``path_template`` names fields in braces; ``field_parsers`` parse what stands there in a path.
    ``other_methods`` are accepted as well.

    Source of the scopes: distribution's registry/handlers/app.go, "appendAccessRecords".
    """

    method: ClassVar[str]
    other_methods: ClassVar[tuple[str, ...]] = ()
    path_template: ClassVar[str]
    field_parsers: ClassVar[Mapping[str, Callable[[str], object]]] = {
        "repository": parse_name,
        "digest": Digest.parse,
        "reference": parse_reference,
        "upload_id": str,
    }

    @classmethod
    def parse_query(cls, parameters: Parameters) -> dict[str, Any]:  # noqa: ARG003 - an interface
        """Return the fields that the query holds: the inverse of `query`."""
        return {}

    @property
    def path(self) -> str:
        return self.path_template.format(**vars(self))

    @property
    def query(self) -> Query:
        return ()

    @property
    def scopes(self) -> tuple[Scope, ...]:
        """The scopes that the caller must have."""
        return ()

    @property
    def optional_scopes(self) -> tuple[Scope, ...]:
        """Scopes that a challenge should name as well: without them the request does less."""
        return ()


@dataclass(frozen=True)
class CheckVersion(Endpoint):
    """end-1. Whether the registry implements the specification.

    It requires no scope, but credentials: its challenge is how clients learn where to get a token.
    """

    method = "GET"
    other_methods = ("HEAD",)
    path_template = "/v2/"


@dataclass(frozen=True)
class _RepositoryEndpoint(Endpoint):
    repository: str

    actions: ClassVar[tuple[str, ...]]

    @property
    def scopes(self) -> tuple[Scope, ...]:
        return (repository_scope(self.repository, *self.actions),)


@dataclass(frozen=True)
class _BlobEndpoint(_RepositoryEndpoint):
    path_template = "/v2/{repository}/blobs/{digest}"
    digest: Digest


class GetBlob(_BlobEndpoint):
    """end-2."""

    method = "GET"
    actions = (PULL,)


class HeadBlob(_BlobEndpoint):
    """end-2."""

    method = "HEAD"
    actions = (PULL,)


class DeleteBlob(_BlobEndpoint):
    """end-10."""

    method = "DELETE"
    actions = (DELETE,)


@dataclass(frozen=True)
class _ManifestEndpoint(_RepositoryEndpoint):
    path_template = "/v2/{repository}/manifests/{reference}"
    reference: Reference


class GetManifest(_ManifestEndpoint):
    """end-3."""

    method = "GET"
    actions = (PULL,)


class HeadManifest(_ManifestEndpoint):
    """end-3."""

    method = "HEAD"
    actions = (PULL,)


@dataclass(frozen=True)
class PushManifest(_ManifestEndpoint):
    """end-7a; with ``tags`` to set beside the reference, which is a digest then, end-7b."""

    method = "PUT"
    actions = (PULL, PUSH)
    field_parsers: ClassVar = {**Endpoint.field_parsers, "reference": parse_new_reference}
    tags: tuple[str, ...] = ()

    @classmethod
    def parse_query(cls, parameters: Parameters) -> dict[str, Any]:
        tags = parameters.all("tag")
        if len(tags) > MAX_PUSHED_TAGS:
            raise Unsupported(
                f"{len(tags)} tags in one push; send at most {MAX_PUSHED_TAGS}, and more pushes",
                status=HTTPStatus.REQUEST_URI_TOO_LONG,
            )
        return {"tags": tuple(dict.fromkeys(map(parse_tag, tags)))}

    @property
    def query(self) -> Query:
        return tuple(("tag", tag) for tag in self.tags)


class DeleteManifest(_ManifestEndpoint):
    """end-9."""

    method = "DELETE"
    actions = (DELETE,)
    field_parsers: ClassVar = {**Endpoint.field_parsers, "reference": parse_deleted_reference}


@dataclass(frozen=True)
class StartUpload(_RepositoryEndpoint):
    """end-4a; with ``digest`` end-4b: the request's body is the whole blob.

    ``algorithm``: the digest's algorithm, from clients that do not know the digest yet: end-4c.
    A mount with invalid arguments is an upload as well, whose first request has no body: see
    `MountBlob`.
    """

    method = "POST"
    path_template = "/v2/{repository}/blobs/uploads/"
    actions = (PULL, PUSH)
    digest: Digest | None = None
    algorithm: str | None = None

    @classmethod
    def parse_query(cls, parameters: Parameters) -> dict[str, Any]:
        mount = parameters.last("mount")
        if mount is not None:
            digest = valid_digest(mount)
            return {"algorithm": digest.algorithm if digest else None}
        algorithm = parameters.last("digest-algorithm")
        if algorithm is not None and algorithm not in (SHA256, SHA512):
            raise DigestInvalid(
                f"digest algorithm {algorithm[:40]!r} is not supported; use sha256 or sha512"
            )
        return {"digest": parameters.digest("digest"), "algorithm": algorithm}

    @property
    def query(self) -> Query:
        return query_of(digest=self.digest, **{"digest-algorithm": self.algorithm})


@dataclass(frozen=True)
class MountBlob(_RepositoryEndpoint):
    """end-11: what `StartUpload` is with a parameter ``mount``, if the mount can be tried.

    ``source`` is the repository that has the blob; None if the client does not know one.

    Source: Docker HTTP API V2, "Cross Repository Blob Mount": "If a mount fails due to invalid
    repository or digest arguments, the registry will fall back to the standard upload behavior".
    """

    method = "POST"
    path_template = StartUpload.path_template
    actions = (PULL, PUSH)
    digest: Digest
    source: str | None = None

    @staticmethod
    def is_requested(parameters: Parameters) -> bool:
        """Return whether the parameters of `StartUpload` are a mount, and valid."""
        digest, source = parameters.last("mount"), parameters.last("from")
        return bool(digest and valid_digest(digest)) and (not source or is_name(source))

    @classmethod
    def parse_query(cls, parameters: Parameters) -> dict[str, Any]:
        return {"digest": parameters.digest("mount"), "source": parameters.last("from") or None}

    @property
    def query(self) -> Query:
        return query_of(mount=self.digest, **{"from": self.source})

    @property
    def optional_scopes(self) -> tuple[Scope, ...]:
        return () if self.source is None else (repository_scope(self.source, PULL),)


@dataclass(frozen=True)
class UploadEndpoint(_RepositoryEndpoint):
    """An endpoint of one upload. ``state`` is the registry's own, opaque to clients."""

    path_template = "/v2/{repository}/blobs/uploads/{upload_id}"
    upload_id: str
    state: str = ""

    @classmethod
    def parse_query(cls, parameters: Parameters) -> dict[str, Any]:
        return {"state": parameters.last("_state") or ""}

    @property
    def query(self) -> Query:
        return query_of(_state=self.state or None)


@dataclass(frozen=True)
class GetUpload(UploadEndpoint):
    """end-13; with ``staging``, an extension of ours, where blocks can be staged: see `staging`.

    Staging is a part of pushing, so that it requires more than the status of an upload does.
    """

    method = "GET"
    actions = (PULL,)
    staging: bool = False

    @classmethod
    def parse_query(cls, parameters: Parameters) -> dict[str, Any]:
        return super().parse_query(parameters) | {"staging": parameters.last("staging") == "1"}

    @property
    def query(self) -> Query:
        return (*super().query, *query_of(staging="1" if self.staging else None))

    @property
    def scopes(self) -> tuple[Scope, ...]:
        actions = (PULL, PUSH) if self.staging else self.actions
        return (repository_scope(self.repository, *actions),)


class AppendUpload(UploadEndpoint):
    """end-5."""

    method = "PATCH"
    actions = (PULL, PUSH)


class CancelUpload(UploadEndpoint):
    """end-14."""

    method = "DELETE"
    actions = (PUSH,)  # a part of pushing


@dataclass(frozen=True)
class FinishUpload(UploadEndpoint):
    """end-6. ``digest`` is None if the query lacks it, which the specification does not allow.

    ``blocks``, an extension of ours: the content is what the client has staged in so many blocks,
    and the request has no body (see `staging`).
    """

    method = "PUT"
    actions = (PULL, PUSH)
    digest: Digest | None = None
    blocks: int | None = None

    @classmethod
    def parse_query(cls, parameters: Parameters) -> dict[str, Any]:
        return super().parse_query(parameters) | {
            "digest": parameters.digest("digest"),
            "blocks": parameters.blocks("blocks"),
        }

    @property
    def query(self) -> Query:
        return (*super().query, *query_of(digest=self.digest, blocks=self.blocks))


@dataclass(frozen=True)
class ListTags(_RepositoryEndpoint):
    """end-8a; with ``page`` end-8b."""

    method = "GET"
    path_template = "/v2/{repository}/tags/list"
    actions = (PULL,)
    page: PageQuery = ALL

    @classmethod
    def parse_query(cls, parameters: Parameters) -> dict[str, Any]:
        return {"page": PageQuery.parse(parameters)}

    @property
    def query(self) -> Query:
        return self.page.query


@dataclass(frozen=True)
class ListReferrers(_RepositoryEndpoint):
    """end-12a; with ``artifact_type`` end-12b."""

    method = "GET"
    path_template = "/v2/{repository}/referrers/{digest}"
    actions = (PULL,)
    digest: Digest
    artifact_type: str | None = None
    page: PageQuery = ALL

    @classmethod
    def parse_query(cls, parameters: Parameters) -> dict[str, Any]:
        artifact_type = parameters.last("artifactType") or None
        return {"artifact_type": artifact_type, "page": PageQuery.parse(parameters)}

    @property
    def query(self) -> Query:
        return (*query_of(artifactType=self.artifact_type), *self.page.query)


@dataclass(frozen=True)
class ListCatalog(Endpoint):
    """Docker HTTP API V2, "Listing Repositories"."""

    method = "GET"
    path_template = "/v2/_catalog"
    page: PageQuery = ALL

    @classmethod
    def parse_query(cls, parameters: Parameters) -> dict[str, Any]:
        return {"page": PageQuery.parse(parameters)}

    @property
    def query(self) -> Query:
        return self.page.query

    @property
    def scopes(self) -> tuple[Scope, ...]:
        return (WHOLE_CATALOG,)
