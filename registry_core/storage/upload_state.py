"""Where an upload stands, as a value that travels with the client and lies beside the data.

The states, and what moves an upload from one to the next (the rule: bytes are committed only at the
end of a request that brought all that it announced, and published only once their hash is known):

======  ====================================  ==================================================
state   what storage holds                    next
======  ====================================  ==================================================
EMPTY   nothing                               a piece of one block: WHOLE; a larger one: STAGED
WHOLE   the bytes at their content address    another piece: STAGED, the bytes its first block
STAGED  the bytes at ``_uploads/.../data``    another piece: STAGED, with another ETag
any                                           finished: a blob; cancelled, wrong digest: gone
======  ====================================  ==================================================

Its size is constant, however many requests the upload takes.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace

from ..object_store.interface import Properties
from ..registry import Upload
from ..spec.digest import SHA256, Digest, Hasher, new_hasher, resume_hasher
from ..spec.errors import BlobUploadInvalid

_METADATA_OFFSET = "offset"
_METADATA_STATE = "state"


@dataclass(frozen=True)
class UploadState:
    """``hash_state`` is None where it cannot be carried; then what was committed is read back.

    ``whole`` is the content address in the state WHOLE, ``etag`` the committed data's in the state
    STAGED, ``blocks`` how many blocks hold what arrived.
    """

    algorithm: str = SHA256
    hash_state: bytes | None = None
    whole: Digest | None = None
    etag: str | None = None
    blocks: int = 0

    @classmethod
    def of(cls, upload: Upload) -> UploadState:
        """:raises BlobUploadInvalid: when the upload's state is not one that `encode` made."""
        if not upload.state:
            return cls()
        try:
            return cls._decode(json.loads(upload.state))
        except (ValueError, KeyError, TypeError) as error:
            raise BlobUploadInvalid("the upload's state cannot be read") from error

    @classmethod
    def _decode(cls, fields: Mapping[str, str]) -> UploadState:
        return cls(
            fields["a"],
            base64.b64decode(fields["h"], validate=True) if "h" in fields else None,
            Digest.parse(fields["w"]) if "w" in fields else None,
            fields.get("e"),
            int(fields.get("b", "0")),
        )

    def encode(self) -> str:
        fields = {"a": self.algorithm}
        if self.hash_state is not None:
            fields["h"] = base64.b64encode(self.hash_state).decode()
        if self.whole is not None:
            fields["w"] = str(self.whole)
        if self.etag is not None:
            fields["e"] = self.etag
        if self.blocks:
            fields["b"] = str(self.blocks)
        return json.dumps(fields, separators=(",", ":"))

    def hasher(self, offset: int) -> Hasher | None:
        """What goes on hashing after ``offset`` bytes; None where only reading back helps."""
        if offset == 0:
            return new_hasher(self.algorithm)
        return None if self.hash_state is None else resume_hasher(self.algorithm, self.hash_state)

    def digest(self, algorithm: str, offset: int) -> Digest | None:
        """The digest of what has arrived; None where only reading back tells."""
        hasher = self.hasher(offset) if algorithm == self.algorithm else None
        return hasher.digest() if hasher else None


def upload_metadata(offset: int, state: UploadState) -> Mapping[str, str]:
    """What is written beside committed data, for a client that lost the answer: not the ETag."""
    encoded = replace(state, etag=None).encode()
    return {_METADATA_OFFSET: str(offset), _METADATA_STATE: encoded}


def upload_at(upload: Upload, properties: Properties) -> Upload:
    """The upload as its committed data tell.

    :raises BlobUploadInvalid: when the data were not written by this registry.
    """
    try:
        offset = int(properties.metadata[_METADATA_OFFSET])
        encoded = properties.metadata[_METADATA_STATE]
    except (KeyError, ValueError) as error:
        raise BlobUploadInvalid("the upload was begun by another registry") from error
    stored = UploadState.of(Upload(upload.repository, upload.id, offset, encoded))
    state = replace(stored, etag=properties.etag).encode()
    return Upload(upload.repository, upload.id, offset, state)
