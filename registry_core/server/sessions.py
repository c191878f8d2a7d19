"""Upload sessions: the state of an upload, signed, as it travels in ``Location``.

No instance keeps it. A client can return it, but neither change nor invent it.

It is a JWT (RFC 7519) signed with HMAC-SHA-256, written with the standard library: PyJWT imports
most of cryptography, which a push would otherwise not need.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property

from ..registry import Upload
from ..spec.errors import BlobUploadInvalid, BlobUploadUnknown

LIFETIME = timedelta(days=7)
# {"alg":"HS256","typ":"JWT"}
_HEADER = b"eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9"


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
        payload = json.dumps(claims, separators=(",", ":")).encode()
        signed = _HEADER + b"." + _encode(payload)
        return (signed + b"." + self._signature(signed)).decode()

    def verify(self, repository: str, upload_id: str, token: str) -> UploadSession:
        """Return the session that ``token`` was signed for.

        :raises BlobUploadUnknown: the token is empty.
        :raises BlobUploadInvalid: it was altered, has expired, or belongs to another upload.
        """
        if not token:
            raise BlobUploadUnknown("the URL lacks the upload's state; use Location as returned")
        signed, _, signature = token.encode(errors="replace").rpartition(b".")
        # Whatever has this signature was signed here: nothing else about it needs to be checked.
        if not hmac.compare_digest(signature, self._signature(signed)):
            raise BlobUploadInvalid("the upload's state was not issued by this registry")
        claims = json.loads(_decode(signed.partition(b".")[2]))
        if claims["exp"] < self.now():
            raise BlobUploadInvalid("the upload's state has expired; start a new upload")
        if (claims["repository"], claims["id"]) != (repository, upload_id):
            raise BlobUploadInvalid("the upload's state belongs to another upload")
        upload = Upload(repository, upload_id, claims["offset"], claims["state"])
        return UploadSession(upload, claims["owner"], claims["began"])

    def _signature(self, signed: bytes) -> bytes:
        return _encode(hmac.digest(self._key, signed, "sha256"))


def _encode(content: bytes) -> bytes:
    return base64.urlsafe_b64encode(content).rstrip(b"=")


def _decode(text: bytes) -> bytes:
    return base64.urlsafe_b64decode(text + b"=" * (-len(text) % 4))
