"""Which clients can upload a blob straight to storage, by their user agents.

Such a client follows a ``Location`` on another host, sends the whole blob there with one PUT and
its length, does not send its ``Authorization`` along, and needs nothing from the answer but 201.
Those in `CLIENTS` do, according to their sources. All others get an upload of the registry's own.

Nothing but the way of the bytes depends on what a client says here: whoever pretends to be another
client needs the same permissions, and can write to the same upload. So there is nothing to verify.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..spec.digest import SHA256, Digest
from ..spec.endpoints import MountBlob, StartUpload

_Version = tuple[int, int, int]

# RFC 9110 section 10.1.5: products, each of them with comments in parentheses.
_PRODUCT = re.compile(r"(?:^|[ \t])([\w.-]{1,64})/([\w.~+-]{1,64})(?=[ \t]|$)")
_COMMENT = re.compile(r"\(([^()\\]{0,64})\)")
_NUMBERS = re.compile(r"v?([0-9]{1,6})\.([0-9]{1,6})(?:\.([0-9]{1,6}))?(\+.*)?(.*)", re.DOTALL)

_EMPTY = Digest.of(b"")


@dataclass(frozen=True)
class DirectClient:
    """A product in user agents, and the first version that can upload straight to storage.

    ``only_mounts``: it can if it has begun the upload as a mount; otherwise it sends chunks.
    """

    product: str
    since: _Version
    only_mounts: bool = False


CLIENTS = (
    # core/remotes/docker/pusher.go: older ones fail without ``Docker-Content-Digest``. Also nerdctl
    # and ctr, which are built with it.
    DirectClient("containerd", (2, 2, 0)),
    # Docker's daemon with the containerd image store, from 29.1 on, names the containerd that it is
    # built with: daemon/containerd/resolver.go. It does not with its older store.
    DirectClient("containerd-client", (2, 2, 0)),
    # go.mod of v0.26.0: the first with containerd 2.2.
    DirectClient("buildkit", (0, 26, 0)),
    # scheme/reg/blob.go: it mounts what it knows the digest of, and sends that with one PUT; what
    # it does not know, in chunks. regctl, regsync, regbot and what else is built with it.
    DirectClient("regclient", (0, 4, 0), only_mounts=True),
)


def may_upload_directly(agent: str, upload: StartUpload | MountBlob | None = None) -> bool:
    """Return whether a client can upload to storage: at all, or the upload that it begins.

    :param agent: the header ``User-Agent``; empty if there is none.
    """
    clients = _clients(agent)
    match upload:
        case None:
            return bool(clients)
        case MountBlob():
            # Storage takes no empty block.
            return bool(clients) and upload.digest.algorithm == SHA256 and upload.digest != _EMPTY
    return (
        upload.digest is None
        and upload.algorithm in (None, SHA256)
        and any(not client.only_mounts for client in clients)
    )


def _clients(agent: str) -> list[DirectClient]:
    """Return the clients that a user agent names in a version that can."""
    products, parenthesis, rest = agent.partition("(")
    found = _PRODUCT.findall(products)
    comment = _COMMENT.match(parenthesis + rest)
    if found and comment:  # of regclient: the product is the program, its version a comment
        found.append((found[-1][0], comment[1]))
    return [
        client
        for client in CLIENTS
        if any(name == client.product and _is_since(text, client.since) for name, text in found)
    ]


def _is_since(text: str, since: _Version) -> bool:
    """Return whether a text is this version or a later one; a pre-release comes before its own."""
    match = _NUMBERS.fullmatch(text)
    if match is None:
        return False
    major, minor, patch, _, rest = match.groups()
    version = int(major), int(minor), int(patch or 0)
    return version > since if rest else version >= since
