"""The options of the relay; the command line has their defaults."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

from ..client.options import ClientOptions, Timeouts
from ..client.tls import Tls

# Longer than a registry may take to answer: it hashes what was staged for as long as its host lets
# a request run, up to 230 s under Azure Functions.
_TIMEOUTS = Timeouts(connect=15.0, silence=300.0, answer=330.0)


@dataclass(frozen=True)
class RelayOptions:
    """Where the relay listens, and which registry it relays to.

    ``registry`` is how that is reached; each client sends its own credentials. ``names`` are host
    names, besides those of loopback, by which clients may call the relay. ``grace``: how many
    seconds requests in progress may take when the relay stops.
    """

    registry: ClientOptions
    listen: str
    port: int
    names: Collection[str] = ()
    grace: int = 300
    access_log: bool = True

    @property
    def client(self) -> ClientOptions:
        """The options of the relay's connections: without a login of its own."""
        return replace(self.registry, credentials=None, timeouts=_TIMEOUTS, parallel=16)

    @property
    def relays_logins(self) -> bool:
        """Whether clients cannot reach the registry's token service as the relay does."""
        return self.registry.tls != Tls() or self.registry.insecure
