"""An upload as it travels in ``Location``: signed, a client can only hand it back."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

from ..registry import Upload
from ..spec.errors import BlobUploadInvalid, BlobUploadUnknown

LIFETIME = timedelta(days=7)
_ALGORITHM = "HS256"


@dataclass(frozen=True)
class Session:
    """An upload, who began it, and when (seconds since 1970).

    So a long push survives the token that it began with, and nobody else can go on with it.
    """

    upload: Upload
    owner: str
    began: float


@dataclass(frozen=True)
class UploadTokens:
    """``secret`` is shared by all instances: any of them can serve any request of an upload."""

    secret: str = field(repr=False)
    now: Callable[[], float] = time.time

    @property
    def _key(self) -> bytes:
        return hashlib.sha256(b"upload state\0" + self.secret.encode()).digest()

    def sign(self, session: Session) -> str:
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

    def verify(self, repository: str, upload_id: str, token: str) -> Session:
        """The session that ``token`` was signed for.

        :raises BlobUploadUnknown: without a token.
        :raises BlobUploadInvalid: the token is altered, too old, or another upload's.
        """
        import jwt

        if not token:
            raise BlobUploadUnknown(
                "the upload's URL lacks its state; use Location as it was given"
            )
        try:
            claims = jwt.decode(
                token,
                self._key,
                algorithms=[_ALGORITHM],
                options={"require": ["exp", "owner", "began"], "verify_exp": False},
            )
        except jwt.InvalidTokenError as error:
            raise BlobUploadInvalid("the upload's state is not one that was given out") from error
        if claims["exp"] < self.now():
            raise BlobUploadInvalid("the upload's state has expired; begin again")
        if (claims["repository"], claims["id"]) != (repository, upload_id):
            raise BlobUploadInvalid("the upload's state belongs to another upload")
        upload = Upload(repository, upload_id, claims["offset"], claims["state"])
        return Session(upload, claims["owner"], claims["began"])
