"""Staging: an extension of ours by which a client sends the bytes of an upload straight to storage.

A client that began an upload asks for its staging (`endpoints.GetUpload`), stages blocks with
``PUT`` requests to storage, in any order and any number at a time, and finishes the upload with
their number (`endpoints.FinishUpload`). Registries that lack the extension answer the first request
as usual, so that a client falls back to sending the bytes to the registry.

Source of the limits and of the form of block ids: REST "Put Block".
"""

from __future__ import annotations

import json
from base64 import b64encode
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from urllib.parse import quote

STAGING: Final = "application/vnd.moorage.staging.v1+json"
"""The media type of `Staging.to_json`."""

MAX_BLOCKS: Final = 50_000
"""The most blocks of an upload."""
MAX_BLOCK: Final = 4000 * 2**20
"""The most bytes of one block."""


@dataclass(frozen=True)
class Staging:
    """Where the blocks of an upload are staged until ``expires``, and the prefix of their ids.

    ``url`` is a secret: its bearer can stage blocks of this upload, and nothing else.
    """

    url: str = field(repr=False)
    expires: datetime
    prefix: str

    def block_url(self, index: int) -> str:
        """Return the URL to put block number ``index`` to. Putting it again replaces it."""
        encoded = b64encode(block_id(self.prefix, index).encode()).decode()
        return f"{self.url}&blockid={quote(encoded, safe='')}"

    def to_json(self) -> bytes:
        """Return the body of the answer that has the staging."""
        fields = {
            "url": self.url,
            "expires": self.expires.isoformat(),
            "prefix": self.prefix,
            "maxBlocks": MAX_BLOCKS,
            "maxBlockLength": MAX_BLOCK,
        }
        return json.dumps(fields).encode()

    @classmethod
    def parse(cls, body: bytes) -> Staging:
        """Return the staging that `to_json` wrote.

        :raises ValueError: it is not one.
        """
        try:
            fields = json.loads(body)
            expires = datetime.fromisoformat(fields["expires"])
            url, prefix = str(fields["url"]), str(fields["prefix"])
        except (KeyError, TypeError, RecursionError) as error:
            raise ValueError(f"not a staging: {error!r}") from error
        if expires.tzinfo is None:
            raise ValueError("not a staging: the time has no zone")
        if not prefix.isascii():
            raise ValueError("not a staging: the prefix of ids is not ASCII")
        return cls(url, expires, prefix)


def block_id(prefix: str, index: int) -> str:
    """Return the id of block number ``index``, not encoded: those of an object are equally long."""
    return f"{prefix}-{index:06d}"
