"""A registry over HTTP: the interface of `registry`, spoken to any OCI registry."""

from .docker_config import docker_credentials
from .options import ClientOptions
from .proxies import Proxies
from .registry import HttpRegistry
from .session import Session
from .tls import Tls, docker_tls

__all__ = [
    "ClientOptions",
    "HttpRegistry",
    "Proxies",
    "Session",
    "Tls",
    "docker_credentials",
    "docker_tls",
]
