"""Where the local host listens: asked for first, so that a second host ends before it starts."""

from __future__ import annotations

import contextlib
import errno
import socket
import stat
from pathlib import Path

from .forwarded import is_loopback

BACKLOG = 2048
_SAME_FROM_HERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 (a name, not a binding)


class ListenError(Exception):
    """The address cannot be had. One line that says what would help."""


class Listener:
    """A listening socket: connections queue up from now on until somebody accepts them."""

    def __init__(
        self, listening: socket.socket, url: str, *, local_only: bool, path: Path | None = None
    ) -> None:
        self.socket = listening
        self.url = url
        self.local_only = local_only
        self._path = path

    def withdraw(self) -> None:
        """Remove a unix socket's path, once: from then on it may be another host's."""
        path, self._path = self._path, None
        if path:
            path.unlink(missing_ok=True)

    def close(self) -> None:
        """Connections still in the queue are reset."""
        self.withdraw()
        self.socket.close()


def listen_tcp(host: str, port: int) -> Listener:
    """Listen on the first address of ``host``; port 0 picks a free one.

    :raises ListenError: when it is taken, or no address of this machine.
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
    """Listen on a unix socket; one that nobody listens on any more is replaced.

    :raises ListenError: when somebody does, or something else is at ``path``.
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


def _is_taken(path: Path) -> bool:
    with contextlib.suppress(FileNotFoundError):
        if not stat.S_ISSOCK(path.stat().st_mode):
            raise ListenError(f"{path} is there already, and is no socket")
        with socket.socket(socket.AF_UNIX) as probe:
            return probe.connect_ex(str(path)) == 0
    return False


def _url(host: str, port: int) -> str:
    """A URL that reaches the address from this machine."""
    host = _SAME_FROM_HERE.get(host, host)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
