"""Why storage denies access, and what to do about it: roles, networks, keys.

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

# Codes for a copy whose source storage cannot read with the URL that we signed.
_SIGNATURE_DENIED = {"AuthenticationFailed", "CannotVerifyCopySource"}


@dataclass(eq=False)
class AccessDenied(StoreUnavailable):
    """Storage answered 401 or 403. ``reason`` is its error code."""

    reason: str = ""

    @property
    def may_concern_signature(self) -> bool:
        """Whether, for a copy, the signature of the source may have been denied."""
        return self.reason in _SIGNATURE_DENIED


@dataclass(frozen=True)
class StorageTarget:
    """The storage account, the container and the identity used.

    ``identity`` is a description for messages, None where an account key is used.
    """

    account: str
    container: str
    identity: str | None = None

    def advice(self, operation: str, code: str) -> str:
        """Return what to do about an error ``code`` of storage, "" if that is not known."""
        if code == "ContainerNotFound":
            return f"the account {self.account} has no container {self.container!r}: create it"
        if code == "AuthorizationFailure":
            return self._network_advice()
        if self.identity is None:
            return _KEY_ADVICE.get(code, "")
        if code in _TOKEN_DENIED:
            return (
                f"the token of {self.identity} was not accepted: "
                f"the tenant must be that of the account {self.account}"
            )
        if code in _ROLE_MISSING:
            return self._role_advice(operation)
        return ""

    def _network_advice(self) -> str:
        advice = (
            f"the network rules of the account {self.account} do not let this app in: "
            "allow its network, or connect it to a private endpoint of the account"
        )
        return advice if self.identity is None else f"{advice}; or {self.identity} has no role"

    def _role_advice(self, operation: str) -> str:
        if operation == SIGNING:
            role, where = SIGNING_ROLE, f"the account {self.account} (not on a container)"
        else:
            role, where = DATA_ROLE, f"the container {self.container} or the account {self.account}"
        return (
            f"{self.identity} needs the role {role} on {where}; "
            "a new assignment takes up to ten minutes to take effect"
        )


_ROLE_MISSING = {"AuthorizationPermissionMismatch", "InsufficientAccountPermissions"}
_TOKEN_DENIED = {
    "AuthenticationFailed",
    "InvalidAuthenticationInfo",
    "NoAuthenticationInformation",
}
_KEY_ADVICE = {
    "AuthenticationFailed": "the account key is wrong, or the clock is",
    "KeyBasedAuthenticationNotPermitted": (
        "the account does not allow keys: remove the key from the settings to use an identity"
    ),
}
