"""The SDK's descriptions of blobs as the seam's."""

from __future__ import annotations

from azure.storage.blob import BlobProperties, BlobType

from ..interface import Properties


def properties_of(blob: BlobProperties, *, size: int | None = None) -> Properties:
    """``size`` is the whole's, where ``blob`` describes a part."""
    return Properties(
        etag=_quoted(blob.etag or ""),
        size=blob.size if size is None else size,
        last_modified=blob.last_modified,
        # Names come back as they were first written, in whatever case that was.
        metadata={name.lower(): value for name, value in (blob.metadata or {}).items()},
        is_append=blob.blob_type == BlobType.APPENDBLOB,
    )


def whole_size_of(part: BlobProperties) -> int:
    """The size of the whole blob that ``part`` was read from."""
    return int((part.content_range or "/0").rpartition("/")[2])


def _quoted(etag: str) -> str:
    """Headers have ETags in quotes, listings have them bare: one text is needed to compare them."""
    return etag if etag.endswith('"') else f'"{etag}"'
