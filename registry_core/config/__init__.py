"""Settings: the only reader of the environment.

`table` lists them all, `reading` reads them into the values of `settings`.
"""

from .auth_table import AUTH, BUILTIN_SIGNINGKEY
from .reader import ConfigError
from .reading import read_settings, read_storage_settings
from .settings import (
    AuthSettings,
    AzureStorage,
    BuiltinAuth,
    Document,
    EntraAuth,
    GcSettings,
    HtpasswdAuth,
    Mode,
    Settings,
    TokenAuth,
)
from .storage import storage_is_configured
from .table import (
    ACCOUNT_KEY,
    ACCOUNT_NAME,
    CONNECTION_STRING,
    CONTAINER,
    CREDENTIALS_CLIENTID,
    GC_ENABLED,
    GC_YOUNG,
    HTTP_SECRET,
    READ_ONLY,
    REDIRECT_DISABLE,
    ROOT_DIRECTORY,
    SERVICE_URL,
    SETTINGS,
)

__all__ = [
    "ACCOUNT_KEY",
    "ACCOUNT_NAME",
    "AUTH",
    "BUILTIN_SIGNINGKEY",
    "CONNECTION_STRING",
    "CONTAINER",
    "CREDENTIALS_CLIENTID",
    "GC_ENABLED",
    "GC_YOUNG",
    "HTTP_SECRET",
    "READ_ONLY",
    "REDIRECT_DISABLE",
    "ROOT_DIRECTORY",
    "SERVICE_URL",
    "SETTINGS",
    "AuthSettings",
    "AzureStorage",
    "BuiltinAuth",
    "ConfigError",
    "Document",
    "EntraAuth",
    "GcSettings",
    "HtpasswdAuth",
    "Mode",
    "Settings",
    "TokenAuth",
    "read_settings",
    "read_storage_settings",
    "storage_is_configured",
]
