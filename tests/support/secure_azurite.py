"""Azurite over TLS, which accepts tokens of Entra ID, as storage in Azure does.

It checks the claims of a token, but not its signature, and no roles.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from datetime import timedelta
from pathlib import Path
from typing import Any

from aiohttp import AddrInfoType, TCPConnector

from registry_core.serve.azurite import ACCOUNT, KEY, Azurite
from tests.support.certificates import certify

HOSTS = ("127.0.0.1", "localhost")

# Where systems keep the certificates that they trust; the last is Debian's.
_SYSTEM = (ssl.get_default_verify_paths().openssl_cafile, "/etc/ssl/certs/ca-certificates.crt")


class Trust:
    """A server's key and certificate, as files in ``folder``.

    The certificate is self-signed: Azurite, when it copies from itself, trusts only that one.
    ``bundle`` is for `SSL_CERT_FILE` and the like: the certificate and those that the system
    trusts.
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
        """Return a context that trusts this server only."""
        return ssl.create_default_context(cafile=str(self.certificate))

    def server_context(self) -> ssl.SSLContext:
        """Return a context with the server's certificate."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, self.key)
        return context


class SecureAzurite(Azurite):
    """An `Azurite` with TLS. ``trust`` is what its clients need to verify it."""

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
        """The connection string with the key, for direct access by tests."""
        return (
            f"DefaultEndpointsProtocol=https;AccountName={ACCOUNT};AccountKey={KEY};"
            f"BlobEndpoint={self.service_url};"
        )


class Connections:
    """Opens connections to the tests' server and waits for all of them to end.

    Over TLS that takes a few turns of the event loop after closing, which a test may not give it.
    """

    def __init__(self, trust: Trust) -> None:
        self._context = trust.client_context()
        self._sockets: list[socket.socket] = []

    def connector(self, **options: Any) -> TCPConnector:
        """Return a connector; ``options`` as for `TCPConnector`."""
        return TCPConnector(ssl=self._context, socket_factory=self._open, **options)

    async def ended(self) -> None:
        """Wait until all connections have ended, including those that the server ends."""
        for _ in range(5000):
            if all(opened.fileno() < 0 for opened in self._sockets):
                return
            await asyncio.sleep(0.001)
        raise AssertionError("a connection has not ended")

    def _open(self, address: AddrInfoType) -> socket.socket:
        family, kind, protocol, *_ = address
        self._sockets.append(socket.socket(family, kind, protocol))
        return self._sockets[-1]
