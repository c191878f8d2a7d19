"""Who may use the relay: programs, and no page that a browser on this machine shows.

A page could send requests to loopback, or to a name of its own that its server lets point there
(DNS rebinding), and push to a registry that trusts this machine's address. Therefore a request must
name the relay by a name that no page can have, and browsers' requests are refused.

Sources: RFC 6454 section 7 (``Origin``); W3C "Fetch Metadata Request Headers" (``Sec-Fetch-Site``,
where ``none`` is what the user typed).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from http import HTTPStatus
from ipaddress import ip_address
from urllib.parse import urlsplit

from starlette.requests import Request

from ..serve.listen import is_loopback
from ..spec.errors import Denied


@dataclass(frozen=True)
class Guard:
    """Refuses requests of web pages.

    ``names`` are host names, in lower case, that clients may call besides those of loopback.
    ``any_address``: they may call any IP address too, because the relay listens on all of them.
    """

    names: Collection[str] = ()
    any_address: bool = False

    def check(self, request: Request) -> str:
        """Return the host, with its port, by which the client calls the relay.

        :raises Denied: (421) the name is not one of the relay's; (403) a web page calls it.
        """
        hosts = request.headers.getlist("host")
        name = _name(hosts[0]) if len(hosts) == 1 else None
        if name is None or not self._is_ours(name):
            shown = ", ".join(hosts)[:160]
            raise Denied(
                f"the relay is not called {shown!r}; use 127.0.0.1 or localhost, or start it with "
                "--name and the name that its clients use",
                status=HTTPStatus.MISDIRECTED_REQUEST,
            )
        if "origin" in request.headers or request.headers.get("sec-fetch-site", "none") != "none":
            raise Denied("web pages may not use the relay")
        return hosts[0]

    def _is_ours(self, name: str) -> bool:
        if name in self.names or name == "localhost" or name.endswith(".localhost"):
            return True
        try:
            return is_loopback(name) or (self.any_address and bool(ip_address(name)))
        except ValueError:  # not an IP address
            return False


def _name(host: str) -> str | None:
    """Return the name in a ``Host`` header, in lower case; None if the header is malformed."""
    try:
        parts = urlsplit(f"//{host}")
        _ = parts.port
    except ValueError:
        return None
    return parts.hostname if parts.netloc == host and "@" not in host else None
