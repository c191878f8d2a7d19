"""What a client of a registry can be configured with."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version

from .credentials import Credentials
from .origins import Origin
from .proxies import NO_PROXIES, Proxies
from .tls import Tls


def default_user_agent() -> str:
    """Return ``moorage/<version>``; the version is left out where the package is not installed."""
    try:
        return f"moorage/{version('moorage')}"
    except PackageNotFoundError:
        return "moorage"


@dataclass(frozen=True)
class Timeouts:
    """Time limits in seconds.

    ``connect``: to connect, for each address of a host. ``silence``: without a byte, or while the
    peer takes none. ``answer``: from the end of a request to its answer's headers, and for an
    answer that is read as a whole.
    """

    connect: float = 10.0
    silence: float = 60.0
    answer: float = 300.0


@dataclass(frozen=True)
class Retries:
    """How often a request is repeated, and how long the client waits in between, in seconds.

    The delay is doubled with each attempt. ``longest_delay`` limits it, and what a ``Retry-After``
    may ask for; ``total`` limits all delays of a request together.
    """

    attempts: int = 5
    first_delay: float = 0.5
    longest_delay: float = 60.0
    total: float = 120.0

    def delay(self, failures: int) -> float:
        """Return how long to wait after so many failures, from one up."""
        return min(self.first_delay * 2.0 ** (failures - 1), self.longest_delay)


@dataclass(frozen=True)
class ClientOptions:
    """A registry and how to talk to it.

    ``url``: ``https://host`` or ``https://host:port``; with ``http`` if the host is on loopback, or
    ``insecure`` allows it, because everybody on the way can read and alter what is sent then.
    ``credentials``: None for an anonymous client. ``realms``: hosts of token services to which the
    login may be sent although they do not belong to the registry's domain. ``parallel``: how many
    requests wait for an answer at the same time; those whose bodies are streamed do not count,
    because what they send may come from another answer.
    """

    url: str
    credentials: Credentials | None = None
    tls: Tls = field(default_factory=Tls)
    insecure: bool = False
    realms: frozenset[str] = frozenset()
    proxies: Proxies = NO_PROXIES
    parallel: int = 8
    timeouts: Timeouts = field(default_factory=Timeouts)
    retries: Retries = field(default_factory=Retries)
    user_agent: str = field(default_factory=default_user_agent)

    def __post_init__(self) -> None:
        """Check the URL.

        :raises ValueError: it is not one of a registry; or it has http and may not.
        """
        origin = self.origin
        if origin.scheme == "http" and not (origin.is_loopback or self.insecure):
            raise ValueError(
                f"{origin} is not encrypted, and not on this machine; use https://, or allow http "
                "for this registry explicitly"
            )
        if self.parallel < 1:
            raise ValueError(f"parallel={self.parallel} is not a number of requests from 1 up")

    @cached_property
    def origin(self) -> Origin:
        """The scheme, host and port of the registry."""
        return Origin.of_registry(self.url)
