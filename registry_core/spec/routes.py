"""Requests parsed to endpoints: the exact inverse of `endpoints.build`."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TypeVar

from . import endpoints as e
from .digest import SHA256, SHA512, Digest
from .errors import (
    DigestInvalid,
    ManifestUnknown,
    NameUnknown,
    PaginationNumberInvalid,
    Unsupported,
)
from .names import is_tag, parse_name, parse_tag


def parse(method: str, path: str, query: e.Query) -> e.Endpoint:
    """The endpoint that a request means.

    :param path: percent-decoded.
    :raises NameInvalid, TagInvalid, DigestInvalid, PaginationNumberInvalid: a part is malformed.
    :raises NameUnknown: no endpoint has this path.
    :raises Unsupported: the path has endpoints, but none with this method.
    """
    if path in ("/v2", "/v2/"):
        return _select(method, {"GET": e.CheckVersion(), "HEAD": e.CheckVersion()})
    parameters = _Parameters(query)
    if path == "/v2/_catalog":
        return _select(method, {"GET": e.ListCatalog})(_page(parameters))
    for pattern, parsers in _ROUTES:
        match = pattern.fullmatch(path)
        if match:
            make = _select(method, parsers)
            return make(parse_name(match[1]), match[2] if pattern.groups > 1 else "", parameters)
    raise NameUnknown(f"no such endpoint: {path[:300]!r}")


class _Parameters:
    """A query by name."""

    def __init__(self, query: e.Query) -> None:
        self._query = query

    def all(self, name: str) -> tuple[str, ...]:
        return tuple(value for key, value in self._query if key == name)

    def one(self, name: str) -> str | None:
        """The last value, as most servers have it; None when there is none."""
        return (self.all(name) or (None,))[-1]


_Parser = Callable[[str, str, _Parameters], e.Endpoint]
_Choice = TypeVar("_Choice")


def _select(method: str, by_method: Mapping[str, _Choice]) -> _Choice:
    if method in by_method:
        return by_method[method]
    names = ", ".join(sorted(by_method))
    raise Unsupported(
        f"method {method[:40]!r} is not supported here; use {names}", headers={"Allow": names}
    )


def _blob(kind: Callable[[str, Digest], e.Endpoint]) -> _Parser:
    return lambda repository, digest, _: kind(repository, Digest.parse(digest))


def _read_manifest(kind: Callable[[str, e.Reference], e.Endpoint]) -> _Parser:
    def parse_it(repository: str, reference: str, _: _Parameters) -> e.Endpoint:
        if ":" not in reference and not is_tag(reference):
            raise ManifestUnknown(
                f"manifest unknown: {reference[:160]!r} is neither tag nor digest"
            )
        return kind(repository, _reference(reference))

    return parse_it


def _push_manifest(repository: str, reference: str, parameters: _Parameters) -> e.Endpoint:
    tags = tuple(dict.fromkeys(parse_tag(tag) for tag in parameters.all("tag")))
    return e.PushManifest(repository, _reference(reference), tags)


def _reference(text: str) -> e.Reference:
    return Digest.parse(text) if ":" in text else parse_tag(text)


def _start_upload(repository: str, _: str, parameters: _Parameters) -> e.Endpoint:
    mount, source = parameters.one("mount"), parameters.one("from")
    if mount is not None:
        return e.MountBlob(repository, Digest.parse(mount), parse_name(source) if source else None)
    algorithm = parameters.one("digest-algorithm")
    if algorithm is not None and algorithm not in (SHA256, SHA512):
        raise DigestInvalid(
            f"digest algorithm {algorithm[:40]!r} is not supported; use sha256 or sha512"
        )
    return e.StartUpload(repository, _digest(parameters), algorithm)


def _finish_upload(repository: str, upload_id: str, parameters: _Parameters) -> e.Endpoint:
    return e.FinishUpload(
        repository, upload_id, parameters.one("_state") or "", _digest(parameters)
    )


def _upload(kind: Callable[[str, str, str], e.Endpoint]) -> _Parser:
    return lambda repository, upload_id, parameters: kind(
        repository, upload_id, parameters.one("_state") or ""
    )


def _digest(parameters: _Parameters) -> Digest | None:
    text = parameters.one("digest")
    return None if text is None else Digest.parse(text)


def _list_tags(repository: str, _: str, parameters: _Parameters) -> e.Endpoint:
    return e.ListTags(repository, _page(parameters))


def _list_referrers(repository: str, digest: str, parameters: _Parameters) -> e.Endpoint:
    artifact_type = parameters.one("artifactType") or None
    return e.ListReferrers(repository, Digest.parse(digest), artifact_type, _page(parameters))


def _page(parameters: _Parameters) -> e.PageQuery:
    number = parameters.one("n")
    if number is not None and not re.fullmatch(r"[0-9]{1,18}", number):
        raise PaginationNumberInvalid(f"n={number[:40]!r} is not a number of results")
    return e.PageQuery(
        None if number is None else int(number),
        parameters.one("last") or None,
        parameters.one("_token") or None,
    )


_ROUTES: tuple[tuple[re.Pattern[str], Mapping[str, _Parser]], ...] = (
    (re.compile(r"/v2/(.+)/tags/list"), {"GET": _list_tags}),
    (re.compile(r"/v2/(.+)/blobs/uploads/?"), {"POST": _start_upload}),
    (
        re.compile(r"/v2/(.+)/blobs/uploads/([^/]+)"),
        {
            "GET": _upload(e.GetUpload),
            "PATCH": _upload(e.AppendUpload),
            "PUT": _finish_upload,
            "DELETE": _upload(e.CancelUpload),
        },
    ),
    (
        re.compile(r"/v2/(.+)/blobs/([^/]+)"),
        {
            "GET": _blob(e.GetBlob),
            "HEAD": _blob(e.HeadBlob),
            "DELETE": _blob(e.DeleteBlob),
        },
    ),
    (
        re.compile(r"/v2/(.+)/manifests/([^/]+)"),
        {
            "GET": _read_manifest(e.GetManifest),
            "HEAD": _read_manifest(e.HeadManifest),
            "PUT": _push_manifest,
            "DELETE": _read_manifest(e.DeleteManifest),
        },
    ),
    (re.compile(r"/v2/(.+)/referrers/([^/]+)"), {"GET": _list_referrers}),
)
