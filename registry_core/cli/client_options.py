"""The options of a client for a registry: its URL, login and TLS, as a command is to access it."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace

from ..client import ClientOptions, Proxies, Tls, docker_credentials, docker_tls
from ..client.credentials import Basic, Credentials, Fixed
from ..client.origins import Origin
from ..transfer.locations import RegistryLocation, RegistryRoot
from .registry_access import AccessOptions
from .storage_commands import MISCONFIGURED, CommandFailed

_PROBE_SECONDS = 5.0
_ANY_STORAGE = "https://storage.invalid"  # never requested: each session gets a URL of its own


async def client_options(
    where: RegistryLocation | RegistryRoot, access: AccessOptions, environment: Mapping[str, str]
) -> ClientOptions:
    """Return the options of a client for a registry.

    :param environment: names proxies, and where docker and podman keep logins and certificates.
    :raises CommandFailed: the registry cannot be accessed so.
    """
    api_host = RegistryLocation(where.host, "").api_host
    scheme = where.scheme or await _find_scheme(api_host, access)
    try:
        options = ClientOptions(
            f"{scheme}://{api_host}",
            credentials=_credentials(access, environment),
            tls=await asyncio.to_thread(_tls, api_host, access, environment),
            insecure=not access.tls_verify,
            realms=frozenset([access.token_host.lower()] if access.token_host else ()),
            proxies=Proxies.from_environment(environment),
        )
    except ValueError as error:
        raise CommandFailed(str(error), MISCONFIGURED) from None
    return replace(options, parallel=access.parallel) if access.parallel else options


def storage_options(target: AccessOptions, environment: Mapping[str, str]) -> ClientOptions:
    """Return the options of clients for a target's storage, which may have its authorities.

    :raises CommandFailed: the environment names a proxy that cannot be used.
    """
    tls = Tls(_own_tls(target).authorities)
    try:
        proxies = Proxies.from_environment(environment)
    except ValueError as error:
        raise CommandFailed(str(error), MISCONFIGURED) from None
    return ClientOptions(_ANY_STORAGE, tls=tls, proxies=proxies)


def _credentials(access: AccessOptions, environment: Mapping[str, str]) -> Credentials | None:
    if access.anonymous:
        return None
    if access.login is not None:
        return Fixed(Basic(access.login.username, access.login.password))
    return docker_credentials(environment)


def _tls(host: str, access: AccessOptions, environment: Mapping[str, str]) -> Tls:
    """Return what the options say; without a folder of certificates, docker's and podman's."""
    tls = _own_tls(access)
    return tls if access.cert_dir else docker_tls(host, environment, tls)


def _own_tls(access: AccessOptions) -> Tls:
    """:raises CommandFailed: the folder of certificates is missing, or has none."""
    authorities = (access.ca,) if access.ca else ()
    folder = access.cert_dir
    if folder is None:
        return Tls(authorities, verify=access.tls_verify)
    if not folder.is_dir():
        raise CommandFailed(f"{folder} is not a folder", MISCONFIGURED)
    trusted, own = sorted(folder.glob("*.crt")), sorted(folder.glob("*.cert"))
    if not (trusted or own):
        raise CommandFailed(
            f"the folder {folder} has no certificates: *.crt of authorities, or *.cert and *.key "
            "of the client",
            MISCONFIGURED,
        )
    certificate = own[0] if own else None
    key = certificate.with_suffix(".key") if certificate else None
    return Tls((*authorities, *trusted), certificate, key, access.tls_verify)


async def _find_scheme(api_host: str, access: AccessOptions) -> str:
    """Return ``https``; or ``http`` where that is allowed and the registry has no TLS.

    It is allowed on loopback, and for registries whose certificates are not to be verified.
    """
    origin = Origin.of_registry(f"https://{api_host}")
    if access.tls_verify and not origin.is_loopback:
        return "https"
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        async with asyncio.timeout(_PROBE_SECONDS):
            _, writer = await asyncio.open_connection(origin.host, origin.port, ssl=context)
    except (OSError, TimeoutError):  # ssl.SSLError is an OSError
        return "http"
    writer.close()
    with suppress(OSError, TimeoutError):
        await writer.wait_closed()
    return "https"
