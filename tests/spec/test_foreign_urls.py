"""Where else than to the registry a manifest may send clients."""

from __future__ import annotations

import json
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import pytest

from registry_core.spec.errors import ManifestInvalid
from registry_core.spec.foreign_urls import MAX_URLS, NO_URLS, ForeignUrls, normalize
from registry_core.spec.manifest import parse_manifest

from . import documents


@dataclass(frozen=True)
class BeginWith:
    """Patterns of URLs that begin with a text."""

    text: str

    def match(self, url: str) -> bool:
        return url.startswith(self.text)


HERE = BeginWith("https://here.example/")
SECRET = BeginWith("https://here.example/secret/")


def check(policy: ForeignUrls, url: str, document: Any = documents.DOCKER_IMAGE) -> str:
    """Return what is wrong with a manifest whose first layer, or child, has the URL."""
    changed = deepcopy(document)
    changed["manifests" if "manifests" in changed else "layers"][0]["urls"] = [url]
    try:
        policy.check(parse_manifest(json.dumps(changed).encode()).document)
    except ManifestInvalid as error:
        return str(error)
    return ""


@pytest.mark.parametrize(
    "policy, allowed, refused",
    [
        (NO_URLS, [], ["https://here.example/a"]),
        (ForeignUrls(allow=HERE), ["https://here.example/a"], ["https://other.example/a"]),
        (ForeignUrls(deny=HERE), ["https://other.example/a"], ["https://here.example/a"]),
        (ForeignUrls(HERE, SECRET), ["https://here.example/a"], ["https://here.example/secret/a"]),
    ],
)
def test_a_url_is_allowed_or_denied_as_in_distribution(
    policy: ForeignUrls, allowed: list[str], refused: list[str]
) -> None:
    for url in allowed:
        assert check(policy, url) == ""
    for url in refused:
        assert f"layers[0].urls: {url!r} is " in check(policy, url)


def test_the_urls_of_every_descriptor_count() -> None:
    """Clients follow those of layers, and some follow others."""
    url = "https://here.example/a"
    assert "manifests[0].urls" in check(NO_URLS, url, documents.OCI_INDEX)
    for field in ("config", "subject"):
        document: Any = deepcopy(documents.OCI_IMAGE)
        document[field] = {**document["config"], "urls": [url]}
        with pytest.raises(ManifestInvalid, match=rf"{field}\.urls"):
            NO_URLS.check(parse_manifest(json.dumps(document).encode()).document)


def test_manifests_without_urls_are_always_allowed() -> None:
    NO_URLS.check(parse_manifest(json.dumps(documents.OCI_IMAGE).encode()).document)


@pytest.mark.parametrize(
    "url, expected",
    [
        ("file:///etc/passwd", "http or https"),
        ("javascript:1", "http or https"),
        ("ftp://here.example/a", "http or https"),
        ("//here.example/a", "http or https"),
        ("here.example/a", "http or https"),
        ("https:///a", "http or https"),
        ("", "http or https"),
        ("https://here.example/a#part", "no fragment"),
        ("https://here.example/a#", "no fragment"),
        ("https://user@here.example/a", "no user name"),
        ("https://here.example@evil.example/", "no user name"),
        ("https://evil.example\\@here.example/", "percent-encoded"),
        ("https://here.example/a b", "percent-encoded"),
        ("https://here.example/\n", "percent-encoded"),
        ("https://h\u00e9re.example/", "percent-encoded"),
        ("https://h%65re.example/", "plain host"),
        ("https://evil.example?.here.example/", "path before its query"),
        ("https://here.example:port/", "not a valid URL"),
        ("https://here.example:65536/", "not a valid URL"),
        ("https://[::1/", "not a valid URL"),
        ("https://evil.example[va.here.example]/a", "plain host"),
        ("https://[va.here.example]/a", "plain host"),
        ("https://evil.example[::1]/a", "plain host"),
        ("https://[::1].evil.example/a", "plain host"),
        ("https://evil.example;.here.example/a", "plain host"),
        ("https://here.example/a/../b", "no . or .."),
        ("https://here.example/a/%2E%2e/b", "no . or .."),
        ("https://here.example/" + "a" * 2048, "longer than 2048"),
    ],
)
def test_a_url_that_clients_may_read_differently_is_refused(url: str, expected: str) -> None:
    """Even where everything is allowed."""
    message = check(ForeignUrls(allow=BeginWith("")), url)
    assert "layers[0].urls" in message
    assert expected in message


@pytest.mark.parametrize(
    "url, normalized",
    [
        ("HTTPS://Here.Example/A", "https://here.example/A"),
        ("https://here.example", "https://here.example/"),
        ("https://here.example:443/a", "https://here.example/a"),
        ("http://here.example:80/a", "http://here.example/a"),
        ("http://here.example:443/a", "http://here.example:443/a"),
        ("https://here.example./a", "https://here.example/a"),
        ("https://here.example/%61%2fb?c=%7e", "https://here.example/a%2Fb?c=~"),
        ("https://[2001:DB8::1]:444/a", "https://[2001:db8::1]:444/a"),
    ],
)
def test_equivalent_urls_are_compared_as_one(url: str, normalized: str) -> None:
    """RFC 3986, section 6.2. Otherwise another spelling would get around what is denied."""
    assert normalize(url) == normalized
    assert normalize(normalized) == normalized


@pytest.mark.parametrize("more", [0, 1])
def test_a_manifest_cannot_have_urls_without_number(more: int) -> None:
    document: Any = deepcopy(documents.DOCKER_IMAGE)
    for layer, urls in zip(document["layers"], (MAX_URLS - 1, 1 + more), strict=True):
        layer["urls"] = ["https://here.example/" + "a/" * 1000] * urls
    manifest = parse_manifest(json.dumps(document).encode())
    if not more:
        ForeignUrls(HERE, SECRET).check(manifest.document)
        return
    with pytest.raises(ManifestInvalid, match="it has 257 urls; at most 256 are accepted"):
        ForeignUrls(HERE, SECRET).check(manifest.document)
