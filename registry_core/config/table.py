"""The table of settings: the name, type, default and meaning of each.

Names are those of distribution's environment overrides wherever distribution has the setting. The
readers take types and defaults from here, and docs/settings.md is generated from it.
"""

from __future__ import annotations

from collections.abc import Mapping

from .auth_table import AUTH_SECTIONS
from .setting import Section, Setting, Type
from .settings import API_VERSION as _DEFAULT_API_VERSION

_STORAGE = Section("Storage")
CONTAINER = _STORAGE.add(
    "REGISTRY_STORAGE_AZURE_CONTAINER",
    "Name of the Blob container that holds the registry.",
    unset="required",
)
ACCOUNT_NAME = _STORAGE.add(
    "REGISTRY_STORAGE_AZURE_ACCOUNTNAME",
    "Name of the storage account.",
    unset="required, unless a connection string or an address that contains the name is set",
)
ACCOUNT_KEY = _STORAGE.add(
    "REGISTRY_STORAGE_AZURE_ACCOUNTKEY",
    "Access key of the storage account. Without a key, storage is accessed with the identity of "
    "the process (`DefaultAzureCredential`).",
)
CREDENTIALS_TYPE = _STORAGE.add(
    "REGISTRY_STORAGE_AZURE_CREDENTIALS_TYPE",
    "How storage is accessed: `default_credentials` is the identity of the process, "
    "`client_secret` an application with a secret, `shared_key` an access key.",
    Type.CHOICE,
    unset="follows from the other settings",
    choices=("default_credentials", "client_secret", "shared_key"),
)
CREDENTIALS_CLIENTID = _STORAGE.add(
    "REGISTRY_STORAGE_AZURE_CREDENTIALS_CLIENTID",
    "Client id of a user-assigned managed identity, or of the application.",
    unset="`AZURE_CLIENT_ID`, if that is set",
)
CREDENTIALS_TENANTID = _STORAGE.add(
    "REGISTRY_STORAGE_AZURE_CREDENTIALS_TENANTID",
    "Tenant of the application.",
    unset="required for `client_secret`",
)
CREDENTIALS_SECRET = _STORAGE.add(
    "REGISTRY_STORAGE_AZURE_CREDENTIALS_SECRET",
    "Secret of the application.",
    unset="required for `client_secret`",
)
CONNECTION_STRING = _STORAGE.add(
    "REGISTRY_STORAGE_AZURE_CONNECTIONSTRING",
    "Account, key and address in one, instead of the settings above.",
)
SERVICE_URL = _STORAGE.add(
    "REGISTRY_STORAGE_AZURE_SERVICEURL",
    "Address of the account's Blob service, if it differs from the usual one.",
    Type.URL,
    unset="`https://ACCOUNT.blob.REALM`",
)
REALM = _STORAGE.add(
    "REGISTRY_STORAGE_AZURE_REALM",
    "Domain of the storage service in a national cloud.",
    default="core.windows.net",
)
API_VERSION = _STORAGE.add(
    "REGISTRY_STORAGE_AZURE_APIVERSION",
    "Version of the Blob service's protocol (`x-ms-version`) that the registry speaks and signs "
    "URLs for, from `2020-12-06` to `2026-10-06`. An older one is needed where the service does "
    "not know this one yet, such as in a national cloud.",
    default=_DEFAULT_API_VERSION,
)
ROOT_DIRECTORY = _STORAGE.add(
    "REGISTRY_STORAGE_AZURE_ROOTDIRECTORY",
    "Folder of the registry in the container; `.` is the top of the container, `/` its top with "
    "names that begin with a slash, as distribution v2 writes them.",
    unset="found by looking into the container",
)

_CONTENT = Section("Content")
DELETE_ENABLED = _CONTENT.add(
    "REGISTRY_STORAGE_DELETE_ENABLED",
    "Whether manifests, tags and blobs can be deleted; if not, deletions are answered with 405.",
    Type.FLAG,
    default="true",
)
DELETE_RETENTION = _CONTENT.add(
    "REGISTRY_DELETE_RETENTION",
    "For how long deletions can be undone, such as `72h` or `2w`; `0`: not at all, and they leave "
    "no record. See [trash.md](trash.md).",
    Type.DURATION,
    default="14d",
)
READ_ONLY = _CONTENT.add(
    "REGISTRY_STORAGE_MAINTENANCE_READONLY_ENABLED",
    "Whether the registry is read-only; if it is, every write is answered with 405, and no garbage "
    "is collected.",
    Type.FLAG,
    default="false",
)
TAGS_IMMUTABLE = _CONTENT.add(
    "REGISTRY_TAGS_IMMUTABLE",
    "Tags that can be set once, and not be moved or deleted (409): patterns of `repository:tag`, "
    "such as `prod/**:v*, *:release-?`. `*` stops at a slash, `**` does not.",
    Type.LIST,
)
VALIDATION_DISABLED = _CONTENT.add(
    "REGISTRY_VALIDATION_DISABLED",
    "Whether a manifest may reference blobs and manifests that the repository lacks.",
    Type.FLAG,
    default="false",
)
URLS_ALLOW = _CONTENT.add(
    "REGISTRY_VALIDATION_MANIFESTS_URLS_ALLOW",
    "Where else the `urls` in a pushed manifest may send clients, as base layers of older Windows "
    "images do: globs of URLs, such as `https://mcr.microsoft.com/**`. `*` stops at a slash, `**` "
    "does not. distribution has regular expressions here, which are refused.",
    Type.LIST,
    unset="nowhere; with `..._DENY`, wherever that does not match",
)
URLS_DENY = _CONTENT.add(
    "REGISTRY_VALIDATION_MANIFESTS_URLS_DENY",
    "Where else the `urls` in a pushed manifest may not send clients, even if `..._ALLOW` matches: "
    "globs of URLs. An address has many spellings: rely on `..._ALLOW`.",
    Type.LIST,
)
INDEX_PLATFORMS = _CONTENT.add(
    "REGISTRY_VALIDATION_MANIFESTS_INDEXES_PLATFORMS",
    "Which manifests of an image index must be in the repository: `all`, or `none` of them.",
    Type.CHOICE,
    default="all",
    choices=("all", "none"),
)
MAX_REFERENCES = _CONTENT.add(
    "REGISTRY_VALIDATION_MANIFESTS_MAXREFERENCES",
    "The most blobs and manifests that a pushed manifest may reference. Each takes up to two calls "
    "to storage, a blob that an index lists as a manifest three. A larger manifest is refused "
    "(400).",
    Type.NUMBER,
    default="1000",
)
REPOSITORY_CLASSES = _CONTENT.add(
    "REGISTRY_POLICY_REPOSITORY_CLASSES",
    "Classes of manifests that may be pushed: `image`, `plugin` or both. Manifests of another "
    "class, or of none, are refused (403).",
    Type.LIST,
    unset="all manifests",
)

_GC = Section("Garbage collection")
GC_ENABLED = _GC.add(
    "REGISTRY_GC_ENABLED",
    "Whether the registry collects garbage once a day, while clients push. What retention rules "
    "and `REGISTRY_GC_UNTAGGED` let go is garbage as well, whether clients may delete or not. See "
    "[garbage-collection.md](garbage-collection.md).",
    Type.FLAG,
    default="false",
)
GC_GRACE = _GC.add(
    "REGISTRY_GC_GRACE",
    "How long garbage stays after it was condemned, at least `1h`: whatever a client relies on in "
    "this time is kept.",
    Type.DURATION,
    default="2d",
)
GC_YOUNG = _GC.add(
    "REGISTRY_GC_YOUNG",
    "The age from which on content that nothing references is condemned.",
    Type.DURATION,
    default="1d",
)
GC_UNTAGGED = _GC.add(
    "REGISTRY_GC_UNTAGGED",
    "How long after its last push or pull a manifest becomes garbage if no tag leads to it: "
    "neither directly, nor through an index, nor as a referrer. At most `400d`.",
    Type.DURATION,
    unset="they stay",
)
RETENTION_RULES = _GC.add(
    "REGISTRY_RETENTION_RULES",
    "Retention rules in TOML: which tags and untagged manifests are kept, and which expire. See "
    "[retention.md](retention.md).",
    Type.DOCUMENT,
    unset="only images that say so themselves expire",
)
GC_SHARED = _GC.add(
    "REGISTRY_GC_SHARED",
    "Whether other registries write to the container, such as distribution, or an older version of "
    "this one. If so, garbage is condemned and counted, and stays.",
    Type.FLAG,
    unset="found out: nothing is deleted while the container shows recent writes of distribution",
)
UPLOAD_AGE = _GC.add(
    "REGISTRY_STORAGE_MAINTENANCE_UPLOADPURGING_AGE",
    "The age from which on uploads that nobody has finished are deleted, at least `1h`.",
    Type.DURATION,
    default="168h",
)

PULLS_RECORD = _GC.add(
    "REGISTRY_PULLS_RECORD",
    "Whether an instance records which manifests and tags are pulled from it, in a few writes an "
    "hour at most. A read-only registry records nothing. See [history.md](history.md#last-pulled).",
    Type.FLAG,
    unset="`true` once `REGISTRY_GC_UNTAGGED` or a retention rule depends on it, otherwise `false`",
)

_HTTP = Section("HTTP")
HTTP_SECRET = _HTTP.add(
    "REGISTRY_HTTP_SECRET",
    "Random text of at least 32 characters, as from `openssl rand -hex 32`, that seals the "
    "state of uploads and listings. It must be the same on every instance.",
    unset="derived from `REGISTRY_AUTH_BUILTIN_SIGNINGKEY` if `REGISTRY_AUTH` is `builtin`, else "
    "required; generated by the local server",
)
HTTP_HOST = _HTTP.add(
    "REGISTRY_HTTP_HOST",
    "Public address of the registry, such as `https://registry.example.com`.",
    Type.URL,
    unset="taken from each request",
)
HTTP_RELATIVE_URLS = _HTTP.add(
    "REGISTRY_HTTP_RELATIVEURLS",
    "Whether `Location` headers leave out the scheme and the host.",
    Type.FLAG,
    default="false",
)
HTTP_CORS_ORIGINS = _HTTP.add(
    "REGISTRY_HTTP_CORS_ORIGINS",
    "Origins of web pages that may use the registry in a browser (CORS), such as "
    "`https://ui.example.com`, or `*` for all. See [api.md](api.md#browsers).",
    Type.LIST,
)
ACCESS_LOG_DISABLED = _HTTP.add(
    "REGISTRY_LOG_ACCESSLOG_DISABLED",
    "Whether to leave out the log line of each request.",
    Type.FLAG,
    default="false",
)
AUDIT_LOG_DISABLED = _HTTP.add(
    "REGISTRY_LOG_AUDIT_DISABLED",
    "Whether to leave out the log lines about writes, deletions and logins.",
    Type.FLAG,
    default="false",
)

_SPEED = Section("Redirects and caches")
REDIRECT_DISABLE = _SPEED.add(
    "REGISTRY_STORAGE_REDIRECT_DISABLE",
    "Whether the registry sends all blobs itself. Otherwise it redirects clients to a signed URL "
    "of storage.",
    Type.FLAG,
    default="false",
)
DIRECT_UPLOAD = _SPEED.add(
    "REGISTRY_STORAGE_DIRECTUPLOAD",
    "Whether clients upload blobs straight to storage, by a signed URL, if they can: `auto` means "
    "where they are redirected there for downloads; `off` is for networks in which they cannot "
    "write to storage. See [direct-upload.md](direct-upload.md).",
    Type.CHOICE,
    default="auto",
    choices=("auto", "off"),
)
REDIRECT_MINSIZE = _SPEED.add(
    "REGISTRY_STORAGE_REDIRECT_MINSIZE",
    "Blobs of up to this many bytes, at most 1048576, are sent by the registry itself, which saves "
    "clients a request; `0` redirects to all but empty ones.",
    Type.NUMBER,
    default="65536",
)
CACHE_MEMBERSHIP = _SPEED.add(
    "REGISTRY_STORAGE_CACHE_MEMBERSHIP",
    "How many seconds an instance caches that a repository has a blob or manifest, at most 900, "
    "since a collection of garbage must not overtake what pushes rely on; `0` turns this cache "
    "off.",
    Type.NUMBER,
    default="30",
)
CACHE_MANIFESTS = _SPEED.add(
    "REGISTRY_STORAGE_CACHE_MANIFESTS",
    "How many bytes of manifests an instance caches in memory.",
    Type.NUMBER,
    default="33554432",
)

_FUNCTIONS = Section("Azure Functions")
BODY_LIMIT = _FUNCTIONS.add(
    "FUNCTIONS_REQUEST_BODY_SIZE_LIMIT",
    "The largest request body that the Functions host accepts, in bytes. The host reads this "
    "setting too; the registry refuses larger bodies (413) before they are sent. Other hosts have "
    "no limit.",
    Type.NUMBER,
    default="104857600",
)

SECTIONS = (_STORAGE, _CONTENT, _GC, _HTTP, _SPEED, *AUTH_SECTIONS, _FUNCTIONS)

SETTINGS: Mapping[str, Setting] = {
    setting.name: setting for section in SECTIONS for setting in section.settings
}
