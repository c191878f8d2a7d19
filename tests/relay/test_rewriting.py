"""URLs of the registry are recognised, and only they."""

from __future__ import annotations

import pytest

from registry_core.relay.headers import Rewriter

REWRITER = Rewriter("https://registry.example.com")


@pytest.mark.parametrize(
    "url, path",
    [
        ("https://registry.example.com/v2/a?x=1", "/v2/a?x=1"),
        ("https://registry.example.com:443/v2/a", "/v2/a"),
        ("https://REGISTRY.example.com/v2/a", "/v2/a"),
        ("http://registry.example.com/v2/a", "/v2/a"),  # as behind a proxy that adds TLS
        ("/v2/a?x=1", "/v2/a?x=1"),
        ("https://registry.example.com:8443/v2/a", None),
        ("https://registry.example.com.evil.example/v2/a", None),
        ("https://storage.example.com/v2/a", None),
        ("//storage.example.com/v2/a", None),
        ("/v2/a\x01", None),
        ("https://registry.example.com", None),
        ("https://registry.example.com//evil.example/", None),
        ("https://[malformed/v2/a", None),
        ("v2/a", None),
        ("", None),
    ],
)
def test_the_path_of_a_url_of_the_registry(url: str, path: str | None) -> None:
    assert REWRITER.path_of(url) == path


def test_relative_urls_stay_relative() -> None:
    headers = [("location", "/v2/a"), ("link", '</v2/_catalog?last=a>; rel="next"')]

    assert REWRITER.seen_at("http://127.0.0.1:5001", headers) == headers
