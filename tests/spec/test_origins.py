"""Origins of web pages: WHATWG Fetch, "Origin header"."""

from __future__ import annotations

import pytest

from registry_core.spec.origins import NO_ORIGINS, Origins

GOOD = [
    "https://ui.example.com",
    "http://localhost:8080",
    "https://ui.example.com:8443",
    "http://[::1]:3000",
    "https://xn--bcher-kva.example",
    "https://a",
    "http://127.0.0.1",
    "http://registry_ui:8080",
]


@pytest.mark.parametrize("origin", GOOD)
def test_a_listed_origin_is_allowed_and_no_other(origin: str) -> None:
    origins = Origins.parse([origin, "https://second.example"])
    assert origins.allow(origin)
    assert origins.allow("https://second.example")
    others = (f"{origin}.evil.example", f"evil{origin}", f"{origin}/", origin.upper(), "null", "")
    for other in (*others, None):
        assert not origins.allow(other), other


def test_an_asterisk_allows_every_origin() -> None:
    everyone = Origins.parse(["*"])
    assert all(map(everyone.allow, [*GOOD, "null", None]))


def test_without_origins_none_is_allowed() -> None:
    assert Origins.parse([]) == NO_ORIGINS
    assert not any(map(NO_ORIGINS.allow, [*GOOD, "null", "", None]))


@pytest.mark.parametrize(
    "text, right",
    [
        ("https://ui.example.com/", "https://ui.example.com"),
        ("https://ui.example.com/path?query#fragment", "https://ui.example.com"),
        ("https://ui.example.com:443", "https://ui.example.com"),
        ("http://ui.example.com:80", "http://ui.example.com"),
        ("https://user:password@ui.example.com", "https://ui.example.com"),
    ],
)
def test_for_a_url_that_is_not_an_origin_the_message_says_what_is(text: str, right: str) -> None:
    with pytest.raises(ValueError, match=f"is not an origin; write {right}$"):
        Origins.parse(["https://good.example", text])


def test_the_case_of_a_setting_does_not_matter() -> None:
    assert Origins.parse(["HTTPS://UI.example.COM"]).allow("https://ui.example.com")


@pytest.mark.parametrize(
    "text",
    [
        "ui.example.com",
        "//ui.example.com",
        "ftp://ui.example.com",
        "file:///x",
        "https://",
        "https://:443",
        "https://a:b",
        "https://a:99999",
        "https://*.example.com",
        "https://b\u00fccher.example",
        "https://a b",
        "https://[::1",
        "null",
        "",
        "x" * 10**6,
    ],
)
def test_what_is_not_an_origin_is_refused_by_name(text: str) -> None:
    with pytest.raises(ValueError, match="is not an origin; write https://") as error:
        Origins.parse([text])
    assert len(str(error.value)) < 300


@pytest.mark.parametrize("texts", [["*", "https://a"], ["https://a", "*"], ["*", "*"]])
def test_an_asterisk_is_alone(texts: list[str]) -> None:
    with pytest.raises(ValueError, match="remove the others"):
        Origins.parse(texts)
