"""Reading all settings from the environment."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from urllib.parse import urlsplit

from ..auth.repository_classes import CLASSES
from ..auth.shared_secret import ADVICE, EXAMPLES, LEAST_CHARACTERS, weakness
from ..spec.foreign_urls import ForeignUrls
from ..spec.origins import NO_ORIGINS, Origins
from .auth import read_auth
from .auth_table import AUTH
from .collection import read_gc, read_record_pulls
from .reader import ConfigError, SettingsReader
from .settings import ANY_PROXY, CONTAINER_APPS, FUNCTIONS_HOST, AuthSettings, Mode, Settings
from .storage import read_storage
from .table import (
    ACCESS_LOG_DISABLED,
    AUDIT_LOG_DISABLED,
    BODY_LIMIT,
    CACHE_MANIFESTS,
    CACHE_MEMBERSHIP,
    DELETE_ENABLED,
    DELETE_RETENTION,
    DIRECT_UPLOAD,
    HTTP_CORS_ORIGINS,
    HTTP_HOST,
    HTTP_RELATIVE_URLS,
    HTTP_SECRET,
    INDEX_PLATFORMS,
    MAX_REFERENCES,
    READ_ONLY,
    REDIRECT_DISABLE,
    REDIRECT_MINSIZE,
    REPOSITORY_CLASSES,
    ROOT_DIRECTORY,
    TAGS_IMMUTABLE,
    URLS_ALLOW,
    URLS_DENY,
    VALIDATION_DISABLED,
)

_LARGEST_ANSWER = 2**20  # bytes: what a GET of a small blob takes of an instance's memory
_LONGEST_MEMBERSHIP = 900  # seconds: half of `condemnation.RELIED_ON`
_FUNCTIONS = "FUNCTIONS_WORKER_RUNTIME"  # the Functions host sets it, on other machines too


def read_settings(environment: Mapping[str, str] = os.environ) -> Settings:
    """Return all settings.

    :raises ConfigError: some are missing, misspelt, malformed or contradictory: all problems.
    """
    reader = SettingsReader(environment)
    reader.check_names()
    reader.check_values()
    auth = read_auth(reader)
    validated = not reader.flag(VALIDATION_DISABLED)
    read_only = reader.flag(READ_ONLY)
    gc = read_gc(reader)
    settings = Settings(
        storage=read_storage(reader),
        http_secret=_secret(reader, auth),
        root=_root(reader),
        redirect=not reader.flag(REDIRECT_DISABLE),
        direct_upload=reader.choice(DIRECT_UPLOAD) == "auto",
        redirect_min_size=reader.number(REDIRECT_MINSIZE, most=_LARGEST_ANSWER),
        public_url=_public_url(reader),
        relative_urls=reader.flag(HTTP_RELATIVE_URLS),
        membership_seconds=reader.number(CACHE_MEMBERSHIP, most=_LONGEST_MEMBERSHIP),
        manifest_cache_bytes=reader.number(CACHE_MANIFESTS),
        delete=reader.flag(DELETE_ENABLED),
        delete_retention=reader.duration(DELETE_RETENTION),
        read_only=read_only,
        require_blobs=validated,
        require_children=validated and reader.choice(INDEX_PLATFORMS) == "all",
        foreign_urls=_foreign_urls(reader) if validated else None,
        max_references=reader.number(MAX_REFERENCES),
        immutable_tags=reader.tag_globs(TAGS_IMMUTABLE),
        gc=gc,
        record_pulls=read_record_pulls(reader, gc, read_only=read_only),
        auth=auth,
        repository_classes=_repository_classes(reader),
        cors_origins=_cors_origins(reader),
        log_requests=not reader.flag(ACCESS_LOG_DISABLED),
        log_audit=not reader.flag(AUDIT_LOG_DISABLED),
        body_limit=_body_limit(reader),
        forwarded_headers=_forwarded_headers(reader),
    )
    if problems := reader.all_problems():
        raise ConfigError(problems)
    return settings


def read_storage_settings(environment: Mapping[str, str]) -> Settings:
    """Return the settings for commands that only work on storage.

    They authenticate nobody and seal nothing, so secrets need not be set.

    :raises ConfigError: as `read_settings`.
    """
    rest = {name: value for name, value in environment.items() if not name.startswith(f"{AUTH}_")}
    return read_settings({**rest, AUTH: "none", HTTP_SECRET: secrets.token_hex(32)})


def _secret(reader: SettingsReader, auth: AuthSettings) -> str:
    """Return the secret that all instances share.

    Where they share a signing key already, it is derived from that unless it is set.
    """
    secret = reader.text(HTTP_SECRET)
    if not secret and auth.mode is Mode.BUILTIN:
        # Without a key, that is the problem.
        return auth.builtin.key.derive_secret(HTTP_SECRET) if auth.builtin else ""
    if not secret:
        reader.problems.append(
            f"{HTTP_SECRET} is missing; set the same random text of at least {LEAST_CHARACTERS} "
            f"characters on every instance, {ADVICE}"
        )
    elif problem := weakness(secret):
        reader.problems.append(f"{HTTP_SECRET} {problem}; set a random one, {ADVICE}")
    elif secret in EXAMPLES and reader.in_azure:
        reader.problems.append(
            f"{HTTP_SECRET} is the documentation's example, which everybody knows; set a random "
            f"one, {ADVICE}"
        )
    return secret


def _root(reader: SettingsReader) -> str | None:
    """Return the prefix of names; a slash in front makes no difference, as in distribution v3."""
    text = reader.text(ROOT_DIRECTORY)
    if not text:
        return None
    if text in (".", "/"):
        return text.rstrip(".")
    if any(folder.endswith(".") for folder in text.split("/")):
        reader.problems.append(
            f"{ROOT_DIRECTORY}={text!r} must not have a folder that ends with a dot, which Azure "
            "strips from names; rename it, or use . for the top of the container"
        )
    return f"{text.removeprefix('/').rstrip('/')}/"


def _repository_classes(reader: SettingsReader) -> frozenset[str]:
    names = frozenset(reader.words(REPOSITORY_CLASSES))
    for name in sorted(names - CLASSES):
        reader.problems.append(
            f"{REPOSITORY_CLASSES}: {name!r} is not a class of manifests; list some of "
            f"{', '.join(sorted(CLASSES))}"
        )
    return names


def _foreign_urls(reader: SettingsReader) -> ForeignUrls:
    return ForeignUrls(reader.url_globs(URLS_ALLOW), reader.url_globs(URLS_DENY))


def _public_url(reader: SettingsReader) -> str | None:
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
    is_bare = parts.path in ("", "/") and not (parts.query or parts.fragment or "@" in parts.netloc)
    return parts.scheme in ("http", "https") and bool(parts.hostname) and is_bare


def _cors_origins(reader: SettingsReader) -> Origins:
    try:
        return Origins.parse(reader.words(HTTP_CORS_ORIGINS))
    except ValueError as error:
        reader.problems.append(f"{HTTP_CORS_ORIGINS}: {error}")
        return NO_ORIGINS


def _body_limit(reader: SettingsReader) -> int | None:
    """Return the limit of the Functions host in bytes; None on hosts without one."""
    if reader.given(BODY_LIMIT) or _in_functions(reader):
        return reader.number(BODY_LIMIT)
    return None


def _forwarded_headers(reader: SettingsReader) -> frozenset[str]:
    if _in_functions(reader):
        return FUNCTIONS_HOST
    return CONTAINER_APPS if reader.in_azure else ANY_PROXY


def _in_functions(reader: SettingsReader) -> bool:
    """Whether the Functions host is in front of the registry, in Azure or elsewhere."""
    return reader.in_app_service or bool(reader.given(_FUNCTIONS))
