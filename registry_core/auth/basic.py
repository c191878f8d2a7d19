"""The header ``Authorization: Basic``. Source: RFC 7617."""

from __future__ import annotations

import base64
import binascii

from .caller import CredentialsInvalid


def parse_basic(authorization: str) -> tuple[str, str]:
    """User name and password, which may be empty and may hold colons.

    :raises CredentialsInvalid: the header is of another scheme, or malformed.
    """
    scheme, _, encoded = authorization.strip().partition(" ")
    if scheme.lower() != "basic":
        raise CredentialsInvalid("the header Authorization is not of the scheme Basic")
    try:
        text = base64.b64decode(encoded.strip(), validate=True).decode()
    except (binascii.Error, ValueError):
        raise CredentialsInvalid("Basic is not followed by base64 of UTF-8") from None
    name, colon, password = text.partition(":")
    if not colon:
        raise CredentialsInvalid("there is no colon between user name and password")
    return name, password


def basic_challenge(realm: str) -> str:
    """What ``WWW-Authenticate`` says. ``realm`` is a quoted-string: RFC 9110, section 5.6.4."""
    quoted = realm.replace("\\", "\\\\").replace('"', '\\"')
    return f'Basic realm="{quoted}"'
