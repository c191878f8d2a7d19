"""What broken connections say to whoever runs the client."""

from __future__ import annotations

import os
import socket
import ssl

from aiohttp import (
    ClientConnectorDNSError,
    ClientConnectorError,
    ClientError,
    ClientHttpProxyError,
    ClientOSError,
    ClientPayloadError,
    ClientProxyConnectionError,
    ClientResponseError,
    ClientSSLError,
    ConnectionTimeoutError,
    ServerDisconnectedError,
)

from .errors import PeerUnavailable, one_line
from .origins import Origin
from .proxies import Proxy

_NOT_TLS = {"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "PACKET_LENGTH_TOO_LONG"}

CONNECTION_ERRORS = (ClientError, TimeoutError, OSError)
"""What aiohttp and asyncio raise where a request does not get its answer."""


_TEXTS: tuple[tuple[type[Exception], str], ...] = (
    (ClientHttpProxyError, "the proxy refused to connect to {origin}: {cause}"),
    (ClientProxyConnectionError, "the proxy for {origin} cannot be reached: {cause}"),
    (ClientConnectorDNSError, "the host name of {origin} cannot be resolved: {cause}"),
    (ConnectionTimeoutError, "{origin} cannot be reached: no connection in time"),
    (TimeoutError, "{origin} did not answer in time"),
    (ClientPayloadError, "the answer of {origin} broke off"),
    (ClientResponseError, "the answer of {origin} is not HTTP as it should be: {cause}"),
    (ServerDisconnectedError, "{origin} closed the connection without an answer"),
    (ClientConnectorError, "{origin} cannot be reached: {cause}"),
    (ClientOSError, "the connection with {origin} broke: {cause}"),
    (ValueError, "{origin} sent {cause}"),
)
_CANNOT_BE_REACHED = "{origin} cannot be reached: {cause}"


def describe_failure(
    origin: Origin, error: Exception, proxy: Proxy | None = None
) -> PeerUnavailable:
    """Return the error to raise for one of `CONNECTION_ERRORS`, or for an answer's fault.

    :param proxy: that of the request, whose text has no password.
    """
    if isinstance(error, ClientSSLError):
        template, private = _tls(error), ""
    else:
        template = next(
            (text for kind, text in _TEXTS if isinstance(error, kind)), _CANNOT_BE_REACHED
        )
        private = f"proxy {proxy}" if proxy else ""
    return PeerUnavailable(template.format(origin=origin, cause=_cause(error)), private)


def _tls(error: Exception) -> str:
    cause = _ssl_error(error)
    if isinstance(cause, ssl.SSLCertVerificationError):
        return (
            "the certificate of {origin} is not trusted: {cause}; provide the certificate of the "
            "authority that issued it"
        )
    if isinstance(cause, ssl.SSLError) and cause.reason in _NOT_TLS:
        return "{origin} does not speak TLS; use http:// if that is intended"
    return "no TLS connection with {origin}: {cause}"


def _ssl_error(error: Exception) -> BaseException:
    inner = getattr(error, "certificate_error", None) or getattr(error, "os_error", None)
    return inner if isinstance(inner, BaseException) else error


def _cause(error: Exception) -> str:
    """Return what went wrong, without aiohttp's words about hosts, TLS and URLs."""
    if isinstance(error, ClientResponseError):
        # Its own text has the URL, which may be signed, or be that of a proxy with a password.
        return one_line(f"{error.status} {error.message}")
    inner = _ssl_error(error)
    if type(inner) is ClientOSError and not inner.errno:
        # aiohttp could not send a body. Its text has the URL, which is signed where a block goes to
        # storage.
        return "it was closed while the request was sent"
    if isinstance(inner, OSError) and not isinstance(inner, ssl.SSLError | socket.gaierror):
        text = os.strerror(inner.errno) if inner.errno else str(inner)
    else:
        text = getattr(inner, "verify_message", "") or getattr(inner, "strerror", "") or str(inner)
    return one_line(text) or type(inner).__name__
