"""The signed state of an upload is a JWT, whichever library writes it."""

from __future__ import annotations

import hashlib

import jwt
import pytest

from registry_core.registry import Upload
from registry_core.server.sessions import SessionSigner, UploadSession
from registry_core.spec.errors import BlobUploadInvalid

SECRET = "a secret for tests, long enough"
KEY = hashlib.sha256(b"upload state\0" + SECRET.encode()).digest()
SESSION = UploadSession(Upload("a/b", "an id", 5, "c3RhdGU"), "Zoë", 1700000000.5)


def test_a_session_is_a_jwt_that_pyjwt_reads() -> None:
    claims = jwt.decode(SessionSigner(SECRET).sign(SESSION), KEY, algorithms=["HS256"])
    assert (claims["id"], claims["owner"], claims["began"]) == ("an id", "Zoë", 1700000000.5)


def test_a_session_that_pyjwt_signed_is_valid() -> None:
    """Uploads continue while a registry is updated from a version that used PyJWT."""
    signer = SessionSigner(SECRET)
    claims = jwt.decode(signer.sign(SESSION), KEY, algorithms=["HS256"])
    assert signer.verify("a/b", "an id", jwt.encode(claims, KEY, "HS256")) == SESSION


@pytest.mark.parametrize("index", range(3))
def test_a_session_with_any_character_replaced_is_refused(index: int) -> None:
    """In the header, the claims and the signature, whose last character has unused bits."""
    signer = SessionSigner(SECRET)
    parts = signer.sign(SESSION).split(".")
    for at in (0, len(parts[index]) // 2, len(parts[index]) - 1):
        part = parts[index]
        other = chr(ord(part[at]) ^ 1)
        altered = [*parts[:index], part[:at] + other + part[at + 1 :], *parts[index + 1 :]]
        with pytest.raises(BlobUploadInvalid, match="not issued by this registry"):
            signer.verify("a/b", "an id", ".".join(altered))


@pytest.mark.parametrize("text", [".", "..", "x", "é.é.é", "\udcff", "a.b.c.d", "=" * 1000])
def test_any_other_text_is_refused(text: str) -> None:
    with pytest.raises(BlobUploadInvalid):
        SessionSigner(SECRET).verify("a/b", "an id", text)
