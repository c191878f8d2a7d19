"""Exit codes and texts for what registries answer, or that they do not."""

from __future__ import annotations

from http import HTTPStatus

import pytest

from registry_core.cli.main import main
from registry_core.cli.registry_commands import describe, exit_code
from registry_core.spec.digest import Digest
from registry_core.spec.errors import (
    BlobUnknown,
    Denied,
    ManifestBlobUnknown,
    ManifestUnknown,
    RegistryError,
    TooManyRequests,
    Unauthorized,
    Unavailable,
)


@pytest.mark.parametrize(
    "error, code",
    [
        (ManifestUnknown("x"), 1),
        (BlobUnknown("x"), 1),
        (Unauthorized("x"), 3),
        (Denied("x"), 3),
        (Unavailable("x"), 3),
        (TooManyRequests("x"), 3),
        # An immutable tag: no login helps.
        (Denied("x", status=HTTPStatus.CONFLICT), 1),
    ],
)
def test_only_what_a_login_or_a_connection_would_cure_is_no_access(
    error: RegistryError, code: int
) -> None:
    assert exit_code(error) == code


def test_all_that_is_known_is_said() -> None:
    """Unlike in an answer of the registry, where private texts are left out."""
    assert describe(Unavailable("the host is down", public="unavailable")) == "the host is down"
    missing = [Digest.of(b"one"), Digest.of(b"two")]
    said = describe(ManifestBlobUnknown(detail=missing))
    assert all(str(digest) in said for digest in missing)


def test_a_proxy_that_cannot_be_used_is_named(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """So proxies are taken from the environment."""
    monkeypatch.setenv("https_proxy", "ftp://alice:secret@proxy.example")
    assert main(["copy", "r.example/app:v1", "o.example/app"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("registry: https_proxy is not the URL of an HTTP proxy")
    assert "secret" not in said
