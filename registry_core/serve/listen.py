"""The listening socket: opened first, so that a second server fails before it starts anything."""

from __future__ import annotations

import contextlib
import errno
import socket
import stat
from ipaddress import ip_address
from pathlib import Path

BACKLOG = 2048
_LOOPBACK_OF = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 (a name, not a binding)


class ListenError(Exception):
    """The address cannot be listened on. One line that says what to do."""


class Listener:
    """A listening socket. From now on connections queue up until they are accepted.

    ``url`` reaches it from this machine (``unix:PATH`` for a unix socket). ``local_only``: no other
    machine can reach it.
    """

    def __init__(
        self, listening: socket.socket, url: str, *, local_only: bool, path: Path | None = None
    ) -> None:
        self.socket = listening
        self.url = url
        self.local_only = local_only
        self._path = path

    def withdraw(self) -> None:
        """Remove a unix socket's path, once: afterwards it may belong to another server."""
        path, self._path = self._path, None
        if path:
            path.unlink(missing_ok=True)

    def close(self) -> None:
        """Close the socket. Connections still in the queue are reset."""
        self.withdraw()
        self.socket.close()


def listen_tcp(host: str, port: int) -> Listener:
    """Listen on the first address of ``host``; port 0 picks a free one.

    :raises ListenError: the port is taken, or the address is not one of this machine.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listening = socket.create_server(
            address, family=family, backlog=BACKLOG, dualstack_ipv6=address[0] == "::"
        )
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise ListenError(
                f"port {port} is taken: something already listens at {_url(host, port)}; "
                "choose another with --port (0 picks a free one)"
            ) from None
        raise ListenError(f"cannot listen on {host} port {port}: {error.strerror}") from None
    bound, port = listening.getsockname()[:2]
    return Listener(listening, _url(bound, port), local_only=is_loopback(bound))


def listen_unix(path: Path) -> Listener:
    """Listen on a unix socket, and replace one that a killed server left behind.

    :raises ListenError: another process listens there, or ``path`` is not a socket.
    """
    if _is_taken(path):
        raise ListenError(f"something already listens at unix:{path}")
    listening = socket.socket(socket.AF_UNIX)
    try:
        path.unlink(missing_ok=True)
        listening.bind(str(path))
        listening.listen(BACKLOG)
    except OSError as error:
        listening.close()
        raise ListenError(f"cannot listen on {path}: {error.strerror or error}") from None
    return Listener(listening, f"unix:{path}", local_only=True, path=path)


def is_loopback(address: str) -> bool:
    """Return whether an IP address, or the IPv4 address inside an IPv6 one, is a loopback one."""
    parsed = ip_address(address)
    return (getattr(parsed, "ipv4_mapped", None) or parsed).is_loopback


def _is_taken(path: Path) -> bool:
    with contextlib.suppress(FileNotFoundError):
        if not stat.S_ISSOCK(path.stat().st_mode):
            raise ListenError(f"{path} exists and is not a socket")
        with socket.socket(socket.AF_UNIX) as probe:
            return probe.connect_ex(str(path)) == 0
    return False


def _url(host: str, port: int) -> str:
    host = _LOOPBACK_OF.get(host, host)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
