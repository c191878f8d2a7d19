"""Descriptors as JSON: parsing is the inverse of building."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry_core.spec.descriptor import Descriptor
from registry_core.spec.digest import Digest
from registry_core.spec.errors import DigestInvalid
from tests.spec.strategies import digests, texts

DIGEST = Digest.of(b"content")
DESCRIPTORS = st.builds(
    Descriptor,
    media_type=st.text("abc/+.", min_size=1),
    digest=digests(),
    size=st.integers(0, 2**63 - 1),
    urls=st.lists(texts(), max_size=3).map(tuple),
    annotations=st.none() | st.dictionaries(texts(), texts(), max_size=3),
    artifact_type=st.none() | st.text("abc/+.", min_size=1),
)


@given(DESCRIPTORS)
def test_parsing_is_the_inverse_of_building(descriptor: Descriptor) -> None:
    assert Descriptor.of_json(json.loads(json.dumps(descriptor.to_json()))) == descriptor


@pytest.mark.parametrize(
    "change, message",
    [
        ({"mediaType": None}, "mediaType is missing"),
        ({"mediaType": 1}, "mediaType is a number, not a string"),
        ({"digest": None}, "digest is missing"),
        ({"size": "1"}, "size is not a number of bytes"),
        ({"size": True}, "size is not a number of bytes"),
        ({"size": -1}, "size is not a number of bytes"),
        ({"urls": "https://example.com/"}, "urls is a string, not a list of strings"),
        ({"urls": ["https://example.com/", None]}, r"urls\[1\] is null, not a string"),
        ({"annotations": []}, "annotations is a list, not a map of strings to strings"),
        ({"annotations": {"a": 1}}, r"annotations\['a'\] is a number, not a string"),
        ({"annotations": {"a": "", "b": None}}, r"annotations\['b'\] is null, not a string"),
        ({"annotations": {"a": {}}}, r"annotations\['a'\] is an object, not a string"),
        ({"annotations": {"a": "\ud800"}}, r"\['a'\] is text that cannot be encoded as UTF-8"),
        ({"annotations": {"\ud800": "a"}}, "annotations has a key that is text that cannot"),
        ({"annotations": {"x" * 10**6: True}}, r"annotations\['x{160}'\] is a boolean, not a"),
        ({"artifactType": []}, "artifactType is a list, not a string"),
    ],
)
def test_a_malformed_descriptor_is_refused(change: dict[str, object], message: str) -> None:
    document = Descriptor("a/b", DIGEST, 7).to_json() | change
    with pytest.raises(ValueError, match=message):
        Descriptor.of_json(document)


def test_what_is_no_object_or_has_no_valid_digest_is_refused() -> None:
    with pytest.raises(ValueError, match="it is a list, not a descriptor"):
        Descriptor.of_json([])
    with pytest.raises(DigestInvalid):
        Descriptor.of_json(Descriptor("a/b", DIGEST, 7).to_json() | {"digest": "md5:1"})
