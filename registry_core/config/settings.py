"""What the registry is told, as values."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..globs import NO_TAGS, TagGlobs
from .auth_settings import OPEN, AuthSettings


@dataclass(frozen=True)
class AzureStorage:
    """Where the container is, and how to get in.

    By ``connection_string``, by ``account_key``, or, with neither, by an identity of Entra ID: that
    of the application ``client_id`` with its ``client_secret`` in the tenant ``tenant_id``; without
    a secret, the process's own, which ``client_id`` chooses where it has several.
    """

    container: str
    service_url: str = ""
    account_name: str = ""
    account_key: str | None = field(default=None, repr=False)
    connection_string: str | None = field(default=None, repr=False)
    client_id: str | None = None
    tenant_id: str | None = None
    client_secret: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Settings:
    """What the registry is told.

    ``root`` is what stands before all names in the container, None when that is to be found by
    looking; ``membership_seconds`` how long an instance remembers that a repository has some
    content, ``manifest_cache_bytes`` how much it keeps of manifests. ``require_blobs`` and
    ``require_children``: a manifest is refused unless all blobs, an index unless all manifests that
    it lists are there. Without ``repository_classes`` all of them may be pushed. ``log_requests``:
    a line in the log for each. ``body_limit``, in bytes: what the host takes of a request's body.
    """

    storage: AzureStorage
    http_secret: str = field(repr=False)
    root: str | None = None
    redirect: bool = True
    public_url: str | None = None
    relative_urls: bool = False
    membership_seconds: float = 30.0
    manifest_cache_bytes: int = 32 * 2**20
    delete: bool = True
    read_only: bool = False
    require_blobs: bool = True
    require_children: bool = True
    immutable_tags: TagGlobs = NO_TAGS
    auth: AuthSettings = OPEN
    repository_classes: frozenset[str] = frozenset()
    log_requests: bool = True
    body_limit: int | None = None
