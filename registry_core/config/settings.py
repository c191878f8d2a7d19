"""The settings as values, whatever they were read from.

Types that only some modes of authentication need are imported for type checkers alone: they bring
cryptography, and imports are the cold start.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from ..globs import NO_TAGS, TagGlobs
from ..spec.foreign_urls import NO_URLS, ForeignUrls
from ..spec.origins import NO_ORIGINS, Origins

if TYPE_CHECKING:
    from ..auth.rules import Rules
    from ..auth.tokens.certificates import Bundle
    from ..auth.tokens.keys import KeySet, SigningKey
    from ..maintenance.retention import RetentionPolicy


API_VERSION = "2026-02-06"
"""The version of the Blob service's protocol (`x-ms-version`) unless a setting names another."""


@dataclass(frozen=True)
class AzureStorage:
    """The storage account, the container and the credentials used for them.

    Credentials are the ``connection_string``, the ``account_key`` or, with neither, an identity of
    Entra ID: the application ``client_id`` with its ``client_secret`` in the tenant ``tenant_id``,
    or without a secret the identity of this process (``client_id`` selects one of several).
    ``identity_endpoint`` and ``identity_header`` are those of App Service, where it issues the
    tokens of that identity. ``account_name`` is empty where the ``service_url`` or the
    connection string contains it.
    """

    container: str
    service_url: str = ""
    account_name: str = ""
    account_key: str | None = field(default=None, repr=False)
    connection_string: str | None = field(default=None, repr=False)
    client_id: str | None = None
    tenant_id: str | None = None
    client_secret: str | None = field(default=None, repr=False)
    api_version: str = API_VERSION
    identity_endpoint: str = ""
    identity_header: str = field(default="", repr=False)


class Mode(StrEnum):
    """How callers are authenticated: the values of ``REGISTRY_AUTH``."""

    NONE = "none"
    HTPASSWD = "htpasswd"
    TOKEN = "token"  # noqa: S105 - distribution's name of the mode
    BUILTIN = "builtin"


@dataclass(frozen=True)
class Document:
    """A text that was given by path, or, where ``path`` is None, in the setting itself."""

    text: str = field(repr=False)
    path: Path | None = None


@dataclass(frozen=True)
class HtpasswdAuth:
    """Users of a password file, and the realm that Basic challenges name."""

    realm: str
    users: Document


@dataclass(frozen=True)
class TokenAuth:
    """An external issuer of tokens, and its keys: one or more of bundle, keys and keys_url.

    ``realm`` is the URL of its token service, or None if that is ``path`` on this registry's host.
    """

    realm: str | None
    service: str
    issuer: str
    path: str
    algorithms: Collection[str]
    bundle: Bundle | None = None
    keys: KeySet | None = None
    keys_url: str = ""


@dataclass(frozen=True)
class EntraAuth:
    """A tenant of Entra ID, and the client ids that its tokens may have as their audience.

    ``authority`` is the URL of another cloud's Entra ID; empty for the public cloud.
    """

    tenant_id: str
    client_ids: tuple[str, ...]
    authority: str = ""


@dataclass(frozen=True)
class BuiltinAuth:
    """The registry's own token service.

    ``seconds`` and ``refresh_seconds`` are the lifetimes of access and refresh tokens. Tokens that
    ``previous`` signed stay valid until they expire.
    """

    service: str
    key: SigningKey = field(repr=False)
    previous: SigningKey | None = field(default=None, repr=False)
    seconds: int = 300
    refresh_seconds: int = 30 * 86400
    entra: EntraAuth | None = None


@dataclass(frozen=True)
class AuthSettings:
    """The mode of authentication and what it needs; settings of other modes are not read.

    Without ``rules`` users of the password file and personal access keys may do everything, and
    others nothing. Entra ID needs rules.
    """

    mode: Mode = Mode.NONE
    token: TokenAuth | None = None
    htpasswd: HtpasswdAuth | None = None
    builtin: BuiltinAuth | None = None
    rules: Rules | None = None


OPEN = AuthSettings()
"""No authentication: every caller may do everything."""


@dataclass(frozen=True)
class GcSettings:
    """When garbage is collected, and what counts as garbage.

    :ivar enabled: whether the registry collects it by itself, unless it is read-only.
    :ivar grace: how long garbage stays after it was condemned.
    :ivar young: the age up to which nothing is condemned.
    :ivar untagged: the age from which on untagged manifests are garbage; None: they never are.
    :ivar retention: the rules by which tags and manifests expire; None: there are none.
    :ivar shared: whether other registries write to the container; None: found out.
    :ivar upload_age: the age from which on unfinished uploads are deleted.
    """

    enabled: bool = False
    grace: timedelta = timedelta(days=2)
    young: timedelta = timedelta(days=1)
    untagged: timedelta | None = None
    retention: RetentionPolicy | None = None
    shared: bool | None = None
    upload_age: timedelta = timedelta(hours=168)

    @property
    def uses_pulls(self) -> bool:
        """Whether it may depend on pulls what counts as garbage."""
        by_rule = self.retention is not None and self.retention.uses_pulls()
        return self.untagged is not None or by_rule


# Names of headers, in lower case.
ANY_PROXY = frozenset({"forwarded", "x-forwarded-host", "x-forwarded-proto", "x-forwarded-port"})
"""A proxy of one's own, which has to overwrite or remove all of them."""

FUNCTIONS_HOST = frozenset({"x-forwarded-host", "x-forwarded-proto"})
"""The Functions host replaces these (ForwardedRequestTransformer of YARP), and no others."""

CONTAINER_APPS = frozenset({"x-forwarded-proto"})
"""Container Apps' ingress writes this, and leaves `Host` as it is:
learn.microsoft.com/azure/container-apps/ingress-overview, "HTTP headers"."""


@dataclass(frozen=True)
class Settings:
    """All settings of a registry.

    :ivar root: the prefix of all names in the container; None: found by looking into it.
    :ivar redirect: whether clients fetch blobs from storage, by a signed URL.
    :ivar direct_upload: whether clients upload blobs straight to storage, by a signed URL, where
        they fetch them from there.
    :ivar redirect_min_size: the size in bytes up to which the registry sends blobs even so.
    :ivar membership_seconds: how long an instance caches that a repository has a blob or manifest.
    :ivar manifest_cache_bytes: the size of an instance's cache of manifests.
    :ivar require_blobs: whether a manifest may reference only blobs that are in its repository.
    :ivar require_children: whether an image index may list only manifests that are there.
    :ivar foreign_urls: where else than to the registry manifests may send clients; None: anywhere.
    :ivar max_references: the most blobs and manifests that a pushed manifest may reference.
    :ivar immutable_tags: tags that can be set once and not be moved or deleted.
    :ivar delete_retention: for how long deletions can be undone; 0: not at all.
    :ivar gc: the collection of garbage.
    :ivar record_pulls: whether an instance records what is pulled from it.
    :ivar repository_classes: the classes of manifests that may be pushed; empty: all.
    :ivar cors_origins: the origins whose pages may use the registry in a browser.
    :ivar log_requests: whether each request is logged in one line.
    :ivar forwarded_headers: those headers that the proxy in front of the registry writes, and which
        say how the client sees the registry. Whatever else a client sends is not believed.
    :ivar log_audit: whether writes, deletions and logins are logged in one line each.
    :ivar body_limit: the largest request body that the host accepts, in bytes; None: no limit.
    """

    storage: AzureStorage
    http_secret: str = field(repr=False)
    root: str | None = None
    redirect: bool = True
    direct_upload: bool = True
    redirect_min_size: int = 64 * 2**10
    public_url: str | None = None
    relative_urls: bool = False
    membership_seconds: float = 30.0
    manifest_cache_bytes: int = 32 * 2**20
    delete: bool = True
    delete_retention: timedelta = timedelta(days=14)
    read_only: bool = False
    require_blobs: bool = True
    require_children: bool = True
    foreign_urls: ForeignUrls | None = NO_URLS
    max_references: int = 1000
    immutable_tags: TagGlobs = NO_TAGS
    gc: GcSettings = GcSettings()
    record_pulls: bool = False
    auth: AuthSettings = OPEN
    repository_classes: frozenset[str] = frozenset()
    cors_origins: Origins = NO_ORIGINS
    log_requests: bool = True
    log_audit: bool = True
    body_limit: int | None = None
    forwarded_headers: frozenset[str] = ANY_PROXY
