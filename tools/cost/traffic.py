"""A month's traffic, and the requests that it causes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

HOURS = 730
"""The hours of a month in Azure's price lists."""

AT_ONCE = 3
"""The layers that docker and containerd fetch at the same time by default."""

SMALL_MIB = 8
"""An upload up to this size is kept in memory and put by one call."""

_SENT_MIB = 1 / 16
"""A blob up to this size is not redirected: the default of `REGISTRY_STORAGE_REDIRECT_MINSIZE`."""

_CONFIG_MIB = 0.01


class Minimum(StrEnum):
    """What the minimum charge of one second of an instance applies to.

    Microsoft's documentation says: each period in which an instance executes something. It does not
    say whether requests within the same second are separate periods.
    """

    BURST = "burst"
    REQUEST = "request"


@dataclass(frozen=True)
class Traffic:
    """The traffic of a month.

    Of the ``layers`` of an image, a push sends ``new_layers`` and a pull fetches
    ``missing_layers``; each has ``layer_mib`` MiB. ``gib`` are stored. ``warm`` and ``outside`` are
    shares (0 to 1): of requests that meet a warm cache, and of pulled bytes that leave the Azure
    region. ``streamed``: blobs are not redirected to storage. ``login``: clients request a token
    with a password first (`REGISTRY_AUTH=builtin`). ``objects`` are in the container, where garbage
    is collected: blobs, links and manifests; with 0 it is not.
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
    objects: int = 0

    @property
    def pulled_gib(self) -> float:
        """The GiB of layers that clients fetch."""
        return self.pulls * self.missing_layers * self.layer_mib / 1024


@dataclass(frozen=True)
class Assumptions:
    """Values that were not measured; each is an option of the command.

    ``host_ms`` is the overhead of Functions per request, ``storage_ms`` the duration of a storage
    call, ``client_mbit`` the bandwidth of a client in Mbit/s. The traffic is spread evenly over
    ``busy_hours`` of the month; an instance serves ``concurrency`` requests at a time.
    ``log_bytes`` are ingested per request, ``vault_reads`` made in a month. Garbage is collected
    ``collections`` times a month; between two runs a share ``garbage`` (0 to 1) of the objects
    becomes garbage. There is a manifest for each ``manifest_objects``. A page of a listing of 5,000
    takes ``list_ms``.
    """

    host_ms: float = 5
    storage_ms: float = 8
    client_mbit: float = 200
    busy_hours: float = HOURS
    concurrency: int = 4
    always_ready: int = 0
    log_bytes: int = 1000
    vault_reads: int = 3000
    minimum: Minimum = Minimum.BURST
    collections: int = 30
    garbage: float = 0.01
    manifest_objects: float = 20
    list_ms: float = 500


@dataclass(frozen=True)
class Requests:
    """Requests of one kind in measured.toml, each with a body of ``mib`` or so many ``blobs``."""

    kind: str
    times: int = 1
    mib: float = 0
    blobs: int = 0


Burst = Sequence[Requests]
"""Requests in immediate succession, without an idle period of the instance."""


def pull_of(traffic: Traffic) -> Sequence[Burst]:
    """Return docker's requests for a pull; layers beyond the first `AT_ONCE` wait for a download.

    containerd omits the first request when no login is needed (tests/e2e/test_requests.py).
    """
    missing = traffic.missing_layers
    first = [
        *_login(traffic),
        Requests("head_manifest_by_tag"),
        Requests("get_manifest_by_digest"),
        _fetch(traffic, 1, _CONFIG_MIB),
    ]
    if traffic.streamed:  # the instance is busy all the while
        return [[*first, _fetch(traffic, missing, traffic.layer_mib)]]
    at_once = min(AT_ONCE, missing)
    later = [[_fetch(traffic, 1, traffic.layer_mib)] for _ in range(missing - at_once)]
    return [[*first, _fetch(traffic, at_once, traffic.layer_mib)], *later]


def push_of(traffic: Traffic) -> Sequence[Burst]:
    """Return docker's requests for a push: one burst, as bodies keep the instance busy.

    It checks layers that it has pushed before, sends the others and checks each afterwards. The
    config is checked before and after.
    """
    sent = traffic.new_layers
    burst = [
        *_login(traffic),
        Requests("head_blob", traffic.layers - sent),
        *_upload(sent, traffic.layer_mib),
        Requests("head_missing_blob"),
        *_upload(1, _CONFIG_MIB),
        Requests("put_manifest", blobs=traffic.layers + 1),
    ]
    return [[requests for requests in burst if requests.times]]


def _login(traffic: Traffic) -> Iterator[Requests]:
    yield Requests("ask")
    if traffic.login:
        yield Requests("token")


def _fetch(traffic: Traffic, times: int, mib: float) -> Requests:
    if mib <= _SENT_MIB:
        return Requests("get_small_blob", times, mib)
    return Requests("stream_blob", times, mib) if traffic.streamed else Requests("get_blob", times)


def _upload(times: int, mib: float) -> Iterator[Requests]:
    size = "small" if mib <= SMALL_MIB else "large"
    yield Requests("start_upload", times)
    yield Requests(f"patch_{size}", times, mib)
    yield Requests(f"close_{size}", times)
    yield Requests("head_blob", times)
