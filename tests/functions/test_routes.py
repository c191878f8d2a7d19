"""Which function the host calls for a request, and the path that the function sees."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.functions_host.routes import (
    UnsupportedRoute,
    decoded,
    forwarded,
    http_function,
    match_template,
    route_prefix,
)

TRIGGER = {"type": "httpTrigger", "name": "req"}


@pytest.mark.parametrize(
    "template, path, parameters",
    [
        ("/", "/", {}),
        ("/", "//", {}),
        ("/", "/v2", None),
        ("v2/{*path}", "/v2", {"path": ""}),
        ("v2/{*path}", "/v2/", {"path": ""}),
        ("v2/{*path}", "/V2/a/b/", {"path": "a/b/"}),
        ("v2/{*path}", "/v2//a", {"path": "/a"}),
        ("v2/{*path}", "/v20", None),
        ("v2/{*path}", "//v2/", None),
        ("a/{b}", "/a/x", {"b": "x"}),
        ("a/{b}", "/a/x/", {"b": "x"}),
        ("a/{b}", "/a", None),
        ("a/{b}", "/a/x/y", None),
        ("a/{b?}", "/a", {}),
    ],
)
def test_templates_match_as_in_aspnet(
    template: str, path: str, parameters: dict[str, str] | None
) -> None:
    assert match_template(template, path) == parameters


def test_an_unsupported_template_is_refused_when_the_app_is_loaded() -> None:
    with pytest.raises(UnsupportedRoute, match="maxlength"):
        http_function("f", "id", [{**TRIGGER, "route": "{x:maxlength(0)?}"}], "")


def test_an_empty_route_stands_for_the_name_of_the_function() -> None:
    function = http_function("home", "id", [{**TRIGGER, "route": ""}], "")
    assert function is not None
    assert function.match("GET", "/") is None
    assert function.match("GET", "/home") == {}


def test_only_listed_methods_match_and_all_if_none_is_listed() -> None:
    named = http_function("f", "id", [{**TRIGGER, "route": "a", "methods": ["GET"]}], "")
    unnamed = http_function("f", "id", [{**TRIGGER, "route": "a"}], "")
    assert named is not None
    assert unnamed is not None
    assert (
        named.match("GET", "/a") == unnamed.match("GET", "/a") == unnamed.match("PUT", "/a") == {}
    )
    assert named.match("PUT", "/a") is None


def test_the_prefix_is_api_unless_host_json_says_otherwise(tmp_path: Path) -> None:
    assert route_prefix(tmp_path) == "api"
    settings = {"version": "2.0", "extensions": {"http": {"routePrefix": ""}}}
    (tmp_path / "host.json").write_text(json.dumps(settings))
    assert route_prefix(tmp_path) == ""


@pytest.mark.parametrize(
    "sent, routed, passed_on",
    [
        ("/v2/a/manifests/sha256%3Aab", "/v2/a/manifests/sha256:ab", "/v2/a/manifests/sha256:ab"),
        ("/v2/a%2Fb", "/v2/a%2Fb", "/v2/a%252Fb"),
        ("/v2/a%2fb", "/v2/a%2fb", "/v2/a%252fb"),
        ("/v2/%25", "/v2/%", "/v2/%25"),
        ("/v2/%c3%a4", "/v2/\u00e4", "/v2/%C3%A4"),
        ("/v2/%ff", "/v2/%ff", "/v2/%25ff"),
        ("/v2/a/../b/./c", "/v2/b/c", "/v2/b/c"),
        ("/v2/%2e%2e/b", "/b", "/b"),
        ("/v2/..", "/", "/"),
        ("/v2//a b", "/v2//a b", "/v2//a%20b"),
        ("/v2/a+b", "/v2/a+b", "/v2/a+b"),
    ],
)
def test_paths_are_decoded_and_encoded_again_but_for_the_slash(
    sent: str, routed: str, passed_on: str
) -> None:
    assert decoded(sent) == routed
    assert forwarded(decoded(sent)) == passed_on


def test_an_encoded_nul_is_refused() -> None:
    with pytest.raises(ValueError, match="NUL"):
        decoded("/v2/%00")
