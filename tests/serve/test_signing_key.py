"""The local server generates the signing key that its token service needs."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from registry_core.auth.tokens.keys import SigningKey
from registry_core.serve.data import DataError, signing_key
from registry_core.serve.run import default_settings

KEY = "REGISTRY_AUTH_BUILTIN_SIGNINGKEY"


def defaults(data: Path, **environment: str) -> dict[str, str]:
    return default_settings(environment, data=data, azurite=None, local_only=True)


def test_a_key_is_generated_once_for_the_mode_that_needs_it_readable_by_its_owner_only(
    tmp_path: Path,
) -> None:
    assert KEY not in defaults(tmp_path, REGISTRY_AUTH="none")
    first = defaults(tmp_path, REGISTRY_AUTH="Builtin")[KEY]
    assert defaults(tmp_path, REGISTRY_AUTH="builtin")[KEY] == first
    assert SigningKey.parse(first).algorithm == "ES256"
    assert stat.S_IMODE((tmp_path / "signing-key.pem").stat().st_mode) == 0o600


def test_a_key_that_is_set_stays(tmp_path: Path) -> None:
    environment = {"REGISTRY_AUTH": "builtin", KEY: "a key"}
    assert KEY not in defaults(tmp_path, **environment)
    assert not (tmp_path / "signing-key.pem").exists()


def test_an_empty_file_is_reported(tmp_path: Path) -> None:
    (tmp_path / "signing-key.pem").touch()
    with pytest.raises(DataError, match="is empty; remove it to have a new signing key generated"):
        signing_key(tmp_path)
