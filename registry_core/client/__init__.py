"""A registry over HTTP: the interface of `registry`, spoken to any OCI registry."""

from .options import ClientOptions, registry_url
from .registry import HttpRegistry
from .session import Session

__all__ = ["ClientOptions", "HttpRegistry", "Session", "registry_url"]
