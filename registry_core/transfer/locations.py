"""Where something is copied from or to, as people write it: registries, layouts and archives.

    registry.example.com/team/app:v1       docker://registry.example.com/team/app@sha256:...
    alpine:3                               http://127.0.0.1:5000/team/app
    oci:FOLDER:v1                          oci-archive:FILE@sha256:...
    docker-archive:FILE:team/app:v1        docker-archive:FILE:@0

`parse_location` returns a value, and the text of a value is parsed to the same value.

Sources: containers-transports(5); for references without a registry, distribution's "reference"
package, `splitDockerDomain`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TypeAlias

from ..spec.digest import Digest
from ..spec.endpoints import Reference
from ..spec.errors import RegistryError
from ..spec.names import is_tag, parse_name

DOCKER_HUB = "docker.io"
LATEST = "latest"
"""The tag that a source without tag and digest means."""

_DOCKER_HUB_API = "registry-1.docker.io"
_NAMES_OF_DOCKER_HUB = frozenset({DOCKER_HUB, "index.docker.io", _DOCKER_HUB_API})
_OFFICIAL = "library/"
_LABEL = r"[a-zA-Z0-9](?:[a-zA-Z0-9_-]*[a-zA-Z0-9])?"
_HOST = re.compile(rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[0-9a-fA-F:.]+\])(?::[0-9]{{1,5}})?")
_DIGEST_AT_END = re.compile(r"(.*)@(sha256:[0-9a-f]+|sha512:[0-9a-f]+)", re.DOTALL)
_SCHEMES = ("http", "https")
_ELSEWHERE = {
    "docker-daemon": "write the image to a file with `docker save`, then use docker-archive:FILE",
    "containers-storage": "write the image to a file with `podman save --format oci-archive`, "
    "then use oci-archive:FILE",
    "dir": "use oci:FOLDER",
    "ocidir": "use oci:FOLDER",
    "tarball": "use oci-archive:FILE",
    "ostree": "use oci:FOLDER",
    "sif": "use oci:FOLDER",
}
"""What skopeo and regctl can read besides, and what to do instead."""


class LocationInvalid(ValueError):
    """A text is not a location. The message says what is wrong and what would be right."""


class Transport(StrEnum):
    """What is not a registry, by the name that its locations begin with."""

    OCI = "oci"
    OCI_ARCHIVE = "oci-archive"
    DOCKER_ARCHIVE = "docker-archive"


@dataclass(frozen=True)
class RegistryLocation:
    """A repository of a registry, with the tag, the digest or both that are meant, if any.

    ``host`` includes the port, as people write it. ``scheme`` is ``http`` or ``https`` where the
    location says so.
    """

    host: str
    repository: str
    tag: str | None = None
    digest: Digest | None = None
    scheme: str | None = None

    def __str__(self) -> str:
        scheme = f"{self.scheme}://" if self.scheme else ""
        tag = "" if self.tag is None else f":{self.tag}"
        digest = "" if self.digest is None else f"@{self.digest}"
        return f"{scheme}{self.host}/{self.repository}{tag}{digest}"

    @property
    def api_host(self) -> str:
        """The host that serves the registry's API. Docker Hub's has a name of its own."""
        return _DOCKER_HUB_API if self.host == DOCKER_HUB else self.host

    @property
    def is_whole(self) -> bool:
        """Whether neither tag nor digest is given."""
        return self.tag is None and self.digest is None

    def whole(self) -> RegistryLocation:
        """Return the repository, without tag and digest."""
        return replace(self, tag=None, digest=None)


@dataclass(frozen=True)
class FileLocation:
    """A layout or an archive, and what is meant in it: ``reference``, ``digest`` or, without, all.

    The reference is a tag or the name of an image, such as ``registry.example.com/app:v1``; in an
    archive of docker, also ``@`` and an index from 0.
    """

    transport: Transport
    path: str
    reference: str | None = None
    digest: Digest | None = None

    def __str__(self) -> str:
        reference = "" if self.reference is None else f":{self.reference}"
        digest = "" if self.digest is None else f"@{self.digest}"
        return f"{self.transport}:{self.path}{reference}{digest}"

    @property
    def is_whole(self) -> bool:
        """Whether no image is named."""
        return self.reference is None and self.digest is None

    def whole(self) -> FileLocation:
        """Return the layout or archive, without what is meant in it."""
        return replace(self, reference=None, digest=None)


@dataclass(frozen=True)
class Selected:
    """What a source names: a tag or a digest, and the tag that it has there, if any."""

    reference: Reference
    tag: str | None = None


Location: TypeAlias = RegistryLocation | FileLocation


@dataclass(frozen=True)
class RegistryRoot:
    """A whole registry, or its repositories below ``prefix``, which ends with a slash or is empty.

    ``scheme`` as in `RegistryLocation`.
    """

    host: str
    prefix: str = ""
    scheme: str | None = None

    def __str__(self) -> str:
        scheme = f"{self.scheme}://" if self.scheme else ""
        return f"{scheme}{self.host}/{self.prefix}".rstrip("/")

    def repository(self, name: str) -> RegistryLocation:
        """Return a repository below the prefix.

        :raises LocationInvalid: the name would be too long.
        """
        return RegistryLocation(self.host, _name(self.prefix + name, str(self)), scheme=self.scheme)


def parse_location(text: str) -> Location:
    """Parse a location.

    :raises LocationInvalid:
    """
    transport, colon, rest = text.partition(":")
    if colon and transport in set(Transport):
        return _parse_file(Transport(transport), rest, text)
    if colon and transport in _ELSEWHERE:
        raise LocationInvalid(f"{text!r}: {transport}: is not supported; {_ELSEWHERE[transport]}")
    scheme, rest = _split_scheme(text)
    return _parse_registry(rest, scheme, text)


def parse_registry_root(text: str) -> RegistryRoot:
    """Parse ``HOST`` or ``HOST/PREFIX``.

    :raises LocationInvalid:
    """
    scheme, rest = _split_scheme(text)
    host, _, prefix = rest.partition("/")
    prefix = prefix.strip("/")
    _check_no_user(host)
    if not is_host(host):
        raise LocationInvalid(
            f"{text!r} does not begin with a registry, such as registry.example.com"
        )
    if prefix:
        _name(prefix, text)
    return RegistryRoot(_canonical_host(host), prefix and f"{prefix}/", scheme)


def is_host(text: str) -> bool:
    """Return whether a text is the host of a registry, and not the beginning of a repository."""
    has_sign = any(sign in text for sign in ".:") or text == "localhost" or text != text.lower()
    return has_sign and _HOST.fullmatch(text) is not None


def canonical_host(text: str) -> str:
    """Return the host of a registry in the form that locations have.

    :raises LocationInvalid: it is not a host.
    """
    if not is_host(text):
        raise LocationInvalid(f"{text!r} is not a registry, such as registry.example.com:5000")
    return _canonical_host(text)


def _canonical_host(host: str) -> str:
    host = host.lower()
    return DOCKER_HUB if host in _NAMES_OF_DOCKER_HUB else host


def _check_no_user(host: str) -> None:
    if "@" in host:  # not quoted: there may be a password in it
        raise LocationInvalid(
            "a location has no user name and password: log in to the registry, or use the options "
            "or keys for logins"
        )


def _split_scheme(text: str) -> tuple[str | None, str]:
    scheme, separator, rest = text.partition("://")
    if not separator:
        return None, text
    if scheme == "docker":
        return None, rest
    if scheme not in _SCHEMES:
        known = ", ".join([*(f"{each}:" for each in Transport), "docker://", "https://", "http://"])
        raise LocationInvalid(f"{text!r}: {scheme}:// is not supported; use one of {known}")
    return scheme, rest


def _parse_registry(rest: str, scheme: str | None, text: str) -> RegistryLocation:
    named, digest = _split_digest(rest, text)
    host, slash, path = named.partition("/")
    if slash:
        _check_no_user(host)
    if not (slash and is_host(host)):
        if scheme is not None:
            raise LocationInvalid(f"{text!r} does not name a registry and a repository")
        host, path = DOCKER_HUB, named
    host = _canonical_host(host)
    repository, colon, tag = path.partition(":")
    if colon and not is_tag(tag):
        raise LocationInvalid(
            f"{text!r}: {tag[:160]!r} is not a valid tag: use up to 128 letters, digits, '_', '.' "
            "or '-', not beginning with '.' or '-'"
        )
    if host == DOCKER_HUB and "/" not in repository:
        repository = f"{_OFFICIAL}{repository}"
    return RegistryLocation(host, _name(repository, text), tag if colon else None, digest, scheme)


def _parse_file(transport: Transport, rest: str, text: str) -> FileLocation:
    named, digest = _split_digest(rest, text)
    path, colon, reference = named.partition(":")
    if not path:
        raise LocationInvalid(f"{text!r} does not name a file or folder, as in {transport}:images")
    if colon and not reference:
        raise LocationInvalid(f"{text!r} ends with a colon: a tag follows, or leave it out")
    return FileLocation(transport, path, reference if colon else None, digest)


def _split_digest(named: str, text: str) -> tuple[str, Digest | None]:
    if match := _DIGEST_AT_END.fullmatch(named):
        try:
            return match[1], Digest.parse(match[2])
        except RegistryError as error:
            raise LocationInvalid(f"{text!r}: {error}") from None
    return named, None


def _name(repository: str, text: str) -> str:
    try:
        return parse_name(repository)
    except RegistryError as error:
        raise LocationInvalid(f"{text!r}: {error}") from None


def selected_in_registry(source: RegistryLocation) -> Selected:
    """Return what a location names in its repository. Without tag and digest it is ``latest``."""
    if source.digest is not None:
        return Selected(source.digest, source.tag)
    tag = source.tag or LATEST
    return Selected(tag, tag)


def target_tags(source: Location, tag: str | None, target: Location) -> tuple[str, ...]:
    """Return the tag that a copy sets: the target's own or, without one, the source's.

    An archive of docker names images by repository and tag, so there the source is named with both.

    :param tag: that of what is copied.
    :return: nothing where neither has a tag.
    """
    if isinstance(target, RegistryLocation):
        named = target.tag or tag
    elif target.transport is Transport.DOCKER_ARCHIVE:
        named = target.reference or _name_of(source, tag)
    else:
        named = target.reference or tag
    return (named,) if named else ()


def _name_of(source: Location, tag: str | None) -> str | None:
    if isinstance(source, FileLocation):
        return source.reference if source.reference and ":" in source.reference else None
    return f"{source.host}/{source.repository}:{tag}" if tag else None
