"""Hypothesis strategies for the specification's values, designed to find examples quickly."""

from __future__ import annotations

from hypothesis import strategies as st

from registry_core.spec.digest import SHA256, SHA512, Digest
from registry_core.spec.names import NAME_MAX_LENGTH

# Components that are words of the endpoints, too.
ODD_COMPONENTS = ("blobs", "manifests", "tags", "list", "uploads", "referrers", "v2", "sha256")
SEPARATORS = (".", "_", "__", "-", "--", "-----", "/")

_RUN = st.sampled_from(ODD_COMPONENTS) | st.text("abz09", min_size=1, max_size=4)


@st.composite
def names(draw: st.DrawFn) -> str:
    """Generate repository names of all lengths, many of them similar to the paths of endpoints."""
    name = draw(_RUN)
    for separator in draw(st.lists(st.sampled_from(SEPARATORS) | st.just("/"), max_size=6)):
        name += separator + draw(_RUN)
    return name + "a" * draw(st.sampled_from([0, 0, 0, NAME_MAX_LENGTH - len(name)]))


def tags() -> st.SearchStrategy[str]:
    """Generate tags of all lengths that may be set."""
    first, rest = st.sampled_from("aZ0_"), st.text("aZ0_.-", max_size=127)
    generated = st.builds("".join, st.tuples(first, rest)).filter(lambda tag: tag[-1] != ".")
    return st.sampled_from(ODD_COMPONENTS) | generated


def digests() -> st.SearchStrategy[Digest]:
    sha256 = st.binary(min_size=32, max_size=32).map(lambda raw: Digest(SHA256, raw.hex()))
    sha512 = st.binary(min_size=64, max_size=64).map(lambda raw: Digest(SHA512, raw.hex()))
    return sha256 | sha512


def texts() -> st.SearchStrategy[str]:
    """Generate texts that can be encoded as UTF-8."""
    return st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
