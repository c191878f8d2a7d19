"""Manifests of a registry over HTTP.

Source: OCI distribution-spec, "Pulling manifests", "Pushing Manifests" and "Deleting Manifests".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from ..aio import off_loop
from ..registry import DeletedManifest, PushedManifest
from ..spec import media_types
from ..spec.descriptor import Descriptor
from ..spec.digest import SHA256, Digest
from ..spec.endpoints import (
    MAX_PUSHED_TAGS,
    DeleteManifest,
    GetManifest,
    HeadManifest,
    PushManifest,
    Reference,
)
from ..spec.errors import (
    DigestInvalid,
    ManifestInvalid,
    ManifestUnknown,
    Unsupported,
)
from ..spec.manifest import MAX_MANIFEST_BYTES, Manifest, detect_media_type
from ..spec.names import parse_name, parse_tag
from ..spec.preconditions import Precondition
from .answers import Answer
from .meanings import about, malformed
from .session import Session

ACCEPT: Final[Mapping[str, str]] = {
    "Accept": ", ".join(
        (
            *sorted(media_types.MANIFESTS, reverse=True),
            media_types.DOCKER_SCHEMA_1_SIGNED,
            "*/*;q=0.5",
        )
    )
}
"""All types of manifests: a registry converts one, or refuses it, if its type is missing here."""

# What servers send that do not know better.
_GENERIC = {"", "application/json", "text/plain", media_types.OCTET_STREAM}

# Bytes of a query. Hosts limit a request line to 8 KiB.
_MAX_QUERY = 4096


@dataclass(frozen=True)
class Manifests:
    """`Reader`'s, `Writer`'s and `Deleter`'s methods for manifests and tags."""

    session: Session

    async def resolve_manifest(self, repository: str, reference: Reference) -> Descriptor:
        """See `Reader`. One HEAD; a GET besides where the answer lacks a part of the descriptor."""
        with about(self.session, repository, ManifestUnknown, f"manifest {reference}"):
            endpoint = HeadManifest(repository, reference)
            async with self.session.request("HEAD", endpoint, headers=ACCEPT) as answer:
                descriptor = _descriptor(answer, reference)
        if descriptor is None:
            return (await self.get_manifest(repository, reference)).descriptor
        return descriptor

    async def get_manifest(self, repository: str, reference: Reference) -> Manifest:
        """See `Reader`. What does not hash to the digest it should have counts as damaged."""
        with about(self.session, repository, ManifestUnknown, f"manifest {reference}"):
            endpoint = GetManifest(repository, reference)
            async with self.session.request("GET", endpoint, headers=ACCEPT) as answer:
                content = await answer.read(MAX_MANIFEST_BYTES)
            expected = reference if isinstance(reference, Digest) else _stated_digest(answer)
            algorithm = expected.algorithm if expected else SHA256
            actual = await off_loop(len(content), Digest.of, content, algorithm)
            if expected is not None and actual != expected:
                raise ManifestUnknown(
                    f"the content of manifest {reference} is damaged: its digest is {actual}, not "
                    f"{expected}"
                )
            media_type = await _media_type(answer, content)
            return Manifest(Descriptor(media_type, actual, len(content)), content)

    async def push_manifest(
        self,
        repository: str,
        manifest: Manifest,
        tags: Sequence[str] = (),
        precondition: Precondition | None = None,
    ) -> PushedManifest:
        """See `Writer`. One PUT where the registry sets several tags at once, else one for each.

        A precondition costs a HEAD besides: it is checked before, for registries that ignore
        ``If-Match``. The result's ``subject`` is None, too, if the registry lists no referrers.

        :raises Unsupported: the registry cannot set a tag to a manifest whose digest is a sha512.
        """
        parse_name(repository)
        tags = [parse_tag(tag) for tag in tags]
        if precondition is not None and tags:
            await self._check(repository, tags[0], precondition)
        with about(self.session, repository):
            if not tags:
                return await self._push(repository, manifest, manifest.digest)
            pushed = None
            for endpoint in _pushes(repository, manifest.digest, tags, precondition):
                pushed = await self._push_tags(manifest, endpoint, precondition)
                precondition = None  # it concerned the first tag
            assert pushed is not None
            return pushed

    async def _push_tags(
        self, manifest: Manifest, endpoint: PushManifest, precondition: Precondition | None
    ) -> PushedManifest:
        """Push a manifest with several tags, and again for each one that was not set."""
        pushed, done = await self._put(manifest, endpoint, precondition)
        for tag in endpoint.tags:
            if tag in done:
                continue
            if manifest.digest.algorithm != SHA256:
                raise Unsupported(
                    f"the registry cannot set tag {tag} to {manifest.digest}: it would store the "
                    "manifest under its sha256"
                )
            pushed = await self._push(endpoint.repository, manifest, tag)
        return pushed

    async def _push(
        self, repository: str, manifest: Manifest, reference: Reference
    ) -> PushedManifest:
        pushed, _ = await self._put(manifest, PushManifest(repository, reference), None)
        return pushed

    async def _put(
        self, manifest: Manifest, endpoint: PushManifest, precondition: Precondition | None
    ) -> tuple[PushedManifest, frozenset[str]]:
        """Return what was pushed, and which of the endpoint's ``tags`` the registry set."""
        headers = {"Content-Type": manifest.media_type}
        headers |= precondition.headers if precondition else {}
        request = self.session.request(
            "PUT",
            endpoint,
            headers=headers,
            body=manifest.content,
            ok=(HTTPStatus.CREATED,),
            retry=precondition is None,  # a repeated one would not hold
        )
        async with request as answer:
            stored = _stated_digest(answer)
            if stored is not None and stored != manifest.digest:
                raise DigestInvalid(
                    f"the registry has stored the manifest {manifest.digest} as {stored}"
                )
            subject = _stated_digest(answer, "OCI-Subject")
            set_tags = answer.headers.get("OCI-Tag", "").split(",")
        return PushedManifest(manifest.descriptor, subject), frozenset(map(str.strip, set_tags))

    async def delete_manifest(self, repository: str, digest: Digest) -> DeletedManifest:
        """See `Deleter`. The answer does not say what was deleted besides the digest."""
        with about(self.session, repository, ManifestUnknown, f"manifest {digest}"):
            await self._delete(DeleteManifest(repository, digest), None)
        return DeletedManifest(digest)

    async def delete_tag(
        self, repository: str, tag: str, precondition: Precondition | None = None
    ) -> Digest | None:
        """See `Deleter`. Two requests: the answer does not say what the tag pointed to.

        :raises Unsupported: the registry deletes manifests by digest only.
        """
        parse_tag(tag)
        current = await self._current(repository, tag)
        if precondition is not None and current is not None:
            precondition.check(current)
        with about(self.session, repository, ManifestUnknown, f"tag {tag}"):
            try:
                await self._delete(DeleteManifest(repository, tag), precondition)
            except (DigestInvalid, Unsupported) as error:
                raise Unsupported(
                    f"the registry does not delete tags ({error.message}); delete the manifest by "
                    "its digest, with all tags that point to it"
                ) from error
        return current

    async def _delete(self, endpoint: DeleteManifest, precondition: Precondition | None) -> None:
        headers = precondition.headers if precondition else {}
        request = self.session.request(
            "DELETE",
            endpoint,
            headers=headers,
            ok=(HTTPStatus.ACCEPTED, HTTPStatus.OK, HTTPStatus.NO_CONTENT),
        )
        async with request:
            return

    async def _check(self, repository: str, tag: str, precondition: Precondition) -> None:
        """:raises PreconditionFailed:"""
        precondition.check(await self._current(repository, tag))

    async def _current(self, repository: str, tag: str) -> Digest | None:
        """Return the digest that a tag points to; None if nothing can be found there."""
        try:
            return (await self.resolve_manifest(repository, tag)).digest
        except ManifestUnknown:
            return None


def _pushes(
    repository: str, digest: Digest, tags: Sequence[str], precondition: Precondition | None
) -> Iterator[PushManifest]:
    """Yield the requests that set all tags where the registry has the parameter ``tag``.

    A precondition concerns the reference in the path, which is the first tag then. Otherwise
    the specification wants a digest there.
    """
    if digest.algorithm == SHA256 and (precondition is not None or len(tags) == 1):
        yield PushManifest(repository, tags[0])
        tags = tags[1:]
    elif precondition is not None:
        raise Unsupported("a tag of a manifest whose digest is a sha512 cannot have a precondition")
    slots = MAX_PUSHED_TAGS
    while tags:
        some = tags[:slots]
        while sum(len(tag) + len("&tag=") for tag in some) > _MAX_QUERY:
            some = some[: len(some) // 2]
        yield PushManifest(repository, digest, tuple(some))
        tags = tags[len(some) :]


def _descriptor(answer: Answer, reference: Reference) -> Descriptor | None:
    """Return what the headers of an answer to HEAD say; None if they do not say all of it."""
    digest = _stated_digest(answer)
    size = answer.headers.get("Content-Length", "")
    media_type = media_types.bare(answer.headers.get("Content-Type", ""))
    if digest is None or not size.isdecimal() or media_type in _GENERIC:
        return None
    if isinstance(reference, Digest) and digest != reference:
        if digest.algorithm != reference.algorithm:
            return None  # the same content by another name, perhaps: its bytes will show
        raise ManifestUnknown(f"the registry answered with manifest {digest}, not {reference}")
    return Descriptor(media_type, digest, int(size))


def _stated_digest(answer: Answer, name: str = "Docker-Content-Digest") -> Digest | None:
    """Return the digest in a header; None without it.

    :raises Unavailable: it is not a digest.
    """
    text = answer.headers.get(name)
    if not text:
        return None
    try:
        return Digest.parse(text)
    except DigestInvalid as error:
        raise malformed(f"{name}: {error}") from error


async def _media_type(answer: Answer, content: bytes) -> str:
    """Return the media type of a manifest: the answer's, or, if that says nothing, its own.

    :raises ManifestUnknown: neither says it.
    """
    stated = media_types.bare(answer.headers.get("Content-Type", ""))
    if stated not in _GENERIC:
        return stated
    try:
        return await off_loop(len(content), detect_media_type, content)
    except ManifestInvalid as error:
        raise ManifestUnknown(
            f"the registry answered with what is not a manifest: {error}"
        ) from error
