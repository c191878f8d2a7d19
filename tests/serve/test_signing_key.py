"""The local host makes the key that a token service of its own needs."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from registry_core.auth.tokens.keys import SigningKey
from registry_core.serve.data import DataError, signing_key
from registry_core.serve.run import completion

KEY = "REGISTRY_AUTH_BUILTIN_SIGNINGKEY"


def completed(data: Path, **environment: str) -> dict[str, str]:
    return completion(environment, data=data, azurite=None, local_only=True)


def test_it_is_made_once_for_the_mode_that_needs_it_and_only_its_owner_reads_it(
    tmp_path: Path,
) -> None:
    assert KEY not in completed(tmp_path, REGISTRY_AUTH="none")
    first = completed(tmp_path, REGISTRY_AUTH="Builtin")[KEY]
    assert completed(tmp_path, REGISTRY_AUTH="builtin")[KEY] == first
    assert SigningKey.parse(first).algorithm == "ES256"
    assert stat.S_IMODE((tmp_path / "signing-key.pem").stat().st_mode) == 0o600


def test_a_key_that_is_set_stays(tmp_path: Path) -> None:
    environment = {"REGISTRY_AUTH": "builtin", KEY: "a key"}
    assert KEY not in completed(tmp_path, **environment)
    assert not (tmp_path / "signing-key.pem").exists()


def test_an_empty_file_is_told_of(tmp_path: Path) -> None:
    (tmp_path / "signing-key.pem").touch()
    with pytest.raises(DataError, match="a new key will be made"):
        signing_key(tmp_path)
