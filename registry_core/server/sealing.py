"""Sealed texts: a client carries them from one request to the next, and cannot read or change them.

A seal is authenticated encryption (AES-256-GCM, NIST SP 800-38D) under a key that is derived from
the registry's secret, one for each purpose. Every instance has the same secret, so any of them can
open what another one sealed.
"""

from __future__ import annotations

import base64
import hmac
import secrets
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_NONCE_BYTES = 12
_TAG_BYTES = 16


PAGE = "page"
"""The purpose of a sealed position in a listing."""

UPLOAD = "upload"
"""The purpose of the sealed state of an upload."""


class SealBroken(ValueError):
    """The text was not sealed by this registry for this purpose and context, or was altered."""


@dataclass(frozen=True)
class Sealer:
    """Seals texts for one purpose.

    ``secret`` is the same on all instances. What is sealed for one ``purpose``, such as ``upload``,
    cannot be opened for another.
    """

    secret: str = field(repr=False)
    purpose: str

    @cached_property
    def _cipher(self) -> AESGCM:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        return AESGCM(hmac.digest(self.secret.encode(), self.purpose.encode(), "sha256"))

    def seal(self, content: bytes, context: str = "") -> str:
        """Return the content, sealed, in characters that a URL may contain.

        :param context: what the text belongs to, such as a path. It is not part of the text.
        """
        nonce = secrets.token_bytes(_NONCE_BYTES)
        sealed = nonce + self._cipher.encrypt(nonce, content, context.encode())
        return base64.urlsafe_b64encode(sealed).rstrip(b"=").decode()

    def open(self, text: str, context: str = "") -> bytes:
        """Return what was sealed.

        :raises SealBroken: it was not sealed here for this purpose and ``context``.
        """
        from cryptography.exceptions import InvalidTag

        try:
            sealed = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        except ValueError:  # also for a character outside ASCII
            raise SealBroken("not base64") from None
        nonce, encrypted = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
        if len(encrypted) < _TAG_BYTES:
            raise SealBroken("too short")
        try:
            return self._cipher.decrypt(nonce, encrypted, context.encode())
        except InvalidTag:
            raise SealBroken("altered, or sealed elsewhere") from None
