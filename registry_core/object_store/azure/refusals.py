"""What storage's refusals mean, and what would be right: roles, networks, keys.

learn.microsoft.com/rest/api/storageservices/common-rest-api-error-codes,
learn.microsoft.com/azure/storage/blobs/authorize-access-azure-active-directory
"""

from __future__ import annotations

from dataclasses import dataclass

from ..interface import StoreUnavailable

DATA_ROLE = "Storage Blob Data Contributor"
SIGNING_ROLE = "Storage Blob Delegator"

SIGNING = "user_delegation_key"
"""The operation that needs `SIGNING_ROLE`."""

# Of a copy, when storage may not read the source with the URL that we have signed.
_SIGNATURE_REFUSED = {"AuthenticationFailed", "CannotVerifyCopySource"}


@dataclass(eq=False)
class Refused(StoreUnavailable):
    """Storage lets us not do it. ``reason`` is its code."""

    reason: str = ""

    @property
    def may_be_of_signature(self) -> bool:
        """Whether, for a copy, it may be the signature of the source that was refused."""
        return self.reason in _SIGNATURE_REFUSED


@dataclass(frozen=True)
class Entrance:
    """Whither, and in whose name; ``identity`` is a description, None where there is a key."""

    account: str
    container: str
    identity: str | None = None

    def advice(self, operation: str, code: str) -> str:
        """What would be right where storage answers with ``code``; nothing if none is known."""
        if code == "ContainerNotFound":
            return f"the account {self.account} has no container {self.container!r}: create it"
        if code == "AuthorizationFailure":
            return self._network()
        if self.identity is None:
            return _KEYS.get(code, "")
        if code in _TOKEN_REFUSED:
            return (
                f"the token of {self.identity} was not accepted: "
                f"the tenant must be the one that the account {self.account} is in"
            )
        if code in _ROLE_MISSING:
            return self._role(operation)
        return ""

    def _network(self) -> str:
        advice = (
            f"the network rules of the account {self.account} keep this app out: "
            "let its network in, or join it to one of the account's private endpoints"
        )
        return advice if self.identity is None else f"{advice}; or {self.identity} has no role"

    def _role(self, operation: str) -> str:
        if operation == SIGNING:
            role, where = SIGNING_ROLE, f"the account {self.account} (not on a container)"
        else:
            role, where = DATA_ROLE, f"the container {self.container} or the account {self.account}"
        return (
            f"{self.identity} needs the role {role} on {where}; "
            "a new assignment takes up to ten minutes to arrive"
        )


_ROLE_MISSING = {"AuthorizationPermissionMismatch", "InsufficientAccountPermissions"}
_TOKEN_REFUSED = {
    "AuthenticationFailed",
    "InvalidAuthenticationInfo",
    "NoAuthenticationInformation",
}
_KEYS = {
    "AuthenticationFailed": "the account's key is another, or a clock is wrong",
    "KeyBasedAuthenticationNotPermitted": (
        "the account takes no keys: take the key from the settings, and sign in with an identity"
    ),
}
