"""Documents of `moorage sync`: what they may say, and what is wrong with others, with lines."""

from __future__ import annotations

import re

import pytest

from registry_core.globs import RepositoryGlobs, TagNameGlobs
from registry_core.toml_tables import DocumentInvalid
from registry_core.transfer.locations import parse_location, parse_registry_root
from registry_core.transfer.platforms import Platform
from registry_core.transfer.sync_document import (
    RegistryAccess,
    SyncEntry,
    SyncImage,
    SyncRegistry,
    SyncTags,
    parse_document,
)
from tests.support.host import PROJECT

DOCUMENT = """
[registries."docker.io"]
username = "ci"
password_env = "HUB_TOKEN"
parallel = 2

[registries."registry.example.com:5000"]
tls_verify = false
ca = "ca.pem"
token_host = "login.example.org"

[[sync]]  # line 12
source = "alpine:3"
target = "registry.example.com/mirror/alpine"
platforms = ["linux/amd64", "linux/arm64"]
referrers = true

[[sync]]
source = "quay.io/team/app"
target = "registry.example.com/app"
tags = ["v1.*", "latest"]
exclude = ["*-rc*"]

[[sync]]
source = "old.example.com/team"
target = "registry.example.com/copies"
repositories = ["app", "web/**"]
tags = ["*"]
"""


def test_a_document_lists_images_tags_and_registries() -> None:
    found = parse_document(DOCUMENT, "sync.toml")
    assert found.registries == {
        "docker.io": RegistryAccess("ci", "HUB_TOKEN", parallel=2),
        "registry.example.com:5000": RegistryAccess(
            tls_verify=False, ca="ca.pem", token_host="login.example.org"
        ),
    }
    platforms = (Platform.parse("linux/amd64"), Platform.parse("linux/arm64"))
    image = SyncImage(
        parse_location("docker.io/library/alpine:3"),
        parse_location("registry.example.com/mirror/alpine"),
    )
    tags = SyncTags(
        parse_location("quay.io/team/app"),
        parse_location("registry.example.com/app"),
        TagNameGlobs(("v1.*", "latest")),
        TagNameGlobs(("*-rc*",)),
    )
    registry = SyncRegistry(
        parse_registry_root("old.example.com/team"),
        parse_registry_root("registry.example.com/copies"),
        RepositoryGlobs(("app", "web/**")),
        TagNameGlobs(("*",)),
        TagNameGlobs(),
    )
    assert found.entries == (
        SyncEntry(12, image, platforms, referrers=True),
        SyncEntry(18, tags),
        SyncEntry(24, registry),
    )
    assert str(found.entries[1]) == "quay.io/team/app -> registry.example.com/app"


def test_the_example_in_the_documentation_is_valid() -> None:
    page = (PROJECT / "docs/sync.md").read_text()
    [example] = re.findall(r"(?ms)^```toml\n(.*?)^```", page)
    found = parse_document(example, "sync.toml")
    assert [type(entry.what) for entry in found.entries] == [SyncTags, SyncImage, SyncRegistry]
    assert found.registries["docker.io"].username == "ci"


def sync(*lines: str) -> str:
    """Return a document with one ``[[sync]]`` at line 1, and these lines after it."""
    return "\n".join(["[[sync]]", *lines])


SOURCE, TARGET = 'source = "r.example/app:v1"', 'target = "o.example/app"'
SYNC = sync(SOURCE, TARGET)
ALL = sync('source = "r.example/app"', TARGET)
ONE_TARGET = sync(SOURCE, 'target = "o.example/app:1"')
REGISTRY = '[registries."r.example"]\n'


@pytest.mark.parametrize(
    "text, problem",
    [
        ("", "1: there is no [[sync]], so nothing is copied"),
        ("sync:\n  - source: alpine\n", "1: this is YAML, as of regsync or skopeo"),
        ("images:\n  alpine: []\n", "1: this is YAML"),
        ("[[sync]", "1: not valid TOML"),
        (f"{SYNC}\n[[synk]]", '4: unknown key "synk" in the document; did you mean "sync"?'),
        (sync(SOURCE), "1: the sync lacks target"),
        (sync(TARGET), "1: the sync lacks source"),
        (sync(SOURCE, TARGET, "tag = 1"), '4: unknown key "tag" in sync; did you mean "tags"?'),
        (sync('source = "r.example/App:v1"', TARGET), "2: source: 'r.example/App:v1': 'App' is"),
        (sync(SOURCE, 'target = "dir:x"'), "3: target: 'dir:x': dir: is not supported; use oci:"),
        (sync(SOURCE, 'target = "oci-archive:x"'), "3: target: an archive cannot be kept in sync"),
        (ALL, '1: the sync lacks tags, such as tags = ["v1.*", "latest"], or ["*"] for all'),
        (f'{ALL}\ntags = ["a/b"]', "4: 'a/b' is not a glob of tags"),
        (f'{ALL}\ntags = ["*"]\nexclude = ["/"]', "5: '/' is not a glob of tags"),
        (f'{SYNC}\ntags = ["v1"]', "4: source names one image; leave out its tag, or tags"),
        (
            sync('source = "r.example/app"', 'target = "o.example/app:v1"', 'tags = ["*"]'),
            "3: target has a tag, so source must have one, too",
        ),
        (
            sync(SOURCE, f'target = "o.example/app@sha256:{"0" * 64}"'),
            "3: target must not have a digest: it is the source's",
        ),
        (sync(SOURCE, 'target = "r.example/app:v1"'), "1: source and target are the same"),
        (f'{SYNC}\nreferrers = "yes"', "4: referrers must be true or false"),
        (f'{SYNC}\nplatforms = ["linux"]', "4: 'linux'"),
        (
            sync('source = "team/app"', TARGET, 'repositories = ["a"]', 'tags = ["*"]'),
            "2: source: 'team/app' does not begin with a registry",
        ),
        (
            sync('source = "r.example"', TARGET, 'repositories = ["A"]', 'tags = ["*"]'),
            "4: 'A' is not a glob of repositories",
        ),
        (
            f"{ONE_TARGET}\n{ONE_TARGET}",
            "4: o.example/app:1 is the target at line 1 already",
        ),
        (f'{SYNC}\n[registries."app"]', "4: 'app' is not a registry"),
        (f"{SYNC}\n[registries]\na = 1", '5: a must be written as [registries."a"]'),
        (f'{SYNC}\n{REGISTRY}password = "x"', "5: a password does not belong in a document"),
        (
            f'{SYNC}\n{REGISTRY}username = "x"',
            "4: the registry has a username; it lacks",
        ),
        (f'{SYNC}\n{REGISTRY}password_env = "X"', "5: the registry lacks username"),
        (
            f'{SYNC}\n{REGISTRY}username = "x"\npassword_env = "$X"',
            "6: password_env is the name of a variable",
        ),
        (
            f'{SYNC}\n{REGISTRY}username = "x"\npassword_env = "X"\npassword_file = "x"',
            "7: password_env and password_file exclude each other",
        ),
        (f"{SYNC}\n{REGISTRY}parallel = 0", "5: parallel must be a whole number from 1 to 64"),
        (f"{SYNC}\n{REGISTRY}parallel = true", "5: parallel must be a whole number"),
        (f"{SYNC}\n{REGISTRY}tls_verify = 0", "5: tls_verify must be true or false"),
        (
            f'{SYNC}\n[registries."docker.io"]\n[registries."index.docker.io"]',
            "5: docker.io has a table already",
        ),
    ],
)
def test_what_is_wrong_is_reported_with_its_line(text: str, problem: str) -> None:
    with pytest.raises(DocumentInvalid) as error:
        parse_document(text, "sync.toml")
    assert any(f"sync.toml:{problem}" in line for line in error.value.problems), error.value


def test_a_password_in_the_document_is_not_repeated() -> None:
    with pytest.raises(DocumentInvalid) as error:
        parse_document(f'{SYNC}\n{REGISTRY}password = "secret"', "sync.toml")
    assert "secret" not in str(error.value)


def test_all_problems_are_reported_at_once() -> None:
    with pytest.raises(DocumentInvalid) as error:
        parse_document(f"{sync(SOURCE)}\n{sync(TARGET)}", "sync.toml")
    assert error.value.problems == [
        "sync.toml:1: the sync lacks target",
        "sync.toml:3: the sync lacks source",
    ]


def test_a_file_of_yaml_is_named_as_such_even_if_it_is_toml() -> None:
    with pytest.raises(DocumentInvalid, match="this is YAML"):
        parse_document(SYNC, "sync.yaml")
