"""All settings, read from the environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from urllib.parse import urlsplit

from ..auth.classes import CLASSES
from .auth import read_auth
from .names import (
    ACCESS_LOG_DISABLED,
    AUTH,
    CACHE_MANIFESTS,
    CACHE_MEMBERSHIP,
    DELETE_ENABLED,
    HTTP_HOST,
    HTTP_RELATIVE_URLS,
    HTTP_SECRET,
    INDEX_PLATFORMS,
    READ_ONLY,
    REDIRECT_DISABLE,
    REPOSITORY_CLASSES,
    ROOT_DIRECTORY,
    TAGS_IMMUTABLE,
    VALIDATION_DISABLED,
)
from .platform import body_limit
from .reader import ConfigError, Reader
from .settings import Settings
from .storage import azure_storage

_SECRET_LENGTH = 16


def read_settings(environment: Mapping[str, str] = os.environ) -> Settings:
    """Everything that is configured, or nothing: all problems are told at once.

    :raises ConfigError: a setting is missing, misspelt, malformed, or contradicts another.
    """
    reader = Reader(environment)
    reader.check_names()
    settings = Settings(
        storage=azure_storage(reader),
        http_secret=_secret(reader),
        root=_root(reader),
        redirect=not reader.flag(REDIRECT_DISABLE),
        public_url=_public_url(reader),
        relative_urls=reader.flag(HTTP_RELATIVE_URLS),
        membership_seconds=reader.number(CACHE_MEMBERSHIP, 30),
        manifest_cache_bytes=reader.number(CACHE_MANIFESTS, 32 * 2**20),
        delete=reader.flag(DELETE_ENABLED, default=True),
        read_only=reader.flag(READ_ONLY),
        require_blobs=not reader.flag(VALIDATION_DISABLED),
        require_children=reader.choice(INDEX_PLATFORMS, ("all", "none")) == "all"
        and not reader.flag(VALIDATION_DISABLED),
        immutable_tags=reader.tag_globs(TAGS_IMMUTABLE),
        auth=read_auth(reader),
        repository_classes=_repository_classes(reader),
        log_requests=not reader.flag(ACCESS_LOG_DISABLED),
        body_limit=body_limit(reader),
    )
    if reader.problems:
        raise ConfigError(reader.problems)
    return settings


def read_storage_settings(environment: Mapping[str, str]) -> Settings:
    """For commands that let nobody in and sign nothing: they need only know where storage is.

    :raises ConfigError: as `read_settings`.
    """
    rest = {name: value for name, value in environment.items() if not name.startswith(f"{AUTH}_")}
    return read_settings({**rest, AUTH: "none", HTTP_SECRET: "nothing is signed with it"})


def _secret(reader: Reader) -> str:
    secret = reader.text(HTTP_SECRET)
    if len(secret) < _SECRET_LENGTH:
        state = "is too short" if secret else "is missing"
        reader.problems.append(
            f"{HTTP_SECRET} {state}; set the same random text of at least {_SECRET_LENGTH} "
            "characters on every instance, for example from: openssl rand -hex 32"
        )
    return secret


def _root(reader: Reader) -> str | None:
    """A folder with or without a slash in front is the same, as to CNCF distribution v3."""
    text = reader.text(ROOT_DIRECTORY)
    if not text:
        return None
    if text in (".", "/"):
        return text.rstrip(".")
    return f"{text.removeprefix('/').rstrip('/')}/"


def _repository_classes(reader: Reader) -> frozenset[str]:
    names = frozenset(reader.text(REPOSITORY_CLASSES).strip("[]").replace(",", " ").split())
    for name in sorted(names - CLASSES):
        reader.problems.append(
            f"{REPOSITORY_CLASSES}: {name!r} is no class; list some of {', '.join(sorted(CLASSES))}"
        )
    return names


def _public_url(reader: Reader) -> str | None:
    text = reader.text(HTTP_HOST)
    if not text:
        return None
    if not _is_base_url(text):
        reader.problems.append(
            f"{HTTP_HOST}={text!r} must be a URL like https://registry.example.com"
        )
    return text


def _is_base_url(text: str) -> bool:
    parts = urlsplit(text)
    return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.path in ("", "/")
