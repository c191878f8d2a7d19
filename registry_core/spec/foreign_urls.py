"""URLs in manifests: where else than to the registry a manifest may send those who pull it.

A descriptor's ``urls`` are requested by the clients, from wherever these run, so that a manifest
could make them request the metadata service of their cloud, or send credentials to a stranger
(CVE-2020-15157). What is allowed is distribution's ``validation.manifests.urls``: nothing, unless
the operator says so; then http and https, without a fragment.

Sources: OCI image-spec, "OCI Content Descriptors", property ``urls``; RFC 3986; distribution's
registry/storage/schema2manifesthandler.go and registry/handlers/app.go.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import urlsplit

from .descriptor import Descriptor
from .errors import ManifestInvalid
from .manifest import ManifestDocument

SETTING = "REGISTRY_VALIDATION_MANIFESTS_URLS_ALLOW"

MAX_URLS = 256
"""The most URLs in a manifest: comparing one takes up to a millisecond. Images have a few."""

_LONGEST = 2048
# RFC 3986, "unreserved" and "reserved" characters and "%". Programs differ in what they make of
# others, such as of "\".
_CHARACTERS = re.compile(r"[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=%-]*")
# Host and port: a name, an IPv4 address, or an IPv6 address in brackets and nothing else beside it.
# RFC 3986 allows more in a host, which programs read differently.
_AUTHORITY = re.compile(r"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]*)?")
_ENCODED = re.compile("%[0-9A-Fa-f]{2}")
_UNRESERVED = re.compile("[A-Za-z0-9._~-]")
_USUAL_PORTS = {"http": 80, "https": 443}


class UrlPatterns(Protocol):
    """Patterns of normalized URLs."""

    def match(self, url: str) -> bool:
        """Whether one of the patterns matches all of the URL."""


@dataclass(frozen=True)
class ForeignUrls:
    """The URLs that manifests may name.

    They match ``allow`` and not ``deny``. Without ``allow`` those are allowed that do not match
    ``deny``; without either, none.
    """

    allow: UrlPatterns | None = None
    deny: UrlPatterns | None = None

    def check(self, document: ManifestDocument) -> None:
        """Check all URLs of a manifest.

        :raises ManifestInvalid: one is malformed, or not allowed, or there are too many.
        """
        descriptors = [each for each in _descriptors(document) if each[1].urls]
        count = sum(len(descriptor.urls) for _, descriptor in descriptors)
        if count > MAX_URLS:
            raise ManifestInvalid(
                f"manifest invalid: it has {count} urls; at most {MAX_URLS} are accepted"
            )
        for where, descriptor in descriptors:
            for url in descriptor.urls:
                if problem := self._problem_with(url):
                    raise ManifestInvalid(
                        f"manifest invalid: {where}.urls: {url[:160]!r} {problem}"
                    )

    def _problem_with(self, url: str) -> str:
        try:
            normalized = normalize(url)
        except ValueError as error:
            return str(error)
        if self.allow is None and self.deny is None:
            return f"is not allowed: this registry accepts no urls, unless {SETTING} says so"
        if self.allow is not None and not self.allow.match(normalized):
            return f"is not allowed by the registry's {SETTING}"
        if self.deny is not None and self.deny.match(normalized):
            return "is denied by the registry"
        return ""


NO_URLS = ForeignUrls()


def normalize(url: str) -> str:
    """Return a URL so written that equivalent URLs are equal (RFC 3986, section 6.2).

    :raises ValueError: it is not an absolute URL with http or https, or is ambiguous. The text is
        the rest of a sentence about the URL.
    """
    if len(url) > _LONGEST:
        raise ValueError(f"is longer than {_LONGEST} characters")
    if not _CHARACTERS.fullmatch(url):
        raise ValueError("has characters that must be percent-encoded in a URL")
    if "#" in url:
        raise ValueError("must have no fragment")
    scheme, host, port = _origin(url)
    _, _, rest = url.partition("://")
    path = "/" + rest.partition("/")[2] if "/" in rest else "/"
    path = _ENCODED.sub(_decode_unreserved, path)
    if {".", ".."} & set(path.partition("?")[0].split("/")):
        raise ValueError("must have no . or .. in its path")
    return f"{scheme}://{host}{'' if port in (None, _USUAL_PORTS[scheme]) else f':{port}'}{path}"


def _origin(url: str) -> tuple[str, str, int | None]:
    """Return scheme, host and port.

    :raises ValueError: one of them is not valid.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise ValueError("is not a valid URL") from None
    if parts.scheme not in _USUAL_PORTS or not host.strip("."):
        raise ValueError("must be a URL with http or https")
    if "@" in parts.netloc:
        raise ValueError("must have no user name or password")
    if not _AUTHORITY.fullmatch(url.partition("://")[2].partition("/")[0]):
        raise ValueError("must have a plain host, and a path before its query")
    return parts.scheme, f"[{host}]" if ":" in host else host.rstrip("."), port


def _decode_unreserved(encoded: re.Match[str]) -> str:
    character = chr(int(encoded[0][1:], 16))
    return character if _UNRESERVED.fullmatch(character) else encoded[0].upper()


def _descriptors(document: ManifestDocument) -> Iterator[tuple[str, Descriptor]]:
    """Yield all descriptors with the names of their fields: clients may follow those of any."""
    for name, one in (("config", document.config), ("subject", document.subject)):
        if one is not None:
            yield name, one
    for name, several in (("layers", document.layers), ("manifests", document.manifests)):
        for index, each in enumerate(several):
            yield f"{name}[{index}]", each
