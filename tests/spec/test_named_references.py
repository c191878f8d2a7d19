"""References as people write them name a repository, and a tag or a manifest of it."""

from __future__ import annotations

import pytest

from registry_core.spec.digest import SHA512, Digest
from registry_core.spec.errors import DigestInvalid, NameInvalid, RegistryError, TagInvalid
from registry_core.spec.references import NamedReference, fallback_tag

DIGEST = Digest.of(b"a manifest")
LONG = Digest.of(b"a manifest", SHA512)


@pytest.mark.parametrize(
    "text, reference",
    [
        ("a", NamedReference("a")),
        ("team/app:v1", NamedReference("team/app", "v1")),
        (f"team/app@{DIGEST}", NamedReference("team/app", digest=DIGEST)),
        (f"team/app:v1@{LONG}", NamedReference("team/app", "v1", LONG)),
    ],
)
def test_a_reference_is_parsed_and_written_as_it_was(text: str, reference: NamedReference) -> None:
    assert NamedReference.parse(text) == reference
    assert str(reference) == text


@pytest.mark.parametrize(
    "text, error, says",
    [
        ("", NameInvalid, "not a valid repository name"),
        ("Team/App:v1", NameInvalid, "not a valid repository name"),
        (":v1", NameInvalid, "not a valid repository name"),
        ("app:", TagInvalid, "not a valid tag"),
        ("app:-v1", TagInvalid, "not a valid tag"),
        ("app:v1.", TagInvalid, "ends with a dot"),
        ("app@", DigestInvalid, "not a digest"),
        ("app@sha256:12", DigestInvalid, "64 lowercase hex digits"),
        ("app@v1", DigestInvalid, "not a digest"),
        ("localhost:5000/app:v1", NameInvalid, "address of a registry"),
    ],
)
def test_the_refusal_of_a_reference_says_which_part_is_wrong(
    text: str, error: type[RegistryError], says: str
) -> None:
    with pytest.raises(error, match=says):
        NamedReference.parse(text)


def test_the_fallback_tag_is_truncated_as_the_specification_says() -> None:
    assert fallback_tag(DIGEST) == f"sha256-{DIGEST.hex}"
    assert fallback_tag(LONG) == f"sha512-{LONG.hex[:64]}"
