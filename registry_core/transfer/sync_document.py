"""Parsing of a document that says what to keep in sync. All of it is checked before any is used.

    [[sync]]
    source = "docker.io/library/alpine"
    target = "registry.example.com/mirror/alpine"
    tags = ["3.*", "latest"]

docs/sync.md describes the keys.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

from ..glob_coverage import repository_glob_problem, tag_glob_problem
from ..globs import RepositoryGlobs, TagNameGlobs
from ..toml_tables import Problems, Table, parse_toml
from .locations import (
    FileLocation,
    Location,
    LocationInvalid,
    RegistryLocation,
    RegistryRoot,
    Transport,
    canonical_host,
    parse_location,
    parse_registry_root,
)
from .platforms import Platform

MAX_PARALLEL = 64
_COMMON = ("source", "target", "platforms", "referrers")
_YAML = re.compile(r"(?m)^[\w.-]+:(?:[ \t]|$)")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_Parsed = TypeVar("_Parsed")


@dataclass(frozen=True)
class SyncImage:
    """One image: a tag or a manifest. The target's tag is the source's unless it has its own."""

    source: Location
    target: Location


@dataclass(frozen=True)
class SyncTags:
    """The tags of a repository, a layout or an archive that match ``tags`` and not ``exclude``."""

    source: Location
    target: Location
    tags: TagNameGlobs
    exclude: TagNameGlobs


@dataclass(frozen=True)
class SyncRegistry:
    """The repositories of a registry that match, and in each of them the tags that match.

    The globs of repositories are for the names below the prefix of the source. They keep them below
    the prefix of the target.
    """

    source: RegistryRoot
    target: RegistryRoot
    repositories: RepositoryGlobs
    tags: TagNameGlobs
    exclude: TagNameGlobs

    @property
    def is_within_itself(self) -> bool:
        """Whether the target is a part of the source: what it has is not to be copied again."""
        source, target = self.source, self.target
        return (
            source.host == target.host
            and source.prefix != target.prefix
            and target.prefix.startswith(source.prefix)
        )


What: TypeAlias = SyncImage | SyncTags | SyncRegistry


@dataclass(frozen=True)
class SyncEntry:
    """A ``[[sync]]``: what is kept in sync, and how. ``line`` is where it stands."""

    line: int
    what: What
    platforms: tuple[Platform, ...] = ()
    referrers: bool = False

    def __str__(self) -> str:
        return f"{self.what.source} -> {self.what.target}"


@dataclass(frozen=True)
class RegistryAccess:
    """How a registry is accessed: ``[registries."host"]``.

    ``username`` with ``password_env``, the name of a variable of the environment, or with
    ``password_file``. Without them the credentials come from docker's configuration. ``ca`` is a
    file of certificates of authorities, ``cert_dir`` a folder as docker's ``certs.d/HOST``.
    ``token_host``: a host outside the registry's domain whose token service gets the login.
    """

    username: str = ""
    password_env: str = ""
    password_file: str = ""
    tls_verify: bool = True
    ca: str = ""
    cert_dir: str = ""
    token_host: str = ""
    parallel: int | None = None


@dataclass(frozen=True)
class SyncDocument:
    """All entries in order, and the access to registries by their hosts."""

    entries: tuple[SyncEntry, ...]
    registries: Mapping[str, RegistryAccess]


def parse_document(text: str, file: str) -> SyncDocument:
    """Parse a document in TOML. ``file`` is its name in messages.

    :raises DocumentInvalid: something is wrong with it; says all of it, with lines.
    """
    problems = Problems(file)
    if file.endswith((".yml", ".yaml")) or _is_yaml(text):
        problems.add(
            1,
            "this is YAML, as of regsync or skopeo; a document of moorage sync is TOML: "
            "docs/sync.md has a table that translates the keys",
        )
    problems.raise_any()
    content, source = parse_toml(text, problems)
    Table(source, (), content, "the document").expect_only(("sync", "registries"))
    entries = tuple(map(_read_entry, source.tables(content, "sync")))
    if not content.get("sync"):
        problems.add(1, "there is no [[sync]], so nothing is copied")
    registries = _read_registries(source.table(content, "registries"))
    _check_targets(entries, problems)
    problems.raise_any()
    return SyncDocument(entries, registries)


def _is_yaml(text: str) -> bool:
    """Return whether a text has keys with a colon, and none that TOML has."""
    return bool(_YAML.search(text)) and "=" not in text


def _read_entry(table: Table) -> SyncEntry:
    what = _read_registry(table) if "repositories" in table.content else _read_images(table)
    return SyncEntry(table.line, what, _read_platforms(table), _read_flag(table, "referrers"))


def _read_registry(table: Table) -> SyncRegistry:
    table.expect_only((*_COMMON, "repositories", "tags", "exclude"))
    nothing = RegistryRoot("")
    source = _parsed(table, "source", parse_registry_root) or nothing
    target = _parsed(table, "target", parse_registry_root) or nothing
    globs = table.checked_texts("repositories", '["team/**"]', repository_glob_problem)
    tags, exclude = _read_tags(table)
    return SyncRegistry(source, target, RepositoryGlobs(globs), tags, exclude)


def _read_images(table: Table) -> SyncImage | SyncTags:
    table.expect_only((*_COMMON, "repositories", "tags", "exclude"))
    source = _parsed(table, "source", parse_location)
    target = _parsed(table, "target", parse_location)
    if source is None or target is None:  # there is a problem, so what is returned is not used
        nothing = RegistryLocation("", "")
        return SyncImage(nothing, nothing)
    if isinstance(target, FileLocation) and target.transport is not Transport.OCI:
        table.problem("target: an archive cannot be kept in sync; use oci:FOLDER", "target")
    if target.digest:
        table.problem("target must not have a digest: it is the source's", "target")
    if source.is_whole:
        if not target.is_whole:
            table.problem("target has a tag, so source must have one, too", "target")
        return SyncTags(source, target, *_read_tags(table))
    for key in ("tags", "exclude"):
        if key in table.content:
            table.problem(f"source names one image; leave out its tag, or {key}", key)
    return SyncImage(source, target)


def _read_tags(table: Table) -> tuple[TagNameGlobs, TagNameGlobs]:
    has_exclude = "exclude" in table.content
    tags = table.checked_texts("tags", '["v1.*", "latest"], or ["*"] for all', tag_glob_problem)
    exclude = table.checked_texts("exclude", '["*-rc*"]', tag_glob_problem) if has_exclude else ()
    return TagNameGlobs(tags), TagNameGlobs(exclude)


def _read_platforms(table: Table) -> tuple[Platform, ...]:
    found = []
    if "platforms" in table.content:
        for text in table.texts("platforms", '["linux/amd64"]'):
            try:
                found.append(Platform.parse(text.text))
            except ValueError as error:
                table.source.problems.add(text.line, str(error))
    return tuple(found)


def _read_flag(table: Table, key: str, *, default: bool = False) -> bool:
    flag = table.content.get(key, default)
    if not isinstance(flag, bool):
        table.problem(f"{key} must be true or false", key)
        return default
    return flag


def _parsed(table: Table, key: str, parse: Callable[[str], _Parsed]) -> _Parsed | None:
    """Return a string of the table, parsed; None if that is a problem."""
    text = table.text(key)
    try:
        return parse(text) if text else None
    except LocationInvalid as error:
        table.problem(f"{key}: {error}", key)
        return None


def _check_targets(entries: tuple[SyncEntry, ...], problems: Problems) -> None:
    """Add a problem for each image that two entries write, and for each that is its own source."""
    written: dict[Location, int] = {}
    for entry in entries if not problems.found else ():
        if str(entry.what.source) == str(entry.what.target):
            problems.add(entry.line, "source and target are the same")
        if isinstance(entry.what, SyncImage) and not entry.what.target.is_whole:
            line = written.setdefault(entry.what.target, entry.line)
            if line != entry.line:
                problems.add(
                    entry.line, f"{entry.what.target} is the target at line {line} already"
                )


def _read_registries(registries: Table) -> Mapping[str, RegistryAccess]:
    found: dict[str, RegistryAccess] = {}
    for name, content in registries.content.items():
        if not isinstance(content, dict):
            registries.problem(f'{name} must be written as [registries."{name}"]', name)
            continue
        table = Table(registries.source, (*registries.path, name), content, "registry")
        try:
            host = canonical_host(name)
        except LocationInvalid as error:
            table.problem(str(error))
            continue
        if host in found:
            table.problem(f"{host} has a table already")
        found[host] = _read_access(table)
    return found


def _read_access(table: Table) -> RegistryAccess:
    keys = (*_TEXTS, "tls_verify", "parallel")
    for key in ("password", "token"):
        if key in table.content:
            table.problem(
                f"a {key} does not belong in a document: use password_env, the name of a variable "
                "of the environment, or password_file",
                key,
            )
    table.expect_only((*keys, "password", "token"))
    access = RegistryAccess(
        **{key: table.text(key) for key in keys if key in table.content and key in _TEXTS},
        tls_verify=_read_flag(table, "tls_verify", default=True),
        parallel=_read_parallel(table),
    )
    _check_credentials(table, access)
    return access


_TEXTS = ("username", "password_env", "password_file", "ca", "cert_dir", "token_host")


def _check_credentials(table: Table, access: RegistryAccess) -> None:
    given = [key for key in ("password_env", "password_file") if key in table.content]
    if len(given) > 1:
        table.problem("password_env and password_file exclude each other", given[1])
    if given and "username" not in table.content:
        table.problem("the registry lacks username", given[0])
    if "username" in table.content and not given:
        table.problem("the registry has a username; it lacks password_env or password_file")
    if access.password_env and not _VARIABLE.fullmatch(access.password_env):
        table.problem("password_env is the name of a variable, such as MIRROR_PASSWORD", given[0])


def _read_parallel(table: Table) -> int | None:
    if "parallel" not in table.content:
        return None
    number: Any = table.content["parallel"]
    if type(number) is not int or not 1 <= number <= MAX_PARALLEL:
        table.problem(f"parallel must be a whole number from 1 to {MAX_PARALLEL}", "parallel")
        return None
    return number
