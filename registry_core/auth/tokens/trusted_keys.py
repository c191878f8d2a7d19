"""The keys of an external issuer: those of a bundle of certificates, and others.

Source: distribution's registry/auth/token/token.go.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..caller import CredentialsInvalid
from .jwk import thumbprint
from .keys import Key, KeySet, KeySource

if TYPE_CHECKING:  # few registries have a bundle, and it imports all of X.509
    from .certificates import Bundle


@dataclass(frozen=True)
class TrustedKeys:
    """`KeySource` of an external issuer: the keys of a bundle, and others, such as a JWK set.

    The header's ``x5c`` decides, without it ``jwk``, and without that ``kid``, which is the order
    of distribution. If the key named there is not trusted, nothing else is tried.
    """

    bundle: Bundle | None = None
    others: KeySource | None = None

    async def find(self, header: Mapping[str, Any]) -> Key:
        if "x5c" in header:
            return self._verify_chain(header["x5c"])
        jwk = header.get("jwk")
        if isinstance(jwk, dict) and "x5c" in jwk:
            key = self._verify_chain(jwk["x5c"])
            if key.thumbprint != thumbprint(jwk):
                raise CredentialsInvalid("jwk and its certificate contain different keys")
            return key
        key_of_bundle = self.bundle.keys.get(header) if self.bundle else None
        if key_of_bundle is not None:
            return key_of_bundle
        return await (self.others or KeySet({})).find(header)

    def _verify_chain(self, x5c: object) -> Key:
        if self.bundle is None:
            raise CredentialsInvalid("this registry trusts no certificates")
        return self.bundle.verify(x5c)
