"""The endpoints of the specification: a request parsed to a value, and the value built to a URL.

Source: OCI distribution-spec, "Endpoints"; upload cancellation is Docker's HTTP API V2.
`parse` and `build` are exact inverses, so that server and client cannot drift apart.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar, TypeVar
from urllib.parse import quote, urlencode

from .digest import Digest
from .errors import ManifestUnknown, NameUnknown, PaginationNumberInvalid, Unsupported
from .names import is_tag, parse_name, parse_tag

# "the `<reference>` MUST be either a) a digest or b) a tag"
Reference = Digest | str

_Query = Mapping[str, str]


@dataclass(frozen=True)
class Endpoint:
    """One operation on one resource."""

    method: ClassVar[str]

    @property
    def path(self) -> str:
        raise NotImplementedError

    @property
    def query(self) -> Mapping[str, str]:
        return {}


@dataclass(frozen=True)
class CheckVersion(Endpoint):
    """end-1. Whether the registry implements the specification."""

    method = "GET"

    @property
    def path(self) -> str:
        return "/v2/"


@dataclass(frozen=True)
class _OfRepository(Endpoint):
    repository: str

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


class HeadBlob(_OfBlob):
    """end-2."""

    method = "HEAD"


@dataclass(frozen=True)
class _OfManifest(_OfRepository):
    reference: Reference

    @property
    def path(self) -> str:
        return self._at("manifests", self.reference)


class GetManifest(_OfManifest):
    """end-3."""

    method = "GET"


class HeadManifest(_OfManifest):
    """end-3."""

    method = "HEAD"


class PushManifest(_OfManifest):
    """end-7."""

    method = "PUT"


@dataclass(frozen=True)
class StartUpload(_OfRepository):
    """end-4a; with ``digest`` end-4b: the request's body is the whole blob."""

    method = "POST"
    digest: Digest | None = None

    @property
    def path(self) -> str:
        return self._at("blobs", "uploads", "")

    @property
    def query(self) -> Mapping[str, str]:
        return {"digest": str(self.digest)} if self.digest else {}


@dataclass(frozen=True)
class _OfUpload(_OfRepository):
    upload_id: str
    state: str = ""

    @property
    def path(self) -> str:
        return self._at("blobs", "uploads", self.upload_id)

    @property
    def query(self) -> Mapping[str, str]:
        return {"_state": self.state} if self.state else {}


class GetUpload(_OfUpload):
    """end-13."""

    method = "GET"


class AppendUpload(_OfUpload):
    """end-5."""

    method = "PATCH"


class CancelUpload(_OfUpload):
    """Give the upload up."""

    method = "DELETE"


@dataclass(frozen=True)
class FinishUpload(_OfUpload):
    """end-6. ``digest`` is None when the query has none, which the specification does not allow."""

    method = "PUT"
    digest: Digest | None = None

    @property
    def query(self) -> Mapping[str, str]:
        return {**super().query, **({"digest": str(self.digest)} if self.digest else {})}


@dataclass(frozen=True)
class ListTags(_OfRepository):
    """end-8a; with ``n`` or ``last`` end-8b."""

    method = "GET"
    n: int | None = None
    last: str | None = None

    @property
    def path(self) -> str:
        return self._at("tags", "list")

    @property
    def query(self) -> Mapping[str, str]:
        query = {} if self.n is None else {"n": str(self.n)}
        return query | ({"last": self.last} if self.last else {})


def build(endpoint: Endpoint) -> str:
    """The path and query to request, percent-encoded."""
    path = quote(endpoint.path, safe="/:")
    query = urlencode(endpoint.query, safe=":", quote_via=quote)
    return f"{path}?{query}" if query else path


def parse(method: str, path: str, query: _Query) -> Endpoint:
    """The endpoint that a request means.

    :param path: percent-decoded.
    :param query: decoded; of a repeated parameter one value.
    :raises NameInvalid, TagInvalid, DigestInvalid, PaginationNumberInvalid: a part is malformed.
    :raises NameUnknown: no endpoint has this path.
    :raises Unsupported: the path has endpoints, but none with this method.
    """
    if path in ("/v2", "/v2/"):
        return _select(method, {"GET": CheckVersion(), "HEAD": CheckVersion()})
    for pattern, parsers in _ROUTES:
        match = pattern.fullmatch(path)
        if match:
            make = _select(method, parsers)
            return make(parse_name(match[1]), match[2] if pattern.groups > 1 else "", query)
    raise NameUnknown(f"no such endpoint: {path[:300]!r}")


_Parser = Callable[[str, str, _Query], Endpoint]
_Choice = TypeVar("_Choice")


def _select(method: str, by_method: Mapping[str, _Choice]) -> _Choice:
    if method in by_method:
        return by_method[method]
    names = ", ".join(sorted(by_method))
    raise Unsupported(
        f"method {method[:40]!r} is not supported here; use {names}", headers={"Allow": names}
    )


def _blob(kind: type[_OfBlob]) -> _Parser:
    return lambda repository, digest, _: kind(repository, Digest.parse(digest))


def _read_manifest(kind: type[_OfManifest]) -> _Parser:
    def parse_it(repository: str, reference: str, _: _Query) -> Endpoint:
        if ":" not in reference and not is_tag(reference):
            raise ManifestUnknown(
                f"manifest unknown: {reference[:160]!r} is neither tag nor digest"
            )
        return kind(repository, _reference(reference))

    return parse_it


def _push_manifest(repository: str, reference: str, _: _Query) -> Endpoint:
    return PushManifest(repository, _reference(reference))


def _reference(text: str) -> Reference:
    return Digest.parse(text) if ":" in text else parse_tag(text)


def _start_upload(repository: str, _: str, query: _Query) -> Endpoint:
    return StartUpload(repository, _digest(query))


def _finish_upload(repository: str, upload_id: str, query: _Query) -> Endpoint:
    return FinishUpload(repository, upload_id, query.get("_state", ""), _digest(query))


def _upload(kind: type[_OfUpload]) -> _Parser:
    return lambda repository, upload_id, query: kind(repository, upload_id, query.get("_state", ""))


def _digest(query: _Query) -> Digest | None:
    return Digest.parse(query["digest"]) if "digest" in query else None


def _list_tags(repository: str, _: str, query: _Query) -> Endpoint:
    return ListTags(repository, _number(query.get("n")), query.get("last") or None)


def _number(text: str | None) -> int | None:
    if text is None:
        return None
    if not re.fullmatch(r"[0-9]{1,18}", text):
        raise PaginationNumberInvalid(f"n={text[:40]!r} is not a number of results")
    return int(text)


_ROUTES: tuple[tuple[re.Pattern[str], Mapping[str, _Parser]], ...] = (
    (re.compile(r"/v2/(.+)/tags/list"), {"GET": _list_tags}),
    (re.compile(r"/v2/(.+)/blobs/uploads/?"), {"POST": _start_upload}),
    (
        re.compile(r"/v2/(.+)/blobs/uploads/([^/]+)"),
        {
            "GET": _upload(GetUpload),
            "PATCH": _upload(AppendUpload),
            "PUT": _finish_upload,
            "DELETE": _upload(CancelUpload),
        },
    ),
    (
        re.compile(r"/v2/(.+)/blobs/([^/]+)"),
        {"GET": _blob(GetBlob), "HEAD": _blob(HeadBlob)},
    ),
    (
        re.compile(r"/v2/(.+)/manifests/([^/]+)"),
        {
            "GET": _read_manifest(GetManifest),
            "HEAD": _read_manifest(HeadManifest),
            "PUT": _push_manifest,
        },
    ),
)
