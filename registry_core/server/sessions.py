"""Upload sessions: the state of an upload, signed, as it travels in ``Location``.

No instance keeps it. A client can return it, but neither change nor invent it.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property

from ..registry import Upload
from ..spec.errors import BlobUploadInvalid, BlobUploadUnknown

LIFETIME = timedelta(days=7)
_ALGORITHM = "HS256"


@dataclass(frozen=True)
class UploadSession:
    """An upload, the name of the caller who began it, and when (seconds since 1970).

    With these a long push outlives the token that it began with, and nobody else can continue it.
    """

    upload: Upload
    owner: str
    began: float


@dataclass(frozen=True)
class SessionSigner:
    """Signs and verifies sessions.

    ``secret`` is the same on all instances: any of them can serve any request of an upload.
    ``now`` returns seconds since 1970.
    """

    secret: str = field(repr=False)
    now: Callable[[], float] = time.time

    @cached_property
    def _key(self) -> bytes:
        return hashlib.sha256(b"upload state\0" + self.secret.encode()).digest()

    def sign(self, session: UploadSession) -> str:
        """Return the session as a token, valid for `LIFETIME`."""
        import jwt

        upload = session.upload
        claims = {
            "owner": session.owner,
            "began": session.began,
            "repository": upload.repository,
            "id": upload.id,
            "offset": upload.offset,
            "state": upload.state,
            "exp": int(self.now() + LIFETIME.total_seconds()),
        }
        return jwt.encode(claims, self._key, algorithm=_ALGORITHM)

    def verify(self, repository: str, upload_id: str, token: str) -> UploadSession:
        """Return the session that ``token`` was signed for.

        :raises BlobUploadUnknown: the token is empty.
        :raises BlobUploadInvalid: it was altered, has expired, or belongs to another upload.
        """
        import jwt

        if not token:
            raise BlobUploadUnknown("the URL lacks the upload's state; use Location as returned")
        try:
            claims = jwt.decode(
                token,
                self._key,
                algorithms=[_ALGORITHM],
                options={"require": ["exp", "owner", "began"], "verify_exp": False},
            )
        except jwt.InvalidTokenError as error:
            raise BlobUploadInvalid("the upload's state was not issued by this registry") from error
        if claims["exp"] < self.now():
            raise BlobUploadInvalid("the upload's state has expired; start a new upload")
        if (claims["repository"], claims["id"]) != (repository, upload_id):
            raise BlobUploadInvalid("the upload's state belongs to another upload")
        upload = Upload(repository, upload_id, claims["offset"], claims["state"])
        return UploadSession(upload, claims["owner"], claims["began"])
