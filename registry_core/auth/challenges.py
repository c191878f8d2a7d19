"""The headers of HTTP authentication: ``Authorization: Basic`` and ``WWW-Authenticate``.

Sources: RFC 9110, section 11; RFC 7617 (Basic); RFC 6750, section 3 (Bearer); Docker's "Token
Authentication Specification"; distribution's registry/auth/token/accesscontroller.go.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from ..spec.scopes import Resource, Scope
from .caller import CredentialsInvalid

_NAME = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_PARAMETER = re.compile(rf'({_NAME})[ \t]*=[ \t]*(?:({_NAME})|"((?:[^"\\]|\\.)*)")[ \t]*(?=,|$)')
_TOKEN68 = r"[A-Za-z0-9._~+/-]+=*"
# A scheme stands alone, or before a token68, or before its first parameter.
_SCHEME = re.compile(
    rf"({_NAME})(?:[ \t]*(?=,|$)|[ \t]+{_TOKEN68}[ \t]*(?=,|$)|[ \t]+(?={_PARAMETER.pattern}))"
)
_SEPARATORS = re.compile(r"[ \t,]*")


@dataclass(frozen=True)
class Challenge:
    """One challenge of a ``WWW-Authenticate`` header: a scheme with its parameters.

    The names of parameters are in lower case. A ``token68``, as of ``Negotiate``, is left out.
    """

    scheme: str
    parameters: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        """The header's value, from which `parse_challenges` reads the same challenge."""
        parameters = ",".join(f"{name}={_quoted(text)}" for name, text in self.parameters.items())
        return f"{self.scheme} {parameters}".rstrip()


def parse_challenges(header: str) -> list[Challenge]:
    """Parse the value of a ``WWW-Authenticate`` header: RFC 9110, section 11.6.1.

    :raises ValueError: it is malformed.
    """
    challenges: list[Challenge] = []
    parameters: dict[str, str] = {}
    position = _skip_separators(header, 0)
    while position < len(header):
        if challenges and (match := _PARAMETER.match(header, position)):
            name, text, quoted = match.groups()
            parameters[name.lower()] = re.sub(r"\\(.)", r"\1", quoted) if text is None else text
        elif match := _SCHEME.match(header, position):
            parameters = {}
            challenges.append(Challenge(match[1], parameters))
        else:
            raise ValueError(f"malformed challenge at character {position + 1}")
        position = _skip_separators(header, match.end())
    return challenges


def _skip_separators(header: str, position: int) -> int:
    match = _SEPARATORS.match(header, position)
    return match.end() if match else position


def parse_basic(authorization: str) -> tuple[str, str]:
    """Parse the header ``Authorization: Basic`` to a user name and a password.

    Both may be empty; the password may contain colons.

    :raises CredentialsInvalid: the header has another scheme, or is malformed.
    """
    scheme, _, encoded = authorization.strip().partition(" ")
    if scheme.lower() != "basic":
        raise CredentialsInvalid(
            "the scheme of the Authorization header is not Basic", is_public=True
        )
    try:
        text = base64.b64decode(encoded.strip(), validate=True).decode()
    except (binascii.Error, ValueError):
        raise CredentialsInvalid(
            "the Basic credentials are not UTF-8 text in base64", is_public=True
        ) from None
    name, colon, password = text.partition(":")
    if not colon:
        raise CredentialsInvalid(
            "the Basic credentials have no colon after the user name", is_public=True
        )
    return name, password


def parse_bearer(authorization: str | None) -> str:
    """Return the token of the header ``Authorization: Bearer``; empty for any other header."""
    scheme, _, token = (authorization or "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def basic_challenge(realm: str) -> str:
    """Return the value of ``WWW-Authenticate`` that asks for a user name and a password."""
    return str(Challenge("Basic", {"realm": realm}))


class ChallengeError(StrEnum):
    """What was wrong with the token that was sent: RFC 6750, section 3.1."""

    INVALID_TOKEN = "invalid_token"  # noqa: S105 - the specification's name
    INSUFFICIENT_SCOPE = "insufficient_scope"


def bearer_challenge(
    realm: str, service: str, needed: Iterable[Scope] = (), error: ChallengeError | None = None
) -> str:
    """Return the value of ``WWW-Authenticate`` that asks for a token.

    :param realm: the URL of the token service.
    :param needed: the scopes to request there; one parameter lists them all, in their order.
    """
    parameters = {"realm": realm, "service": service}
    if scope := " ".join(map(str, _merged(needed))):
        parameters["scope"] = scope
    if error is not None:
        parameters["error"] = error.value
    return str(Challenge("Bearer", parameters))


def _quoted(text: str) -> str:
    """Return a ``quoted-string``: RFC 9110, section 5.6.4."""
    return '"{}"'.format(text.replace("\\", "\\\\").replace('"', '\\"'))


def _merged(scopes: Iterable[Scope]) -> list[Scope]:
    """Merge scopes to one per resource, with each action once, in the order they first appear."""
    actions: dict[Resource, dict[str, None]] = {}
    for scope in scopes:
        actions.setdefault(scope.resource, {}).update(dict.fromkeys(scope.actions))
    return [Scope(resource, tuple(names)) for resource, names in actions.items()]
