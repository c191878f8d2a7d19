"""Settings, parsed once from the environment; the only reader of it.

Names are those of distribution's own environment overrides wherever the thing exists there. The
table in the README says what each one does.
"""

from __future__ import annotations

import binascii
import difflib
import logging
import os
import re
from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from .spec.globs import NO_TAGS, TagGlobs

_log = logging.getLogger(__name__)

_PREFIX = "REGISTRY_"
_AZURE = "REGISTRY_STORAGE_AZURE_"
CONNECTION_STRING = f"{_AZURE}CONNECTIONSTRING"
ACCOUNT_NAME = f"{_AZURE}ACCOUNTNAME"
ACCOUNT_KEY = f"{_AZURE}ACCOUNTKEY"
CONTAINER = f"{_AZURE}CONTAINER"
SERVICE_URL = f"{_AZURE}SERVICEURL"
REALM = f"{_AZURE}REALM"
ROOT_DIRECTORY = f"{_AZURE}ROOTDIRECTORY"
REDIRECT_DISABLE = "REGISTRY_STORAGE_REDIRECT_DISABLE"
CACHE_MEMBERSHIP = "REGISTRY_STORAGE_CACHE_MEMBERSHIP"
CACHE_MANIFESTS = "REGISTRY_STORAGE_CACHE_MANIFESTS"
HTTP_SECRET = "REGISTRY_HTTP_SECRET"  # noqa: S105 - the name of the setting
HTTP_HOST = "REGISTRY_HTTP_HOST"
HTTP_RELATIVE_URLS = "REGISTRY_HTTP_RELATIVEURLS"
DELETE_ENABLED = "REGISTRY_STORAGE_DELETE_ENABLED"
READ_ONLY = "REGISTRY_STORAGE_MAINTENANCE_READONLY_ENABLED"
VALIDATION_DISABLED = "REGISTRY_VALIDATION_DISABLED"
INDEX_PLATFORMS = "REGISTRY_VALIDATION_MANIFESTS_INDEXES_PLATFORMS"
TAGS_IMMUTABLE = "REGISTRY_TAGS_IMMUTABLE"

KNOWN = frozenset(
    {
        CONNECTION_STRING,
        ACCOUNT_NAME,
        ACCOUNT_KEY,
        CONTAINER,
        SERVICE_URL,
        REALM,
        ROOT_DIRECTORY,
        REDIRECT_DISABLE,
        CACHE_MEMBERSHIP,
        CACHE_MANIFESTS,
        HTTP_SECRET,
        HTTP_HOST,
        HTTP_RELATIVE_URLS,
        DELETE_ENABLED,
        READ_ONLY,
        INDEX_PLATFORMS,
        TAGS_IMMUTABLE,
        VALIDATION_DISABLED,
    }
)

_TRUE = ("true", "yes", "on", "1")
_FALSE = ("false", "no", "off", "0")
_MISSPELT = 0.9  # difflib's ratio above which an unknown name is taken for a known one
_SECRET_LENGTH = 16
# REST, "Naming and Referencing Containers, Blobs, and Metadata"
_CONTAINER_NAME = re.compile(r"(?=.{3,63}$)[a-z0-9]+(?:-[a-z0-9]+)*")
_ACCOUNT = re.compile(r"[a-z0-9]{3,24}")


class ConfigError(Exception):
    """``problems``: one line each, naming the setting and saying what would be right."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


@dataclass(frozen=True)
class AzureStorage:
    """Where the container is, and how to get in.

    By ``connection_string``, by ``account_key``, or, with neither, by the process's identity.
    """

    container: str
    service_url: str = ""
    account_name: str = ""
    account_key: str | None = field(default=None, repr=False)
    connection_string: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Settings:
    """What the registry is told.

    ``root`` is what stands before all names in the container, None when that is to be found by
    looking; ``membership_seconds`` how long an instance remembers that a repository has some
    content, ``manifest_cache_bytes`` how much it keeps of manifests. ``require_blobs`` and
    ``require_children``: a manifest is refused unless all blobs, an index unless all manifests that
    it lists are there.
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
    write_once: TagGlobs = NO_TAGS


def storage_is_configured(environment: Mapping[str, str]) -> bool:
    """Whether the environment says where storage is, rightly or not."""
    return any(
        environment.get(name)
        for name in (CONNECTION_STRING, ACCOUNT_NAME, ACCOUNT_KEY, SERVICE_URL)
    )


def read_settings(environment: Mapping[str, str] = os.environ) -> Settings:
    """Everything that is configured, or nothing: all problems are told at once.

    :raises ConfigError: a setting is missing, misspelt, malformed, or contradicts another.
    """
    reader = _Reader(environment)
    reader.check_names()
    settings = Settings(
        storage=reader.azure_storage(),
        http_secret=reader.secret(),
        root=reader.root(),
        redirect=not reader.flag(REDIRECT_DISABLE),
        public_url=reader.public_url(),
        relative_urls=reader.flag(HTTP_RELATIVE_URLS),
        membership_seconds=reader.number(CACHE_MEMBERSHIP, 30),
        manifest_cache_bytes=reader.number(CACHE_MANIFESTS, 32 * 2**20),
        delete=reader.flag(DELETE_ENABLED, default=True),
        read_only=reader.flag(READ_ONLY),
        require_blobs=not reader.flag(VALIDATION_DISABLED),
        require_children=reader.choice(INDEX_PLATFORMS, ("all", "none")) == "all"
        and not reader.flag(VALIDATION_DISABLED),
        write_once=reader.tag_globs(TAGS_IMMUTABLE),
    )
    if reader.problems:
        raise ConfigError(reader.problems)
    return settings


@dataclass
class _Reader:
    environment: Mapping[str, str]
    problems: list[str] = field(default_factory=list)

    def text(self, name: str) -> str:
        return self.environment.get(name, "").strip()

    def check_names(self) -> None:
        for name in sorted(self.environment):
            if not name.startswith(_PREFIX) or name in KNOWN:
                continue
            near = difflib.get_close_matches(name, KNOWN, n=1, cutoff=0)[0]
            if difflib.SequenceMatcher(None, name, near).ratio() >= _MISSPELT:
                self.problems.append(f"{name} is not a setting; {near} is meant, or remove it")
            else:
                _log.warning("%s is not a setting of this registry; the nearest is %s", name, near)

    def flag(self, name: str, *, default: bool = False) -> bool:
        text = self.text(name).lower()
        if text and text not in _TRUE + _FALSE:
            self.problems.append(f"{name}={text!r} must be true or false")
        return text in _TRUE if text else default

    def choice(self, name: str, choices: tuple[str, ...]) -> str:
        """One of ``choices``, of which the first is the default."""
        text = self.text(name).lower() or choices[0]
        if text not in choices:
            self.problems.append(f"{name}={text!r} must be one of {', '.join(choices)}")
        return text

    def tag_globs(self, name: str) -> TagGlobs:
        try:
            return TagGlobs.parse(self.text(name))
        except ValueError as error:
            self.problems.append(f"{name}: {error}")
            return NO_TAGS

    def number(self, name: str, default: int) -> int:
        text = self.text(name)
        if not text:
            return default
        if not re.fullmatch(r"[0-9]{1,12}", text):
            self.problems.append(f"{name}={text!r} must be a whole number, 0 or more")
            return default
        return int(text)

    def secret(self) -> str:
        secret = self.text(HTTP_SECRET)
        if len(secret) < _SECRET_LENGTH:
            state = "is too short" if secret else "is missing"
            self.problems.append(
                f"{HTTP_SECRET} {state}; set the same random text of at least {_SECRET_LENGTH} "
                "characters on every instance, for example from: openssl rand -hex 32"
            )
        return secret

    def root(self) -> str | None:
        """A folder with or without a slash in front is the same, as to CNCF distribution v3."""
        text = self.text(ROOT_DIRECTORY)
        if not text:
            return None
        if text in (".", "/"):
            return text.rstrip(".")
        return f"{text.removeprefix('/').rstrip('/')}/"

    def public_url(self) -> str | None:
        text = self.text(HTTP_HOST)
        if not text:
            return None
        if not _is_base_url(text):
            self.problems.append(
                f"{HTTP_HOST}={text!r} must be a URL like https://registry.example.com"
            )
        return text

    def azure_storage(self) -> AzureStorage:
        container = self.text(CONTAINER)
        if not _CONTAINER_NAME.fullmatch(container):
            self.problems.append(
                f"{CONTAINER}={container!r} must name a container: 3 to 63 lowercase letters, "
                "digits and single dashes"
            )
        if self.text(CONNECTION_STRING):
            return self._by_connection_string(container)
        return self._by_account(container)

    def _by_connection_string(self, container: str) -> AzureStorage:
        for name in (ACCOUNT_NAME, ACCOUNT_KEY, SERVICE_URL, REALM):
            if self.text(name):
                self.problems.append(
                    f"{name} contradicts {CONNECTION_STRING}; set only one of the two"
                )
        text = self.text(CONNECTION_STRING)
        names = {part.partition("=")[0].strip().lower() for part in text.split(";")}
        if not names >= {"accountname", "accountkey"}:
            self.problems.append(
                f"{CONNECTION_STRING} must hold AccountName=...;AccountKey=...;..., as the portal "
                f"shows it under access keys; without a key, set {ACCOUNT_NAME} instead and sign "
                "in with an identity"
            )
        return AzureStorage(container, connection_string=text)

    def _by_account(self, container: str) -> AzureStorage:
        account, url = self.text(ACCOUNT_NAME), self.text(SERVICE_URL)
        key = self.text(ACCOUNT_KEY) or None
        if not account and not url:
            self.problems.append(
                f"{ACCOUNT_NAME} is missing; name the storage account, or set {CONNECTION_STRING}"
            )
        if account and not _ACCOUNT.fullmatch(account):
            self.problems.append(
                f"{ACCOUNT_NAME}={account!r} must be 3 to 24 lowercase letters and digits"
            )
        if key and not account:
            self.problems.append(f"{ACCOUNT_KEY} needs {ACCOUNT_NAME} beside it")
        if key and not _is_base64(key):
            self.problems.append(f"{ACCOUNT_KEY} must be base64, as the portal shows it")
        if url and not urlsplit(url).netloc:
            self.problems.append(
                f"{SERVICE_URL}={url!r} must be a URL like https://ACCOUNT.blob.core.windows.net"
            )
        realm = self.text(REALM) or "core.windows.net"
        return AzureStorage(container, url or f"https://{account}.blob.{realm}", account, key)


def _is_base_url(text: str) -> bool:
    parts = urlsplit(text)
    return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.path in ("", "/")


def _is_base64(text: str) -> bool:
    try:
        return bool(b64decode(text, validate=True))
    except binascii.Error:
        return False
