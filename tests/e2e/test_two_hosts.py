"""Any host serves any request: those of one upload alternate between two hosts."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from tests.e2e.alternating_proxy import AlternatingProxy
from tests.e2e.clients import ImageClient
from tests.e2e.conftest import only_nightly
from tests.e2e.images import noise_image

_PIECE = 9 << 20  # more than one block of storage


@pytest.fixture(scope="module")
def proxy(registries: tuple[str, str]) -> Iterator[AlternatingProxy]:
    with AlternatingProxy(registries) as proxy:
        yield proxy


def test_each_request_of_an_upload_may_go_to_another_host(registries: tuple[str, str]) -> None:
    """Started at one, continued at both, closed at one, read at both."""
    a, b = registries
    pieces = os.urandom(_PIECE), os.urandom(_PIECE), os.urandom(1000)
    digest = "sha256:" + hashlib.sha256(b"".join(pieces)).hexdigest()
    with httpx.Client() as http:
        upload = _accepted(http.post(f"http://{a}/v2/two/hosts/blobs/uploads/"), 202)
        upload = _accepted(http.patch(_at(b, upload), content=pieces[0]), 202)
        upload = _accepted(http.patch(_at(a, upload), content=pieces[1]), 202)
        status = http.get(_at(b, upload))
        assert (status.status_code, status.headers["Range"]) == (204, f"0-{2 * _PIECE - 1}")
        upload = _accepted(status, 204)
        url = httpx.URL(_at(a, upload)).copy_merge_params({"digest": digest})
        _accepted(http.put(url, content=pieces[2]), 201)

        for host in (b, a):
            blob = http.get(f"http://{host}/v2/two/hosts/blobs/{digest}", follow_redirects=True)
            assert blob.content == b"".join(pieces)


@pytest.mark.parametrize("name", ["docker", "ctr", *only_nightly(["podman", "skopeo"])])
def test_a_push_whose_uploads_alternate_between_hosts_succeeds(
    name: str,
    client_named: Callable[[str], ImageClient],
    proxy: AlternatingProxy,
    tmp_path: Path,
) -> None:
    """The pull alternates between the hosts as well."""
    reference = f"{proxy.authority}/two-hosts/by-{name}:latest"
    # Unique noise, so that nothing is mounted instead of uploaded.
    image = noise_image(tmp_path / "noise", 2 * _PIECE)
    known = len(proxy.hosts_of_uploads())
    digest = client_named(name).push(image, reference)
    layer_and_config = list(proxy.hosts_of_uploads().values())[known:]

    pulled = client_named(name).pull(reference)

    assert (pulled.digest, pulled.identity) == (digest, image.identity)
    assert len(layer_and_config) == 2
    assert all({0, 1} == set(hosts) for hosts in layer_and_config)


def _at(host: str, location: str) -> str:
    """Return the same URL at another host."""
    return urlsplit(location)._replace(scheme="http", netloc=host).geturl()


def _accepted(answer: httpx.Response, status: int) -> str:
    assert answer.status_code == status, answer.text
    return str(answer.headers["Location"])
