"""Sealed texts can be opened by any instance, and neither read nor altered by anybody else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry_core.server.sealing import SealBroken, Sealer

SECRET = "a secret for tests, long enough"
SEALER = Sealer(SECRET, "upload")
SEALED = SEALER.seal(b"content")  # imports what it needs: no example is to wait for that


@given(st.binary(max_size=2000), st.text(st.characters(codec="utf-8"), max_size=300))
def test_another_instance_opens_what_was_sealed(content: bytes, context: str) -> None:
    assert Sealer(SECRET, "upload").open(SEALER.seal(content, context), context) == content


@pytest.mark.parametrize(
    "other, context",
    [
        (Sealer("another secret, just as long", "upload"), "a"),
        (Sealer(SECRET, "page"), "a"),
        (SEALER, "b"),
    ],
    ids=["another secret", "another purpose", "another context"],
)
def test_nobody_else_opens_it(other: Sealer, context: str) -> None:
    with pytest.raises(SealBroken):
        other.open(SEALER.seal(b"content", "a"), context)


@given(st.data())
def test_an_altered_text_is_refused(data: st.DataObject) -> None:
    index = data.draw(st.integers(0, len(SEALED) - 2))  # the last character has bits to spare
    other = data.draw(st.sampled_from("ABab01-_é").filter(lambda each: each != SEALED[index]))
    with pytest.raises(SealBroken):
        SEALER.open(SEALED[:index] + other + SEALED[index + 1 :])


@given(st.text(st.characters(codec="utf-8"), max_size=100))
def test_no_other_text_is_opened(text: str) -> None:
    with pytest.raises(SealBroken):
        SEALER.open(text)


def test_equal_contents_look_different() -> None:
    assert SEALER.seal(b"content") != SEALER.seal(b"content")


def test_the_secret_is_not_shown() -> None:
    assert SECRET not in repr(SEALER)
