"""Preconditions of requests: what must be current for a method to be performed.

Source: RFC 9110 section 13. The ETag of a manifest or blob is its digest in quotes; that of a tag
is the digest of its manifest.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from http import HTTPStatus
from typing import Self

from .digest import Digest
from .errors import Denied

# An entity tag (section 8.8.3), weak or strong. A digest without quotes is accepted as well.
_ETAG = re.compile(r'(W/)?(?:"([^"]*)"|([^\s",]+))')


class PreconditionFailed(Denied):
    """A precondition of the request does not hold (412): RFC 9110 section 15.5.13."""

    @property
    def http_status(self) -> HTTPStatus:
        return HTTPStatus.PRECONDITION_FAILED


@dataclass(frozen=True)
class ETags:
    """The entity tags that a header field lists, without quotes; ``any``: ``*``, all there are."""

    values: frozenset[str] = frozenset()
    any: bool = False

    @classmethod
    def parse(cls, header: str, *, strong: bool) -> Self:
        """Return the entity tags of a header field.

        What is not an entity tag matches nothing.

        :param strong: leave out weak ones, which match nothing (section 8.8.3.2).
        """
        if header.strip() == "*":
            return cls(any=True)
        found = (match.groups() for match in _ETAG.finditer(header))
        return cls(
            frozenset(
                bare if quoted is None else quoted
                for weak, quoted, bare in found
                if not (weak and strong)
            )
        )

    def __str__(self) -> str:
        """The header field: the inverse of `parse`."""
        return "*" if self.any else ", ".join(f'"{value}"' for value in sorted(self.values))

    def match(self, current: Digest | None) -> bool:
        """Return whether one is that of what is there; None: nothing is."""
        return current is not None and (self.any or str(current) in self.values)


@dataclass(frozen=True)
class Precondition:
    """``If-Match`` and ``If-None-Match`` of a request; None: the request does not have it."""

    if_match: ETags | None = None
    if_none_match: ETags | None = None

    @classmethod
    def parse(cls, if_match: str | None, if_none_match: str | None) -> Self | None:
        """Return the precondition that the two header fields state; None without both."""
        if if_match is None and if_none_match is None:
            return None
        return cls(
            None if if_match is None else ETags.parse(if_match, strong=True),
            None if if_none_match is None else ETags.parse(if_none_match, strong=False),
        )

    @property
    def headers(self) -> dict[str, str]:
        """The header fields of a request: the inverse of `parse`."""
        fields = {"If-Match": self.if_match, "If-None-Match": self.if_none_match}
        return {name: str(etags) for name, etags in fields.items() if etags is not None}

    def holds(self, current: Digest | None) -> bool:
        """Return whether the method may be performed; ``current``: what is there, if anything."""
        return self.is_expected(current) and not self.is_known(current)

    def is_expected(self, current: Digest | None) -> bool:
        """Return whether ``If-Match`` holds (section 13.1.1)."""
        return self.if_match is None or self.if_match.match(current)

    def is_known(self, current: Digest | None) -> bool:
        """Return whether ``If-None-Match`` does not hold (section 13.1.2)."""
        return self.if_none_match is not None and self.if_none_match.match(current)

    def check(self, current: Digest | None) -> None:
        """Check that the method may be performed; ``current``: what is there, if anything.

        :raises PreconditionFailed: the message says which field does not hold, and why. It does not
            name the current digest, which the caller might not be allowed to read.
        """
        if not self.is_expected(current):
            raise PreconditionFailed(
                "If-Match does not hold: there is nothing under this reference"
                if current is None
                else "If-Match does not hold: the reference has another ETag; read it again (HEAD)"
            )
        if self.is_known(current):
            raise PreconditionFailed(
                "If-None-Match does not hold: the reference exists already, with a listed ETag"
            )


def applies_to_range(if_range: str | None, current: Digest) -> bool:
    """Return whether ``Range`` is to be respected, for the ``If-Range`` of a request.

    Without one, or with the ETag of what is there (section 13.1.5). A date never matches, because
    the registry's answers have no ``Last-Modified``.
    """
    return if_range is None or str(current) in ETags.parse(if_range, strong=True).values
