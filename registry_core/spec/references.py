"""References to manifests: in the paths of requests, and as people write them.

What a path may refer to depends on what is done with it.

Source: OCI distribution-spec, "Pulling manifests": "the `<reference>` MUST be either a) a digest or
b) a tag".
"""

from __future__ import annotations

from dataclasses import dataclass

from .digest import Digest
from .errors import ManifestUnknown, NameInvalid
from .names import is_tag, parse_name, parse_tag


def parse_new_reference(text: str) -> Digest | str:
    """Parse the reference of a manifest to push.

    :raises DigestInvalid: the text is not a tag, and has a colon.
    :raises TagInvalid:
    """
    return Digest.parse(text) if ":" in text else parse_tag(text)


def parse_reference(text: str) -> Digest | str:
    """Parse the reference of a manifest that should exist.

    :raises DigestInvalid: the text is not a tag, and has a colon.
    :raises ManifestUnknown: it is neither: no manifest can have it.
    """
    if ":" in text:
        return Digest.parse(text)
    if is_tag(text):
        return text
    raise ManifestUnknown(f"manifest unknown: {text[:160]!r} is neither a tag nor a digest")


def parse_deleted_reference(text: str) -> Digest | str:
    """Parse the reference of a manifest or tag to delete.

    :raises DigestInvalid, ManifestUnknown: as for `parse_reference`.
    :raises TagInvalid: the tag ends with a dot.
    """
    reference = parse_reference(text)
    return reference if isinstance(reference, Digest) else parse_tag(reference)


def fallback_tag(subject: Digest) -> str:
    """Return the tag of the index of a manifest's referrers that clients keep themselves.

    For registries without a referrers API. OCI distribution-spec, "Referrers Tag Schema".
    """
    return f"{subject.algorithm[:32]}-{subject.hex[:64]}"


@dataclass(frozen=True)
class NamedReference:
    """A tag or a manifest of a repository: ``REPOSITORY[:TAG][@DIGEST]``. Its text is the same."""

    repository: str
    tag: str | None = None
    digest: Digest | None = None

    def __str__(self) -> str:
        tag = "" if self.tag is None else f":{self.tag}"
        return f"{self.repository}{tag}" + ("" if self.digest is None else f"@{self.digest}")

    @classmethod
    def parse(cls, text: str) -> NamedReference:
        """Parse ``REPOSITORY``, ``REPOSITORY:TAG``, ``REPOSITORY@DIGEST`` or all three.

        :raises NameInvalid: the repository's name is not valid, or follows a registry's address.
        :raises TagInvalid, DigestInvalid: that part is not valid.
        """
        rest, at, digest = text.partition("@")
        repository, colon, tag = rest.partition(":")
        if "/" in tag:
            raise NameInvalid(
                f"{rest[:160]!r} begins with the address of a registry; leave that out, as in "
                "team/app:v1"
            )
        return cls(
            parse_name(repository),
            parse_tag(tag) if colon else None,
            Digest.parse(digest) if at else None,
        )
