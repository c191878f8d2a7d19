"""Upload sessions: the state of an upload, sealed, as it travels in ``Location``.

No instance keeps it. A client can return it, but neither read, change nor invent it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property

from ..registry import Upload
from ..spec.errors import BlobUploadInvalid, BlobUploadUnknown
from .sealing import UPLOAD, SealBroken, Sealer

LIFETIME = timedelta(days=7)


@dataclass(frozen=True)
class UploadSession:
    """An upload, the name of the caller who began it, and when (seconds since 1970).

    With these a long push outlives the token that it began with, and nobody else can continue it.
    """

    upload: Upload
    owner: str
    began: float


@dataclass(frozen=True)
class SessionSealer:
    """Seals sessions, and opens them again.

    ``secret`` is the same on all instances: any of them can serve any request of an upload.
    ``now`` returns seconds since 1970.
    """

    secret: str = field(repr=False)
    now: Callable[[], float] = time.time

    @cached_property
    def _sealer(self) -> Sealer:
        return Sealer(self.secret, UPLOAD)

    def seal(self, session: UploadSession) -> str:
        """Return the session as text, valid for its upload and for `LIFETIME`."""
        upload = session.upload
        expires = int(self.now() + LIFETIME.total_seconds())
        fields = (expires, session.owner, session.began, upload.offset, upload.state)
        content = json.dumps(fields, separators=(",", ":")).encode()
        return self._sealer.seal(content, _context(upload.repository, upload.id))

    def open(self, repository: str, upload_id: str, text: str) -> UploadSession:
        """Return the session that was sealed for the upload.

        :raises BlobUploadUnknown: the text is empty.
        :raises BlobUploadInvalid: it was altered, has expired, or belongs to another upload.
        """
        if not text:
            raise BlobUploadUnknown("the URL lacks the upload's state; use Location as returned")
        try:
            content = self._sealer.open(text, _context(repository, upload_id))
        except SealBroken as error:
            raise BlobUploadInvalid(
                "the upload's state was not issued by this registry for this upload"
            ) from error
        expires, owner, began, offset, state = json.loads(content)
        if expires < self.now():
            raise BlobUploadInvalid("the upload's state has expired; start a new upload")
        return UploadSession(Upload(repository, upload_id, offset, state), owner, began)


def _context(repository: str, upload_id: str) -> str:
    """Return a text that no other upload has: names of repositories have no line breaks."""
    return f"{repository}\n{upload_id}"
