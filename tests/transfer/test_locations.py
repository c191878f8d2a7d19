"""Locations: what people write, parsed to values and built back."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registry_core.spec.digest import Digest
from registry_core.spec.names import NAME, TAG
from registry_core.transfer.locations import (
    FileLocation,
    Location,
    LocationInvalid,
    RegistryLocation,
    RegistryRoot,
    Selected,
    Transport,
    canonical_host,
    parse_location,
    parse_registry_root,
    selected_in_registry,
    target_tags,
)

DIGEST = Digest.of(b"content")
OCI, OCI_ARCHIVE, DOCKER_ARCHIVE = Transport

CANONICAL: dict[str, Location] = {
    "registry.example.com/app": RegistryLocation("registry.example.com", "app"),
    "registry.example.com/team/app:v1": RegistryLocation("registry.example.com", "team/app", "v1"),
    "localhost/app": RegistryLocation("localhost", "app"),
    "localhost:5000/app:v1": RegistryLocation("localhost:5000", "app", "v1"),
    "[::1]:5000/app": RegistryLocation("[::1]:5000", "app"),
    f"r.example/app@{DIGEST}": RegistryLocation("r.example", "app", None, DIGEST),
    f"r.example/app:v1@{DIGEST}": RegistryLocation("r.example", "app", "v1", DIGEST),
    "http://127.0.0.1:5000/app:v1": RegistryLocation("127.0.0.1:5000", "app", "v1", None, "http"),
    "docker.io/library/alpine:3": RegistryLocation("docker.io", "library/alpine", "3"),
    "oci:images": FileLocation(OCI, "images"),
    "oci:/tmp/images:v1": FileLocation(OCI, "/tmp/images", "v1"),
    "oci:images:r.example:5000/app:v1": FileLocation(OCI, "images", "r.example:5000/app:v1"),
    f"oci:images@{DIGEST}": FileLocation(OCI, "images", None, DIGEST),
    "oci-archive:images.tar:v1": FileLocation(OCI_ARCHIVE, "images.tar", "v1"),
    "docker-archive:a.tar:app:v1": FileLocation(DOCKER_ARCHIVE, "a.tar", "app:v1"),
    "docker-archive:a.tar:@0": FileLocation(DOCKER_ARCHIVE, "a.tar", "@0"),
}


@pytest.mark.parametrize("text", CANONICAL)
def test_a_location_is_parsed_and_built_back(text: str) -> None:
    assert parse_location(text) == CANONICAL[text]
    assert str(CANONICAL[text]) == text


@pytest.mark.parametrize(
    "text, canonical",
    [
        ("alpine", "docker.io/library/alpine"),
        ("alpine:3", "docker.io/library/alpine:3"),
        ("team/app:v1", "docker.io/team/app:v1"),
        ("docker.io/alpine", "docker.io/library/alpine"),
        ("index.docker.io/alpine", "docker.io/library/alpine"),
        ("registry-1.docker.io/library/alpine", "docker.io/library/alpine"),
        ("docker://registry.example.com/app:v1", "registry.example.com/app:v1"),
        ("docker://alpine", "docker.io/library/alpine"),
        ("Registry.Example.com/app", "registry.example.com/app"),
    ],
)
def test_short_names_mean_docker_hub_as_for_docker(text: str, canonical: str) -> None:
    """Other spellings of a location are parsed to the same value."""
    assert str(parse_location(text)) == canonical


def test_docker_hub_serves_its_api_under_another_name() -> None:
    assert RegistryLocation("docker.io", "library/alpine").api_host == "registry-1.docker.io"
    assert RegistryLocation("localhost:5000", "app").api_host == "localhost:5000"


@pytest.mark.parametrize(
    "text, said",
    [
        ("", "is not a valid repository name"),
        ("registry.example.com/", "is not a valid repository name"),
        ("registry.example.com/App", "is not a valid repository name"),
        ("registry.example.com/app:", "'' is not a valid tag"),
        ("registry.example.com/app:-v1", "'-v1' is not a valid tag"),
        ("registry.example.com/app@sha256:abc", "sha256"),
        ("registry.example.com/app@md5:abc", "is not a valid repository name"),
        ("https://registry.example.com", "does not name a registry and a repository"),
        ("https://app/v1", "does not name a registry and a repository"),
        ("ftp://registry.example.com/app", "ftp:// is not supported; use one of oci:"),
        ("docker-daemon:app:v1", "`docker save`, then use docker-archive:FILE"),
        ("containers-storage:app", "use oci-archive:FILE"),
        ("dir:/tmp/app", "use oci:FOLDER"),
        ("oci:", "does not name a file or folder, as in oci:images"),
        ("oci::v1", "does not name a file or folder"),
        ("oci:images:", "ends with a colon"),
        ("registry.example.com/" + "a" * 300, "at most 255"),
    ],
)
def test_what_is_not_a_location_is_refused_with_a_reason(text: str, said: str) -> None:
    with pytest.raises(LocationInvalid, match=r"^'") as error:
        parse_location(text)
    assert said in str(error.value)
    assert text in str(error.value)


@pytest.mark.parametrize("parse", [parse_location, parse_registry_root])
@pytest.mark.parametrize("scheme", ["", "docker://", "https://"])
def test_a_password_in_a_location_is_refused_and_not_repeated(
    parse: Callable[[str], object], scheme: str
) -> None:
    with pytest.raises(LocationInvalid, match="no user name and password") as error:
        parse(f"{scheme}alice:secret@registry.example.com/app")
    assert "secret" not in str(error.value)


NAMES = st.from_regex(NAME, fullmatch=True).filter(lambda name: len(name) < 200)
TAGS = st.none() | st.from_regex(TAG, fullmatch=True)
DIGESTS = st.none() | st.builds(Digest.of, st.binary(max_size=2))
HOSTS = st.sampled_from(["registry.example.com", "localhost", "a.b:5000", "[fe80::1]", "1.2.3.4"])


@settings(max_examples=40)
@given(st.builds(RegistryLocation, HOSTS, NAMES, TAGS, DIGESTS, st.sampled_from([None, "https"])))
def test_every_location_of_a_registry_is_built_back(location: RegistryLocation) -> None:
    assert parse_location(str(location)) == location


def test_a_whole_location_has_neither_tag_nor_digest() -> None:
    for text in (f"r.example/app:v1@{DIGEST}", f"oci:images:v1@{DIGEST}"):
        location = parse_location(text)
        assert not location.is_whole
        assert location.whole().is_whole
        assert text.startswith(f"{location.whole()}:")


@pytest.mark.parametrize(
    "text, root",
    [
        ("registry.example.com", RegistryRoot("registry.example.com")),
        ("registry.example.com/", RegistryRoot("registry.example.com")),
        ("https://r.example:5000/a/b/", RegistryRoot("r.example:5000", "a/b/", "https")),
        ("docker.io/library", RegistryRoot("docker.io", "library/")),
    ],
)
def test_a_whole_registry_may_have_a_prefix(text: str, root: RegistryRoot) -> None:
    assert parse_registry_root(text) == root
    assert parse_registry_root(str(root)) == root
    assert root.repository("app") == RegistryLocation(
        root.host, f"{root.prefix}app", scheme=root.scheme
    )


@pytest.mark.parametrize("text", ["", "app", "team/app", "registry.example.com/A"])
def test_what_does_not_begin_with_a_registry_is_not_a_whole_one(text: str) -> None:
    with pytest.raises(LocationInvalid):
        parse_registry_root(text)


def test_hosts_have_one_form() -> None:
    assert canonical_host("Index.Docker.io") == "docker.io"
    with pytest.raises(LocationInvalid, match="is not a registry"):
        canonical_host("app")


@pytest.mark.parametrize(
    "text, reference, tag",
    [
        ("r.example/app", "latest", "latest"),
        ("r.example/app:v1", "v1", "v1"),
        (f"r.example/app:v1@{DIGEST}", DIGEST, "v1"),
        (f"r.example/app@{DIGEST}", DIGEST, None),
    ],
)
def test_what_a_location_names_in_a_registry(
    text: str, reference: Digest | str, tag: str | None
) -> None:
    location = parse_location(text)
    assert isinstance(location, RegistryLocation)
    assert selected_in_registry(location) == Selected(reference, tag)


@pytest.mark.parametrize(
    "source, tag, target, named",
    [
        ("r.example/app:v1", "v1", "o.example/app:v2", "v2"),
        ("r.example/app:v1", "v1", "o.example/app", "v1"),
        ("oci:images", "v1", "o.example/app", "v1"),
        (f"r.example/app@{DIGEST}", None, "o.example/app", None),
        (f"r.example/app@{DIGEST}", None, "o.example/app:v1", "v1"),
        ("r.example/app:v1", "v1", "oci:images", "v1"),
        ("r.example/app:v1", "v1", "oci-archive:images.tar:v2", "v2"),
        ("r.example/app:v1", "v1", "docker-archive:a.tar", "r.example/app:v1"),
        (f"r.example/app@{DIGEST}", None, "docker-archive:a.tar", None),
        ("docker-archive:b.tar:app:v1", "v1", "docker-archive:a.tar", "app:v1"),
        ("oci:images:v1", "v1", "docker-archive:a.tar", None),
        ("oci:images:v1", "v1", "docker-archive:a.tar:app:v2", "app:v2"),
    ],
)
def test_the_tag_is_the_targets_or_else_the_sources(
    source: str, tag: str | None, target: str, named: str | None
) -> None:
    expected = () if named is None else (named,)
    assert target_tags(parse_location(source), tag, parse_location(target)) == expected
