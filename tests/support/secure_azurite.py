"""Azurite over TLS, which takes Entra ID's tokens: as storage in Azure is reached without a key.

It looks at a token's claims, not at its signature, and nobody lacks a role.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from datetime import timedelta
from pathlib import Path
from typing import Any

from aiohttp import AddrInfoType, TCPConnector

from registry_core.object_store.azure.transport import Transport
from registry_core.serve.azurite import ACCOUNT, KEY, Azurite
from tests.support.certificates import certify

HOSTS = ("127.0.0.1", "localhost")

# Where systems keep the certificates that they trust, Debian's last.
_SYSTEM = (ssl.get_default_verify_paths().openssl_cafile, "/etc/ssl/certs/ca-certificates.crt")


class Trust:
    """A server's key and certificate, as files in ``folder``.

    The certificate vouches for itself: Azurite, when it copies from itself, trusts it alone, and
    could not tell who else vouches for it. ``bundle`` is for `SSL_CERT_FILE` and the like: it
    stands there beside those that the system trusts.
    """

    def __init__(self, folder: Path) -> None:
        server = certify(HOSTS[0], ends=timedelta(days=1), hosts=HOSTS)
        folder.mkdir(parents=True, exist_ok=True)
        self.certificate = folder / "certificate.pem"
        self.certificate.write_text(server.pem)
        self.key = folder / "key.pem"
        self.key.write_text(server.key_pem)
        self.bundle = folder / "bundle.pem"
        known = [Path(path).read_text() for path in _SYSTEM if Path(path).is_file()]
        self.bundle.write_text("\n".join([server.pem, *known[:1]]))

    def client_context(self) -> ssl.SSLContext:
        """Trusts the server, and no other."""
        return ssl.create_default_context(cafile=str(self.certificate))

    def server_context(self) -> ssl.SSLContext:
        """Shows the server's certificate."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, self.key)
        return context


class SecureAzurite(Azurite):
    """See `Azurite`. ``trust`` is what its clients need to believe it."""

    def __init__(self, location: Path) -> None:
        self.trust = Trust(location / "trust")
        arguments = ["--oauth", "basic"]
        arguments += ["--cert", str(self.trust.certificate), "--key", str(self.trust.key)]
        super().__init__(location, arguments=arguments)

    @property
    def service_url(self) -> str:
        return f"https://127.0.0.1:{self.port}/{ACCOUNT}"

    @property
    def connection_string(self) -> str:
        """With the key, for what tests do behind the registry's back."""
        return (
            f"DefaultEndpointsProtocol=https;AccountName={ACCOUNT};AccountKey={KEY};"
            f"BlobEndpoint={self.service_url};"
        )


class Connections:
    """Opens connections to the tests' server, and knows when all of them have ended.

    Over TLS that takes a few turns of the event loop after they are closed, and a test ends it.
    """

    def __init__(self, trust: Trust) -> None:
        self._context = trust.client_context()
        self._sockets: list[socket.socket] = []

    def connector(self, **options: Any) -> TCPConnector:
        """``options`` as for `TCPConnector`."""
        return TCPConnector(ssl=self._context, socket_factory=self._open, **options)

    async def ended(self) -> None:
        """Returns when they have ended, those included that the server wanted to end."""
        for _ in range(5000):
            if all(opened.fileno() < 0 for opened in self._sockets):
                return
            await asyncio.sleep(0.001)
        raise AssertionError("a connection does not end")

    def _open(self, address: AddrInfoType) -> socket.socket:
        family, kind, protocol, *_ = address
        self._sockets.append(socket.socket(family, kind, protocol))
        return self._sockets[-1]


class Trusting(Transport):
    """The store's own transport, which trusts the tests' server."""

    def __init__(self, trust: Trust, **options: Any) -> None:
        super().__init__(**options)
        self._connections = Connections(trust)

    async def close(self) -> None:
        await super().close()
        await self._connections.ended()

    def _connector(self) -> TCPConnector:
        return self._connections.connector()
