"""The identity that a secret proves to a source."""

from registry_core.auth.identity import Identity, IdentitySource


async def identity_of(
    source: IdentitySource, name: str, secret: str, client: str = ""
) -> Identity | None:
    """Return the identity that logs in; None if the secret proves nothing."""
    login = await source.log_in(name, secret, client=client)
    return login.identity if login else None
