"""Which subjects and claims a glob matches."""

import time

import pytest

from registry_core.auth.rules.federation import ClaimGlobs


@pytest.mark.parametrize(
    "glob, text",
    [
        ("repo:org/*:ref:refs/heads/main", "repo:org/app:ref:refs/heads/main"),
        ("repo:org/app:ref:refs/heads/**", "repo:org/app:ref:refs/heads/feature/x"),
        ("repo:org/**", "repo:org/app:pull_request"),
        ("system:serviceaccount:builds:*", "system:serviceaccount:builds:default"),
        ("v?", "v1"),
        ("**", ""),
        ("a.b+c[d]", "a.b+c[d]"),
    ],
)
def test_a_glob_matches(glob: str, text: str) -> None:
    assert ClaimGlobs([glob]).match(text)


@pytest.mark.parametrize(
    "glob, text",
    [
        ("repo:org/*", "repo:org/app:ref:refs/heads/main"),
        ("repo:org/*", "repo:org/app:pull_request"),
        ("repo:org/*", "repo:org/app/more"),
        ("repo:org/*:ref:refs/heads/main", "repo:org/a:ref:x:ref:refs/heads/main"),
        ("repo:org/*:ref:refs/heads/main", "repo:org/a/b:ref:refs/heads/main"),
        ("repo:org/*:ref:refs/heads/main", "repo:org/app:ref:refs/heads/main\n"),
        ("repo:org/*:ref:refs/heads/main", "xrepo:org/app:ref:refs/heads/main"),
        ("repo:org/*:ref:refs/heads/main", "REPO:org/app:ref:refs/heads/main"),
        ("repo:org/app:ref:refs/heads/*", "repo:org/app:ref:refs/heads/feature/x"),
        ("system:serviceaccount:*:builder", "system:serviceaccount:a:b:builder"),
        ("v?", "v:"),
        ("a.b", "axb"),
        ("[ab]", "a"),
    ],
)
def test_a_glob_does_not_match(glob: str, text: str) -> None:
    assert not ClaimGlobs([glob]).match(text)


@pytest.mark.parametrize("claim", [None, [], {}, 1.5, [["a"]], {"a": "a"}])
def test_claims_without_text_match_no_glob(claim: object) -> None:
    assert not ClaimGlobs(["**"]).match(claim)


def test_without_globs_nothing_matches() -> None:
    assert not ClaimGlobs([]).match("")


def test_the_subject_of_a_stranger_does_not_keep_the_registry_busy() -> None:
    """Anybody gets a signed token with a long subject from a public issuer."""
    globs = ClaimGlobs(["**a**a**a**a**b", "repo:**a*a**a*a**:ref:**b"])
    began = time.monotonic()
    for subject in ("a" * 255, "repo:" + "a" * 60_000 + ":ref:b/"):
        assert not globs.match(subject)
    assert time.monotonic() - began < 10
