"""The metadata of links: what one HEAD or one listing says of a manifest, a config or a referrer.

They are an index, never the truth: where they are missing, because another registry wrote the link
or because they did not fit (`partial`), the content itself is read. Only the entries of a list of
referrers have what does not fit in a content of their own: anybody who may pull may request them.

Source: OCI distribution-spec, "Listing Referrers", for the descriptors of referrers.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from urllib.parse import quote, unquote

from ..object_store.interface import Properties
from ..registry import ManifestInfo
from ..spec.descriptor import Descriptor
from ..spec.digest import Digest
from ..spec.errors import DigestInvalid, ManifestInvalid
from ..spec.expiry import find_expiry, parse_expiry
from ..spec.image_config import ImageConfig
from ..spec.manifest import Manifest, load_json
from .links import Link

# Bytes. Storage takes 8 KiB in all; some room is left for how it counts.
_LIMIT = 7 * 2**10

# What headers, signatures and XML all leave as it is. Spaces are not: runs of them get shortened.
_PLAIN = '{}[]":,/+=@()*!$;'

_PARTIAL = {"partial": "1"}

_IMAGE_FIELDS = ("os", "architecture", "variant", "created")
_EXPIRES_AFTER = "expiresafter"


def image_metadata(image: ImageConfig | None) -> dict[str, str]:
    """Return the metadata of a config's link, for the push of a manifest that names it."""
    if image is None:
        return {}
    expiry = {_EXPIRES_AFTER: image.expires_after} if image.expires_after else {}
    return _describe_image(image) | expiry


def _describe_image(image: ImageConfig) -> dict[str, str]:
    values = {name: getattr(image, name) for name in _IMAGE_FIELDS}
    return {name: _escape(value) for name, value in values.items() if value}


def read_image(metadata: Mapping[str, str]) -> ImageConfig | None:
    """Return what `image_metadata` wrote; None where it wrote nothing."""
    image = _read_image(metadata)
    return replace(image, expires_after=metadata.get(_EXPIRES_AFTER)) if image else None


def _read_image(metadata: Mapping[str, str]) -> ImageConfig | None:
    values = {name: unquote(metadata[name]) for name in _IMAGE_FIELDS if name in metadata}
    return ImageConfig(**values) if values else None


def tag_link(target: Descriptor, pushed: int) -> Link:
    """Return the link of a tag that was set at ``pushed``, in Unix time."""
    return Link.to(target, {"pushed": str(pushed)})


def revision_link(
    manifest: Manifest, image: ImageConfig | None, *, pushed: int, pushed_by: str
) -> Link:
    """Return the link of a manifest in its repository.

    :param image: what the config says, where that is known.
    :param pushed: Unix time. :param pushed_by: the caller's name, empty if anonymous.
    """
    document = manifest.document
    config, subject = document.config, document.subject
    fields = {  # in the order in which they get room: `subject` decides what may be deleted
        "contentsize": str(_content_size(manifest)),
        "subject": str(subject.digest) if subject else "",
        "pushed": str(pushed),
        _EXPIRES_AFTER: _find_expiry(document.annotations, image) or "",
        "artifacttype": _escape(document.artifact_type or ""),
        **(_describe_image(image) if image else {}),
        "configtype": _escape(config.media_type) if config else "",
        "pushedby": _escape(pushed_by),
    }
    return _with_extra(manifest.descriptor, fields)


def _find_expiry(annotations: Mapping[str, str] | None, image: ImageConfig | None) -> str | None:
    """Return after which time a manifest expires by itself. An annotation precedes a label."""
    return find_expiry(annotations) or (image.expires_after if image else None)


def read_expiry(
    metadata: Mapping[str, str], annotations: Mapping[str, str] | None = None
) -> timedelta | None:
    """Return how long after they are set a manifest's tags expire, as it says itself, or None.

    :param metadata: those of its revision link.
    :param annotations: those of the manifest, which count where the link says nothing, as links do
        that another registry or an earlier version wrote.
    """
    return parse_expiry(metadata.get(_EXPIRES_AFTER) or find_expiry(annotations))


def is_attestation(metadata: Mapping[str, str]) -> bool:
    """Return whether a revision link is that of an attestation: its platform is unknown.

    BuildKit adds them to indexes.
    Source: docs.docker.com/build/metadata/attestations/attestation-storage.
    """
    return metadata.get("os") == "unknown"


def _content_size(manifest: Manifest) -> int:
    """Return the bytes of manifest, config and layers, each digest once."""
    sizes = {blob.digest: blob.size for blob in manifest.document.blobs}
    return manifest.descriptor.size + sum(sizes.values())


def _with_extra(target: Descriptor, fields: Mapping[str, str]) -> Link:
    """Return a link with the fields that are not empty, as far as they fit; ``partial`` if not."""
    extra: dict[str, str] = {}
    room = _LIMIT - _size(Link.to(target).metadata) - _size(_PARTIAL)
    for name, value in fields.items():
        size = len(name) + len(value)
        if not value:
            continue
        if size > room:
            extra |= _PARTIAL
            continue
        extra[name] = value
        room -= size
    return Link.to(target, extra)


def _size(metadata: Mapping[str, str]) -> int:
    return sum(len(name) + len(value) for name, value in metadata.items())


def read_manifest_info(digest: Digest, properties: Properties) -> ManifestInfo | None:
    """Return what a revision link says; None where the manifest itself has to be read."""
    link = Link(digest).described_by(properties)
    if link.descriptor is None or not _PARTIAL.items().isdisjoint(link.extra.items()):
        return None
    extra = link.extra
    size = extra.get("contentsize", "")
    return ManifestInfo(
        digest,
        link.media_type,
        link.size,
        artifact_type=_unescape(extra.get("artifacttype")),
        config_type=_unescape(extra.get("configtype")),
        content_size=int(size) if size.isdecimal() else None,
        image=_read_image(extra),
        subject=parse_digest(extra.get("subject")),
        pushed=pushed_at(properties),
        pushed_by=read_pushed_by(extra),
    )


def manifest_info(manifest: Manifest, properties: Properties) -> ManifestInfo:
    """Return what the manifest itself says, and the rest from a link that does not say all.

    :raises ManifestInvalid: the manifest is not valid.
    """
    document = manifest.document
    extra = Link(manifest.digest).described_by(properties).extra
    return ManifestInfo(
        manifest.digest,
        manifest.media_type,
        manifest.descriptor.size,
        artifact_type=document.artifact_type,
        config_type=document.config.media_type if document.config else None,
        content_size=_content_size(manifest),
        image=_read_image(extra),
        subject=document.subject.digest if document.subject else None,
        pushed=pushed_at(properties),
        pushed_by=read_pushed_by(extra),
    )


def read_pushed_by(metadata: Mapping[str, str]) -> str | None:
    """Return the name of the caller who pushed a manifest, as its revision link says."""
    return _unescape(metadata.get("pushedby"))


def pushed_at(properties: Properties) -> datetime:
    """Return when a link was pushed: as its metadata say, else as storage does.

    Storage's time changes whenever metadata are written anew.
    """
    seconds = properties.metadata.get("pushed", "")
    if seconds.isdecimal() and len(seconds) < 12:  # more does not fit a datetime
        return datetime.fromtimestamp(int(seconds), UTC)
    return properties.last_modified


def referrer_link(referrer: Descriptor) -> Link:
    """Return an entry of a list of referrers.

    Its metadata have all of the descriptor. If they have no room for that, the content has it, and
    the metadata say so: ``described`` is the number of its bytes. They have the artifact type even
    then, so that a list of another type costs no read; ``partial`` if not even that fits.
    """
    artifact_type = _escape(referrer.artifact_type or "")
    typed = {"artifacttype": artifact_type} if artifact_type else {}
    if _size(referrer.annotations or {}) <= _LIMIT:
        extra = typed | {"annotations": _escape(to_text(referrer.annotations))}
        link = Link.to(referrer, extra)
        if _size(link.metadata) <= _LIMIT:
            return link
    body = to_text(referrer.to_json()).encode()
    described = {"described": str(len(body))}
    link = Link.to(referrer, described | typed, body)
    return link if _size(link.metadata) <= _LIMIT else Link.to(referrer, described | _PARTIAL, body)


def is_descriptor(properties: Properties) -> bool:
    """Return whether the content of an entry is the descriptor, as its metadata say."""
    return properties.metadata.get("described") == str(properties.size)


def is_of_another_type(properties: Properties, artifact_type: str) -> bool:
    """Return whether an entry's metadata say that the referrer has another artifact type."""
    metadata = properties.metadata
    if "described" not in metadata or not _PARTIAL.items().isdisjoint(metadata.items()):
        return False
    return _unescape(metadata.get("artifacttype")) != artifact_type


def parse_referrer(digest: Digest, content: bytes) -> Descriptor:
    """Return the descriptor in an entry's content.

    :raises ManifestInvalid: it is something else, or the descriptor of another manifest.
    """
    try:
        referrer = Descriptor.of_json(load_json(content.decode()))
    except (ValueError, RecursionError, DigestInvalid) as error:
        raise ManifestInvalid(f"not the descriptor of a referrer: {error}") from None
    if referrer.digest != digest:
        raise ManifestInvalid(f"the descriptor of {referrer.digest}, not of {digest}")
    return referrer


def read_referrer(digest: Digest, properties: Properties) -> Descriptor | None:
    """Return the descriptor that an entry's metadata have; None where they do not have all."""
    link = Link(digest).described_by(properties)
    annotations = link.extra.get("annotations")
    if link.descriptor is None or annotations is None:
        return None
    return Descriptor(
        link.descriptor.media_type,
        digest,
        link.descriptor.size,
        annotations=json.loads(unquote(annotations)),
        artifact_type=_unescape(link.extra.get("artifacttype")),
    )


def to_text(value: object) -> str:
    """Return the shortest JSON."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _escape(text: str) -> str:
    """Return text as metadata hold it, or anything too long if the text is.

    To escape 4 MiB takes a second of the event loop.
    """
    return quote(text, safe=_PLAIN, errors="replace") if len(text) <= _LIMIT else " " * _LIMIT


def _unescape(text: str | None) -> str | None:
    return unquote(text) if text else None


def parse_digest(text: str | None) -> Digest | None:
    """Return the digest in metadata; None where there is none, or no valid one."""
    try:
        return Digest.parse(text) if text else None
    except DigestInvalid:
        return None
