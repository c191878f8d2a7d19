"""The state of an upload: a value that travels with the client and is stored beside the data.

What the states are, and what moves an upload from one to the next, is in `uploads`.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from ..object_store.interface import Properties
from ..registry import Upload
from ..spec.digest import SHA256, Digest, Hasher, new_hasher, resume_hasher
from ..spec.errors import BlobUploadInvalid
from ..spec.image_config import ImageConfig

_METADATA_OFFSET = "offset"
_METADATA_STATE = "state"


@dataclass(frozen=True)
class UploadState:
    """The state of an upload. Its size is bounded, however many requests the upload takes.

    ``hash_state`` is None where it cannot be exported; then what was committed is read back.
    ``whole`` is the content address in the state WHOLE, ``image`` what the bytes there say if they
    are an image config, ``seen`` when they were put there (Unix time). ``etag`` is the committed
    data's in the state STAGED, ``blocks`` how many blocks hold what arrived.
    """

    algorithm: str = SHA256
    hash_state: bytes | None = None
    whole: Digest | None = None
    image: ImageConfig | None = None
    etag: str | None = None
    blocks: int = 0
    seen: int = 0

    @classmethod
    def of(cls, upload: Upload) -> UploadState:
        """Return an upload's state.

        :raises BlobUploadInvalid: it is not one that `encode` made.
        """
        if not upload.state:
            return cls()
        try:
            return cls._decode(json.loads(upload.state))
        except (ValueError, KeyError, TypeError) as error:
            raise BlobUploadInvalid("the upload's state cannot be read") from error

    @classmethod
    def _decode(cls, fields: Mapping[str, Any]) -> UploadState:
        return cls(
            fields["a"],
            base64.b64decode(fields["h"], validate=True) if "h" in fields else None,
            Digest.parse(fields["w"]) if "w" in fields else None,
            ImageConfig(**fields["i"]) if "i" in fields else None,
            fields.get("e"),
            int(fields.get("b", "0")),
            int(fields.get("t", "0")),
        )

    def encode(self) -> str:
        """Return the state as text."""
        fields: dict[str, object] = {"a": self.algorithm}
        if self.hash_state is not None:
            fields["h"] = base64.b64encode(self.hash_state).decode()
        if self.whole is not None:
            fields["w"] = str(self.whole)
        if self.image is not None:
            fields["i"] = {name: value for name, value in asdict(self.image).items() if value}
        if self.etag is not None:
            fields["e"] = self.etag
        if self.blocks:
            fields["b"] = str(self.blocks)
        if self.seen:
            fields["t"] = str(self.seen)
        return json.dumps(fields, separators=(",", ":"))

    def hasher(self, offset: int) -> Hasher | None:
        """Return a hasher that has seen ``offset`` bytes; None where they have to be read back."""
        if offset == 0:
            return new_hasher(self.algorithm)
        return None if self.hash_state is None else resume_hasher(self.algorithm, self.hash_state)

    def digest(self, algorithm: str, offset: int) -> Digest | None:
        """Return the digest of what has arrived; None where it has to be read back."""
        hasher = self.hasher(offset) if algorithm == self.algorithm else None
        return hasher.digest() if hasher else None


def upload_metadata(offset: int, state: UploadState) -> Mapping[str, str]:
    """Return the metadata of committed data, for a client that lost the answer.

    They do not have the ETag, which storage makes only then.
    """
    encoded = replace(state, etag=None).encode()
    return {_METADATA_OFFSET: str(offset), _METADATA_STATE: encoded}


def stored_upload(upload: Upload, properties: Properties) -> Upload:
    """Return the upload as its committed data say.

    :raises BlobUploadInvalid: this registry did not write the data.
    """
    try:
        offset = int(properties.metadata[_METADATA_OFFSET])
        encoded = properties.metadata[_METADATA_STATE]
    except (KeyError, ValueError) as error:
        raise BlobUploadInvalid("another registry began the upload") from error
    stored = UploadState.of(Upload(upload.repository, upload.id, offset, encoded))
    state = replace(stored, etag=properties.etag).encode()
    return Upload(upload.repository, upload.id, offset, state)
