"""Settings, parsed once from the environment; the only reader of it.

Names are those of distribution's own environment overrides wherever the thing exists there. The
table in the README says what each one does.
"""

from .names import (
    ACCOUNT_KEY,
    ACCOUNT_NAME,
    CACHE_MANIFESTS,
    CACHE_MEMBERSHIP,
    CONNECTION_STRING,
    CONTAINER,
    DELETE_ENABLED,
    HTTP_HOST,
    HTTP_RELATIVE_URLS,
    HTTP_SECRET,
    INDEX_PLATFORMS,
    KNOWN,
    READ_ONLY,
    REALM,
    REDIRECT_DISABLE,
    ROOT_DIRECTORY,
    SERVICE_URL,
    TAGS_IMMUTABLE,
    VALIDATION_DISABLED,
)
from .reader import ConfigError
from .reading import read_settings
from .settings import AzureStorage, Settings
from .storage import storage_is_configured

__all__ = [
    "ACCOUNT_KEY",
    "ACCOUNT_NAME",
    "CACHE_MANIFESTS",
    "CACHE_MEMBERSHIP",
    "CONNECTION_STRING",
    "CONTAINER",
    "DELETE_ENABLED",
    "HTTP_HOST",
    "HTTP_RELATIVE_URLS",
    "HTTP_SECRET",
    "INDEX_PLATFORMS",
    "KNOWN",
    "READ_ONLY",
    "REALM",
    "REDIRECT_DISABLE",
    "ROOT_DIRECTORY",
    "SERVICE_URL",
    "TAGS_IMMUTABLE",
    "VALIDATION_DISABLED",
    "AzureStorage",
    "ConfigError",
    "Settings",
    "read_settings",
    "storage_is_configured",
]
