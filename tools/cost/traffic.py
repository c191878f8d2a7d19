"""A month's traffic: what people say of it, and the requests that follow from that."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

HOURS = 730
"""Of a month, as Azure's price lists have it."""

AT_ONCE = 3
"""Layers that docker and containerd fetch at the same time, unless told otherwise."""

SMALL_MIB = 8
"""An upload up to this size is kept in memory and put in one call (docs/cost.md)."""

_CONFIG_MIB = 0.01


class Minimum(StrEnum):
    """What Azure's least charge of one second of an instance is counted for.

    Microsoft says: for each period in which an instance executes something. It does not say whether
    requests that follow each other within that second begin a period each.
    """

    BURST = "burst"
    REQUEST = "request"


@dataclass(frozen=True)
class Traffic:
    """What happens in a month.

    Of the ``layers`` of an image, a push sends ``new_layers`` and a pull fetches
    ``missing_layers``; each has ``layer_mib`` MiB. ``gib`` are stored. ``warm`` and ``outside`` are
    shares, 0 to 1: of requests that meet an instance which knows what is asked for, and of pulled
    bytes that leave Azure's region. ``streamed``: blobs are not fetched from storage by redirect.
    ``login``: clients ask for a token by a password first (`REGISTRY_AUTH=builtin`).
    """

    pulls: int = 0
    pushes: int = 0
    layers: int = 8
    new_layers: int = 2
    missing_layers: int = 8
    layer_mib: float = 16
    gib: float = 0
    warm: float = 0.5
    outside: float = 0
    streamed: bool = False
    login: bool = True

    @property
    def pulled_gib(self) -> float:
        """What clients fetch of layers."""
        return self.pulls * self.missing_layers * self.layer_mib / 1024


@dataclass(frozen=True)
class Assumptions:
    """What nobody here could measure, each an option of the command.

    ``host_ms`` is what Functions adds to a request beside the registry's own CPU, ``storage_ms``
    the time of a storage call, ``client_mbit`` megabits a second that a client sends or takes.
    ``busy_hours`` of the month are those in which the traffic comes, evenly; ``concurrency`` is how
    many requests an instance takes at a time. ``log_bytes`` are ingested for each request,
    ``vault_reads`` made in a month.
    """

    host_ms: float = 5
    storage_ms: float = 8
    client_mbit: float = 200
    busy_hours: float = HOURS
    concurrency: int = 16
    always_ready: int = 0
    log_bytes: int = 1000
    vault_reads: int = 3000
    minimum: Minimum = Minimum.BURST


@dataclass(frozen=True)
class Asked:
    """Requests of one kind of measured.toml; each has a body of ``mib`` and names ``blobs``."""

    kind: str
    times: int = 1
    mib: float = 0
    blobs: int = 0


Burst = Sequence[Asked]
"""Requests that follow each other at once, so that an instance has no rest in between."""


def pull_of(traffic: Traffic) -> Sequence[Burst]:
    """What docker asks for in a pull. Layers beyond those fetched at once wait for a download.

    containerd leaves out the first request where no login is needed (tests/e2e/test_requests.py).
    """
    missing = traffic.missing_layers
    first = [
        *_login(traffic),
        Asked("head_manifest_by_tag"),
        Asked("get_manifest_by_digest"),
        _fetch(traffic, 1, _CONFIG_MIB),
    ]
    if traffic.streamed:  # the instance is busy all the while
        return [[*first, _fetch(traffic, missing, traffic.layer_mib)]]
    at_once = min(AT_ONCE, missing)
    later = [[_fetch(traffic, 1, traffic.layer_mib)] for _ in range(missing - at_once)]
    return [[*first, _fetch(traffic, at_once, traffic.layer_mib)], *later]


def push_of(traffic: Traffic) -> Sequence[Burst]:
    """What docker asks for in a push: one burst, as the layers' bodies keep the instance busy.

    It asks for the layers that it knows to be there, sends the others, looks for each afterwards,
    and does the same for the config, of which it asks before as well.
    """
    sent = traffic.new_layers
    burst = [
        *_login(traffic),
        Asked("head_blob", traffic.layers - sent),
        *_upload(sent, traffic.layer_mib),
        Asked("head_missing_blob"),
        *_upload(1, _CONFIG_MIB),
        Asked("put_manifest", blobs=traffic.layers + 1),
    ]
    return [[asked for asked in burst if asked.times]]


def _login(traffic: Traffic) -> Iterator[Asked]:
    yield Asked("ask")
    if traffic.login:
        yield Asked("token")


def _fetch(traffic: Traffic, times: int, mib: float) -> Asked:
    return Asked("stream_blob", times, mib) if traffic.streamed else Asked("get_blob", times)


def _upload(times: int, mib: float) -> Iterator[Asked]:
    size = "small" if mib <= SMALL_MIB else "large"
    yield Asked("start_upload", times)
    yield Asked(f"patch_{size}", times, mib)
    yield Asked(f"close_{size}", times)
    yield Asked("head_blob", times)
