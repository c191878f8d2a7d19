"""A registry over HTTP: the interface of `registry`, spoken to any OCI registry."""

from .options import ClientOptions, registry_url
from .session import Session

__all__ = ["ClientOptions", "Session", "registry_url"]
